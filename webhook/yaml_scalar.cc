// SPDX-License-Identifier: Apache-2.0
#include "webhook/yaml_scalar.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <optional>

namespace podtap::webhook {
namespace {

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<json::value> AsInteger(std::string_view text) {
  bool negative = false;
  std::string_view digits = text;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.starts_with("0x"))
    base = 16, digits.remove_prefix(2);
  else if (digits.starts_with("0o"))
    base = 8, digits.remove_prefix(2);
  else if (digits.size() > 1 && digits[0] == '0')
    base = 8, digits.remove_prefix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (!negative) {
    if (value <= INT64_MAX) return json::value(static_cast<int64_t>(value));
    return json::value(value);
  }
  if (value > uint64_t{1} << 63) return std::nullopt;
  return json::value(static_cast<int64_t>(0 - value));
}

std::optional<json::value> AsFloat(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos ||
      digits.find_first_of("0123456789") == std::string_view::npos ||
      digits.find_first_of(".eE") == std::string_view::npos)
    return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) return std::nullopt;
  return json::value(value);
}

// Words that some YAML reader takes for something else than a string.
bool IsSafeWord(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
  };
  if (!is_letter(text[0])) return false;
  for (const char c : text)
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.') return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return !IsOneOf(lower, {"y", "n", "yes", "no", "on", "off", "true", "false", "null"});
}

// JSON inside YAML is read more easily without a backslash before each quote.
bool IsBetterSingleQuoted(std::string_view text) {
  return text.find('"') != std::string_view::npos && text.find_first_of("'\\") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

json::value PlainScalarValue(std::string_view text) {
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  // YAML 1.1's words, because Kubernetes' reader takes them so.
  if (IsOneOf(text, {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (IsOneOf(text, {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  if (auto integer = AsInteger(text)) return *integer;
  if (auto number = AsFloat(text)) return *number;
  return json::value(text);
}

json::value TaggedScalarValue(std::string_view text, std::string_view tag) {
  if (tag.empty() || tag == "!" || tag.ends_with("str") || tag.ends_with("binary")) return json::value(text);
  return PlainScalarValue(text);
}

std::string WriteScalar(const json::value& value) {
  const json::string* text = value.if_string();
  if (text != nullptr && IsSafeWord({text->data(), text->size()})) return std::string(text->data(), text->size());
  if (text != nullptr && IsBetterSingleQuoted({text->data(), text->size()}))
    return "'" + std::string(text->data(), text->size()) + "'";
  return json::serialize(value);
}

}  // namespace podtap::webhook
