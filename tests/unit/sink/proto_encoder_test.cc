// SPDX-License-Identifier: Apache-2.0
// What the encoder wrote by hand is read with the classes that protoc made from proto/podtap/v1/http_event.proto.
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>

#include "podtap/v1/http_event.pb.h"
#include "sidecar/sink/sink.h"
#include "tests/unit/sink/sample_event.h"

namespace podtap {
namespace {

const Identity kIdentity{"shop", "cart-0", "node-a", "cart", "5f3c"};

std::vector<v1::HttpEvent> Read(const std::string& bytes) {
  std::vector<v1::HttpEvent> events;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  for (bool end = false; !end;) {
    v1::HttpEvent event;
    if (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&event, &stream, &end))
      events.push_back(event);
    else if (!end)
      ADD_FAILURE() << "not a delimited message", end = true;
  }
  return events;
}

v1::HttpEvent RoundTrip(const HttpEvent& event, bool without_bodies = false) {
  std::string bytes;
  MakeProtoEncoder(kIdentity)->Encode(event, without_bodies, bytes);
  const auto events = Read(bytes);
  EXPECT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].GetReflection()->GetUnknownFields(events[0]).empty());
  return events[0];
}

TEST(ProtoEncoder, WritesEveryFieldOfAnExchange) {
  HttpEvent event = SampleEvent();
  event.request.trailers.Add("Checksum", "1");
  event.request.body = "a=1";
  event.request.body_bytes = 3;
  event.informational = {100, 103};
  event.connection.process = {4242, {'n', 'g', 'i', 'n', 'x'}};
  event.connection.loopback = true;
  event.container_id = "c0ffee";
  event.tags.Add(Tag::kTruncated);
  event.response.missing_bytes = 7;
  const v1::HttpEvent seen = RoundTrip(event);
  EXPECT_EQ(seen.event_id(), "5f3c-2a-1");
  EXPECT_EQ(seen.role(), v1::ROLE_INGRESS);
  EXPECT_EQ(seen.start_unix_nano(), 1'767'268'801'123'456'789u);
  EXPECT_EQ(seen.duration_nano(), 1'300'000u);
  EXPECT_EQ(seen.client().address(), "10.0.0.7");
  EXPECT_EQ(seen.client().port(), 51234u);
  EXPECT_EQ(seen.server().address(), "10.0.0.1");
  EXPECT_EQ(seen.server().port(), 8080u);
  EXPECT_EQ(seen.method(), "GET");
  EXPECT_EQ(seen.target(), "/api?x=1");
  EXPECT_EQ(seen.version(), "HTTP/1.1");
  ASSERT_EQ(seen.request().headers_size(), 2);
  EXPECT_EQ(seen.request().headers(0).name(), "Host");
  EXPECT_EQ(seen.request().headers(0).value(), "shop.example:8080");
  EXPECT_EQ(seen.request().trailers(0).name(), "Checksum");
  EXPECT_EQ(seen.request().body(), "a=1");
  EXPECT_EQ(seen.request().header_bytes(), 70u);
  EXPECT_EQ(seen.request().end_unix_nano(), 1'767'268'801'123'457'289u);
  EXPECT_EQ(seen.status(), 200u);
  EXPECT_EQ(seen.reason(), "OK");
  EXPECT_EQ(seen.response_version(), "HTTP/1.1");
  EXPECT_EQ(seen.response().body(), std::string(150, 'b'));
  EXPECT_EQ(seen.response().body_bytes(), 150u);
  EXPECT_EQ(seen.response().missing_bytes(), 7u);
  EXPECT_EQ(seen.response().start_unix_nano(), 1'767'268'801'124'456'789u);
  EXPECT_EQ(std::vector<uint32_t>(seen.informational().begin(), seen.informational().end()),
            (std::vector<uint32_t>{100, 103}));
  EXPECT_TRUE(seen.complete());
  EXPECT_EQ(seen.tags(0), "truncated");
  EXPECT_EQ(seen.exchange(), 1u);
  EXPECT_EQ(seen.connection_id(), 0x2au);
  EXPECT_TRUE(seen.loopback());
  EXPECT_FALSE(seen.tls());
  EXPECT_EQ(seen.namespace_(), "shop");
  EXPECT_EQ(seen.pod(), "cart-0");
  EXPECT_EQ(seen.node(), "node-a");
  EXPECT_EQ(seen.service(), "cart");
  EXPECT_EQ(seen.container_id(), "c0ffee");
  EXPECT_EQ(seen.pid(), 4242u);
  EXPECT_EQ(seen.comm(), "nginx");
}

