// SPDX-License-Identifier: Apache-2.0
// HTTP/2 whose beginning was not seen, or of which frames are missing: every event is exact, or says what it lacks.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::string_literals;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;

// ---- joined late

TEST(Http2Late, ThreeFramesInARowAreBelievedAndNothingOfThemIsLost) {
  Story s;
  Http2Peer client, server;
  client.Get(1, "/before");
  server.Ok(1, "before");
  s.As(Role::kUnknown).OpenLate();
  s.Ingress(client.Get(3, "/3")).Egress(server.Ok(3, "3"));
  s.Ingress(client.Get(5, "/5"));
  EXPECT_THAT(s.events(), IsEmpty());  // not enough yet
  s.Egress(server.Ok(5, "5"));
  s.Ingress(client.Get(7, "/7")).Egress(server.Ok(7, "7")).Close();
  EXPECT_THAT(Briefs(s.events()), UnorderedElementsAre("GET /3 200", "GET /5 200", "GET /7 200"));
  for (const HttpEventPtr& e : s.events()) {
    EXPECT_TRUE(e->tags.Has(Tag::kJoinedLate));
    EXPECT_EQ(e->connection.role, Role::kAccepted);
    // The authority and the content type were inserted before the join.
    EXPECT_TRUE(e->tags.Has(Tag::kHeadersUnknown));
    EXPECT_FALSE(e->complete);
    EXPECT_EQ(e->request.unknown_fields, 1u);
    EXPECT_EQ(e->authority, "");
    EXPECT_EQ(e->response.unknown_fields, 1u);
    EXPECT_EQ("/" + e->response.body, e->target);
  }
  EXPECT_EQ(s.Count(Counter::kHpackJoined), 2u);
  EXPECT_EQ(s.Count(Counter::kHpackUnknownFields), 6u);
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http2Late, WhatTheTableDoesNotHideIsExact) {
  Story s;
  Http2Peer client, server;
  s.As(Role::kUnknown).OpenLate();
  for (uint32_t id = 3; id < 15; id += 2) s.Egress(client.Get(id, "/")).Ingress(server.Ok(id, "x"));
  s.Close();
  ASSERT_EQ(s.events().size(), 6u);
  for (const HttpEventPtr& e : s.events()) {
    EXPECT_TRUE(e->complete);
    EXPECT_EQ(e->connection.role, Role::kOpened);
    EXPECT_THAT(TagTexts(*e), ElementsAre("joined_late"));
  }
}

TEST(Http2Late, AResponseToARequestFromBeforeIsUnrequested) {
  Story s;
  Http2Peer client, server;
  s.OpenLate();
  s.Egress(server.Ok(3, "3")).Egress(server.Ok(5, "5")).Ingress(client.Get(7, "/7")).Egress(server.Ok(7, "7"));
  s.Ingress(WindowUpdate(0) + WindowUpdate(0)).Close();
  EXPECT_THAT(Briefs(s.events()), UnorderedElementsAre("- 200", "- 200", "GET /7 200"));
  for (const HttpEventPtr& e : s.events()) EXPECT_EQ(e->tags.Has(Tag::kUnrequested), !e->request.seen);
}

