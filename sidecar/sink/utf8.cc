// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/utf8.h"

#include <cstdint>
#include <cstring>

#include "sidecar/sink/json_text.h"

namespace podtap {
namespace {

// The first byte at or behind `at` that is not ASCII.
size_t SkipAscii(std::string_view text, size_t at) {
  constexpr uint64_t kHighBits = 0x8080808080808080ULL;
  for (uint64_t word; at + sizeof(word) <= text.size(); at += sizeof(word)) {
    std::memcpy(&word, text.data() + at, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  for (size_t at = SkipAscii(text, 0); at < text.size(); at = SkipAscii(text, at)) {
    const size_t length = Utf8Length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string ToUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8Length(text, at);
    if (length != 0) {
      out.append(text.substr(at, length));
      at += length;
      continue;
    }
    const auto byte = static_cast<uint8_t>(text[at++]);
    out += static_cast<char>(0xc0 | byte >> 6);
    out += static_cast<char>(0x80 | (byte & 0x3f));
  }
  return out;
}

}  // namespace podtap
