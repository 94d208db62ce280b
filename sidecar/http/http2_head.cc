// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_head.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kKeptBuffers = 4096;  // larger ones are not used again
constexpr size_t kFieldCost = 32;      // as RFC 9113 6.5.2 counts a header list

}  // namespace

size_t Http2Head::memory() const {
  return fields.memory() + method.capacity() + scheme.capacity() + authority.capacity() + path.capacity() +
         protocol.capacity();
}

void Http2Head::Clear() {
  if (memory() > kKeptBuffers) return Free();
  fields.Clear();
  for (std::string* text : {&method, &scheme, &authority, &path, &protocol}) text->clear();
  status.reset();
  unknown_fields = 0;
  wire_bytes = 0;
  undecodable = truncated = malformed = has_method = false;
  bytes_ = 0;
}

// What is assigned to a string leaves it its buffer: they are moved away.
void Http2Head::Free() {
  const Http2Head old = std::move(*this);
  *this = Http2Head();
}

void Http2Head::Add(std::string_view name, std::string_view value, size_t limit) {
  if (name.empty()) {
    ++unknown_fields;
    return;
  }
  bytes_ += name.size() + value.size() + kFieldCost;
  if (bytes_ > limit) {
    truncated = true;
    return;
  }
  if (name[0] == ':') return AddPseudo(name, value);
  if (std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) malformed = true;
  fields.Add(name, value);
}

void Http2Head::AddPseudo(std::string_view name, std::string_view value) {
  if (!fields.empty()) malformed = true;
  if (name == ":status") {
    uint16_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    malformed = malformed || error != std::errc() || value.size() != 3 || end != value.data() + 3 || status;
    status = number;
    return;
  }
  std::string* const place = name == ":method"      ? &method
                             : name == ":path"      ? &path
                             : name == ":scheme"    ? &scheme
                             : name == ":authority" ? &authority
                             : name == ":protocol"  ? &protocol
                                                    : nullptr;
  if (place == nullptr || !place->empty()) {
    malformed = true;
    fields.Add(name, value);
    return;
  }
  if (place == &method) has_method = true;
  *place = value;
}

}  // namespace podtap
