// SPDX-License-Identifier: Apache-2.0
// HeadScan: finds the end of a head, however its bytes are cut into pieces, looking at each byte once. The end is an
// empty line: LF, then LF or CR LF (RFC 9112 2.2 allows a bare LF as line ending). Also counts lines and sees folded
// ones.
#pragma once

#include <cstring>
#include <string_view>

#include "sidecar/http/http1_head.h"

namespace podtap {

class HeadScan {
 public:
  static constexpr size_t kNotYet = static_cast<size_t>(-1);

  void Reset() { *this = HeadScan(); }
  // As if a whole start line, with its LF, had been scanned.
  void ResetAfterStartLine() {
    *this = HeadScan();
    shape_.lines = 1;
    at_ = At::kLineStart;
  }
  const HeadShape& shape() const { return shape_; }

  // Goes on with the next bytes. Returns the offset just behind the empty line's LF, or kNotYet.
  size_t Scan(std::string_view data) {
    size_t p = 0;
    while (p < data.size()) {
      const char c = data[p];
      if (at_ == At::kInLine) {
        const void* lf = std::memchr(data.data() + p, '\n', data.size() - p);
        if (lf == nullptr) return kNotYet;
        p = static_cast<size_t>(static_cast<const char*>(lf) - data.data()) + 1;
        ++shape_.lines;
        at_ = At::kLineStart;
        continue;
      }
      if (c == '\n') return p + 1;
      if (at_ == At::kLineStart && c == '\r') {
        at_ = At::kAfterCr;
        ++p;
        continue;
      }
      if (at_ == At::kLineStart && (c == ' ' || c == '\t')) shape_.folded = true;
      at_ = At::kInLine;
      // A CR that no LF followed: this byte may itself be anything but LF, so the search goes on at it.
    }
    return kNotYet;
  }

 private:
  enum class At : unsigned char { kInLine, kLineStart, kAfterCr };
  At at_ = At::kInLine;
  HeadShape shape_;
};

}  // namespace podtap
