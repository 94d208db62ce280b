// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/request_url.h"

#include <algorithm>

#include "sidecar/event/header_list.h"

namespace podtap {

std::string_view HostFieldOf(const HttpEvent& event, std::string_view host_field) {
  return event.authority.empty() ? host_field : std::string_view(event.authority);
}

RequestUrl UrlOf(const HttpEvent& event, std::string_view host_field) {
  RequestUrl url{event.connection.transport == Transport::kTls ? "https" : "http", host_field, {}, {}};
  if (!event.scheme.empty()) url.scheme = event.scheme;
  std::string_view target = event.target;
  if (event.method == "CONNECT" && event.protocol.empty()) {
    url.authority = target;
    return url;
  }
  const size_t scheme_end = target.starts_with('/') ? std::string_view::npos : target.find("://");
  if (scheme_end != std::string_view::npos) {
    if (EqualsIgnoreCase(target.substr(0, scheme_end), "https")) url.scheme = "https";
    target.remove_prefix(scheme_end + 3);
    const size_t end = std::min(target.find_first_of("/?#"), target.size());
    url.authority = target.substr(0, end);
    target.remove_prefix(end);
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  url.path = target.substr(0, question);
  if (question != std::string_view::npos) url.query = target.substr(question + 1);
  if (url.path.empty()) url.path = "/";
  return url;
}

std::string FullUrl(const HttpEvent& event, const RequestUrl& url) {
  std::string text(url.scheme);
  text += "://";
  const size_t at = url.authority.rfind('@');
  if (at != std::string_view::npos) text += "REDACTED:REDACTED@";
  const std::string_view host = at == std::string_view::npos ? url.authority : url.authority.substr(at + 1);
  text += host.empty() ? event.server().Text() : std::string(host);
  if (url.path != "*") text += url.path;
  if (!url.query.empty()) text.append("?").append(url.query);
  return text;
}

}  // namespace podtap
