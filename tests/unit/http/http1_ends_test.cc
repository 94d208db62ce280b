// SPDX-License-Identifier: Apache-2.0
// How connections end, time runs out, and what is told of what was not finished.
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;

TEST(Http1Ends, UnansweredRequestsAreToldAtTheEnd) {
  Story s;
  s.Open().Ingress(Get("/1") + Get("/2")).Egress(Ok("1")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 -"));
  EXPECT_TRUE(s[0].complete);
  EXPECT_FALSE(s[1].complete);
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unanswered"));
}

TEST(Http1Ends, AfterTheServersFinNothingIsWaitedFor) {
  Story s;
  s.Open().Ingress(Get("/1")).End(kOut);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unanswered"));
  s.Ingress(Get("/2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 -", "GET /2 -"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unanswered"));
}

TEST(Http1Ends, AClientThatClosesItsHalfStillGetsItsAnswer) {
  Story s;
  s.Open().Ingress(Get("/1")).End(kIn).Egress("HTTP/1.0 200 OK\r\n\r\nbody").End(kOut).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "body");
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
}

TEST(Http1Ends, ResetInsideAResponseBody) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").Close(CloseReason::kReset);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "abc");
  EXPECT_EQ(s[0].response.body_bytes, 3u);
  EXPECT_FALSE(s[0].complete);
  EXPECT_FALSE(s[0].response.finished);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("body_incomplete", "reset"));
}

TEST(Http1Ends, ResetInsideABodyUntilClose) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.0 200 OK\r\n\r\nabc").Close(CloseReason::kReset);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("body_incomplete", "reset"));
}

TEST(Http1Ends, ResetBeforeTheAnswer) {
  Story s;
  s.Open().Ingress(Get("/1")).Close(CloseReason::kReset);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unanswered", "reset"));
}

TEST(Http1Ends, ResetAfterAWholeExchangeIsNotItsBusiness) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress(Ok("x")).Close(CloseReason::kReset);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), IsEmpty());
}

TEST(Http1Ends, RequestBodyThatNeverCame) {
  Story s;
  s.Open().Ingress("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc").End(kIn);
  s.Egress("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n").Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].status, 400);
  EXPECT_EQ(s[0].request.body, "abc");
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("body_incomplete"));
}

TEST(Http1Ends, ChunkedBodyWithoutItsLastChunk) {
  Story s;
  s.Open()
      .Ingress(Get("/"))
      .Egress("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
      .End(kOut)
      .Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "abc");
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("body_incomplete"));
}

TEST(Http1Ends, HeadsThatBreakOff) {
  Story s;
  s.Open().Ingress("GET /1 HTTP/1.1\r\nHost: a\r\nHalf: ").Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].target, "/1");
  EXPECT_THAT(Fields(s[0].request.headers), ElementsAre("Host: a"));
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "unanswered"));

  Story r;
  r.Open().Ingress(Get("/2")).Egress("HTTP/1.1 200 OK\r\nA: 1\r\nB").Close(CloseReason::kReset);
  ASSERT_EQ(r.events().size(), 1u);
  EXPECT_EQ(r[0].status, 200);
  EXPECT_THAT(Fields(r[0].response.headers), ElementsAre("A: 1"));
  EXPECT_THAT(TagTexts(r[0]), ElementsAre("head_incomplete", "reset"));
}

TEST(Http1Ends, HalfAStartLineIsNoRequest) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress(Ok("")).Ingress("GET /2 HT").Close();
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
}

TEST(Http1Ends, ShutdownTellsWhatIsOpen) {
  Story s;
  s.Open().Ingress(Get("/1") + "POST /2 HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
  s.Egress("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx").Close(CloseReason::kShutdown);
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "POST /2 -"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("shutdown"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("shutdown"));
  EXPECT_FALSE(s[0].complete || s[1].complete);
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http1Ends, ForgottenConnectionsTellWhatTheyHave) {
  Story s;
  s.Open().Ingress(Get("/1")).Close(CloseReason::kForgotten);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("forgotten"));
}

// ---- time

HttpLimits Patience(uint64_t seconds) {
  HttpLimits limits;
  limits.idle_timeout_ns = seconds * 1'000'000'000;
  return limits;
}

TEST(Http1Timeout, AnExchangeEmittedByTimeoutIsFinal) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress(Get("/slow")).Wait(9);
  EXPECT_THAT(s.events(), IsEmpty());
  s.Wait(2);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("timeout"));
  EXPECT_FALSE(s[0].complete);
  s.Egress(Ok("late"));
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s.Count(Counter::kLateResponses), 1u);
  s.Ingress(Get("/2")).Egress(Ok("2"));
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(Brief(s[1]), "GET /2 200");
  EXPECT_EQ(s[1].response.body, "2");
  EXPECT_TRUE(s[1].complete);
}

