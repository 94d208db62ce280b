// SPDX-License-Identifier: Apache-2.0
// HeaderList: header or trailer fields in the order and spelling of the wire, in two allocations. Values as received
// without surrounding white space (RFC 9110 5.5); names are compared without case.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podtap {

bool SameLettersIgnoreCase(std::string_view a, std::string_view b);  // of equal size; ASCII
// A token (RFC 9110 5.6.2), as names of fields and methods are.
bool IsFieldName(std::string_view text);

inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && SameLettersIgnoreCase(a, b);
}

class HeaderList {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  void Add(std::string_view name, std::string_view value);
  // Appends a line folded onto the last field (obs-fold, RFC 9112 5.2), joined by one space.
  void ExtendLast(std::string_view more);
  void SetValue(size_t index, std::string_view value);
  void Clear();
  void Reserve(size_t fields, size_t bytes);

  bool empty() const { return fields_.empty(); }
  size_t size() const { return fields_.size(); }
  Field operator[](size_t index) const {
    const Span& field = fields_[index];
    return {{text_.data() + field.name, field.name_size}, {text_.data() + field.value, field.value_size}};
  }
  // Value of the first field of that name, or empty; `found` tells apart.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  size_t memory() const { return text_.capacity() + fields_.capacity() * sizeof(Span); }

 private:
  struct Span {
    uint32_t name, name_size, value, value_size;
  };
  std::string text_;
  std::vector<Span> fields_;
};

}  // namespace podtap
