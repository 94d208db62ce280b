// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/look.h"

#include <algorithm>
#include <string>

#include "sidecar/policy/json_string.h"

namespace podtap {
namespace {

constexpr size_t kMaxFormName = 128;
constexpr std::string_view kSpace = " \t\r\n";

// What a form field's name is made of as browsers and programs send it.
bool IsNameCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("_-.[]%+*$@:~!'(),/").find(c) != std::string_view::npos;
}

// The end of a quoted key's quote at `at`: what comes before it may be backslashes, as in JSON inside a JSON string.
std::string_view WithoutBackslashes(std::string_view token) {
  while (token.ends_with('\\')) token.remove_suffix(1);
  return token;
}

}  // namespace

bool LooksLikeJson(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t at = text.find_first_not_of(kSpace);
  if (at == std::string_view::npos) return false;
  if (text[at] == '{') return true;
  const size_t inside = text.find_first_not_of(kSpace, at + 1);
  return text[at] == '[' && (inside == std::string_view::npos ||
                             std::string_view("[{\"]-0123456789tfn").find(text[inside]) != std::string_view::npos);
}

bool LooksLikeForm(std::string_view text) {
  const std::string_view head = text.substr(0, kMaxFormName);
  const auto end = std::find_if_not(head.begin(), head.end(), IsNameCharacter);
  return end != head.begin() && end != head.end() && *end == '=';
}

bool MentionsKey(const Names& names, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    std::string dense(text);
    std::erase(dense, '\0');
    return MentionsKey(names, dense);
  }
  // Each colon ends a key, if there is a quote before it. Six characters may stand for one.
  const size_t longest = names.longest() * 6 + 2;
  for (size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
    const size_t close = text.substr(0, colon).find_last_not_of(kSpace);
    if (close == std::string_view::npos || close == 0 || (text[close] != '"' && text[close] != '\'')) continue;
    const size_t from = close > longest ? close - longest : 0;
    const std::string_view before = WithoutBackslashes(text.substr(from, close - from));
    const size_t open = before.rfind(text[close]);
    if (open != std::string_view::npos && names.Has(UnescapeJson(before.substr(open + 1)))) return true;
  }
  return false;
}

}  // namespace podtap
