// SPDX-License-Identifier: Apache-2.0
// gRPC over HTTP/2, and gRPC-Web over both.
#include <gmock/gmock.h>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

using namespace std::string_literals;

struct GrpcStory : Story {
  GrpcStory() { Open().Ingress(Preface()).Egress(Settings()); }
  void Call(uint32_t id, FieldList more = {}) {
    more.insert(more.begin(), {{"content-type", "application/grpc+proto"}, {"te", "trailers"}});
    Ingress(client.Request(id, "POST", "/shop.v1.Cart/Add", false, more));
  }
  void Answer(uint32_t id) { Egress(server.Response(id, "200", false, {{"content-type", "application/grpc"}})); }
  void Trailers(uint32_t id, std::string status, std::string message = "") {
    FieldList fields = {{"grpc-status", std::move(status)}};
    if (!message.empty()) fields.emplace_back("grpc-message", std::move(message));
    Egress(server.Headers(id, fields, true));
  }
  const GrpcCall& grpc(size_t i) { return *events().at(i)->grpc; }
  Http2Peer client, server;
};

TEST(Grpc, AUnaryCall) {
  GrpcStory s;
  s.Call(1, {{"grpc-timeout", "100m"}});
  s.Ingress(Data(1, GrpcMessage("request")));
  s.Answer(1);
  s.Egress(Data(1, GrpcMessage("response"), false));
  s.Trailers(1, "0");
  const GrpcCall& call = s.grpc(0);
  EXPECT_EQ(call.service, "shop.v1.Cart");
  EXPECT_EQ(call.method, "Add");
  EXPECT_EQ(call.status, 0u);
  EXPECT_EQ(call.timeout, "100m");
  EXPECT_EQ(call.requests.count, 1u);
  EXPECT_EQ(call.responses.count, 1u);
  EXPECT_FALSE(call.compressed || call.web);
  EXPECT_GT(call.responses.first, call.requests.first);
  EXPECT_EQ(s[0].response.body, GrpcMessage("response")) << "as on the wire";
  EXPECT_TRUE(s[0].complete);
  EXPECT_TRUE(s[0].tags.empty());
}

TEST(Grpc, StreamsOfMessagesCutAnywhere) {
  GrpcStory s;
  s.Call(1);
  s.Answer(1);
  std::string messages;
  for (int i = 0; i < 100; ++i) messages += GrpcMessage(std::string(static_cast<size_t>(i), 'm'), i == 50);
  for (size_t i = 0; i < messages.size(); i += 7) {
    s.Ingress(Data(1, messages.substr(i, 7), false));
    s.Egress(Data(1, messages.substr(i, 7), false));
  }
  s.Ingress(Data(1, ""));
  s.Trailers(1, "0");
  EXPECT_EQ(s.grpc(0).requests.count, 100u);
  EXPECT_EQ(s.grpc(0).responses.count, 100u);
  EXPECT_TRUE(s.grpc(0).compressed);
  EXPECT_LT(s.grpc(0).responses.first, s.grpc(0).responses.last);
  EXPECT_FALSE(s[0].tags.Has(Tag::kEarlyResponse)) << "that is what bidirectional streams are";
}

TEST(Grpc, TrailersOnly) {
  GrpcStory s;
  s.Call(1);
  s.Ingress(Data(1, GrpcMessage("x")));
  s.Egress(s.server.Response(
      1, "200", true,
      {{"content-type", "application/grpc"}, {"grpc-status", "5"}, {"grpc-message", "no such item: 100%25 %C3%A4"}}));
  EXPECT_EQ(s.grpc(0).status, 5u);
  EXPECT_EQ(s.grpc(0).message, "no such item: 100% \xc3\xa4");
  EXPECT_EQ(s.grpc(0).responses.count, 0u);
  EXPECT_TRUE(s[0].complete);
}

TEST(Grpc, ACancelledCallHasNoStatus) {
  GrpcStory s;
  s.Call(1);
  s.Answer(1);
  s.Egress(Data(1, GrpcMessage("one"), false)).Ingress(Reset(1, 8));
  EXPECT_FALSE(s.grpc(0).status);
  EXPECT_EQ(s.grpc(0).responses.count, 1u);
  EXPECT_EQ(s[0].http2->request_error, 8u);
}

