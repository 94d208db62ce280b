// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/json_text.h"

#include <array>
#include <cstring>

namespace podtap {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// True where a byte stands for itself inside a JSON string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// Index of the first byte at or after `at` that does not stand for itself. Eight bytes a step: a byte below 0x20, above
// 0x7f, or equal to a quote or backslash sets its high bit in `special`; a false alarm (behind a true one) only ends
// the fast loop.
size_t EndOfPlain(std::string_view text, size_t at) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof(word));
    const uint64_t quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\'), del = word ^ (kOnes * 0x7f);
    const uint64_t special =
        (word | (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | (del - kOnes)) & kHighs;
    if (special != 0) break;
  }
  while (at < text.size() && kPlain[static_cast<uint8_t>(text[at])]) ++at;
  return at;
}

void AppendEscape(uint8_t c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      out.append(escape, sizeof(escape));
  }
}

bool IsC1Control(std::string_view sequence) {
  return sequence.size() == 2 && static_cast<uint8_t>(sequence[0]) == 0xc2 && static_cast<uint8_t>(sequence[1]) < 0xa0;
}

// Two base64 digits for each value of 12 bits.
constexpr std::array<std::array<char, 2>, 4096> kBase64Pairs = [] {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<std::array<char, 2>, 4096> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 6], kDigits[i & 63]};
  return pairs;
}();

}  // namespace

size_t Utf8Length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint8_t { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;
    if (lead == 0xed && byte(1) >= 0xa0) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (lead > 0xf4) return 0;
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xf4 && byte(1) >= 0x90) return 0;
  return continues(1) && continues(2) && continues(3) ? 4 : 0;
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  size_t at = 0;
  while (true) {
    const size_t end = EndOfPlain(text, at);
    out.append(text, at, end - at);
    if (end == text.size()) break;
    at = end;
    const auto c = static_cast<uint8_t>(text[at]);
    const size_t length = c < 0x80 ? 0 : Utf8Length(text, at);
    if (length == 0) {
      AppendEscape(c, out);
      at += 1;
    } else if (const auto sequence = text.substr(at, length); IsC1Control(sequence)) {
      AppendEscape(static_cast<uint8_t>(sequence[1]), out);
      at += length;
    } else {
      out.append(sequence);
      at += length;
    }
  }
  out += '"';
}

void AppendBase64(std::string_view bytes, std::string& out) {
  const size_t start = out.size();
  const size_t size = (bytes.size() + 2) / 3 * 4;
  out.resize_and_overwrite(start + size, [&](char* data, size_t) {  // libstdc++ 12 may tell a larger size than asked
    char* to = data + start;
    const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
    const auto put = [&to](uint32_t pair) {
      std::memcpy(to, kBase64Pairs[pair].data(), 2);
      to += 2;
    };
    size_t left = bytes.size();
    for (; left >= 3; left -= 3, from += 3) {
      put(static_cast<uint32_t>(from[0]) << 4 | from[1] >> 4);
      put(static_cast<uint32_t>(from[1] & 15) << 8 | from[2]);
    }
    if (left == 2) {
      put(static_cast<uint32_t>(from[0]) << 4 | from[1] >> 4);
      put(static_cast<uint32_t>(from[1] & 15) << 8);
      to[-1] = '=';
    } else if (left == 1) {
      put(static_cast<uint32_t>(from[0]) << 4);
      to[0] = to[1] = '=';
    }
    return start + size;
  });
}

}  // namespace podtap
