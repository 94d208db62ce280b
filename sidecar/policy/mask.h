// SPDX-License-Identifier: Apache-2.0
// Mask: what stands in the place of a secret: "***", or with a key "***:<12 hexadecimal digits>" of a keyed hash
// (HMAC-SHA256) of the value, so that equal values can be matched by whoever sees only the records, and guessed only by
// whoever has the key.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace podtap {

class Mask {
 public:
  explicit Mask(std::string key = {}) : key_(std::move(key)) {}
  std::string operator()(std::string_view value) const;
  bool has_key() const { return !key_.empty(); }

 private:
  std::string key_;
};

}  // namespace podtap
