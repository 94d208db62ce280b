// SPDX-License-Identifier: Apache-2.0
// OtlpAttributes: appends KeyValue messages (opentelemetry/proto/common/v1) as the field `field` of what is being
// written. Keys are our own; values may be any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/sink/proto_writer.h"

namespace podtap {

class OtlpAttributes {
 public:
  OtlpAttributes(uint32_t field, std::string& out) : field_(field), writer_(out) {}

  void String(std::string_view key, std::string_view value);
  void StringIfAny(std::string_view key, std::string_view value) {
    if (!value.empty()) String(key, value);
  }
  void Int(std::string_view key, uint64_t value) {
    Head(key, 1 + ProtoWriter::SizeOf(value));
    writer_.AlwaysVarint(3, value);
  }
  void Bool(std::string_view key, bool value) {
    Head(key, 2);
    writer_.AlwaysVarint(2, value ? 1 : 0);
  }
  // Between the two, Element() appends the strings of an array.
  size_t BeginArray(std::string_view key);
  void Element(std::string_view value);
  void EndArray(size_t begin);

 private:
  // Everything before the content of the AnyValue, which will have `size` bytes.
  void Head(std::string_view key, size_t size) {
    writer_.Raw(field_ << 3 | 2);
    writer_.Raw(1 + ProtoWriter::SizeOf(key.size()) + key.size() + 1 + ProtoWriter::SizeOf(size) + size);
    writer_.AlwaysBytes(1, key);
    writer_.Raw(2 << 3 | 2);
    writer_.Raw(size);
  }
  const uint32_t field_;
  ProtoWriter writer_;
  size_t any_ = 0, array_ = 0;
};

}  // namespace podtap
