// SPDX-License-Identifier: Apache-2.0
// What the encoder wrote by hand is read with the classes that protoc made from proto/opentelemetry.
#include "sidecar/sink/otlp_encoder.h"

#include <gtest/gtest.h>

#include <map>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "tests/unit/sink/sample_event.h"

namespace podtap {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::common::v1::AnyValue;
using opentelemetry::proto::trace::v1::Span;
using opentelemetry::proto::trace::v1::Status;

const Identity kIdentity{"shop", "cart-0", "node-a", "cart", "5f3c", "uid-1", "prod"};

std::string TextOf(const AnyValue& value) {
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      return value.string_value();
    case AnyValue::kIntValue:
      return "int " + std::to_string(value.int_value());
    case AnyValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case AnyValue::kArrayValue: {
      std::string text = "[";
      for (const AnyValue& element : value.array_value().values()) text += TextOf(element) + ",";
      return text + "]";
    }
    default:
      return "unexpected type";
  }
}

template <typename Attributes>
std::map<std::string, std::string> MapOf(const Attributes& attributes) {
  std::map<std::string, std::string> map;
  for (const auto& attribute : attributes)
    EXPECT_TRUE(map.emplace(attribute.key(), TextOf(attribute.value())).second) << attribute.key() << " is there twice";
  return map;
}

ExportTraceServiceRequest Encode(std::vector<HttpEvent> events, OtlpEncoder::Options options = {kIdentity}) {
  std::vector<HttpEventPtr> shared;
  for (HttpEvent& event : events) shared.push_back(std::make_shared<HttpEvent>(std::move(event)));
  std::string bytes;
  OtlpEncoder(options).Encode(shared, bytes);
  ExportTraceServiceRequest request;
  EXPECT_TRUE(request.ParseFromString(bytes));
  EXPECT_TRUE(request.GetReflection()->GetUnknownFields(request).empty());
  return request;
}

Span SpanOf(HttpEvent event, bool hypertrace = false) {
  const auto request = Encode({std::move(event)}, {kIdentity, hypertrace});
  EXPECT_EQ(request.resource_spans_size(), 1);
  EXPECT_EQ(request.resource_spans(0).scope_spans(0).spans_size(), 1);
  return request.resource_spans(0).scope_spans(0).spans(0);
}

std::map<std::string, std::string> AttributesOf(HttpEvent event, bool hypertrace = false) {
  return MapOf(SpanOf(std::move(event), hypertrace).attributes());
}

HttpEvent Egress() {
  HttpEvent event = SampleEvent();
  event.connection.role = Role::kOpened;
  std::swap(event.connection.local, event.connection.remote);
  return event;
}

TEST(OtlpEncoder, AnIngressExchangeIsAServerSpan) {
  const Span span = SpanOf(SampleEvent());
  EXPECT_EQ(span.kind(), Span::SPAN_KIND_SERVER);
  EXPECT_EQ(span.name(), "GET");
  EXPECT_EQ(span.start_time_unix_nano(), 1'767'268'801'123'456'789u);
  EXPECT_EQ(span.end_time_unix_nano() - span.start_time_unix_nano(), 1'300'000u);
  EXPECT_EQ(span.trace_id().size(), 16u);
  EXPECT_EQ(span.span_id().size(), 8u);
  EXPECT_EQ(span.parent_span_id(), "");
  EXPECT_FALSE(span.has_status());
  const std::map<std::string, std::string> expected = {{"http.request.method", "GET"},
                                                       {"url.path", "/api"},
                                                       {"url.query", "x=1"},
                                                       {"url.scheme", "http"},
                                                       {"http.response.status_code", "int 200"},
                                                       {"network.protocol.version", "1.1"},
                                                       {"server.address", "shop.example"},
                                                       {"server.port", "int 8080"},
                                                       {"client.address", "10.0.0.7"},
                                                       {"network.peer.address", "10.0.0.7"},
                                                       {"network.peer.port", "int 51234"},
                                                       {"user_agent.original", "curl/8"},
                                                       {"http.request.body.size", "int 0"},
                                                       {"http.response.body.size", "int 150"},
                                                       {"podtap.event_id", "5f3c-2a-1"},
                                                       {"podtap.complete", "true"}};
  EXPECT_EQ(MapOf(span.attributes()), expected);
}

