// SPDX-License-Identifier: Apache-2.0
// HTTP/1 as it should be: whole connections, nothing lost.
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_view_literals;

TEST(Http1Session, OneExchange) {
  Story s;
  s.Open().Ingress("GET /api?x=1 HTTP/1.1\r\nHost: a\r\nX-Trace:  1 \r\n\r\n").Egress(Ok("hello"));
  ASSERT_EQ(s.events().size(), 1u);
  const HttpEvent& e = s[0];
  EXPECT_EQ(e.method, "GET");
  EXPECT_EQ(e.target, "/api?x=1");
  EXPECT_EQ(e.version, "HTTP/1.1");
  EXPECT_EQ(e.status, 200);
  EXPECT_EQ(e.reason, "OK");
  EXPECT_EQ(e.response_version, "HTTP/1.1");
  EXPECT_THAT(Fields(e.request.headers), ElementsAre("Host: a", "X-Trace: 1"));
  EXPECT_EQ(e.response.body, "hello");
  EXPECT_EQ(e.response.body_bytes, 5u);
  EXPECT_EQ(e.request.header_bytes, 48u);
  EXPECT_EQ(e.exchange, 1u);
  EXPECT_TRUE(e.complete);
  EXPECT_THAT(TagTexts(e), IsEmpty());
  s.Close();
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s.table().budget.used(), 0u);
  EXPECT_EQ(s.Count(Counter::kConnectionsHttp1), 1u);
  EXPECT_EQ(s.Count(Counter::kRequestsParsed), 1u);
  EXPECT_EQ(s.Count(Counter::kResponsesParsed), 1u);
  EXPECT_EQ(s.Count(Counter::kEventsEmitted), 1u);
}

TEST(Http1Session, TimesAreThoseOfTheBytes) {
  Story s;
  s.Open();
  const uint64_t opened = s.table().now.ns;
  s.Ingress("POST / HTTP/1.1\r\nContent-").Ingress("Length: 2\r\n\r\na").Ingress("b");
  s.Egress("HTTP/1.1 100 Continue\r\n\r\n")
      .Egress("HTTP/1.1 200 OK\r\n")
      .Egress("Content-Length: 1\r\n\r\n")
      .Egress("x");
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.start.ns, opened + 1000);
  EXPECT_EQ(s[0].request.end.ns, opened + 3000);
  EXPECT_EQ(s[0].response.start.ns, opened + 5000);  // of the final response
  EXPECT_EQ(s[0].response.end.ns, opened + 7000);
  EXPECT_EQ(s[0].duration_ns(), 6000u);
  EXPECT_EQ(s[0].wall.ns, static_cast<int64_t>(opened + 1000 + 1'000'000'000'000));
}

TEST(Http1Session, ExchangesFollowEachOtherOnOneConnection) {
  Story s;
  s.Open();
  for (size_t i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    s.Ingress(Get("/" + n)).Egress(Ok(n));
    ASSERT_EQ(s.events().size(), i + 1);
    EXPECT_EQ(s[i].target, "/" + n);
    EXPECT_EQ(s[i].response.body, n);
    EXPECT_TRUE(s[i].complete);
    EXPECT_EQ(s[i].exchange, i + 1);
  }
}

TEST(Http1Session, PipelinedRequestsAreAnsweredInOrder) {
  Story s;
  s.Open().Ingress(Get("/1") + Post("/2", "abc") + Get("/3")).Egress(Ok("one") + Ok("two") + Ok("three"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "POST /2 200", "GET /3 200"));
  EXPECT_EQ(s[0].response.body, "one");
  EXPECT_EQ(s[1].request.body, "abc");
  EXPECT_EQ(s[1].response.body, "two");
  EXPECT_EQ(s[2].response.body, "three");
}

