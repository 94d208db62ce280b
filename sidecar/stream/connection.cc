// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/connection.h"

#include <charconv>

namespace podtap {
namespace {

char* WriteNumber(unsigned value, int base, char* to) { return std::to_chars(to, to + 5, value, base).ptr; }

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups becomes "::" (the first of equal
// runs).
char* WriteV6(const std::array<uint8_t, 16>& address, char* to) {
  unsigned groups[8];
  for (size_t i = 0; i < 8; ++i) groups[i] = static_cast<unsigned>(address[2 * i]) << 8 | address[2 * i + 1];
  int zeros_at = -1;
  int zeros = 1;  // a single zero group is not shortened
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > zeros) zeros_at = i, zeros = end - i;
    i = end == i ? i + 1 : end;
  }
  for (int i = 0; i < 8; ++i) {
    if (i == zeros_at) {
      *to++ = ':';
      *to++ = ':';
      i += zeros - 1;
      continue;
    }
    const bool after_zeros = zeros_at >= 0 && i == zeros_at + zeros;
    if (i > 0 && !after_zeros) *to++ = ':';
    to = WriteNumber(groups[i], 16, to);
  }
  return to;
}

}  // namespace

std::string_view Endpoint::AddressText(AddressBuffer& buffer) const {
  char* to = buffer.data();
  if (!is_v4()) {
    to = WriteV6(address, to);
  } else {
    for (size_t i = 12; i < 16; ++i) {
      if (i > 12) *to++ = '.';
      to = WriteNumber(address[i], 10, to);
    }
  }
  return {buffer.data(), static_cast<size_t>(to - buffer.data())};
}

std::string Endpoint::AddressText() const {
  AddressBuffer buffer;
  return std::string(AddressText(buffer));
}

std::string Endpoint::Text() const {
  const std::string out = is_v4() ? AddressText() : '[' + AddressText() + ']';
  return out + ':' + std::to_string(port);
}

Endpoint Endpoint::V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  Endpoint endpoint;
  endpoint.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
  endpoint.port = port;
  return endpoint;
}

}  // namespace podtap
