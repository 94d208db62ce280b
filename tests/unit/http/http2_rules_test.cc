// SPDX-License-Identifier: Apache-2.0
// HTTP/2's rules of single messages (RFC 9113 8): what breaks them is told, because a server of HTTP/1 behind this one
// may read it as something else; and what a peer repeats without end is not worked on without end.
#include <gmock/gmock.h>

#include "sidecar/http/http2_side.h"
#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_literals;

struct Http2Story : Story {
  explicit Http2Story(SessionTable::Options options = Table::DefaultOptions()) : Story(std::move(options)) {
    Open().Ingress(Preface()).Egress(Settings());
  }
  // The tags of an exchange with those request fields and that body, which is answered.
  std::vector<std::string> TagsOf(const FieldList& fields, std::string_view body) {
    Ingress(client.Request(next, "POST", "/", body.empty(), fields));
    if (!body.empty()) Ingress(Data(next, body));
    Egress(server.Ok(next, "ok"));
    next += 2;
    return TagTexts(*events().back());
  }
  // The same of a response.
  std::vector<std::string> TagsOfResponse(std::string method, std::string status, const FieldList& fields,
                                          std::string_view body) {
    Ingress(client.Request(next, std::move(method), "/", true));
    Egress(server.Response(next, std::move(status), body.empty(), fields));
    if (!body.empty()) Egress(Data(next, body));
    next += 2;
    return TagTexts(*events().back());
  }
  Http2Peer client, server;
  uint32_t next = 1;
};

TEST(Http2Rules, ContentLengthIsTheLengthOfTheData) {
  Http2Story s;
  EXPECT_THAT(s.TagsOf({{"content-length", "4"}}, "body"), IsEmpty());
  EXPECT_THAT(s.TagsOf({{"content-length", "0"}}, "body"), ElementsAre("ambiguous_length"));
  EXPECT_THAT(s.TagsOf({{"content-length", "5"}}, "body"), ElementsAre("ambiguous_length"));
  EXPECT_THAT(s.TagsOf({{"content-length", "4"}}, ""), ElementsAre("ambiguous_length"));
  EXPECT_THAT(s.TagsOf({{"content-length", "4"}, {"content-length", "4"}}, "body"), IsEmpty());
  EXPECT_THAT(s.TagsOf({{"content-length", "0"}, {"content-length", "4"}}, "body"), ElementsAre("ambiguous_length"));
  EXPECT_THAT(s.TagsOf({{"content-length", "4, 4"}}, "body"), ElementsAre("malformed"));
  EXPECT_THAT(s.TagsOf({{"content-length", "+4"}}, "body"), ElementsAre("malformed"));
  EXPECT_THAT(s.TagsOf({{"transfer-encoding", "chunked"}}, "body"), ElementsAre("malformed", "ambiguous_length"));
}

TEST(Http2Rules, SomeResponsesMayAnnounceWhatTheyDoNotHave) {
  Http2Story s;
  EXPECT_THAT(s.TagsOfResponse("GET", "200", {{"content-length", "4"}}, "body"), IsEmpty());
  EXPECT_THAT(s.TagsOfResponse("GET", "200", {{"content-length", "4"}}, ""), ElementsAre("ambiguous_length"));
  EXPECT_THAT(s.TagsOfResponse("HEAD", "200", {{"content-length", "4"}}, ""), IsEmpty());
  EXPECT_THAT(s.TagsOfResponse("GET", "304", {{"content-length", "4"}}, ""), IsEmpty());
  EXPECT_THAT(s.TagsOfResponse("GET", "204", {}, ""), IsEmpty());
}

TEST(Http2Rules, ALengthIsNotJudgedByAMessageThatWasCutShort) {
  Http2Story s;
  s.Ingress(s.client.Request(1, "POST", "/", false, {{"content-length", "100"}}) + Data(1, "part", false) +
            Reset(1, 8));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("reset"));
  s.Ingress(s.client.Request(3, "POST", "/", false, {{"content-length", "100"}}));
  s.Ingress(Frame(Http2Frame::kData, kHttp2EndStream, 3, std::string(100, 'x')).substr(0, 19)).LoseIngress(90);
  s.Egress(s.server.Ok(3, "ok"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("lost"));
}