TEST(OtlpEncoder, AnEgressExchangeIsAClientSpan) {
  const Span span = SpanOf(Egress());
  EXPECT_EQ(span.kind(), Span::SPAN_KIND_CLIENT);
  const auto attributes = MapOf(span.attributes());
  EXPECT_EQ(attributes.at("url.full"), "http://shop.example:8080/api?x=1");
  EXPECT_EQ(attributes.at("server.address"), "shop.example");
  EXPECT_EQ(attributes.at("network.peer.address"), "10.0.0.1");
  EXPECT_FALSE(attributes.contains("url.path"));
  EXPECT_FALSE(attributes.contains("client.address"));
}

TEST(OtlpEncoder, OnlyWhoAskedCallsAClientErrorAnError) {
  for (const auto& [status, server_error, client_error] :
       {std::tuple{200, false, false}, {399, false, false}, {404, false, true}, {500, true, true}, {599, true, true}}) {
    HttpEvent ingress = SampleEvent(), egress = Egress();
    ingress.status = egress.status = static_cast<uint16_t>(status);
    const Span server = SpanOf(ingress), client = SpanOf(egress);
    EXPECT_EQ(server.status().code() == Status::STATUS_CODE_ERROR, server_error) << status;
    EXPECT_EQ(client.status().code() == Status::STATUS_CODE_ERROR, client_error) << status;
    EXPECT_EQ(MapOf(server.attributes()).contains("error.type"), server_error) << status;
    EXPECT_EQ(client_error ? MapOf(client.attributes()).at("error.type") : std::to_string(status),
              std::to_string(status));
  }
}

TEST(OtlpEncoder, AnExchangeThatWasNotAnsweredIsAnErrorUnlessPodtapMissedIt) {
  HttpEvent event = SampleEvent();
  event.response = HttpMessage();
  event.status = 0;
  EXPECT_FALSE(AttributesOf(event).contains("error.type"));
  event.tags.Add(Tag::kUnanswered);
  EXPECT_EQ(AttributesOf(event).at("error.type"), "unanswered");
  event.tags.Add(Tag::kReset);
  const Span span = SpanOf(event);
  EXPECT_EQ(MapOf(span.attributes()).at("error.type"), "reset");
  EXPECT_EQ(span.status().code(), Status::STATUS_CODE_ERROR);
  EXPECT_EQ(MapOf(span.attributes()).at("podtap.tags"), "[unanswered,reset,]");
}

TEST(OtlpEncoder, AnUnknownMethodIsOther) {
  for (const char* method : {"PROPFIND", "get"}) {
    HttpEvent event = SampleEvent();
    event.method = method;
    const Span span = SpanOf(event);
    EXPECT_EQ(span.name(), "HTTP");
    EXPECT_EQ(MapOf(span.attributes()).at("http.request.method"), "_OTHER");
    EXPECT_EQ(MapOf(span.attributes()).at("http.request.method_original"), method);
  }
}

TEST(OtlpEncoder, AResponseAloneIsASpanToo) {
  HttpEvent event = SampleEvent();
  event.request = HttpMessage();
  event.method = event.target = "";
  const auto attributes = AttributesOf(event);
  EXPECT_EQ(attributes.at("http.request.method"), "_OTHER");
  EXPECT_EQ(attributes.at("server.address"), "10.0.0.1");
  EXPECT_EQ(attributes.at("http.response.status_code"), "int 200");
  EXPECT_FALSE(attributes.contains("url.path"));
}

TEST(OtlpEncoder, TargetsOfEveryFormBecomeUrls) {
  HttpEvent event = SampleEvent();
  event.target = "*";
  event.method = "OPTIONS";
  EXPECT_EQ(AttributesOf(event).at("url.path"), "*");
  event.method = "GET";
  event.target = "https://u:p@other.example/x?y#z";
  auto attributes = AttributesOf(event);
  EXPECT_EQ(attributes.at("url.path"), "/x");
  EXPECT_EQ(attributes.at("url.query"), "y");
  EXPECT_EQ(attributes.at("url.scheme"), "https");
  EXPECT_EQ(attributes.at("server.address"), "other.example");
  event.connection.role = Role::kOpened;
  EXPECT_EQ(AttributesOf(event).at("url.full"), "https://REDACTED:REDACTED@other.example/x?y");
  event.method = "CONNECT";
  event.target = "db.example:5432";
  attributes = AttributesOf(event);
  EXPECT_EQ(attributes.at("server.address"), "db.example");
  EXPECT_EQ(attributes.at("server.port"), "int 5432");
}