TEST(Http2Late, TheRestOfAStreamFromBeforeIsNoEvent) {
  Story s;
  Http2Peer client, server;
  s.OpenLate();
  s.Egress(Data(1, "rest", false) + Data(1, "of it", false) + Data(1, "end"));
  s.Ingress(client.Get(3, "/3") + WindowUpdate(0) + WindowUpdate(0)).Egress(server.Ok(3, "3")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /3 200"));
}

TEST(Http2Late, InTheMiddleOfALongBody) {
  Story s;
  Http2Peer client, server;
  s.OpenLate();
  const std::string frame = Data(1, std::string(16384, 'x'), false);
  s.Egress(frame.substr(5000, 3000)).Egress(frame.substr(8000)).Ingress(WindowUpdate(0) + WindowUpdate(1));
  s.Egress(frame).Ingress(WindowUpdate(0)).Egress(frame).Egress(Data(1, "end"));
  s.Ingress(client.Get(3, "/3")).Egress(server.Ok(3, "3")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /3 200"));
}

TEST(Http2Late, OtherBinaryProtocolsAreNotTakenForFrames) {
  for (const std::string& message : {"\0\0\0\x08\x04\xd2\x16\x2f"s, "\0\0\0\x12\0\x12\0\0\0\0\0\1\0\4test\0\0"s,
                                     std::string(100, '\0'), "\0\0\4\3\0\0\0\0\0abcd"s}) {
    Story s;
    s.As(Role::kUnknown).OpenLate();
    for (int i = 0; i < 10; ++i) s.Ingress(message).Egress(message);
    s.Close();
    EXPECT_EQ(s.Count(Counter::kConnectionsHttp2), 0u) << message;
    EXPECT_EQ(s.table().budget.used(), 0u);
  }
}

TEST(Http2Late, AClientThatBeginsAfterAllIsExact) {
  Story s;
  Http2Peer client, server;
  s.As(Role::kUnknown).OpenLate().Ingress(Preface() + client.Get(1, "/1"));
  s.Egress(Settings() + WindowUpdate(0) + server.Ok(1, "1"));
  s.Ingress(client.Get(3, "/3")).Egress(server.Ok(3, "3")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /3 200"));
  for (const HttpEventPtr& e : s.events()) EXPECT_TRUE(e->complete);
}

// ---- holes

struct Http2Story : Story {
  Http2Story() { Open().Ingress(Preface()).Egress(Settings()); }
  Http2Peer client, server;
};

TEST(Http2Late, AHoleInsideOneDataFrameCostsItsBytesOnly) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/1"));
  s.Egress(s.server.Response(1, "200", false));
  const std::string frame = Data(1, std::string(1000, 'x'));
  s.Egress(frame.substr(0, 109)).LoseEgress(600).Egress(frame.substr(709));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.missing_bytes, 600u);
  EXPECT_EQ(s[0].response.body_bytes, 1000u);
  EXPECT_EQ(s[0].response.body.size(), 100u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("lost"));
  EXPECT_FALSE(s[0].complete);
  s.Ingress(s.client.Get(3, "/3")).Egress(s.server.Ok(3, "3"));
  EXPECT_TRUE(s[1].complete) << "the compression table is as good as before";
  EXPECT_EQ(s.Count(Counter::kHpackLost), 0u);
}

TEST(Http2Late, AHoleInsideOneHeaderBlockCostsItsFieldsAndTheTable) {
  Http2Story s;
  const std::string frame = s.client.Request(1, "GET", "/1", true, {{"a", "b"}});
  s.Ingress(frame.substr(0, 12)).LoseIngress(frame.size() - 12);
  s.Egress(s.server.Ok(1, "1"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].target, "");
  EXPECT_TRUE(s[0].tags.Has(Tag::kHeadersUnknown));
  s.Ingress(s.client.Request(3, "GET", "/3", true, {{"a", "b"}})).Egress(s.server.Ok(3, "3"));
  EXPECT_EQ(Brief(s[1]), "GET /3 200");
  EXPECT_EQ(s[1].request.unknown_fields, 2u) << "authority and a: b";
  EXPECT_EQ(s.Count(Counter::kHpackLost), 1u);
}

TEST(Http2Late, AHoleOverFramesLosesThemAndTheNextAreFound) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/1"));
  const std::string hidden = s.client.Get(3, "/3");
  s.LoseIngress(hidden.size());
  s.Ingress(s.client.Get(5, "/5")).Ingress(s.client.Get(7, "/7"));
  s.Egress(Join({s.server.Ok(1, "1"), s.server.Ok(3, "3"), s.server.Ok(5, "5")}));
  s.Ingress(s.client.Get(9, "/9")).Egress(Join({s.server.Ok(7, "7"), s.server.Ok(9, "9")})).Close();
  EXPECT_THAT(Briefs(s.events()),
              UnorderedElementsAre("GET /1 200", "- 200", "GET /5 200", "GET /7 200", "GET /9 200"));
  for (const HttpEventPtr& e : s.events()) {
    if (!e->request.seen) {
      EXPECT_TRUE(e->tags.Has(Tag::kUnrequested));
      continue;
    }
    EXPECT_EQ("/" + e->response.body, e->target);
  }
  EXPECT_EQ(s.Count(Counter::kHttp2Refound), 1u);
}

