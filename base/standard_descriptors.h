// SPDX-License-Identifier: Apache-2.0
// A program can be started with its standard input, output or error closed. The next file it opened would then get that
// number, and what is meant for a person or a sink would go into it.
#pragma once

#include "base/result.h"

namespace podtap {

// Puts /dev/null in the place of each closed standard descriptor, opened the wrong way round, so that using it fails
// instead of pretending (EBADF). The first thing that main() does.
Status HoldStandardDescriptors();

}  // namespace podtap