TEST(OtlpEncoder, TheClientIsTheFirstThatProxiesName) {
  for (const auto& [value, client] : {std::pair{"203.0.113.9, 10.0.0.7", "203.0.113.9"},
                                      {"[2001:db8::9]:4711", "2001:db8::9"},
                                      {"2001:db8::9", "2001:db8::9"},
                                      {"203.0.113.9:99", "203.0.113.9"},
                                      {"", "10.0.0.7"}}) {
    HttpEvent event = SampleEvent();
    event.request.headers.Add("X-Forwarded-For", value);
    EXPECT_EQ(AttributesOf(event).at("client.address"), client);
  }
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) hex += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4], hex += "0123456789abcdef"[c & 15];
  return hex;
}

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kSpan = "00f067aa0ba902b7";

TEST(OtlpEncoder, JoinsTheTraceOfW3cHeaders) {
  HttpEvent event = SampleEvent();
  event.request.headers.Add("Traceparent", std::string("00-") + kTrace + "-" + kSpan + "-01");
  event.request.headers.Add("tracestate", "a=1");
  event.request.headers.Add("tracestate", "b=2");
  event.request.headers.Add("b3", "0");
  const Span span = SpanOf(event);
  EXPECT_EQ(Hex(span.trace_id()), kTrace);
  EXPECT_EQ(Hex(span.parent_span_id()), kSpan);
  EXPECT_EQ(span.trace_state(), "a=1,b=2");
  EXPECT_EQ(span.flags(), 0x301u);
  EXPECT_NE(Hex(span.span_id()), kSpan);
}

TEST(OtlpEncoder, JoinsTheTraceOfB3Headers) {
  HttpEvent one = SampleEvent();
  one.request.headers.Add("b3", std::string(kTrace) + "-" + kSpan + "-1-05e3ac9a4f6e3b90");
  EXPECT_EQ(Hex(SpanOf(one).trace_id()), kTrace);
  EXPECT_EQ(Hex(SpanOf(one).parent_span_id()), kSpan);
  EXPECT_EQ(SpanOf(one).flags(), 0x301u);
  HttpEvent several = SampleEvent();
  several.request.headers.Add("X-B3-TraceId", "A3CE929D0E0E4736");
  several.request.headers.Add("X-B3-SpanId", kSpan);
  several.request.headers.Add("X-B3-Sampled", "0");
  EXPECT_EQ(Hex(SpanOf(several).trace_id()), "0000000000000000a3ce929d0e0e4736");
  EXPECT_EQ(SpanOf(several).flags(), 0x300u);
}

