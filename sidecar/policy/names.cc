// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/names.h"

#include <algorithm>
#include <utility>

#include "sidecar/event/header_list.h"

namespace podtap {

// Of parts of a name. Some programs pass over blanks around a name and take a zero byte for its end.
constexpr std::string_view kEnds("[]. \t\r\n\v\f\0", 10);

Names::Names(std::vector<std::string> names) : names_(std::move(names)) {
  for (const std::string& name : names_) longest_ = std::max(longest_, name.size());
}

bool Names::Has(std::string_view name) const {
  return std::any_of(names_.begin(), names_.end(),
                     [name](const std::string& one) { return EqualsIgnoreCase(one, name); });
}

bool Names::HasPart(std::string_view name) const {
  if (Has(name)) return true;
  while (!name.empty()) {
    const size_t end = std::min(name.find_first_of(kEnds), name.size());
    if (Has(name.substr(0, end))) return true;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return false;
}

}  // namespace podtap
