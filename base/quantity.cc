// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.h"

#include <array>
#include <charconv>

namespace podtap {
namespace {

constexpr NanoUnits kLargest = static_cast<NanoUnits>(INT64_MAX) * kNanoPerUnit;

struct Suffix {
  std::string_view text;
  int base;      // 2 or 10
  int exponent;  // of the base
};
constexpr std::array<Suffix, 16> kSuffixes = {{{"", 10, 0},
                                               {"n", 10, -9},
                                               {"u", 10, -6},
                                               {"m", 10, -3},
                                               {"k", 10, 3},
                                               {"M", 10, 6},
                                               {"G", 10, 9},
                                               {"T", 10, 12},
                                               {"P", 10, 15},
                                               {"E", 10, 18},
                                               {"Ki", 2, 10},
                                               {"Mi", 2, 20},
                                               {"Gi", 2, 30},
                                               {"Ti", 2, 40},
                                               {"Pi", 2, 50},
                                               {"Ei", 2, 60}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The scale that `text` stands for: a suffix, or a decimal exponent such as "e3" and "E-2".
std::optional<Suffix> ParseSuffix(std::string_view text) {
  for (const Suffix& suffix : kSuffixes)
    if (suffix.text == text) return suffix;
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  text.remove_prefix(text[1] == '+' ? 2 : 1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  if (error != std::errc() || end != text.data() + text.size() || exponent < -30 || exponent > 30) return std::nullopt;
  return Suffix{"", 10, exponent};
}

}  // namespace

std::optional<NanoUnits> ParseQuantity(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  // Digits without leading zeros are at most 38, so `digits` cannot overflow 128 bits; more would be too large anyway.
  NanoUnits digits = 0;
  int after_point = 0;
  int seen = 0;
  bool point = false;
  bool rounded = false;
  size_t i = 0;
  for (; i < text.size() && (IsDigit(text[i]) || text[i] == '.'); ++i) {
    if (text[i] == '.') {
      if (point) return std::nullopt;
      point = true;
      continue;
    }
    ++seen;
    if (point && after_point == 12) {
      rounded |= text[i] != '0';
      continue;
    }
    digits = digits * 10 + (text[i] - '0');
    if (point) ++after_point;
    if (digits > kLargest) return std::nullopt;
  }
  if (seen == 0) return std::nullopt;
  const std::optional<Suffix> suffix = ParseSuffix(text.substr(i));
  if (!suffix) return std::nullopt;

  if (suffix->base == 2)
    for (int n = 0; n < suffix->exponent; ++n)
      if ((digits *= 2) > kLargest * 1'000'000) return std::nullopt;
  int power = 9 - after_point + (suffix->base == 10 ? suffix->exponent : 0);
  for (; power > 0; --power)
    if ((digits *= 10) > kLargest * 1'000) return std::nullopt;
  for (; power < 0 && digits != 0; ++power) {
    rounded |= digits % 10 != 0;
    digits /= 10;
  }
  if (rounded) ++digits;
  if (digits > kLargest) return std::nullopt;
  return digits;
}

std::string BytesAsQuantity(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) bytes /= 1024, ++unit;
  return std::to_string(bytes) + std::string(kUnits[unit]);
}

}  // namespace podtap
