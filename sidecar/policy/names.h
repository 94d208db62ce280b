// SPDX-License-Identifier: Apache-2.0
// Names: a set of field names that are compared without regard to case (ASCII).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace podtap {

class Names {
 public:
  Names() = default;
  explicit Names(std::vector<std::string> names);
  bool empty() const { return names_.empty(); }
  bool Has(std::string_view name) const;
  size_t longest() const { return longest_; }  // bytes of the longest
  // Whether `name` or a part of it is among them: "password" of "user[password]" and "user.password".
  bool HasPart(std::string_view name) const;

 private:
  std::vector<std::string> names_;
  size_t longest_ = 0;
};

}  // namespace podtap
