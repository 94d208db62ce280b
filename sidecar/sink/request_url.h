// SPDX-License-Identifier: Apache-2.0
// The parts of the URL that a request asked for, put together from its target and its Host field (RFC 9110 7.1). Views
// point into the event.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/event/http_event.h"

namespace podtap {

struct RequestUrl {
  std::string_view scheme;     // "http" or "https"
  std::string_view authority;  // as written, with user information; empty if the request named none
  std::string_view path;       // "/" and on; "*" of OPTIONS *; empty for CONNECT
  std::string_view query;      // behind the '?'
};
// :authority of HTTP/2, else the Host field.
std::string_view HostFieldOf(const HttpEvent& event, std::string_view host_field);
RequestUrl UrlOf(const HttpEvent& event, std::string_view host_field);

// The whole URL; user name and password are written REDACTED, as the semantic conventions ask for.
std::string FullUrl(const HttpEvent& event, const RequestUrl& url);

}  // namespace podtap