TEST(Http2Rules, FieldsOfHttp1sConnectionsAreNoneOfHttp2) {
  Http2Story s;
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "upgrade"})
    EXPECT_THAT(s.TagsOf({{name, "x"}}, ""), ElementsAre("malformed")) << name;
  for (const char* name :
       {"connectiox", "keep-alivx", "te", "proxy-authorization", "user-agent", "upgrade-insecure-requests"})
    EXPECT_THAT(s.TagsOf({{name, "trailers"}}, ""), IsEmpty()) << name;
}

TEST(Http2Rules, CharactersThatWouldEndALineElsewhere) {
  Http2Story s;
  for (const std::string& value : {"a\r\nb: c"s, "\nb"s, "a\0b"s, "a long value that has it after eight bytes\r"s})
    EXPECT_THAT(s.TagsOf({{"x", value}}, ""), ElementsAre("malformed"));
  for (const std::string& value : {""s, "a\tb"s, "\xc3\xa4\xff\x80 umlauts and others \x7f\x01\x1f"s, "1234567\x80"s})
    EXPECT_THAT(s.TagsOf({{"x", value}}, ""), IsEmpty());
  for (const std::string& name : {"a b"s, "a:"s, "A"s, "a\r\nb"s, "\xc3\xa4"s, "a\0"s})
    EXPECT_THAT(s.TagsOf({{name, "x"}}, ""), ElementsAre("malformed"));
  s.Ingress(s.client.Request(99, "GET", "/a HTTP/1.1\r\nx: y", true)).Egress(s.server.Ok(99, "ok"));
  EXPECT_THAT(TagTexts(*s.events().back()), ElementsAre("malformed"));
}