TEST(Http2Late, TrailersWhoseHeadWasLostAreNoHead) {
  Http2Story s;
  const std::string request = s.client.Request(1, "POST", "/1", false);
  s.Ingress(request.substr(0, 3)).LoseIngress(request.size() - 3);
  s.Egress(s.server.Response(1, "200", false));
  const std::string more = Join({Data(1, "body", false), s.client.Headers(1, {{"x-end", "/1"}}, true)});
  s.Ingress(Join({more, s.client.Request(3, "POST", "/3", true)}));
  const std::string head = s.server.Response(3, "200", false, {{"a", "b"}});
  s.Egress(Data(1, "1")).Egress(head.substr(0, 3)).LoseEgress(head.size() - 3);
  s.Egress(
      Join({Data(3, "3", false), s.server.Headers(3, {{"grpc-status", "0"}}, true), s.server.Headers(1, {}, true)}));
  s.Close();
  ASSERT_EQ(s.events().size(), 2u);
  for (const HttpEventPtr& e : s.events()) {
    EXPECT_FALSE(e->complete);
    EXPECT_TRUE(e->tags.Has(Tag::kLost));
    EXPECT_FALSE(e->tags.Has(Tag::kMalformed));
  }
  EXPECT_EQ(Brief(s[0]), "- 200");
  EXPECT_THAT(Fields(s[0].request.headers), IsEmpty());
  EXPECT_EQ(Brief(s[1]), "POST /3 -");
  EXPECT_THAT(Fields(s[1].response.headers), IsEmpty());
  EXPECT_THAT(Fields(s[1].response.trailers), ElementsAre("grpc-status: 0"));
}

TEST(Http2Late, AnUnknownInterimStatusIsFollowedByAHeadNotByTrailers) {
  Story s;
  Http2Peer client, server;
  client.Get(1, "/1");
  server.Response(1, "103", false, {{"link", "a"}}).append(server.Response(1, "418", false));
  s.OpenLate().Ingress(Join({client.Get(3, "/3"), WindowUpdate(0), WindowUpdate(0)}));
  s.Egress(Join({server.Response(3, "103", false, {{"link", "b"}}), server.Response(3, "418", false, {{"x", "y"}}),
                 Data(3, "body")}))
      .Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].tags.Has(Tag::kHeadersUnknown));
  EXPECT_THAT(Fields(s[0].response.headers), ElementsAre("x: y"));
  EXPECT_THAT(Fields(s[0].response.trailers), IsEmpty());
}

TEST(Http2Late, AResponseWhoseEndMayBeHiddenIsNotWaitedForForEver) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/1")).LoseEgress(100);
  s.Wait(20);
  EXPECT_THAT(s.events(), IsEmpty());
  s.Wait(20);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("lost"));
}

TEST(Http2Late, WhatMayHaveBeenAnsweredIsLostNotUnanswered) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/1")).LoseEgress(100).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("lost"));
  // Requests that begin while the server's frames are looked for.
  Http2Story late;
  late.LoseEgress(100).Ingress(late.client.Get(1, "/1")).Egress(std::string(100, 'x')).Close();
  ASSERT_EQ(late.events().size(), 1u);
  EXPECT_THAT(TagTexts(late[0]), ElementsAre("lost"));
}

TEST(Http2Late, NothingOfABodyIsKeptBehindALostFrame) {
  Http2Story s;
  const std::string second = Data(1, "second-", false);
  s.Ingress(s.client.Get(1, "/1"));
  s.Egress(s.server.Response(1, "200", false)).Egress(Data(1, "first-", false)).LoseEgress(second.size());
  s.Egress(Data(1, "third-", false) + Data(1, "fourth") + WindowUpdate(0)).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].response.body, "first-");
  EXPECT_FALSE(s[0].complete);
  // Nor of one whose head is hidden.
  Http2Story late;
  late.LoseEgress(100).Ingress(late.client.Get(1, "/1"));
  late.Egress(Data(1, "second-", false) + Data(1, "third-", false) + WindowUpdate(0));
  late.Egress(late.server.Headers(1, {{"x-end", "1"}}, true)).Close();
  ASSERT_EQ(late.events().size(), 1u);
  EXPECT_EQ(late[0].response.body, "");
  EXPECT_THAT(TagTexts(late[0]), ElementsAre("lost"));
}

