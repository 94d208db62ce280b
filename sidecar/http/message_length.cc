// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/message_length.h"

#include <limits>
#include <optional>

namespace podtap {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls f(element) for each non-empty element of a comma list (RFC 9110 5.6.1).
template <typename F>
void ForEachElement(std::string_view list, F f) {
  while (true) {
    const size_t comma = list.find(',');
    if (const std::string_view element = Trim(list.substr(0, comma)); !element.empty()) f(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

struct ContentLength {
  bool present = false;
  bool valid = false;
  bool overflow = false;
  uint64_t value = 0;  // the first valid one
};

struct Lengths {
  bool has_coding = false;
  bool chunked_last = false;
  bool coding_odd = false;  // chunked twice, or in the middle, or something that is no coding at all
  ContentLength content_length;
};

// 1*DIGIT that fits 64 bits.
std::optional<uint64_t> ParseDecimal(std::string_view text, bool& overflow) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) {
      overflow = true;
      return std::nullopt;
    }
    value = value * 10 + digit;
  }
  return value;
}

void AddContentLength(std::string_view value, Lengths& lengths, TagSet& tags) {
  ContentLength& known = lengths.content_length;
  if (known.present) tags.Add(Tag::kAmbiguousLength);  // a second field
  known.present = true;
  size_t elements = 0;
  ForEachElement(value, [&](std::string_view element) {
    if (++elements > 1) tags.Add(Tag::kAmbiguousLength);
    const auto parsed = ParseDecimal(element, known.overflow);
    if (!parsed) {
      tags.Add(Tag::kMalformed);
      tags.Add(Tag::kAmbiguousLength);
    } else if (!known.valid) {
      known.valid = true;
      known.value = *parsed;
    }
  });
  if (elements == 0) {
    tags.Add(Tag::kMalformed);
    tags.Add(Tag::kAmbiguousLength);
  }
}

void AddCodings(std::string_view value, Lengths& lengths) {
  lengths.has_coding = true;
  size_t elements = 0;
  ForEachElement(value, [&](std::string_view element) {
    ++elements;
    // A coding after chunked: chunked is not last.
    if (lengths.chunked_last) lengths.coding_odd = true;
    lengths.chunked_last = EqualsIgnoreCase(element, "chunked");
    if (!IsToken(Trim(element.substr(0, element.find(';'))))) lengths.coding_odd = true;
  });
  if (elements == 0) lengths.coding_odd = true;
}

Lengths Read(const HeaderList& fields, TagSet& tags) {
  Lengths lengths;
  for (size_t i = 0; i < fields.size(); ++i) {
    const HeaderList::Field field = fields[i];
    if (EqualsIgnoreCase(field.name, "content-length")) AddContentLength(field.value, lengths, tags);
    if (EqualsIgnoreCase(field.name, "transfer-encoding")) AddCodings(field.value, lengths);
  }
  return lengths;
}

bool NeverHasBody(const LengthQuestion& q) {
  if (q.kind == MessageKind::kRequest) return false;
  return q.to_head || q.status / 100 == 1 || q.status == 204 || q.status == 304 ||
         (q.to_connect && q.status / 100 == 2);
}

// RFC 9112 6.3 rule 4.
MessageLength LengthOfCoded(const LengthQuestion& q, const Lengths& lengths, TagSet tags) {
  if (lengths.content_length.present) tags.Add(Tag::kAmbiguousLength);
  // A coding in an HTTP/1.0 message means faulty framing, RFC 9112 6.1.
  if (q.version == "HTTP/1.0" || lengths.coding_odd) tags.Add(Tag::kAmbiguousLength);
  if (lengths.chunked_last) return {MessageLength::Kind::kChunked, 0, tags};
  // A response ends with the connection; of a request nobody can know the end: its server answers 400 and closes.
  if (q.kind == MessageKind::kRequest) tags.Add(Tag::kAmbiguousLength);
  return {MessageLength::Kind::kUntilClose, 0, tags};
}

}  // namespace

MessageLength LengthOf(const LengthQuestion& q) {
  TagSet tags;
  const Lengths lengths = q.fields != nullptr ? Read(*q.fields, tags) : Lengths();
  if (NeverHasBody(q)) return {MessageLength::Kind::kNone, 0, tags};
  if (lengths.has_coding) return LengthOfCoded(q, lengths, tags);
  const ContentLength& content = lengths.content_length;
  if (content.present) {
    if (content.valid) {
      if (content.value == 0) return {MessageLength::Kind::kNone, 0, tags};
      return {MessageLength::Kind::kLength, content.value, tags};
    }
    // Rule 5, unrecoverable: a response is read until close; a request has no body that its server would read, unless
    // its length is larger than any number.
    if (q.kind == MessageKind::kRequest && !content.overflow) return {MessageLength::Kind::kNone, 0, tags};
    return {MessageLength::Kind::kUntilClose, 0, tags};
  }
  if (q.kind == MessageKind::kRequest) return {MessageLength::Kind::kNone, 0, tags};
  return {MessageLength::Kind::kUntilClose, 0, tags};
}

}  // namespace podtap
