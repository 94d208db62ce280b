// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kKeptBuffers = 4096;  // larger ones are not used again
constexpr size_t kFieldCost = 32;      // as RFC 9113 6.5.2 counts a header list

// Eight bytes at a time: nearly no value has any.
bool HasControls(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t found = 0;
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, text.data() + at, 8);
    found |= (eight - kOnes * 0x20) & ~eight;  // the highest bit of each byte below 0x20, and of some behind it
  }
  bool rest = false;
  for (; at < text.size(); ++at) rest = rest || static_cast<unsigned char>(text[at]) < 0x20;
  return rest || (found & kOnes * 0x80) != 0;
}

// Token characters (RFC 9110 5.6.2) but for upper case.
constexpr auto kNameChars = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();
bool IsFieldNameChar(char c) { return kNameChars[static_cast<unsigned char>(c)]; }

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
  undecodable = truncated = malformed = has_method = ambiguous_length = false;
  length.reset();
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
  Check(name, value);
  bytes_ += name.size() + value.size() + kFieldCost;
  if (bytes_ > limit) {
    truncated = true;
    return;
  }
  if (name[0] == ':') return AddPseudo(name, value);
  fields.Add(name, value);
}

// RFC 9113 8.2.1 and 8.2.2: what would mean something else, or more, to a server of HTTP/1 behind this one.
void Http2Head::Check(std::string_view name, std::string_view value) {
  if (HasControls(value) && value.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos)
    malformed = true;
  if (name[0] == ':') return;
  malformed = malformed || !std::all_of(name.begin(), name.end(), IsFieldNameChar);
  switch (name.size()) {
    case 7:
      malformed = malformed || name == "upgrade";
      return;
    case 10:
      malformed = malformed || name == "connection" || name == "keep-alive";
      return;
    case 14:
      if (name == "content-length") CheckLength(value);
      return;
    case 16:
      malformed = malformed || name == "proxy-connection";
      return;
    case 17:
      if (name == "transfer-encoding") malformed = ambiguous_length = true;
      return;
    default:
      return;
  }
}

void Http2Head::CheckLength(std::string_view value) {
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
  malformed = malformed || error != std::errc() || end != value.data() + value.size();
  ambiguous_length = ambiguous_length || (length && length != bytes);
  if (error == std::errc()) length = bytes;
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
