// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/json_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/utf8.h"

namespace podtap {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// True where a byte stands for itself inside a JSON string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;

// Not 0 if one of eight bytes may not stand for itself: below 0x20, above 0x7e, a quote or a backslash. A false alarm
// (behind a true one) only ends the fast way.
uint64_t Special(uint64_t word) {
  const uint64_t quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\'), del = word ^ (kOnes * 0x7f);
  return (word | (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | (del - kOnes)) & kHighs;
}

struct Copied {
  const char* from;
  char* to;
};

// Copies what stands for itself from the front of [from, end) to `to`, where there is room for all of it, and says
// where both ended. A last piece shorter than eight bytes is looked at together with those before it.
[[gnu::always_inline]] inline Copied CopyPlain(const char* from, const char* end, char* to) {
  const char* const start = from;
  for (; end - from >= 8; from += 8, to += 8) {
    uint64_t word;
    std::memcpy(&word, from, sizeof(word));
    if (Special(word) != 0) break;
    std::memcpy(to, &word, sizeof(word));
  }
  if (end - from < 8 && end - start >= 8) {
    uint64_t word;
    std::memcpy(&word, end - 8, sizeof(word));
    if (Special(word) == 0) {
      to += end - from;
      std::memcpy(to - 8, &word, sizeof(word));
      return {end, to};
    }
  }
  while (from != end && kPlain[static_cast<uint8_t>(*from)]) *to++ = *from++;
  return {from, to};
}

void AppendEscape(uint8_t c, TextCursor& out) {
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
      out += std::string_view(escape, sizeof(escape));
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

// text[at] does not stand for itself; what is before it is written.
void AppendWithEscapes(std::string_view text, size_t at, TextCursor& out) {
  const char* const end = text.data() + text.size();
  while (at != text.size()) {
    const auto c = static_cast<uint8_t>(text[at]);
    const size_t length = c < 0x80 ? 0 : Utf8Length(text, at);
    const std::string_view sequence = text.substr(at, length);
    if (length == 0) {
      AppendEscape(c, out);
    } else if (IsC1Control(sequence)) {
      AppendEscape(static_cast<uint8_t>(sequence[1]), out);
    } else {
      out += sequence;
    }
    at += std::max<size_t>(length, 1);
    const Copied copied = CopyPlain(text.data() + at, end, out.Room(text.size() - at));
    at = static_cast<size_t>(copied.from - text.data());
    out.MoveTo(copied.to);
  }
  out += '"';
}

}  // namespace

void AppendJsonString(std::string_view text, TextCursor& out) {
  char* const start = out.Room(text.size() + 2);
  *start = '"';
  const char* const end = text.data() + text.size();
  const Copied copied = CopyPlain(text.data(), end, start + 1);
  if (copied.from == end) [[likely]] {
    *copied.to = '"';
    out.MoveTo(copied.to + 1);
    return;
  }
  out.MoveTo(copied.to);
  AppendWithEscapes(text, static_cast<size_t>(copied.from - text.data()), out);
}

void AppendJsonString(std::string_view text, std::string& out) {
  TextCursor cursor(out);
  AppendJsonString(text, cursor);
}

void AppendBase64(std::string_view bytes, TextCursor& out) {
  char* to = out.Room((bytes.size() + 2) / 3 * 4);
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
    to += 2;
  }
  out.MoveTo(to);
}

void AppendBase64(std::string_view bytes, std::string& out) {
  TextCursor cursor(out);
  AppendBase64(bytes, cursor);
}

}  // namespace podtap
