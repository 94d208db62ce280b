// SPDX-License-Identifier: Apache-2.0
// Http1Head: one head (start line, fields, empty line) of an HTTP/1 message, understood. Every well-formed head goes
// through Boost.Beast's basic_parser; what Beast refuses goes through the tolerant line splitter (tolerant_head.h),
// which fills the same structure and says in tags what was wrong. Beast's headers are slow to compile: only
// http1_head.cc includes them. Called by the session once per message, with the whole head in one piece. Never throws
// for bad bytes. RFC 9112 sections 2 to 5.
#pragma once

#include <cstdint>
#include <string_view>

#include "sidecar/event/http_event.h"
#include "sidecar/http/start_line.h"

namespace podtap {

// Views are into the text that was parsed.
struct Http1Head {
  std::string_view method;   // request
  std::string_view target;   // request
  uint16_t status = 0;       // response
  std::string_view reason;   // response
  std::string_view version;  // "HTTP/1.1"; empty for HTTP/0.9
  bool strict = false;       // Beast took it
  // Whether the fields may hold a Content-Length or Transfer-Encoding, and an Upgrade: most requests hold none.
  bool has_length = false;
  bool has_upgrade = false;
  TagSet tags;  // malformed, ambiguous_length, http09
};

// What a scan for the head's end knows already.
struct HeadShape {
  uint32_t lines = 0;   // with the start line
  bool folded = false;  // a line begins with white space (obs-fold, which Beast would take)
};

// `text`: from the first byte of the start line through the empty line (an HTTP/0.9 request: its line). Fills `fields`,
// which must be empty. False, with nothing useful in `out`: the first line is no start line of that kind.
bool ParseHead(MessageKind kind, std::string_view text, HeadShape shape, HeaderList& fields, Http1Head& out);

}  // namespace podtap
