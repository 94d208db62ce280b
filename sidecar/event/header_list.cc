// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/header_list.h"

namespace podtap {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool SameLettersIgnoreCase(std::string_view a, std::string_view b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (Lower(a[i]) != Lower(b[i])) return false;
  return true;
}

bool IsFieldName(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (const char c : text) {
    const char lower = Lower(c);
    if ((lower < 'a' || lower > 'z') && (c < '0' || c > '9') && kMarks.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

void HeaderList::Add(std::string_view name, std::string_view value) {
  const auto at = static_cast<uint32_t>(text_.size());
  text_.append(name).append(value);
  fields_.push_back({at, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(at + name.size()),
                     static_cast<uint32_t>(value.size())});
}

void HeaderList::ExtendLast(std::string_view more) {
  if (fields_.empty()) return;
  Span& last = fields_.back();
  // A value that SetValue() put elsewhere does not end where the text ends: move it there first.
  if (last.value + last.value_size != text_.size()) {
    const auto moved = static_cast<uint32_t>(text_.size());
    text_.append(text_, last.value, last.value_size);
    last.value = moved;
  }
  if (last.value_size != 0 && !more.empty()) text_ += ' ';
  text_.append(more);
  last.value_size = static_cast<uint32_t>(text_.size()) - last.value;
}

void HeaderList::SetValue(size_t index, std::string_view value) {
  Span& field = fields_[index];
  if (value.size() <= field.value_size) {
    text_.replace(field.value, value.size(), value);
  } else {
    field.value = static_cast<uint32_t>(text_.size());
    text_.append(value);
  }
  field.value_size = static_cast<uint32_t>(value.size());
}

void HeaderList::Clear() {
  text_.clear();
  fields_.clear();
}

void HeaderList::Reserve(size_t fields, size_t bytes) {
  fields_.reserve(fields);
  text_.reserve(bytes);
}

std::string_view HeaderList::Get(std::string_view name) const {
  for (size_t i = 0; i < size(); ++i) {
    const Field field = (*this)[i];
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return {};
}

bool HeaderList::Has(std::string_view name) const {
  for (size_t i = 0; i < size(); ++i)
    if (EqualsIgnoreCase((*this)[i].name, name)) return true;
  return false;
}

}  // namespace podtap