TEST(Grpc, AHoleBetweenMessagesMakesTheirNumberUnknownOneInsideDoesNot) {
  GrpcStory s;
  const std::string frame = Data(1, Join({GrpcMessage(std::string(500, 'a')), GrpcMessage("b")}), false);
  s.Call(1);
  s.Ingress(Data(1, "")).Egress(Settings());
  s.Answer(1);
  s.Egress(frame.substr(0, 100)).LoseEgress(200).Egress(frame.substr(300));
  s.Trailers(1, "0");
  EXPECT_EQ(s.grpc(0).responses.count, 2u);
  s.Call(3);
  s.Ingress(Data(3, ""));
  s.Answer(3);
  const std::string other = Data(3, Join({GrpcMessage(std::string(500, 'a')), GrpcMessage("b")}), false);
  s.Egress(other.substr(0, 100)).LoseEgress(other.size() - 100);
  s.Trailers(3, "0");
  EXPECT_FALSE(s.grpc(1).responses.count);
  EXPECT_EQ(s.grpc(1).requests.count, 0u);
  EXPECT_EQ(s.grpc(1).status, 0u);
}

TEST(Grpc, AMessageSkippedToItsEndIsCounted) {
  GrpcStory s;
  s.Call(1);
  s.Ingress(Data(1, "")).Egress(Settings());
  s.Answer(1);
  for (int i = 0; i < 2; ++i) {
    const std::string frame = Data(1, GrpcMessage(std::string(500, 'a')), false);
    s.Egress(frame.substr(0, 100)).LoseEgress(frame.size() - 100);
  }
  s.Trailers(1, "0");
  EXPECT_EQ(s.grpc(0).responses.count, 2u);
  EXPECT_TRUE(s.grpc(0).responses.first);
}

TEST(Grpc, AnAnswerOfAnotherTypeHoldsNoMessages) {
  GrpcStory s;
  s.Call(1);
  s.Ingress(Data(1, GrpcMessage("x")));
  s.Egress(s.server.Response(1, "503", false, {{"content-type", "text/plain"}}));
  s.Egress(Data(1, "upstream connect error or disconnect"));
  EXPECT_FALSE(s.grpc(0).compressed);
  EXPECT_EQ(s.grpc(0).responses.count, 0u);
  EXPECT_EQ(s.grpc(0).requests.count, 1u);
}

TEST(Grpc, MessagesBehindAHiddenHeadAreNotCounted) {
  GrpcStory s;
  s.LoseEgress(100);
  s.Call(1);
  s.Ingress(Data(1, GrpcMessage("x")));
  s.Egress(Data(1, "6789", false) + Data(1, GrpcMessage("whole"), false) + Data(1, GrpcMessage("four"), false));
  s.Trailers(1, "0");
  s.Close();
  EXPECT_FALSE(s.grpc(0).responses.count);
  EXPECT_EQ(s.grpc(0).status, 0u);
  EXPECT_EQ(s[0].response.body, "");
}

TEST(Grpc, OtherContentTypesAreNoGrpc) {
  GrpcStory s;
  s.Ingress(s.client.Request(1, "POST", "/a/b", true, {{"content-type", "application/grpcfoo"}}));
  s.Egress(s.server.Ok(1, "x"));
  EXPECT_FALSE(s[0].grpc);
}

TEST(Grpc, ConnectsProtocolIsNoGrpc) {
  GrpcStory s;
  uint32_t id = 1;
  for (const char* type : {"application/proto", "application/json", "application/connect+proto"}) {
    s.Ingress(
        s.client.Request(id, "POST", "/a.B/C", false, {{"content-type", type}, {"connect-protocol-version", "1"}}));
    s.Ingress(Data(id, GrpcMessage("x"))).Egress(s.server.Ok(id, "x"));
    EXPECT_FALSE(s.events().back()->grpc) << type;
    id += 2;
  }
}

TEST(Grpc, AMessageThatClaimsFourGigabytesCostsNothing) {
  GrpcStory s;
  s.Call(1);
  const size_t before = s.table().budget.used();
  s.Ingress(Data(1, "\0\xff\xff\xff\xff"s + "x", false));
  EXPECT_LT(s.table().budget.used(), before + 2048);
  s.Ingress(Data(1, std::string(1000, 'x')));
  s.Answer(1);
  s.Egress(Data(1, Join({GrpcMessage(""), GrpcMessage("", true), GrpcMessage("")}), false));
  s.Trailers(1, "0");
  EXPECT_EQ(s.grpc(0).requests.count, 0u) << "it never ended";
  EXPECT_EQ(s.grpc(0).responses.count, 3u);
  EXPECT_TRUE(s.grpc(0).compressed);
}

