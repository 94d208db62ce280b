// SPDX-License-Identifier: Apache-2.0
// podtap run [flags] -- COMMAND [arguments]: like strace for HTTP. Makes a cgroup, attaches to it, runs the command
// inside and prints its exchanges to standard output; the command's own standard output goes to standard error.
#pragma once

namespace podtap {

// `argv[0]` is "run". Returns the exit status: the command's, 128 + n if signal n ended it, 127 if there is no such
// command, or 1 or 2 with one line on standard error if podtap could not begin.
int RunCommandLine(int argc, const char* const* argv);

}  // namespace podtap
