// SPDX-License-Identifier: Apache-2.0
// Holes, one story each (tests/unit/http/http1_every_gap_test.cc tries them all).
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;

TEST(Http1Loss, AHoleInABodyOfKnownLengthIsCountedThrough) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
  s.LoseEgress(50).Egress(std::string(40, 'z') + "HTTP/1.1 ").Ingress(Get("/2"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "0123456789");  // stops at the hole
  EXPECT_EQ(s[0].response.body_bytes, 100u);
  EXPECT_EQ(s[0].response.missing_bytes, 50u);
  EXPECT_TRUE(s[0].response.finished);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("lost"));
}

TEST(Http1Loss, TheNextExchangeIsExact) {
  Story s;
  s.Open()
      .Ingress("POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n")
      .LoseIngress(16)
      .Ingress("\r\n0\r\n\r\n");
  s.Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /1 200", "GET /2 200"));
  EXPECT_EQ(s[0].request.missing_bytes, 16u);
  EXPECT_EQ(s[0].request.body_bytes, 16u);
  EXPECT_TRUE(s[1].complete);
  EXPECT_THAT(TagTexts(s[1]), IsEmpty());
}

TEST(Http1Loss, AHoleInARequestHead) {
  Story s;
  s.Open().Ingress("GET /1 HTTP/1.1\r\nA: 1\r\nB: 2").LoseIngress(30).Ingress("tail\r\n\r\n").Egress(Ok("1"));
  s.Ingress(Get("/2")).Egress(Ok("2")).Ingress(Get("/3")).Egress(Ok("3"));
  s.Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200", "GET /3 200"));
  EXPECT_THAT(Fields(s[0].request.headers), ElementsAre("A: 1"));
  EXPECT_EQ(s[0].request.missing_bytes, 30u);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "lost"));
  EXPECT_TRUE(s[1].complete);
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("resynchronised"));
  EXPECT_TRUE(s[2].complete);
  EXPECT_THAT(TagTexts(s[2]), IsEmpty());
}

TEST(Http1Loss, AHoleInAResponseHead) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2").LoseEgress(30).Egress("tail\r\n\r\nbody");
  s.Ingress(Get("/2")).Egress(Ok("2")).Ingress(Get("/3")).Egress(Ok("3")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200", "GET /3 200"));
  EXPECT_THAT(Fields(s[0].response.headers), ElementsAre("A: 1"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "lost"));
  EXPECT_TRUE(s[1].complete);
}

TEST(Http1Loss, AWholeResponseIsLost) {
  Story s;
  s.Open().Ingress(Get("/1")).LoseEgress(Ok("1").size()).Ingress(Get("/2")).Egress(Ok("2"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "GET /1 -");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("lost", "unpaired"));
  s.Wait(2);  // nothing more came: the pair is believed
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(Brief(s[1]), "GET /2 200");
  EXPECT_TRUE(s[1].complete);
}

TEST(Http1Loss, AWholeRequestIsLost) {
  Story s;
  s.Open().Ingress(Get("/0")).Egress(Ok("0")).LoseIngress(Get("/1").size()).Egress(Ok("1"));
  s.Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /0 200", "- 200", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unrequested", "lost", "unpaired"));
  EXPECT_EQ(s[2].response.body, "2");
}

TEST(Http1Loss, ARequestLostWithTheAnswerBeforeItIsNoSignOfPipelining) {
  Story s;
  // The answer of /1 and the request /2 are lost; of the two holes that of the requests is told first.
  s.Open().Ingress(Get("/1")).LoseIngress(Get("/2").size()).LoseEgress(Ok("1").size()).Egress(Ok("2"));
  s.Ingress(Get("/3")).Egress(Ok("3")).Ingress(Get("/4")).Egress(Ok("4")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 -", "- 200", "GET /3 200", "GET /4 200"));
  EXPECT_EQ(s[2].response.body, "3");
  EXPECT_TRUE(s[3].complete);
  EXPECT_TRUE(s[3].tags.empty());
}

TEST(Http1Loss, AResponseTooManyDisprovesAPair) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress(Ok("1"));
  // Two pipelined requests, the first of them lost together with the end of the one before.
  s.Ingress("GET /2 HTTP/1.1\r\nA: ")
      .LoseIngress(40)
      .Egress(Ok("2"))
      .Ingress(Get("/4"))
      .Egress(Ok("3") + Ok("4"))
      .Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200", "- 200", "GET /4 -", "- 200"));
  EXPECT_EQ(s[2].response.body, "3");
  EXPECT_EQ(s[4].response.body, "4");
  for (const size_t i : {2u, 3u, 4u}) EXPECT_FALSE(s[i].complete);
}

