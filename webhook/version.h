// SPDX-License-Identifier: Apache-2.0
// The version of this build, as the status annotation and --version say it.
#pragma once

#include <string_view>

namespace podtap::webhook {

inline constexpr std::string_view kVersion = PODTAP_VERSION;

}  // namespace podtap::webhook
