// SPDX-License-Identifier: Apache-2.0
// Checks of what flags name, so that an entry that can never match is refused at the start and not found out when
// secrets have left, or nothing has. The error is one line that names the flag and says what to write.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace podtap {

// Globs of paths begin with '/' or a wildcard.
Status CheckPaths(std::string_view flag, const std::vector<std::string>& items);
// Globs of hosts: no scheme, no port, no path; IPv6 addresses in brackets.
Status CheckHosts(std::string_view flag, const std::vector<std::string>& items);
// Names of header fields and methods are tokens (RFC 9110 5.6.2).
Status CheckTokens(std::string_view flag, const std::vector<std::string>& items);
// Globs of media types hold a '/' or "**".
Status CheckMediaTypes(std::string_view flag, const std::vector<std::string>& items);

}  // namespace podtap
