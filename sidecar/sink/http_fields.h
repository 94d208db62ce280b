// SPDX-License-Identifier: Apache-2.0
// The few HTTP fields that records name by themselves, read the way a log reader expects them: first field of a name
// wins, anything that does not parse is left out, never an error. Views point into the event.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sidecar/event/http_event.h"

namespace podtap {

// The host a request was meant for, without user information and port; IPv6 literals keep their brackets. An
// absolute-form target, and the authority-form of CONNECT, win over the Host field (RFC 9112 3.2.2, 3.2.3).
struct RequestHost {
  std::string_view name;
  std::optional<uint16_t> port;  // only when written and in range
};
RequestHost HostOf(std::string_view method, std::string_view target, std::string_view host_field);

// Content-Range (RFC 9110 14.4): "bytes 0-99/200", "bytes */200", "bytes 0-99/*".
struct ContentRange {
  std::optional<uint64_t> start, end, size;
};
ContentRange ParseContentRange(std::string_view value);

// "text/html" of "text/html; charset=utf-8".
std::string_view MediaType(std::string_view content_type);

struct RequestFields {
  std::string_view host, user_agent, forwarded_for, referer;
};
RequestFields FindRequestFields(const HeaderList& headers);

struct ResponseFields {
  std::string_view content_type, content_range, location;
};
ResponseFields FindResponseFields(const HeaderList& headers);

}  // namespace podtap
