// SPDX-License-Identifier: Apache-2.0
// Undoes content codings (RFC 9110 8.4): gzip, deflate, br, zstd, up to three on top of each other. Input is hostile:
// output is bounded in size and in ratio.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace podtap {

struct DecodeLimits {
  size_t max_bytes = 1 << 20;
  // More output than this many times the input, beyond the first 64 KiB, is a bomb.
  size_t max_ratio = 100;
  bool operator==(const DecodeLimits&) const = default;
};

struct Decoded {
  enum class Outcome {
    kWhole,
    kCut,      // the input ended early, or the output reached its limit: `text` is its beginning
    kBroken,   // not what the coding says, or a coding that is not known
    kTooMuch,  // the ratio is that of a bomb
  };
  Outcome outcome = Outcome::kBroken;
  std::string text;
};

// Whether Content-Encoding says anything but "identity".
bool IsCoded(std::string_view content_encoding);

Decoded DecodeBody(std::string_view content_encoding, std::string_view body, DecodeLimits limits);

}  // namespace podtap