TEST(OtlpEncoder, HeadersThatBreakTheirSpecificationBeginAFreshTrace) {
  const std::string good = std::string("00-") + kTrace + "-" + kSpan + "-01";
  for (const std::string& parent :
       {std::string("00-") + std::string(32, '0') + "-" + kSpan + "-01", good + "-more", "ff" + good.substr(2),
        good.substr(1), std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-") + kSpan + "-01", std::string()}) {
    HttpEvent event = SampleEvent();
    event.request.headers.Add("traceparent", parent);
    EXPECT_EQ(SpanOf(event).parent_span_id(), "") << parent;
  }
  HttpEvent later = SampleEvent();
  later.request.headers.Add("traceparent", "01" + good.substr(2) + "-more");
  EXPECT_EQ(Hex(SpanOf(later).parent_span_id()), kSpan);
  later.request.headers.Add("traceparent", good);
  EXPECT_EQ(SpanOf(later).parent_span_id(), "") << "two of them are one too many";
}

TEST(OtlpEncoder, IdsDifferBetweenExchangesRolesAndStartsButNotBetweenAttempts) {
  const OtlpEncoder encoder({kIdentity}), other({kIdentity});
  const auto ids = [](const OtlpEncoder& by, const HttpEvent& event) {
    std::string bytes;
    const HttpEventPtr shared = std::make_shared<HttpEvent>(event);
    by.Encode({&shared, 1}, bytes);
    ExportTraceServiceRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    const Span& span = request.resource_spans(0).scope_spans(0).spans(0);
    return span.trace_id() + span.span_id();
  };
  HttpEvent second = SampleEvent();
  second.exchange = 2;
  EXPECT_EQ(ids(encoder, SampleEvent()), ids(encoder, SampleEvent()));
  EXPECT_NE(ids(encoder, SampleEvent()), ids(encoder, second));
  EXPECT_NE(ids(encoder, SampleEvent()), ids(encoder, Egress()));
  EXPECT_NE(ids(encoder, SampleEvent()), ids(other, SampleEvent()));
}

TEST(OtlpEncoder, TheResourceSaysWhoItIsAndContainersAreApart) {
  std::vector<HttpEvent> events(3, SampleEvent());
  events[0].container_id = events[2].container_id = "c1";
  events[1].container_id = "c2";
  OtlpEncoder::Options options{kIdentity};
  options.resource_attributes = {{"service.name", "given"}, {"team", "blue"}};
  const auto request = Encode(events, options);
  ASSERT_EQ(request.resource_spans_size(), 2);
  const auto& first = request.resource_spans(0);
  const std::map<std::string, std::string> expected = {{"service.name", "given"},
                                                       {"service.namespace", "shop"},
                                                       {"deployment.environment.name", "prod"},
                                                       {"k8s.namespace.name", "shop"},
                                                       {"k8s.pod.name", "cart-0"},
                                                       {"k8s.pod.uid", "uid-1"},
                                                       {"k8s.node.name", "node-a"},
                                                       {"container.id", "c1"},
                                                       {"team", "blue"},
                                                       {"telemetry.sdk.name", "podtap"},
                                                       {"telemetry.sdk.language", "cpp"},
                                                       {"telemetry.sdk.version", PODTAP_VERSION}};
  EXPECT_EQ(MapOf(first.resource().attributes()), expected);
  EXPECT_EQ(first.scope_spans(0).scope().name(), "podtap");
  EXPECT_EQ(first.scope_spans(0).spans_size(), 2);
  EXPECT_EQ(MapOf(request.resource_spans(1).resource().attributes()).at("container.id"), "c2");
}

TEST(OtlpEncoder, AGrpcCallHasTheAttributesOfRpcToo) {
  HttpEvent event = SampleEvent();
  event.version = "HTTP/2";
  event.method = "POST";
  event.target = "/shop.v1.Cart/Add";
  event.scheme = "https";
  event.authority = "cart.example:443";
  event.request.headers.Clear();
  event.grpc.emplace();
  event.grpc->service = "shop.v1.Cart";
  event.grpc->method = "Add";
  event.grpc->status = 5;
  Span span = SpanOf(event);
  auto attributes = MapOf(span.attributes());
  EXPECT_EQ(span.name(), "shop.v1.Cart/Add");
  EXPECT_EQ(attributes.at("rpc.system"), "grpc");
  EXPECT_EQ(attributes.at("rpc.service"), "shop.v1.Cart");
  EXPECT_EQ(attributes.at("rpc.method"), "Add");
  EXPECT_EQ(attributes.at("rpc.grpc.status_code"), "int 5");
  EXPECT_EQ(attributes.at("network.protocol.version"), "2");
  EXPECT_EQ(attributes.at("url.scheme"), "https");
  EXPECT_EQ(attributes.at("server.address"), "cart.example");
  EXPECT_FALSE(span.has_status()) << "NOT_FOUND is an error only for who asked";
  event.connection.role = Role::kOpened;
  span = SpanOf(event);
  EXPECT_EQ(span.status().code(), Status::STATUS_CODE_ERROR);
  EXPECT_EQ(MapOf(span.attributes()).at("error.type"), "NOT_FOUND");
  EXPECT_EQ(MapOf(span.attributes()).at("url.full"), "https://cart.example:443/shop.v1.Cart/Add");
}

TEST(OtlpEncoder, HypertraceAddsHeadersAndBodies) {
  HttpEvent event = SampleEvent();
  event.request.headers.Add("Accept", "a");
  event.request.headers.Add("ACCEPT", "b");
  event.request.body = std::string("\x00\xff", 2);
  event.request.body_bytes = 2;
  event.response.body = "caf\xc3";  // cut inside a character
  event.response.body_bytes = 5;
  event.tags.Add(Tag::kTruncated);
  const auto attributes = AttributesOf(event, /*hypertrace=*/true);
  EXPECT_EQ(attributes.at("traceableai.module.name"), "ebpf");
  EXPECT_EQ(attributes.at("http.request.header.host"), "shop.example:8080");
  EXPECT_EQ(attributes.at("http.request.header.accept[0]"), "a");
  EXPECT_EQ(attributes.at("http.request.header.accept[1]"), "b");
  EXPECT_EQ(attributes.at("http.response.header.content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(attributes.at("http.request.body.base64"), "AP8=");
  EXPECT_FALSE(attributes.contains("http.request.body"));
  EXPECT_FALSE(attributes.contains("http.request.body.truncated"));
  EXPECT_EQ(attributes.at("http.response.body"), "caf");
  EXPECT_EQ(attributes.at("http.response.body.truncated"), "true");
  EXPECT_FALSE(AttributesOf(event).contains("http.response.body"));
}

}  // namespace
}  // namespace podtap