TEST(Http2Late, TheEndThatNobodyListensAtIsTheClient) {
  for (const auto& [local, remote, role] : {std::tuple{uint16_t{40123}, uint16_t{50051}, Role::kOpened},
                                            {uint16_t{40123}, uint16_t{8080}, Role::kOpened},
                                            {uint16_t{8080}, uint16_t{40123}, Role::kAccepted}}) {
    Story s;
    s.connection.local.port = local;
    s.connection.remote.port = remote;
    s.As(Role::kUnknown).OpenLate();
    const Direction client = role == Role::kOpened ? kOut : kIn;
    // Frames that both ends send.
    const std::string frames = WindowUpdate(0) + WindowUpdate(0) + WindowUpdate(0);
    s.Send(kIn, frames).Send(kOut, frames);
    Http2Peer peer, server;
    s.Send(client, peer.Get(7, "/7")).Send(Opposite(client), server.Ok(7, "7")).Close();
    ASSERT_EQ(s.events().size(), 1u) << local << " " << remote;
    EXPECT_EQ(s[0].connection.role, role);
    EXPECT_EQ(Brief(s[0]), "GET /7 200");
  }
}

// Records of random sizes are dropped at random from a long conversation: whatever comes out is right, or says what it
// lacks; and every stream gives one event at most.
TEST(Http2Late, WithRecordsDroppedAtRandomNothingIsWrong) {
  size_t exact = 0, tagged = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    Story s;
    Http2Peer client, server;
    const bool late = seed % 3 == 0;
    if (late) {
      client.Get(1, "/0");
      s.OpenLate();
    } else {
      s.Open().Ingress(Preface()).Egress(Settings());
    }
    const auto send = [&](Direction direction, const std::string& wire) {
      for (size_t at = 0; at < wire.size();) {
        const size_t n = std::min(wire.size() - at, 1 + pick(300));
        if (pick(150) == 0) {
          s.Lose(direction, n, pick(2) == 0 ? GapReason::kLost : GapReason::kSkipped);
        } else {
          s.Send(direction, std::string_view(wire).substr(at, n));
        }
        at += n;
      }
    };
    std::map<uint32_t, std::string> bodies;
    for (uint32_t id = 3; id < 600; id += 2) {
      bodies[id] = std::string(pick(600), static_cast<char>('a' + id % 26));
      send(kIn, client.Request(id, "POST", "/" + std::to_string(id), false, {{"x-id", std::to_string(id)}}));
      send(kIn, Data(id, bodies[id]));
      if (pick(3) != 0) continue;
      for (auto& [answered, body] : bodies) {
        send(kOut, server.Response(answered, "200", false, {{"x-id", std::to_string(answered)}, {"server", "s"}}));
        send(kOut, Data(answered, body));
      }
      bodies.clear();
    }
    s.Close();
    std::map<uint32_t, int> per_stream;
    for (const HttpEventPtr& e : s.events()) {
      const std::string id = std::to_string(e->http2->id);
      // Fields that are there are right, always.
      if (!e->target.empty()) {
        ASSERT_EQ(e->target, "/" + id);
      }
      for (const HttpMessage* m : {&e->request, &e->response}) {
        if (!m->headers.Has("x-id")) continue;
        ASSERT_EQ(m->headers.Get("x-id"), id);
      }
      if (e->complete) {
        ++exact;
        ASSERT_EQ(Brief(*e), "POST /" + id + " 200");
        ASSERT_EQ(e->request.body, e->response.body);
        ASSERT_EQ(e->request.headers.Get("x-id"), id);
        ASSERT_EQ(e->authority, "shop:80");
      } else {
        ++tagged;
        ASSERT_FALSE(e->tags.empty());
      }
      ASSERT_EQ(++per_stream[e->http2->id], 1) << "stream " << id << ", seed " << seed;
    }
    ASSERT_EQ(s.table().budget.used(), 0u);
  }
  EXPECT_GT(exact, 500u);
  EXPECT_GT(tagged, 500u);
}

}  // namespace
}  // namespace podtap