TEST(Http1Timeout, IdleConnectionsHaveNone) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Wait(100).Ingress(Get("/1")).Egress(Ok("")).Wait(1000).Ingress(Get("/2")).Egress(Ok("")).Wait(1000);
  EXPECT_EQ(s.events().size(), 2u);
  EXPECT_THAT(TagTexts(s[1]), IsEmpty());
}

TEST(Http1Timeout, BytesKeepAnExchangeAlive) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
  for (const char* c : {"a", "b", "c"}) s.Wait(9).Ingress(c);
  s.Wait(9).Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].complete);
}

TEST(Http1Timeout, BytesThatAreSkippedKeepAnExchangeAlive) {
  HttpLimits limits = Patience(10);
  limits.max_body_bytes = 10;
  Story s(Table::WithLimits(limits));
  s.Open().Ingress(Get("/")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 1000010\r\n\r\n0123456789");
  for (int i = 0; i < 10; ++i) s.Wait(9).Skip(Direction::kEgress, 100'000);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].complete);
  EXPECT_EQ(s[0].response.body_bytes, 1'000'010u);
  EXPECT_THAT(TagTexts(s[0]), ::testing::ElementsAre("truncated"));
}

TEST(Http1Timeout, BytesThatAreSkippedMayBeAnnouncedASecondLate) {
  HttpLimits limits = Patience(1);
  limits.max_body_bytes = 10;
  Story s(Table::WithLimits(limits));
  s.Open().Ingress(Get("/")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 1000010\r\n\r\n0123456789").Wait(2);
  EXPECT_TRUE(s.events().empty());
  s.Wait(2);
  ASSERT_EQ(s.events().size(), 1u) << "but silence is silence";
  EXPECT_FALSE(s[0].complete);
}

TEST(Http1Timeout, LateAnswersOfManyRequestsAreSwallowedInOrder) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress("HEAD /1 HTTP/1.1\r\n\r\n" + Get("/2") + "HEAD /3 HTTP/1.1\r\n\r\n").Wait(11);
  EXPECT_EQ(s.events().size(), 3u);
  s.Ingress(Get("/4"));
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
  s.Egress(head).Egress(head + "body").Egress(head).Egress(Ok("4"));
  ASSERT_EQ(s.events().size(), 4u);
  EXPECT_EQ(Brief(s[3]), "GET /4 200");
  EXPECT_EQ(s[3].response.body, "4");
  EXPECT_EQ(s.Count(Counter::kLateResponses), 3u);
}

TEST(Http1Timeout, InsideAResponseBody) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").Wait(11);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "abc");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("timeout"));
  s.Egress("def").Ingress(Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
  EXPECT_TRUE(s[1].complete);
}

TEST(Http1Timeout, InsideARequestBody) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress("POST /1 HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc").Wait(11).Ingress("def").Egress(Ok("late"));
  s.Ingress(Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /1 -", "GET /2 200"));
  EXPECT_EQ(s.Count(Counter::kLateResponses), 1u);
}

TEST(Http1Timeout, InsideHeads) {
  Story s(Table::WithLimits(Patience(10)));
  s.Open().Ingress("POST /1 HTTP/1.1\r\nContent-Length: 3\r\nA:").Wait(11);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "timeout"));
  s.Ingress(" b\r\n\r\nabc").Egress(Ok("late"));  // the length is still known
  s.Ingress(Get("/2")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n").Wait(11);
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("head_incomplete", "timeout"));
  s.Egress("\r\nabc").Ingress(Get("/3")).Egress(Ok("3")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /1 -", "GET /2 200", "GET /3 200"));
  EXPECT_TRUE(s[2].complete);
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http1Conflict, TagsTheExchangeItHits) {
  Story s;
  s.Open().Ingress("POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\na").Conflicting(kIn).Ingress("bc").Egress(Ok("1"));
  s.Ingress(Get("/2")).Conflicting(kIn).Egress(Ok("2"));  // before the answer: a second copy of the request
  s.Conflicting(kIn).Ingress(Get("/3")).Egress(Ok("3"));  // before it is delivered
  s.Ingress(Get("/4")).Egress("HTTP/1.1 200 OK\r\n").Conflicting(kOut).Egress("Content-Length: 0\r\n\r\n");
  s.Ingress(Get("/5")).Egress(Ok("5"));
  ASSERT_EQ(s.events().size(), 5u);
  for (size_t i = 0; i < 4; ++i) EXPECT_THAT(TagTexts(s[i]), ElementsAre("tcp_conflict")) << i;
  EXPECT_THAT(TagTexts(s[4]), IsEmpty());
  EXPECT_TRUE(s[0].complete);
}

}  // namespace
}  // namespace podtap
