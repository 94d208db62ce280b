// SPDX-License-Identifier: Apache-2.0
// The trace that a request belongs to, as its sender wrote it into the headers: W3C Trace Context (traceparent,
// tracestate), or B3 in one header or several. What does not follow its specification is as if it were not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/event/header_list.h"

namespace podtap {

struct TraceContext {
  std::string trace_id;   // 16 bytes
  std::string parent_id;  // 8 bytes: the sender's span
  uint8_t flags = 0;      // 1: sampled
  std::string state;      // tracestate, empty if there is none
};

// W3C wins over B3, which may be there for older readers of the same trace.
std::optional<TraceContext> TraceContextOf(const HeaderList& headers);

}  // namespace podtap
