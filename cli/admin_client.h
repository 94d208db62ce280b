// SPDX-License-Identifier: Apache-2.0
// The person's end of the admin endpoint: podtap stats, podtap mode, podtap tail. They talk to the unix socket of a
// running sidecar (--admin=PATH, default /run/podtap/admin.sock), blocking, and print one clear line when it is not
// there.
#pragma once

namespace podtap {

// podtap stats [--admin=PATH] [--json]: state and counters, one a line, or as the JSON that /stats serves.
int StatsCommand(int argc, const char* const* argv);
// podtap mode [--admin=PATH] [ingress|egress|all|off]: shows or changes the mode.
int ModeCommand(int argc, const char* const* argv);
// podtap tail [--admin=PATH] [--format=text|eve]: exchanges as they come, until interrupted.
int TailCommand(int argc, const char* const* argv);

}  // namespace podtap