TEST(Http1Session, EgressConnectionsAreClients) {
  Story s;
  s.As(Role::kOpened).Open().Egress(Get("/out")).Ingress(Ok("in"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /out 200"));
  EXPECT_EQ(s[0].client().Text(), "10.0.0.1:80");
}

TEST(Http1Session, AnyTokenIsAMethod) {
  Story s;
  s.Open();
  for (const char* method : {"PROPFIND", "M-SEARCH", "x", "!#$%&'*+-.^_`|~", "get"})
    s.Ingress(std::string(method) + " / HTTP/1.1\r\n\r\n").Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 5u);
  EXPECT_EQ(s[3].method, "!#$%&'*+-.^_`|~");
  EXPECT_EQ(s[4].method, "get");
  for (size_t i = 0; i < 5; ++i) EXPECT_THAT(TagTexts(s[i]), IsEmpty());
}

TEST(Http1Session, AllFormsOfTargets) {
  Story s;
  s.Open();
  for (const char* target : {"/a%20b?c=d&e#f", "http://h:8080/x", "*", "[::1]:443", "/\xc3\xa4"})
    s.Ingress("OPTIONS " + std::string(target) + " HTTP/1.1\r\n\r\n").Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 5u);
  EXPECT_EQ(s[1].target, "http://h:8080/x");
  EXPECT_EQ(s[2].target, "*");
  EXPECT_EQ(s[4].target, "/\xc3\xa4");
  EXPECT_THAT(TagTexts(s[4]), IsEmpty());
}

TEST(Http1Session, FieldNamesKeepSpellingAndOrder) {
  Story s;
  s.Open().Ingress("GET / HTTP/1.1\r\nhOST: A\r\nb: 1\r\nB: 2\r\nempty:\r\nb: 3\r\n\r\n").Egress(Ok(""));
  EXPECT_THAT(Fields(s[0].request.headers), ElementsAre("hOST: A", "b: 1", "B: 2", "empty: ", "b: 3"));
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
}

TEST(Http1Session, EmptyLinesBeforeARequestAreAllowed) {
  Story s;
  s.Open().Ingress("\r\n\r\n" + Get("/1")).Egress(Ok("1")).Ingress("\r\n").Ingress("\n" + Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
  EXPECT_EQ(s[0].request.header_bytes, Get("/1").size());
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
  EXPECT_TRUE(s[1].complete);
}

// ---- bodies

TEST(Http1Session, HeadResponseHasNoBody) {
  Story s;
  s.Open().Ingress("HEAD /big HTTP/1.1\r\n\r\n").Egress("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  s.Ingress(Get("/next")).Egress(Ok("x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("HEAD /big 200", "GET /next 200"));
  EXPECT_EQ(s[0].response.body_bytes, 0u);
  EXPECT_TRUE(s[0].complete);
}

TEST(Http1Session, Responses204And304HaveNoBody) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 204 No Content\r\n\r\n");
  s.Ingress(Get("/2")).Egress("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: x\r\n\r\n");
  s.Ingress(Get("/3")).Egress(Ok("x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 204", "GET /2 304", "GET /3 200"));
  EXPECT_TRUE(s[0].complete && s[1].complete && s[2].complete);
}

TEST(Http1Session, ChunkedBodiesWithExtensionsAndTrailers) {
  Story s;
  s.Open()
      .Ingress(
          "POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b;c\"\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
      .Egress(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n00;x\r\nX-Sum: "
          "9\r\nY: z\r\n\r\n")
      .Ingress(Get("/next"))
      .Egress(Ok("n"));
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(s[0].request.body, "hello world");
  EXPECT_EQ(s[0].request.body_bytes, 11u);
  EXPECT_EQ(s[0].response.body, "abc");
  EXPECT_THAT(Fields(s[0].response.trailers), ElementsAre("X-Sum: 9", "Y: z"));
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
  EXPECT_EQ(s[1].target, "/next");
}

TEST(Http1Session, ResponseUntilCloseEndsWithTheConnection) {
  Story s;
  s.Open().Ingress("GET / HTTP/1.0\r\n\r\n").Egress("HTTP/1.0 200 OK\r\n\r\nabc").Egress("def");
  EXPECT_THAT(s.events(), IsEmpty());
  s.End(Direction::kEgress);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "abcdef");
  EXPECT_EQ(s[0].version, "HTTP/1.0");
  EXPECT_TRUE(s[0].complete);
  s.Close();
  EXPECT_EQ(s.events().size(), 1u);
}

TEST(Http1Session, UntilCloseWithoutFinIsOverWhenTheSocketIsGone) {
  Story s;
  s.Open().Ingress("GET / HTTP/1.0\r\n\r\n").Egress("HTTP/1.0 200 OK\r\n\r\nabc").Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].complete);
}

// ---- 1xx, Upgrade, CONNECT

