// SPDX-License-Identifier: Apache-2.0
// Suricata EVE `http` records, one JSON object per line. Strict: only what Suricata's published schema allows.
// Otherwise the same plus a top-level `podtap` object. docs/events.md describes every field.
#include <utility>

#include "sidecar/sink/http_fields.h"
#include "sidecar/sink/json_text.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

// The finaliser of MurmurHash3: a bijection of 64 bits that mixes all of them.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ x >> 33;
}

// All fields of a message in order, trailer fields behind header fields, as Suricata lists them.
void AppendFields(std::string_view key, const HttpMessage& message, JsonObject& http, TextCursor& out) {
  if (message.headers.empty() && message.trailers.empty()) return;
  http.Key(key);
  char before = '[';
  for (const HeaderList* list : {&message.headers, &message.trailers}) {
    for (size_t i = 0; i < list->size(); ++i) {
      const auto [name, value] = (*list)[i];
      out += std::exchange(before, ',');
      out += R"({"name":)";
      AppendJsonString(name, out);
      out += R"(,"value":)";
      AppendJsonString(value, out);
      out += '}';
    }
  }
  out += ']';
}

void AppendContentRange(std::string_view value, JsonObject& http, TextCursor& out) {
  const ContentRange range = ParseContentRange(value);
  http.Key("content_range");
  JsonObject object(out);
  object.String("raw", value);
  if (range.start) object.Number("start", *range.start);
  if (range.end) object.Number("end", *range.end);
  if (range.size) object.Number("size", *range.size);
  object.End();
}

// Each side's own reset; a code without a name is left out, as the schema has only names.
void AppendHttp2(const Http2Stream& stream, JsonObject& http, TextCursor& out) {
  http.Key("http2");
  JsonObject object(out);
  object.Number("stream_id", stream.id);
  for (const auto& [key, code] : {std::pair{"request", stream.request_error}, {"response", stream.response_error}}) {
    if (!code || TextOfHttp2Error(*code).empty()) continue;
    object.Key(key);
    JsonObject side(out);
    side.String("error_code", TextOfHttp2Error(*code));
    side.End();
  }
  object.End();
}

// Suricata's records hold bodies as they were on the wire.
std::string_view BodyOf(const HttpMessage& message, bool strict) {
  if (!strict || !message.body_decoded) return message.body;
  return message.wire_body ? std::string_view(*message.wire_body) : std::string_view();
}

void AppendHttp(const HttpEvent& event, bool without_bodies, bool strict, TextCursor& out) {
  JsonObject http(out);
  const RequestFields request = FindRequestFields(event.request.headers);
  const ResponseFields response = FindResponseFields(event.response.headers);
  if (event.request.seen) {
    const RequestHost host =
        HostOf(event.method, event.target, event.authority.empty() ? request.host : std::string_view(event.authority));
    http.StringIfAny("hostname", host.name);
    if (host.port) http.Number("http_port", *host.port);
    http.String("url", event.target);
    http.StringIfAny("http_user_agent", request.user_agent);
    http.StringIfAny("xff", request.forwarded_for);
  }
  http.StringIfAny("http_content_type", MediaType(response.content_type));
  if (!response.content_range.empty()) AppendContentRange(response.content_range, http, out);
  if (event.request.seen) {
    http.StringIfAny("http_refer", request.referer);
    http.StringIfAny("http_method", event.method);
  }
  http.StringIfAny("protocol", event.version);
  if (event.http2) {
    http.String("version", "2");
    AppendHttp2(*event.http2, http, out);
  }
  if (event.response.seen) {
    if (event.status != 0) http.Number("status", event.status);
    http.StringIfAny("redirect", response.location);
    http.Number("length", event.response.body_bytes);
  }
  AppendFields("request_headers", event.request, http, out);
  AppendFields("response_headers", event.response, http, out);
  if (!without_bodies) {
    http.Base64IfAny("http_request_body", BodyOf(event.request, strict));
    http.Base64IfAny("http_response_body", BodyOf(event.response, strict));
  }
  http.End();
}

void AppendTime(std::string_view key, const HttpEvent& event, Timestamp at, JsonObject& object, TextCursor& out) {
  if (!at) return;
  object.Key(key);
  out += '"';
  AppendRfc3339(event.WallAt(at), 9, out);
  out += '"';
}

void AppendSizes(std::string_view key, const HttpMessage& message, bool without_bodies, JsonObject& object,
                 TextCursor& out) {
  object.Key(key);
  JsonObject sizes(out);
  sizes.Number("header_bytes", message.header_bytes);
  sizes.Number("body_bytes", message.body_bytes);
  sizes.Number("body_captured_bytes", without_bodies ? size_t{0} : message.body.size());
  sizes.Number("missing_bytes", message.missing_bytes);
  if (message.unknown_fields != 0) sizes.Number("unknown_fields", message.unknown_fields);
  sizes.End();
}

class EveEncoder : public Encoder {
 public:
  EveEncoder(Identity identity, bool strict)
      : run_id_(std::move(identity.run_id)), run_hash_(std::hash<std::string>()(run_id_)), strict_(strict) {
    std::string members;
    {
      TextCursor out(members);
      JsonObject object(out);
      object.StringIfAny("namespace", identity.namespace_name);
      object.StringIfAny("pod", identity.pod);
      object.StringIfAny("node", identity.node);
      object.StringIfAny("service", identity.service);
    }
    members[0] = ',';
    if (members.size() > 1) identity_members_ = std::move(members);
  }

