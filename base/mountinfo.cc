// SPDX-License-Identifier: Apache-2.0
#include "base/mountinfo.h"

#include "base/read_file.h"

namespace podtap {
namespace {

constexpr size_t kMaxMountinfoBytes = size_t{16} << 20;

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const size_t space = line.find(' ');
    if (space != 0) words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) break;
    line.remove_prefix(space + 1);
  }
  return words;
}

}  // namespace

std::vector<Mount> ParseMountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::vector<std::string_view> words = Words(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // id parent major:minor ROOT POINT options [optional fields] - TYPE source super-options
    size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 1 >= words.size()) continue;
    mounts.push_back(Mount{Unescape(words[3]), Unescape(words[4]), Unescape(words[dash + 1])});
  }
  return mounts;
}

Result<std::vector<Mount>> ReadMountinfo(const std::string& proc) {
  Result<std::string> text = ReadFile(proc + "/self/mountinfo", kMaxMountinfoBytes);
  if (!text) return std::unexpected(text.error());
  return ParseMountinfo(*text);
}

}  // namespace podtap