TEST(ProtoEncoder, TellsOfGrpcAndHttp2) {
  HttpEvent event = SampleEvent();
  event.scheme = "https";
  event.authority = "a";
  event.http2 = {.id = 7, .request_error = 8, .response_error = std::nullopt};
  event.grpc.emplace();
  event.grpc->service = "shop.v1.Cart";
  event.grpc->method = "Add";
  event.grpc->status = 0;
  event.grpc->responses.count.reset();
  event.grpc->timeout = "1S";
  const v1::HttpEvent seen = RoundTrip(event);
  EXPECT_EQ(seen.scheme() + seen.authority(), "httpsa");
  EXPECT_EQ(seen.http2().stream_id(), 7u);
  EXPECT_EQ(seen.http2().request_error(), 8u);
  EXPECT_FALSE(seen.http2().has_response_error());
  EXPECT_EQ(seen.grpc().service(), "shop.v1.Cart");
  EXPECT_TRUE(seen.grpc().has_status());
  EXPECT_TRUE(seen.grpc().has_request_messages());
  EXPECT_FALSE(seen.grpc().has_response_messages());
  EXPECT_EQ(seen.grpc().timeout(), "1S");
}

TEST(ProtoEncoder, LeavesOutWhatWasNotSeen) {
  HttpEvent event = SampleEvent();
  event.response = HttpMessage();
  event.status = 0;
  event.complete = false;
  const v1::HttpEvent seen = RoundTrip(event);
  EXPECT_TRUE(seen.has_request());
  EXPECT_FALSE(seen.has_response());
  EXPECT_FALSE(seen.complete());
}

TEST(ProtoEncoder, BodiesOfEverySizeAndRecordsInARowAreFramed) {
  std::string bytes;
  const auto encoder = MakeProtoEncoder(kIdentity);
  const std::vector<size_t> sizes = {0, 1, 20, 100, 127, 128, 5000, 16'000, 16'384, 70'000, 2'100'000};
  for (const size_t size : sizes) encoder->Encode(*NumberedEvent(size, size), false, bytes);
  const auto events = Read(bytes);
  ASSERT_EQ(events.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(events[i].response().body().size(), sizes[i]);
}

TEST(ProtoEncoder, BytesThatAreNoUtf8BecomeTheCharactersTheyAreInLatin1) {
  HttpEvent event = SampleEvent();
  event.target = "/caf\xe9?\xc3\xa9";
  event.response.headers.Add("X\xff", "\x80 \xe2\x82\xac");
  event.response.body = std::string("\xff\x00\x80", 3);
  const v1::HttpEvent seen = RoundTrip(event);
  EXPECT_EQ(seen.target(), "/caf\xc3\xa9?\xc3\xa9");
  EXPECT_EQ(seen.response().headers(1).name(), "X\xc3\xbf");
  EXPECT_EQ(seen.response().headers(1).value(), "\xc2\x80 \xe2\x82\xac");
  EXPECT_EQ(seen.response().body(), std::string("\xff\x00\x80", 3));
}

TEST(ProtoEncoder, WithoutBodiesSaysSo) {
  const v1::HttpEvent seen = RoundTrip(SampleEvent(), /*without_bodies=*/true);
  EXPECT_EQ(seen.response().body(), "");
  EXPECT_EQ(seen.response().body_bytes(), 150u);
  EXPECT_EQ(seen.tags(0), "bodies_dropped");
}

}  // namespace
}  // namespace podtap
