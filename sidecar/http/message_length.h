// SPDX-License-Identifier: Apache-2.0
// MessageLength: how long a message's body is, in one function: the rules of RFC 9112 section 6.3, and what to assume
// where they say "unrecoverable error". Pure. Tags say where two readers of the same head may disagree (request
// smuggling): ambiguous_length for several or conflicting lengths, malformed for lengths that are none.
#pragma once

#include <cstdint>
#include <string_view>

#include "sidecar/event/http_event.h"
#include "sidecar/http/start_line.h"

namespace podtap {

struct MessageLength {
  enum class Kind : uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;  // kLength: at least 1
  TagSet tags;
};

struct LengthQuestion {
  MessageKind kind = MessageKind::kRequest;
  std::string_view version;  // of this message; empty: HTTP/0.9
  uint16_t status = 0;       // of a response
  // Of the request that a response answers.
  bool to_head = false;
  bool to_connect = false;
  const HeaderList* fields = nullptr;  // nullptr: no field gives a length
};

MessageLength LengthOf(const LengthQuestion& question);

}  // namespace podtap