TEST(Http1Loss, AClientThatKeepsRequestsInFlightIsNeverPairedByGuess) {
  Story s;
  s.Open().Ingress(Get("/1") + Get("/2")).Egress(Ok("1")).Ingress(Get("/3")).Egress(Ok("2"));
  s.LoseIngress(Get("/4").size()).Egress(Ok("3"));
  for (int i = 5; i < 9; ++i) s.Ingress(Get("/" + std::to_string(i))).Egress(Ok(std::to_string(i - 1)));
  s.Close();
  ASSERT_GE(s.events().size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(s[i].complete);
  for (size_t i = 3; i < s.events().size(); ++i) {
    EXPECT_NE(s[i].request.seen, s[i].response.seen);
    EXPECT_TRUE(s[i].tags.Has(Tag::kUnpaired));
  }
}

TEST(Http1Loss, WhatStandsInABodyIsNoMessage) {
  // The upload's head is torn, so the length of its body is unknown, and its body looks like a request.
  Story s;
  s.Open()
      .Ingress("POST /up HTTP/1.1\r\nA: ")
      .LoseIngress(100)
      .Ingress("\r\n\r\nlog:\n" + Get("/fake"))
      .Egress(Ok("up"));
  s.Ingress(Get("/2")).Egress(Ok("2")).Close();
  ASSERT_EQ(s.events().size(), 3u);
  for (const HttpEventPtr& e : s.events()) {
    if (e->target == "/fake") {
      EXPECT_FALSE(e->complete);
      EXPECT_FALSE(e->response.seen);
    }
  }
  EXPECT_EQ(Brief(*s.events().back()), "GET /2 200");
  EXPECT_EQ(s.events().back()->response.body, "2");
}

TEST(Http1Loss, AnUnseenHeadRequestDoesNotSwallowTheNextResponse) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress(Ok("1")).LoseIngress(40).Egress("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  s.Ingress(Get("/3")).Egress(Ok("3")).Ingress(Get("/4")).Egress(Ok("4")).Close();
  EXPECT_EQ(Brief(*s.events().back()), "GET /4 200");
  EXPECT_TRUE(s.events().back()->complete);
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "- 200", "GET /3 200", "GET /4 200"));
}

TEST(Http1Loss, WhatWaitedForALostAnswerIsReadInOrder) {
  Story s;
  s.Open()
      .Ingress("GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n")
      .Ingress(Get("/2"))
      .LoseEgress(60)
      .Ingress(Get("/3"))
      .Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 -", "GET /2 -", "GET /3 -"));
}

// ---- left out at our own wish

TEST(Http1Skip, PastTheBodyLimitNothingIsMissing) {
  HttpLimits limits;
  limits.max_body_bytes = 10;
  Story s(Table::WithLimits(limits));
  const uint64_t size = 1'073'741'824;
  s.Open().Ingress(Get("/big"));
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  s.Egress(head).Egress("0123456789abcdef");
  ASSERT_EQ(s.table().interests.size(), 1u);
  const Interest& interest = s.table().interests[0];
  EXPECT_EQ(interest.want, Interest::Want::kFromPosition);
  EXPECT_EQ(interest.direction, kOut);
  EXPECT_EQ(interest.connection, s.connection.id);
  EXPECT_EQ(interest.position, head.size() + size);
  s.Skip(kOut, size - 16).Ingress(Get("/2")).Egress(Ok("2"));
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(s[0].response.body_bytes, size);
  EXPECT_EQ(s[0].response.missing_bytes, 0u);
  EXPECT_EQ(s[0].response.body, "0123456789");
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("truncated"));
  EXPECT_TRUE(s[1].complete);
  EXPECT_EQ(s.table().interests.size(), 1u);
}

TEST(Http1Skip, BeforeTheBodyLimitItIs) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n0123456789");
  s.Skip(kOut, 199'990);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body_bytes, 200'000u);
  EXPECT_EQ(s[0].response.missing_bytes, 131'072u - 10);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("truncated", "lost"));
}

TEST(Http1Skip, WithoutBodiesTheSkipIsAskedForAtOnce) {
  HttpLimits limits;
  limits.max_body_bytes = 0;
  Story s(Table::WithLimits(limits));
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_EQ(s.table().interests.size(), 1u);
  s.Skip(kOut, 1'000'000);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("truncated"));
}

TEST(Http1Skip, LargeChunksToo) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  Story s(Table::WithLimits(limits));
  s.Open().Ingress("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\nabcdefgh");
  ASSERT_EQ(s.table().interests.size(), 1u);
  EXPECT_EQ(s.table().interests[0].direction, kIn);
  s.Skip(kIn, 0x100000 - 8).Ingress("\r\n3\r\nxyz\r\n0\r\n\r\n").Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.body_bytes, 0x100003u);
  EXPECT_TRUE(s[0].complete);
}

TEST(Http1Skip, ASmallRestIsNotWorthIt) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  Story s(Table::WithLimits(limits));
  s.Open().Ingress(Get("/1")).Egress("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabcdefgh");
  EXPECT_THAT(s.table().interests, IsEmpty());
}

TEST(Http1Skip, InsideAHeadItIsALoss) {
  Story s;
  s.Open().Ingress("GET /1 HTTP/1.1\r\nA: 1\r\n").Skip(kIn, 100).Egress(Ok("1")).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_FALSE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "lost"));
}

}  // namespace
}  // namespace podtap
