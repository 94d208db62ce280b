// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/json_string.h"

#include <algorithm>
#include <cstdint>

#include "base/percent.h"

namespace podtap {
namespace {

void AppendUtf8(uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      out += static_cast<char>(0xe0 | point >> 12);
    } else {
      out += static_cast<char>(0xf0 | point >> 18);
      out += static_cast<char>(0x80 | (point >> 12 & 0x3f));
    }
    out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
  }
  out += static_cast<char>(0x80 | (point & 0x3f));
}

constexpr bool IsHigh(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
constexpr bool IsLow(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// The four digits behind "\u" at token[at]; -1: they are not there.
int32_t Unit(std::string_view token, size_t at) {
  if (token.size() < at + 6 || token[at] != '\\' || token[at + 1] != 'u') return -1;
  int32_t unit = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    const int digit = HexDigit(token[i]);
    if (digit < 0) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

}  // namespace

std::string UnescapeJson(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '\\' || i + 1 == token.size()) {
      out += token[i];
      continue;
    }
    const int32_t unit = Unit(token, i);
    if (unit >= 0) {
      auto point = static_cast<uint32_t>(unit);
      i += 5;
      const int32_t low = IsHigh(point) ? Unit(token, i + 1) : -1;
      if (low >= 0 && IsLow(static_cast<uint32_t>(low))) {
        point = 0x10000 + ((point - 0xd800) << 10) + (static_cast<uint32_t>(low) - 0xdc00);
        i += 6;
      }
      AppendUtf8(point, out);
      continue;
    }
    static constexpr std::string_view kShort = "bfnrt", kMeaning = "\b\f\n\r\t";
    const size_t which = kShort.find(token[++i]);
    out += which == std::string_view::npos ? token[i] : kMeaning[which];
  }
  return out;
}

bool IsWellEscaped(std::string_view token) {
  for (size_t i = token.find('\\'); i != std::string_view::npos; i = token.find('\\', i)) {
    const int32_t unit = Unit(token, i);
    if (unit < 0) {
      if (i + 1 == token.size() || std::string_view("\"\\/bfnrt").find(token[i + 1]) == std::string_view::npos)
        return false;
      i += 2;
      continue;
    }
    i += 6;
    if (IsLow(static_cast<uint32_t>(unit))) return false;
    if (!IsHigh(static_cast<uint32_t>(unit))) continue;
    const int32_t low = Unit(token, i);
    if (low < 0 || !IsLow(static_cast<uint32_t>(low))) return false;
    i += 6;
  }
  return true;
}

void AppendEscaped(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      static constexpr char kDigits[] = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[static_cast<uint8_t>(c) >> 4];
      out += kDigits[static_cast<uint8_t>(c) & 15];
    } else {
      out += c;
    }
  }
}

}  // namespace podtap
