// SPDX-License-Identifier: Apache-2.0
// ProtoWriter: appends the protobuf wire format (protobuf.dev/programming-guides/encoding) to a buffer that its owner
// uses again and again, without building a message first. Fields that have their type's default value are left out, as
// proto3 leaves them out. Strings may hold any bytes: what is not UTF-8 is written as the ISO 8859-1 characters it is.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace podtap {

class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}

  void Varint(uint32_t field, uint64_t value) {
    if (value != 0) AlwaysVarint(field, value);
  }
  // Also when it is 0, as members of a oneof are.
  void AlwaysVarint(uint32_t field, uint64_t value) {
    Raw(field << 3);
    Raw(value);
  }
  void Bool(uint32_t field, bool value) { Varint(field, value ? 1 : 0); }
  void Fixed64(uint32_t field, uint64_t value) {
    if (value == 0) return;
    Raw(field << 3 | 1);
    Little(value);
  }
  void Fixed32(uint32_t field, uint32_t value) {
    if (value == 0) return;
    Raw(field << 3 | 5);
    Little(value);
  }
  void Bytes(uint32_t field, std::string_view value) {
    if (!value.empty()) AlwaysBytes(field, value);
  }
  void AlwaysBytes(uint32_t field, std::string_view value) {
    Raw(field << 3 | 2);
    Raw(value.size());
    out_.append(value);
  }
  // `value` is of the network and may be anything.
  void String(uint32_t field, std::string_view value) {
    if (!value.empty()) AlwaysString(field, value);
  }
  void AlwaysString(uint32_t field, std::string_view value);

  // A message inside: what is written between Begin() and End() is its content.
  size_t Begin(uint32_t field) {
    Raw(field << 3 | 2);
    return BeginLength();
  }
  void End(size_t begin);
  // The same without a field number: a length before what follows.
  size_t BeginLength() {
    out_.append(kRoom, '\0');
    return out_.size();
  }

  void Raw(uint64_t value) {
    char bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
    bytes[size++] = static_cast<char>(value);
    out_.append(bytes, size);
  }
  static size_t SizeOf(uint64_t value) { return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7; }

 private:
  static constexpr size_t kRoom = 2;  // for a length; most messages inside have 128 to 16,383 bytes
  template <typename T>
  void Little(T value) {
    static_assert(std::endian::native == std::endian::little);
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_.append(bytes, sizeof(T));
  }
  std::string& out_;
};

}  // namespace podtap
