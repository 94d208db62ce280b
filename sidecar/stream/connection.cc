// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/connection.h"

#include <charconv>

namespace podtap {
namespace {

void AppendNumber(unsigned value, int base, std::string& out) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, base).ptr;
  out.append(digits, end);
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups becomes "::" (the first of equal
// runs).
void AppendV6(const std::array<uint8_t, 16>& address, std::string& out) {
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
      out += "::";
      i += zeros - 1;
      continue;
    }
    const bool after_zeros = zeros_at >= 0 && i == zeros_at + zeros;
    if (i > 0 && !after_zeros) out += ':';
    AppendNumber(groups[i], 16, out);
  }
}

}  // namespace

std::string Endpoint::AddressText() const {
  std::string out;
  out.reserve(39);
  if (!is_v4()) {
    AppendV6(address, out);
    return out;
  }
  for (int i = 12; i < 16; ++i) {
    if (i > 12) out += '.';
    AppendNumber(address[i], 10, out);
  }
  return out;
}

std::string Endpoint::Text() const {
  std::string out = is_v4() ? AddressText() : '[' + AddressText() + ']';
  out += ':';
  AppendNumber(port, 10, out);
  return out;
}

Endpoint Endpoint::V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  Endpoint endpoint;
  endpoint.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
  endpoint.port = port;
  return endpoint;
}

}  // namespace podtap