TEST(Grpc, AMessageOfStatusIsDecodedAsFarAsItIsCoded) {
  GrpcStory s;
  const std::pair<const char*, const char*> messages[] = {
      {"a%20b", "a b"},    {"100%", "100%"}, {"%4", "%4"}, {"%zz%", "%zz%"}, {"%e2%82%ac", "\xe2\x82\xac"},
      {"%-1%+1", "%-1%+1"}};
  uint32_t id = 1;
  for (const auto& [coded, plain] : messages) {
    s.Call(id);
    s.Ingress(Data(id, ""));
    s.Egress(s.server.Response(id, "200", true,
                               {{"content-type", "application/grpc"}, {"grpc-status", "2"}, {"grpc-message", coded}}));
    EXPECT_EQ(s.events().back()->grpc->message, plain);
    id += 2;
  }
}

TEST(Grpc, StatusIsANumber) {
  GrpcStory s;
  uint32_t id = 1;
  for (const char* status : {"", "x", "-1", "0 ", "0x1", "99999999999"}) {
    s.Call(id);
    s.Ingress(Data(id, ""));
    s.Egress(s.server.Response(id, "200", true, {{"content-type", "application/grpc"}, {"grpc-status", status}}));
    EXPECT_FALSE(s.events().back()->grpc->status) << status;
    id += 2;
  }
}

TEST(Grpc, WebOverHttp1HasItsTrailersInTheBody) {
  Story s;
  const std::string trailers = "grpc-status:7\r\ngrpc-message:not you\r\n";
  const std::string body = GrpcMessage("reply") + "\x80" + Big32(static_cast<uint32_t>(trailers.size())) + trailers;
  const std::string request = GrpcMessage("ask");
  s.Open().Ingress("POST /shop.Cart/Add HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: " +
                   std::to_string(request.size()) + "\r\n\r\n" + request);
  s.Slowly(Direction::kEgress, "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: " +
                                   std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(s[0].grpc);
  EXPECT_TRUE(s[0].grpc->web);
  EXPECT_EQ(s[0].grpc->status, 7u);
  EXPECT_EQ(s[0].grpc->message, "not you");
  EXPECT_EQ(s[0].grpc->requests.count, 1u);
  EXPECT_EQ(s[0].grpc->responses.count, 1u);
}

TEST(Grpc, AClientOfWebCannotSayHowItWasAnswered) {
  Story s;
  const std::string forged = "grpc-status:0\r\n";
  const std::string request = GrpcMessage("ask") + "\x80" + Big32(static_cast<uint32_t>(forged.size())) + forged;
  const std::string trailers = "grpc-status:13\r\n";
  const std::string body = "\x80" + Big32(static_cast<uint32_t>(trailers.size())) + trailers;
  s.Open().Ingress("POST /shop.Cart/Add HTTP/1.1\r\nContent-Type: application/grpc-web\r\nContent-Length: " +
                   std::to_string(request.size()) + "\r\n\r\n" + request);
  s.Egress("HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body);
  ASSERT_TRUE(s[0].grpc);
  EXPECT_EQ(s[0].grpc->status, 13u);
  EXPECT_EQ(s[0].grpc->message, "");
  Story t;
  t.Open().Ingress("POST /shop.Cart/Add HTTP/1.1\r\nContent-Type: application/grpc-web\r\nContent-Length: " +
                   std::to_string(request.size()) + "\r\n\r\n" + request);
  t.Egress("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(t[0].grpc);
  EXPECT_FALSE(t[0].grpc->status);
}

TEST(Grpc, WebAsTextIsBase64) {
  Story s;
  // Two base64 texts: a message "hi", then the trailers "grpc-status:0\r\n".
  const std::string body = "AAAAAAJoaQ==gAAAAA9ncnBjLXN0YXR1czowDQo=";
  s.Open().Ingress(
      "POST /a.B/C HTTP/1.1\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 12\r\n\r\nAAAAAAJoaQ==");
  s.Slowly(Direction::kEgress, "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web-text\r\nContent-Length: " +
                                   std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(s[0].grpc);
  EXPECT_EQ(s[0].grpc->status, 0u);
  EXPECT_EQ(s[0].grpc->requests.count, 1u);
  EXPECT_EQ(s[0].grpc->responses.count, 1u);
}

}  // namespace
}  // namespace podtap
