// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_response.h"

#include <time.h>

#include <algorithm>
#include <charconv>

namespace podtap {
namespace {

constexpr uint64_t kMaxRetryAfter = 3600;

// Reads one field after the other of a protobuf message; stops at what is none.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  bool Next() {
    const auto tag = Varint();
    if (!tag) return false;
    number = *tag >> 3;
    switch (*tag & 7) {
      case 0: {
        const auto read = Varint();
        value = read.value_or(0);
        bytes = {};
        return read.has_value();
      }
      case 1:
        return Skip(8);
      case 2: {
        const auto size = Varint();
        if (!size || *size > rest_.size()) return false;
        bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return true;
      }
      case 5:
        return Skip(4);
      default:
        return false;
    }
  }
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of a string, or of a message inside

 private:
  bool Skip(size_t size) {
    bytes = {};
    value = 0;
    if (rest_.size() < size) return false;
    rest_.remove_prefix(size);
    return true;
  }
  std::optional<uint64_t> Varint() {
    uint64_t read = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      read |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return read;
    }
    return std::nullopt;
  }
  std::string_view rest_;
};

}  // namespace

PartialSuccess ParsePartialSuccess(std::string_view body) {
  PartialSuccess result;
  for (Fields outer(body); outer.Next();) {
    if (outer.number != 1) continue;
    for (Fields inner(outer.bytes); inner.Next();) {
      // An int64; a negative one makes no sense.
      if (inner.number == 1) result.rejected_spans = inner.value <= INT64_MAX ? inner.value : 0;
      if (inner.number == 2) result.message = Shown(inner.bytes);
    }
  }
  return result;
}

std::string ParseStatusMessage(std::string_view body) {
  std::string message;
  for (Fields fields(body); fields.Next();)
    if (fields.number == 2 && !fields.bytes.empty()) message = Shown(fields.bytes);
  return message;
}

std::optional<uint64_t> ParseRetryAfter(std::string_view value, int64_t now) {
  uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size()) return std::min(seconds, kMaxRetryAfter);
  if (error == std::errc::result_out_of_range) return kMaxRetryAfter;
  tm date{};
  const std::string text(value);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const int64_t left = static_cast<int64_t>(timegm(&date)) - now;
  return static_cast<uint64_t>(std::clamp<int64_t>(left, 0, kMaxRetryAfter));
}

std::string Shown(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 200)) shown += c >= ' ' && c < 0x7f ? c : '?';
  return shown;
}

}  // namespace podtap
