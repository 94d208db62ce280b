// SPDX-License-Identifier: Apache-2.0
// The tolerant line splitter: reads a head, or the beginning of one, that Beast refuses, as the most lenient of servers
// would, and tags what was wrong: malformed (bare LF, missing or doubled spaces, space before a colon, control
// characters, obs-fold, a field without colon, unknown versions), ambiguous_length (a length field that another reader
// may not see: its name or value is bent), http09. RFC 9112 2.2 (line endings), 5.1 (space before colon), 5.2
// (obs-fold). Linear, no state.
#pragma once

#include <string_view>

#include "sidecar/http/http1_head.h"

namespace podtap {

// See ParseHead. A missing empty line at the end is allowed: then these are the fields up to there. A last line without
// LF is left out (it may be torn).
bool ParseHeadTolerantly(MessageKind kind, std::string_view text, HeaderList& fields, Http1Head& out);

// Field lines up to the empty line or the end: a trailer section, or the rest of a head.
void ParseFieldLines(std::string_view lines, HeaderList& fields, TagSet& tags);

// Whether this line (of any shape) gives, or may give, the length of the body.
bool IsLengthLine(std::string_view line);

}  // namespace podtap
