// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <regex>
#include <set>

#include "sidecar/sink/sink.h"
#include "tests/unit/sink/sample_event.h"

namespace podtap {
namespace {

namespace json = boost::json;

Identity RunOnly(const char* run_id) { return {"", "", "", "", run_id}; }
Identity ShopCart() { return {"shop", "cart-0", "node-a", "cart", "5f3c"}; }

std::string Record(const HttpEvent& event, bool strict, Identity identity = ShopCart(), bool without_bodies = false) {
  std::string out;
  MakeEveEncoder(std::move(identity), strict)->Encode(event, without_bodies, out);
  return out;
}

json::object Http(const HttpEvent& event) {
  return json::parse(Record(event, true)).as_object().at("http").as_object();
}

json::object Podtap(const HttpEvent& event, Identity identity = ShopCart(), bool without_bodies = false) {
  return json::parse(Record(event, false, std::move(identity), without_bodies)).as_object().at("podtap").as_object();
}

// The flow id is checked by itself: it is a hash.
std::string WithoutFlowId(std::string record) {
  return std::regex_replace(record, std::regex("\"flow_id\":[0-9]+"), "\"flow_id\":0");
}

constexpr std::string_view kStrict =
    R"({"timestamp":"2026-01-01T12:00:01.123456+0000","flow_id":0,"event_type":"http","src_ip":"10.0.0.7",)"
    R"("src_port":51234,"dest_ip":"10.0.0.1","dest_port":8080,"proto":"TCP","ip_v":4,"app_proto":"http","tx_id":0,)"
    R"("http":{"hostname":"shop.example","http_port":8080,"url":"/api?x=1","http_user_agent":"curl/8",)"
    R"("http_content_type":"text/plain","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":150,)"
    R"("request_headers":[{"name":"Host","value":"shop.example:8080"},{"name":"User-Agent","value":"curl/8"}],)"
    R"("response_headers":[{"name":"Content-Type","value":"text/plain; charset=utf-8"}],)"
    R"("http_request_body":"YQ==","http_response_body":"YmI="})";

constexpr std::string_view kPodtap =
    R"(,"podtap":{"event_id":"5f3c-2a-1","role":"ingress","loopback":false,"namespace":"shop","pod":"cart-0",)"
    R"("node":"node-a","service":"cart","container_id":"c0ffee","pid":4711,"comm":"nginx",)"
    R"("request_start":"2026-01-01T12:00:01.123456789Z","response_start":"2026-01-01T12:00:01.124456789Z",)"
    R"("response_end":"2026-01-01T12:00:01.124756789Z","duration_us":1300,)"
    R"("request":{"header_bytes":70,"body_bytes":1,"body_captured_bytes":1,"missing_bytes":0},)"
    R"("response":{"header_bytes":90,"body_bytes":150,"body_captured_bytes":2,"missing_bytes":7},)"
    R"("informational":[100,103],"complete":false,"tags":["truncated","lost"]})";

HttpEvent GoldenEvent() {
  HttpEvent event = SampleEvent();
  event.request.body = "a";
  event.request.body_bytes = 1;
  event.response.body = "bb";
  event.response.missing_bytes = 7;
  event.informational = {100, 103};
  event.complete = false;
  event.tags.Add(Tag::kTruncated);
  event.tags.Add(Tag::kLost);
  event.container_id = "c0ffee";
  event.connection.process.pid = 4711;
  std::string_view("nginx").copy(event.connection.process.comm.data(), 16);
  return event;
}

TEST(EveEncoder, StrictIsASuricataRecord) {
  EXPECT_EQ(WithoutFlowId(Record(GoldenEvent(), true)), std::string(kStrict) + "}\n");
}

TEST(EveEncoder, TheDefaultIsTheSameAndThePodtapObject) {
  EXPECT_EQ(WithoutFlowId(Record(GoldenEvent(), false)), std::string(kStrict) + std::string(kPodtap) + "}\n");
}

TEST(EveEncoder, AppendsToWhatIsThere) {
  std::string out = "before\n";
  const auto encoder = MakeEveEncoder({}, true);
  encoder->Encode(SampleEvent(), false, out);
  encoder->Encode(SampleEvent(), false, out);
  EXPECT_TRUE(out.starts_with("before\n{\"timestamp\""));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
}

TEST(EveEncoder, WhatIsUnknownIsLeftOut) {
  const json::object podtap = Podtap(SampleEvent(), RunOnly("5f3c"));
  for (const char* key : {"namespace", "pod", "node", "service", "container_id", "pid", "comm"})
    EXPECT_FALSE(podtap.contains(key)) << key;
  EXPECT_TRUE(podtap.at("complete").as_bool());
  EXPECT_TRUE(podtap.at("tags").as_array().empty());
  EXPECT_TRUE(podtap.at("informational").as_array().empty());
}

TEST(EveEncoder, TheClientIsTheSourceInBothRoles) {
  HttpEvent event = SampleEvent();
  event.connection.role = Role::kOpened;
  const json::object record = json::parse(Record(event, false)).as_object();
  EXPECT_EQ(record.at("src_ip"), "10.0.0.1");
  EXPECT_EQ(record.at("src_port"), 8080);
  EXPECT_EQ(record.at("dest_ip"), "10.0.0.7");
  EXPECT_EQ(record.at("podtap").at("role"), "egress");
}

TEST(EveEncoder, IPv6IsWrittenAsSuchAndMappedIPv4IsNot) {
  HttpEvent event = SampleEvent();
  for (Endpoint* end : {&event.connection.local, &event.connection.remote})
    end->address = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
  const json::object record = json::parse(Record(event, true)).as_object();
  EXPECT_EQ(record.at("src_ip"), "fd00::9");
  EXPECT_EQ(record.at("ip_v"), 6);
}

TEST(EveEncoder, FlowIdsArePositiveSmallEnoughForJavaScriptAndOnePerConnection) {
  const auto flow = [](uint64_t cookie, uint64_t exchange, const char* run) {
    HttpEvent event = SampleEvent();
    event.connection.id = ConnectionId{cookie};
    event.exchange = exchange;
    return json::parse(Record(event, true, RunOnly(run))).at("flow_id").to_number<int64_t>();
  };
  EXPECT_EQ(flow(7, 1, "a"), flow(7, 2, "a"));
  EXPECT_NE(flow(7, 1, "a"), flow(8, 1, "a"));
  EXPECT_NE(flow(7, 1, "a"), flow(7, 1, "b"));  // another pod
  for (const uint64_t cookie : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    EXPECT_GT(flow(cookie, 1, "a"), 0);
    EXPECT_LT(flow(cookie, 1, "a"), int64_t{1} << 53);
  }
}

TEST(EveEncoder, TheTransactionNumberCountsFromZero) {
  HttpEvent event = SampleEvent();
  event.exchange = 10;
  EXPECT_EQ(json::parse(Record(event, true)).at("tx_id"), 9);
}

TEST(EveEncoder, AnUnansweredRequestHasNoResponseFields) {
  HttpEvent event = SampleEvent();
  event.response = HttpMessage();
  event.status = 0;
  const json::object http = Http(event);
  for (const char* key : {"status", "length", "response_headers", "http_response_body", "http_content_type"})
    EXPECT_FALSE(http.contains(key)) << key;
  EXPECT_EQ(http.at("http_method"), "GET");
  const json::object podtap = Podtap(event);
  EXPECT_FALSE(podtap.contains("response_start"));
  EXPECT_FALSE(podtap.contains("response_end"));
  EXPECT_TRUE(podtap.contains("request_start"));
}

TEST(EveEncoder, AResponseWithoutRequestHasNoRequestFields) {
  HttpEvent event = SampleEvent();
  event.request = HttpMessage();
  event.method.clear();
  event.target.clear();
  const json::object http = Http(event);
  for (const char* key : {"url", "hostname", "http_method", "http_user_agent", "request_headers", "http_request_body"})
    EXPECT_FALSE(http.contains(key)) << key;
  EXPECT_EQ(http.at("status"), 200);
  EXPECT_EQ(http.at("protocol"), "HTTP/1.1");
  EXPECT_FALSE(Podtap(event).contains("request_start"));
}

TEST(EveEncoder, NamesTheFieldsThatSuricataNames) {
  HttpEvent event = SampleEvent();
  event.status = 206;
  event.request.headers.Add("x-forwarded-for", "203.0.113.9, 10.0.0.2");
  event.request.headers.Add("REFERER", "https://a.example/");
  event.response.headers.Add("Content-Range", "bytes 5-9/200");
  event.response.headers.Add("location", "/there");
  const json::object http = Http(event);
  EXPECT_EQ(http.at("xff"), "203.0.113.9, 10.0.0.2");
  EXPECT_EQ(http.at("http_refer"), "https://a.example/");
  EXPECT_EQ(http.at("redirect"), "/there");
  EXPECT_EQ(json::serialize(http.at("content_range")), R"({"raw":"bytes 5-9/200","start":5,"end":9,"size":200})");
}

TEST(EveEncoder, TrailersFollowTheHeaders) {
  HttpEvent event = SampleEvent();
  event.response.headers.Clear();
  event.response.trailers.Add("Checksum", "abc");
  EXPECT_EQ(json::serialize(Http(event).at("response_headers")), R"([{"name":"Checksum","value":"abc"}])");
  event.response.headers.Add("Trailer", "Checksum");
  EXPECT_EQ(json::serialize(Http(event).at("response_headers")),
            R"([{"name":"Trailer","value":"Checksum"},{"name":"Checksum","value":"abc"}])");
}

TEST(EveEncoder, EmptyBodiesAndHeaderListsAreLeftOut) {
  HttpEvent event = SampleEvent();
  event.request.headers.Clear();
  event.response.headers.Clear();
  event.response.body.clear();
  const json::object http = Http(event);
  for (const char* key : {"request_headers", "response_headers", "http_request_body", "http_response_body", "hostname"})
    EXPECT_FALSE(http.contains(key)) << key;
  EXPECT_EQ(http.at("length"), 150);
}

TEST(EveEncoder, WithoutBodiesSaysSo) {
  HttpEvent event = GoldenEvent();
  const json::object record = json::parse(Record(event, false, ShopCart(), true)).as_object();
  EXPECT_FALSE(record.at("http").as_object().contains("http_request_body"));
  EXPECT_FALSE(record.at("http").as_object().contains("http_response_body"));
  EXPECT_EQ(json::serialize(record.at("podtap").at("tags")), R"(["truncated","bodies_dropped","lost"])");
  EXPECT_EQ(record.at("podtap").at("response").at("body_captured_bytes"), 0);
  EXPECT_EQ(record.at("podtap").at("response").at("body_bytes"), 150);
}

HttpEvent GrpcEvent() {
  HttpEvent event = SampleEvent();
  event.request.headers.Clear();
  event.version = event.response_version = "HTTP/2";
  event.method = "POST";
  event.target = "/shop.Cart/Add";
  event.scheme = "http";
  event.authority = "shop.example:8080";
  event.http2 = Http2Stream{.id = 5, .request_error = 8, .response_error = std::nullopt};
  GrpcCall call;
  call.service = "shop.Cart";
  call.method = "Add";
  call.status = 5;
  call.message = "no such item";
  call.timeout = "100m";
  call.requests = {.count = 1, .first = event.request.start, .last = event.request.start};
  call.responses.count = std::nullopt;
  event.grpc = call;
  return event;
}

TEST(EveEncoder, AnHttp2StreamSaysItsVersionAndId) {
  const HttpEvent event = GrpcEvent();
  const json::object record = json::parse(Record(event, true)).as_object();
  EXPECT_EQ(record.at("app_proto"), "http2");
  const json::object http = Http(event);
  EXPECT_EQ(http.at("version"), "2");
  EXPECT_EQ(http.at("protocol"), "HTTP/2");
  EXPECT_EQ(http.at("hostname"), "shop.example");
  EXPECT_EQ(http.at("http_port"), 8080);
  EXPECT_EQ(json::serialize(http.at("http2")), R"({"stream_id":5,"request":{"error_code":"CANCEL"}})");
}

TEST(EveEncoder, AGrpcCallIsDescribedWithWhatIsKnown) {
  EXPECT_EQ(json::serialize(Podtap(GrpcEvent()).at("grpc")),
            R"({"service":"shop.Cart","method":"Add","status":5,"message":"no such item","messages_request":1,)"
            R"("timeout":"100m","compressed":false,"request_first_message":"2026-01-01T12:00:01.123456789Z",)"
            R"("request_last_message":"2026-01-01T12:00:01.123456789Z"})");
  EXPECT_EQ(Podtap(GrpcEvent()).at("scheme"), "http");
}

TEST(EveEncoder, FieldsThatCouldNotBeDecodedAreCounted) {
  HttpEvent event = GrpcEvent();
  event.request.unknown_fields = 3;
  EXPECT_EQ(Podtap(event).at("request").at("unknown_fields"), 3);
  EXPECT_FALSE(Podtap(event).at("response").as_object().contains("unknown_fields"));
}

TEST(EveEncoder, ALoopbackExchangeIsMarked) {
  HttpEvent event = SampleEvent();
  event.connection.loopback = true;
  EXPECT_TRUE(Podtap(event).at("loopback").as_bool());
}

TEST(EveEncoder, APodNameWithQuotesIsEscapedOnce) {
  EXPECT_EQ(Podtap(SampleEvent(), Identity{"", "a\"b\\", "", "", "r"}).at("pod"), "a\"b\\");
}

TEST(EveEncoder, AConnectionThatWasJoinedLateAgainIsAnotherFlow) {
  std::set<int64_t> flows;
  HttpEvent event = SampleEvent();
  for (event.joined_as = 0; event.joined_as < 3; ++event.joined_as) {
    for (const char* run : {"5f3c", "5f3c.1"})
      flows.insert(json::parse(Record(event, true, RunOnly(run))).as_object().at("flow_id").as_int64());
  }
  EXPECT_EQ(flows.size(), 6u) << "or tx_id would repeat within one";
}

}  // namespace
}  // namespace podtap
