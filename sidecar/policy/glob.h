// SPDX-License-Identifier: Apache-2.0
// Globs: '*' is any run of characters but '/', "**" any run, '?' one character but '/'. Everything else is itself.
// There are no mistakes to make. Linear in the text for each '*'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace podtap {

bool Matches(std::string_view glob, std::string_view text);
bool MatchesAny(const std::vector<std::string>& globs, std::string_view text);

}  // namespace podtap
