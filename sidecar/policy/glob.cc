// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/glob.h"

#include <algorithm>

namespace podtap {

// Greedy with two places to come back to: the last "*", and the last "**", which can take what no "*" may. Nothing
// before the last "**" has to be tried again.
bool Matches(std::string_view glob, std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  size_t g = 0, t = 0;
  size_t star = kNone, star_at = 0, deep = kNone, deep_at = 0;
  while (true) {
    if (g < glob.size() && glob[g] == '*') {
      if (g + 1 < glob.size() && glob[g + 1] == '*') {
        g += 2;
        deep = g, deep_at = t, star = kNone;
      } else {
        star = ++g, star_at = t;
      }
      continue;
    }
    if (t == text.size() && g == glob.size()) return true;
    if (t < text.size() && g < glob.size() && (glob[g] == text[t] || (glob[g] == '?' && text[t] != '/'))) {
      ++g, ++t;
    } else if (star != kNone && star_at < text.size() && text[star_at] != '/') {
      g = star, t = ++star_at;
    } else if (deep != kNone && deep_at < text.size()) {
      g = deep, t = ++deep_at, star = kNone;
    } else {
      return false;
    }
  }
}

bool MatchesAny(const std::vector<std::string>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(), [text](const std::string& glob) { return Matches(glob, text); });
}

}  // namespace podtap