TEST(Http2Rules, CookiesInCrumbsAreRedactedOneByOneAndSoAreBentNames) {
  SessionTable::Options options = Table::DefaultOptions();
  options.redact_headers = {"cookie"};
  Http2Story s(options);
  s.TagsOf({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cook\x01ie", "c=3"}, {":cookie", "d=4"}}, "");
  EXPECT_THAT(Fields(s[0].request.headers),
              ElementsAre("cookie: ***", "x: y", "cookie: ***", "cook\x01ie: ***", ":cookie: ***"));
}

TEST(Http2Rules, AnUpgradedRequestHasItsBodyAndItsSecretsAreMaskedOnce) {
  SessionTable::Options options = Table::DefaultOptions();
  options.redact_headers = {"cookie"};
  options.policy.hash_key = "key";
  Story s(options);
  Http2Peer client, server(65536);
  s.Open().Ingress(
      "POST /up?a=b HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nContent-Length: 4\r\nConnection: Upgrade, "
      "HTTP2-Settings\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: AAEAAQAA\r\n\r\nbody");
  // The settings allow a table of 64 KiB, and the server uses it.
  FieldList many = {{":status", "200"}};
  for (int i = 0; i < 300; ++i) many.emplace_back("name-" + std::to_string(i), "value");
  s.Egress("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + Settings() +
           server.Headers(1, many, true));
  s.Ingress(Preface() + client.Get(3, "/3")).Egress(server.Headers(3, many, true));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /up?a=b 101", "POST /up?a=b 200", "GET /3 200"));
  EXPECT_EQ(s[1].request.body, "body");
  EXPECT_EQ(s[1].request.body_bytes, 4u);
  EXPECT_EQ(s[1].request.headers.Get("cookie"), s[0].request.headers.Get("cookie"));
  EXPECT_NE(s[1].request.headers.Get("cookie"), "secret");
  EXPECT_EQ(s[2].response.headers.size(), 300u);
  EXPECT_TRUE(s[0].complete && s[1].complete && s[2].complete);
}

TEST(Http2Rules, AnUpgradeBeforeTheBodyIsWholeHidesNoExchange) {
  Story s;
  Http2Peer client, server;
  s.Open().Ingress(
      "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAEAAQAA\r\n\r\nfirst");
  s.Egress("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + Settings());
  s.Ingress("other").Ingress(Preface() + client.Get(3, "/3") + WindowUpdate(0) + WindowUpdate(0));
  s.Egress(server.Ok(1, "1") + server.Ok(3, "3")).Close();
  ASSERT_GE(s.events().size(), 3u);
  EXPECT_EQ(Brief(s[0]), "POST /up 101");
  EXPECT_EQ(s[0].request.body, "first");
  EXPECT_TRUE(s[0].tags.Has(Tag::kBodyIncomplete));
  EXPECT_THAT(Briefs(s.events()), ::testing::IsSupersetOf({"POST /up 200", "GET /3 200"}));
}

TEST(Http2Rules, WhatWaitsBehindAnUpgradeIsUnanswered) {
  Story s;
  s.Open().Ingress("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  s.Egress("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /a 101", "GET /b -"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unanswered"));
}

TEST(Http2Rules, DataOfStreamsThatWereNeverOpenedIsNothing) {
  Http2Story s;
  s.Ingress(Data(1, "x", false) + Data(2, "y") + WindowUpdate(5)).Egress(Data(7, "z"));
  EXPECT_THAT(s.TagsOf({}, ""), IsEmpty());
  EXPECT_EQ(s[0].request.body_bytes, 0u);
}

TEST(Http2Rules, AStreamIdIsUsedOnce) {
  Http2Story s;
  s.Ingress(s.client.Get(5, "/5")).Egress(s.server.Ok(5, "x"));
  s.Ingress(s.client.Get(5, "/again")).Egress(s.server.Ok(5, "y"));
  s.Ingress(s.client.Get(3, "/lower")).Egress(s.server.Ok(3, "z"));
  s.Ingress(s.client.Get(7, "/7")).Egress(s.server.Ok(7, "x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /5 200", "GET /7 200"));
}

TEST(Http2Rules, FramesAndBlocksOfTheLargestSize) {
  Http2Story s;
  constexpr size_t kLargest = (1 << 24) - 1;
  s.Ingress(s.client.Request(1, "POST", "/large", false)).Ingress(Data(1, std::string(kLargest, 'x')));
  s.Egress(s.server.Ok(1, "ok"));
  EXPECT_EQ(s[0].request.body_bytes, kLargest);
  EXPECT_TRUE(s[0].complete);
}

TEST(Http2Rules, GoawayAfterGoawayEndsWhatTheLaterOneAdds) {
  Http2Story s;
  for (const uint32_t id : {1u, 3u, 5u}) s.Ingress(s.client.Get(id, "/" + std::to_string(id)));
  const auto goaway = [](uint32_t last) { return Frame(Http2Frame::kGoaway, 0, 0, Big32(last) + Big32(0)); };
  s.Egress(goaway(0x7fffffff) + goaway(3));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /5 -"));
  s.Egress(goaway(3) + goaway(1) + goaway(5));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /5 -", "GET /3 -"));
  s.Egress(s.server.Ok(1, "x"));
  EXPECT_EQ(Brief(s[2]), "GET /1 200");
}

TEST(Http2Rules, AfterManyBytesThatCanBeNoFramesNoneAreLookedForUntilAHole) {
  Http2Story s;
  for (int i = 0; i < 100; ++i) {
    s.Ingress(Join({s.client.Get(s.next, "/" + std::to_string(i)), WindowUpdate(0), WindowUpdate(0)}));
    s.next += 2;
    s.Ingress("\xff\xff\xff no frame");
  }
  EXPECT_EQ(s.Count(Counter::kHttp2Refound), static_cast<uint64_t>(Http2Side::kMaxBroken));
  s.LoseIngress(10);
  Http2Peer fresh;
  s.Ingress(Join({fresh.Get(1001, "/found"), WindowUpdate(0), WindowUpdate(0)})).Egress(s.server.Ok(1001, "x"));
  EXPECT_EQ(Brief(*s.events().back()), "GET /found 200");
}

}  // namespace
}  // namespace podtap
