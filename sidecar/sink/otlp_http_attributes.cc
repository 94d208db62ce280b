// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_http_attributes.h"

#include <algorithm>

namespace podtap {
namespace {

constexpr std::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                         "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"};

bool IsKnown(std::string_view method) {
  return std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
}

// What gRPC's conventions call an error: any status but OK for the client, those that are the server's fault for it.
std::string GrpcErrorOf(uint32_t status, bool client) {
  constexpr uint32_t kOfTheServer[] = {2, 4, 12, 13, 14, 15};
  const bool is_error =
      client ? status != 0
             : std::find(std::begin(kOfTheServer), std::end(kOfTheServer), status) != std::end(kOfTheServer);
  if (!is_error) return {};
  const std::string_view name = TextOfGrpcStatus(status);
  return name.empty() ? std::to_string(status) : std::string(name);
}

// 5xx is an error of the server; 4xx is one only for who asked. Without an answer: if that is not only because podtap
// did not see it.
std::string ErrorOf(const HttpEvent& event, bool client) {
  if (event.grpc && event.grpc->status) return GrpcErrorOf(*event.grpc->status, client);
  if (event.response.seen && event.status != 0)
    return event.status >= (client ? 400 : 500) ? std::to_string(event.status) : std::string();
  if (event.response.seen || !event.request.seen) return {};
  if (event.tags.Has(Tag::kTimeout)) return "timeout";
  if (event.tags.Has(Tag::kReset)) return "reset";
  if (event.tags.Has(Tag::kUnanswered)) return "unanswered";
  return {};
}

// "1.1" of "HTTP/1.1", "2" of "HTTP/2" and "HTTP/2.0".
std::string_view ProtocolVersion(std::string_view version) {
  if (!version.starts_with("HTTP/")) return {};
  version.remove_prefix(5);
  if (version == "2.0" || version == "3.0") version.remove_suffix(2);
  return version;
}

// The first element of X-Forwarded-For, without port and brackets.
std::string_view FirstForwarded(std::string_view list) {
  std::string_view first = list.substr(0, list.find(','));
  while (first.starts_with(' ')) first.remove_prefix(1);
  while (first.ends_with(' ')) first.remove_suffix(1);
  if (first.starts_with('[')) return first.substr(1, std::min(first.find(']'), first.size()) - 1);
  if (std::count(first.begin(), first.end(), ':') == 1) return first.substr(0, first.find(':'));
  return first;
}

std::string_view WithoutBrackets(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

void AppendGrpc(const GrpcCall& call, OtlpAttributes& attributes) {
  attributes.String("rpc.system", "grpc");
  attributes.StringIfAny("rpc.service", call.service);
  attributes.StringIfAny("rpc.method", call.method);
  if (call.status) attributes.Int("rpc.grpc.status_code", *call.status);
}

}  // namespace

HttpAttributes::HttpAttributes(const HttpEvent& event)
    : event_(event),
      fields_(FindRequestFields(event.request.headers)),
      url_(UrlOf(event, HostFieldOf(event, fields_.host))),
      host_(HostOf(event.method, event.target, HostFieldOf(event, fields_.host))),
      client_(event.connection.role == Role::kOpened),
      known_method_(event.request.seen && IsKnown(event.method)),
      error_(ErrorOf(event, client_)) {}

std::string HttpAttributes::name() const {
  if (event_.grpc && !event_.grpc->service.empty()) return event_.grpc->service + "/" + event_.grpc->method;
  return known_method_ ? event_.method : "HTTP";
}

void HttpAttributes::Append(OtlpAttributes& attributes) const {
  if (event_.grpc) AppendGrpc(*event_.grpc, attributes);
  attributes.String("http.request.method", known_method_ ? std::string_view(event_.method) : "_OTHER");
  if (!known_method_) attributes.StringIfAny("http.request.method_original", event_.method);
  if (event_.request.seen) AppendUrl(attributes);
  if (event_.response.seen && event_.status != 0) attributes.Int("http.response.status_code", event_.status);
  attributes.StringIfAny("error.type", error_);
  attributes.StringIfAny("network.protocol.version", ProtocolVersion(event_.version));
  AppendServer(attributes);
  const std::string peer = event_.connection.remote.AddressText();
  if (!client_) {
    const std::string_view forwarded = FirstForwarded(fields_.forwarded_for);
    attributes.String("client.address", forwarded.empty() ? std::string_view(peer) : forwarded);
  }
  attributes.String("network.peer.address", peer);
  attributes.Int("network.peer.port", event_.connection.remote.port);
  attributes.StringIfAny("user_agent.original", fields_.user_agent);
  if (event_.request.seen) attributes.Int("http.request.body.size", event_.request.body_bytes);
  if (event_.response.seen) attributes.Int("http.response.body.size", event_.response.body_bytes);
}

void HttpAttributes::AppendUrl(OtlpAttributes& attributes) const {
  if (client_) {
    attributes.String("url.full", FullUrl(event_, url_));
    return;
  }
  attributes.String("url.path", url_.path);
  attributes.StringIfAny("url.query", url_.query);
  attributes.String("url.scheme", url_.scheme);
}

// As the request named the server; where it did not, as the connection does.
void HttpAttributes::AppendServer(OtlpAttributes& attributes) const {
  const Endpoint& server = event_.server();
  if (host_.name.empty())
    attributes.String("server.address", server.AddressText());
  else
    attributes.String("server.address", WithoutBrackets(host_.name));
  attributes.Int("server.port", host_.port.value_or(server.port));
}

}  // namespace podtap