TEST(Http1Session, InformationalResponsesComeBeforeTheFinalOne) {
  Story s;
  s.Open().Ingress("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  s.Egress("HTTP/1.1 100 Continue\r\n\r\n").Egress("HTTP/1.1 102 Processing\r\n\r\n").Ingress("abc");
  s.Egress("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + Ok("done"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(s[0].informational, ElementsAre(100, 102, 103));
  EXPECT_EQ(s[0].status, 200);
  EXPECT_EQ(s[0].request.body, "abc");
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
  EXPECT_EQ(s[0].response.headers.size(), 1u);
}

TEST(Http1Session, UpgradeEndsTheHttpPartOfTheConnection) {
  Story s;
  s.Open().Ingress("GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  s.Egress("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
  s.Ingress("\x81\x85\x01\x02\x03\x04xxxxx").Egress("\x81\x02hi").Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].status, 101);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("upgrade"));
  EXPECT_TRUE(s[0].complete);
  EXPECT_EQ(s.Count(Counter::kRequestErrors) + s.Count(Counter::kResponseErrors), 0u);
}

TEST(Http1Session, AnUpgradeThatIsIgnoredChangesNothing) {
  Story s;
  s.Open().Ingress("GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n" + Get("/2")).Ingress(Get("/3"));
  s.Egress(Ok("1")).Egress(Ok("2") + Ok("3"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200", "GET /3 200"));
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(s[i].complete);
}

TEST(Http1Session, WhatWaitedIsReadBeforeTheNextResponse) {
  Story s;
  s.Open().Ingress("GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n" + Get("/2")).Egress(Ok("1") + Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
}

TEST(Http1Session, ConnectOpensATunnel) {
  Story s;
  s.As(Role::kOpened).Open().Egress("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
  s.Ingress("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n");
  s.Egress("\x16\x03\x01\x02\x00 hello"sv).Ingress("\x16\x03\x03\x00\x7a hello"sv).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "CONNECT h:443 200");
  EXPECT_EQ(s[0].response.body_bytes, 0u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("upgrade"));
  EXPECT_EQ(s.Count(Counter::kConnectionsTls), 1u);
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 0u);
}

TEST(Http1Session, HttpInsideATunnelIsExact) {
  Story s;
  s.As(Role::kOpened).Open();
  // The client does not wait for the proxy's answer.
  s.Egress("CONNECT h:80 HTTP/1.1\r\n\r\n" + Get("/early")).Ingress("HTTP/1.1 200 OK\r\n\r\n" + Ok("1"));
  s.Egress(Get("/2")).Ingress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("CONNECT h:80 200", "GET /early 200", "GET /2 200"));
  EXPECT_EQ(s[1].response.body, "1");
  EXPECT_EQ(s[2].exchange, 3u);
  EXPECT_TRUE(s[1].complete && s[2].complete);
}

TEST(Http1Session, ARefusedTunnelStaysHttp) {
  Story s;
  s.As(Role::kOpened).Open().Egress("CONNECT h:443 HTTP/1.1\r\n\r\n");
  s.Ingress("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno").Egress(Get("/x")).Ingress(Ok(""));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("CONNECT h:443 407", "GET /x 200"));
  EXPECT_EQ(s[0].response.body, "no");
}

// ---- order of events

TEST(Http1Session, AnEarlyResponseIsWaitedFor) {
  Story s;
  s.Open()
      .Ingress("POST /up HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc")
      .Egress("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(s.events(), IsEmpty());
  s.Ingress("def");
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].status, 413);
  EXPECT_EQ(s[0].request.body, "abcdef");
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("early_response"));
  s.Ingress(Get("/2")).Egress(Ok(""));
  EXPECT_EQ(Brief(s[1]), "GET /2 200");
}

TEST(Http1Session, AServerMaySpeakFirst) {
  Story s;
  s.Open().Egress("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n").End(Direction::kEgress).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "- 408");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unrequested"));
  EXPECT_EQ(s[0].version, "HTTP/1.1");
}

TEST(Http1Session, Http09IsALineAndABody) {
  Story s;
  s.Open().Ingress("GET /old\r\n").Egress("<html>\r\n").Egress("old</html>").Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].target, "/old");
  EXPECT_EQ(s[0].response.body, "<html>\r\nold</html>");
  EXPECT_EQ(s[0].status, 0);
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("http09"));
}

TEST(Http1Session, Http09MayBeAnsweredWithAHead) {
  Story s;
  s.Open().Ingress("GET /old\r\n").Egress("HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\n\r\nx");
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].status, 400);
}

}  // namespace
}  // namespace podtap
