// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_attributes.h"

#include "base/utf8.h"

namespace podtap {

void OtlpAttributes::String(std::string_view key, std::string_view value) {
  std::string converted;
  if (!IsUtf8(value)) value = converted = ToUtf8(value);
  Head(key, 1 + ProtoWriter::SizeOf(value.size()) + value.size());
  writer_.AlwaysBytes(1, value);
}

size_t OtlpAttributes::BeginArray(std::string_view key) {
  const size_t attribute = writer_.Begin(field_);
  writer_.AlwaysBytes(1, key);
  any_ = writer_.Begin(2);
  array_ = writer_.Begin(5);
  return attribute;
}

void OtlpAttributes::Element(std::string_view value) {
  const size_t element = writer_.Begin(1);
  writer_.AlwaysString(1, value);
  writer_.End(element);
}

void OtlpAttributes::EndArray(size_t begin) {
  writer_.End(array_);
  writer_.End(any_);
  writer_.End(begin);
}

}  // namespace podtap
