// SPDX-License-Identifier: Apache-2.0
// The flags as gflags holds them. For what reads the command line; nobody else includes this.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sidecar/config.h"

namespace podtap {

// The file that defines the flags, as gflags names it: what tells them from those of libraries.
inline constexpr std::string_view kFlagsDefinedIn = "sidecar/config.cc";

// "a, b" without spaces and empty items.
std::vector<std::string> SplitList(std::string_view list);

// The flags as one Config; the environment where a flag leaves room for it. The error is the first mistake found.
Result<Config> ConfigFromFlags();
// What a sidecar that stays needs of flags that are wrong otherwise.
Config ConfigWithoutTarget();

}  // namespace podtap
