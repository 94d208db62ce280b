// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace podtap {

inline constexpr std::string_view kVersion = PODTAP_VERSION;

}  // namespace podtap
