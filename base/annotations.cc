// SPDX-License-Identifier: Apache-2.0
#include "base/annotations.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/quantity.h"

namespace podtap {
namespace {

constexpr SettingInfo kSettings[] = {
#define X(enumerator, annotation, flag, check, allowed, example) \
  {Setting::enumerator, annotation, flag, check, allowed, example},
    PODTAP_SETTINGS(X)
#undef X
};

template <size_t N>
bool IsOneOf(std::string_view value, const std::array<std::string_view, N>& allowed) {
  return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

bool IsQuantityBetween(std::string_view value, NanoUnits low, NanoUnits high) {
  if (value.starts_with('+')) return false;
  const auto quantity = ParseQuantity(value);
  return quantity && *quantity >= low && *quantity <= high;
}

}  // namespace

bool IsMode(std::string_view value) {
  static constexpr std::array<std::string_view, 4> kModes = {"ingress", "egress", "all", "off"};
  return IsOneOf(value, kModes);
}

bool IsLogLevel(std::string_view value) {
  static constexpr std::array<std::string_view, 4> kLevels = {"error", "warning", "info", "debug"};
  return IsOneOf(value, kLevels);
}

bool IsBodyBytes(std::string_view value) {
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
  return error == std::errc() && end == value.data() + value.size() && bytes <= kMaxAnnotatedBodyBytes;
}

bool IsCpuLimit(std::string_view value) { return IsQuantityBetween(value, kNanoPerUnit / 100, 4 * kNanoPerUnit); }

bool IsMemoryLimit(std::string_view value) {
  constexpr NanoUnits kMiB = (1 << 20) * kNanoPerUnit;
  return IsQuantityBetween(value, 48 * kMiB, 2048 * kMiB);
}

bool IsSinkName(std::string_view value) {
  return !value.empty() && value.size() <= 63 && std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::span<const SettingInfo> AllSettings() { return kSettings; }
const SettingInfo& InfoOf(Setting setting) { return kSettings[static_cast<size_t>(setting)]; }

}  // namespace podtap