  void Encode(const HttpEvent& event, bool without_bodies, std::string& to) const override {
    TextCursor out(to);
    JsonObject record(out);
    record.Key("timestamp");
    out += '"';
    AppendEveTimestamp(event.wall, out);
    out += '"';
    record.Number("flow_id", FlowId(event));
    record.Word("event_type", "http");
    Endpoint::AddressBuffer address;
    record.Word("src_ip", event.client().AddressText(address));
    record.Number("src_port", event.client().port);
    record.Word("dest_ip", event.server().AddressText(address));
    record.Number("dest_port", event.server().port);
    record.Word("proto", "TCP");
    record.Number("ip_v", event.server().is_v4() ? 4 : 6);
    record.Word("app_proto", event.http2 ? "http2" : "http");
    record.Number("tx_id", event.exchange == 0 ? 0 : event.exchange - 1);
    record.Key("http");
    AppendHttp(event, without_bodies, strict_, out);
    if (!strict_) {
      record.Key("podtap");
      AppendPodtap(event, without_bodies, out);
    }
    record.End();
    out += '\n';
  }

 private:
  // Suricata keeps to 51 bits so that JavaScript reads the number exactly. The run's hash keeps the connections of
  // different pods and nodes apart.
  uint64_t FlowId(const HttpEvent& event) const {
    const uint64_t joined = event.joined_as == 0 ? 0 : Mix(event.joined_as);
    const uint64_t flow = Mix(event.connection.id.value ^ run_hash_ ^ joined) & ((uint64_t{1} << 51) - 1);
    return flow == 0 ? 1 : flow;
  }

  void AppendPodtap(const HttpEvent& event, bool without_bodies, TextCursor& out) const {
    JsonObject podtap(out);
    podtap.Key("event_id");
    out += '"';
    AppendEventId(event, run_id_, out);
    out += '"';
    podtap.Word("role", event.connection.role == Role::kOpened ? "egress" : "ingress");
    podtap.Bool("loopback", event.connection.loopback);
    out += identity_members_;
    podtap.StringIfAny("container_id", event.container_id);
    const Process& process = event.connection.process;
    if (process.pid != 0) podtap.Number("pid", process.pid);
    podtap.StringIfAny("comm", process.CommText());
    if (event.request.seen) AppendTime("request_start", event, event.request.start, podtap, out);
    if (event.response.seen) {
      AppendTime("response_start", event, event.response.start, podtap, out);
      AppendTime("response_end", event, event.response.end, podtap, out);
    }
    podtap.Number("duration_us", event.duration_ns() / 1000);
    AppendSizes("request", event.request, without_bodies, podtap, out);
    AppendSizes("response", event.response, without_bodies, podtap, out);
    podtap.StringIfAny("scheme", event.scheme);
    podtap.StringIfAny("protocol", event.protocol);
    if (event.grpc) AppendGrpc(event, *event.grpc, podtap, out);
    podtap.Key("informational");
    AppendInformational(event, out);
    podtap.Bool("complete", event.complete);
    podtap.Key("tags");
    AppendTags(event.tags, without_bodies, out);
    podtap.End();
  }

  static void AppendGrpc(const HttpEvent& event, const GrpcCall& call, JsonObject& podtap, TextCursor& out) {
    podtap.Key("grpc");
    JsonObject grpc(out);
    grpc.StringIfAny("service", call.service);
    grpc.StringIfAny("method", call.method);
    if (call.status) grpc.Number("status", *call.status);
    grpc.StringIfAny("message", call.message);
    if (call.requests.count) grpc.Number("messages_request", *call.requests.count);
    if (call.responses.count) grpc.Number("messages_response", *call.responses.count);
    grpc.StringIfAny("timeout", call.timeout);
    grpc.Bool("compressed", call.compressed);
    if (call.web) grpc.Bool("web", true);
    AppendTime("request_first_message", event, call.requests.first, grpc, out);
    AppendTime("request_last_message", event, call.requests.last, grpc, out);
    AppendTime("response_first_message", event, call.responses.first, grpc, out);
    AppendTime("response_last_message", event, call.responses.last, grpc, out);
    grpc.End();
  }

  static void AppendInformational(const HttpEvent& event, TextCursor& out) {
    out += '[';
    for (size_t i = 0; i < event.informational.size(); ++i) {
      if (i != 0) out += ',';
      out.Number(event.informational[i]);
    }
    out += ']';
  }

  static void AppendTags(TagSet tags, bool without_bodies, TextCursor& out) {
    if (without_bodies) tags.Add(Tag::kBodiesDropped);
    out += '[';
    char before = 0;
    tags.ForEach([&](Tag tag) {
      if (std::exchange(before, ',') != 0) out += ',';
      AppendJsonString(TextOf(tag), out);
    });
    out += ']';
  }

  std::string run_id_;
  uint64_t run_hash_;
  bool strict_;
  std::string identity_members_;  // `,"namespace":"shop","pod":"cart-0"`, the same on every event
};

}  // namespace

std::unique_ptr<Encoder> MakeEveEncoder(Identity identity, bool strict) {
  return std::make_unique<EveEncoder>(std::move(identity), strict);
}

}  // namespace podtap
