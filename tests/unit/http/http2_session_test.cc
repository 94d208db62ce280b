// SPDX-License-Identifier: Apache-2.0
// HTTP/2 from the connection's first byte: frames, streams and what they become.
#include <gmock/gmock.h>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::string_literals;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;

// A connection whose preface and settings have passed.
struct Http2Story : Story {
  explicit Http2Story(SessionTable::Options options = Table::DefaultOptions()) : Story(std::move(options)) {
    Open().Ingress(Preface()).Egress(Settings());
  }
  Http2Peer client, server;
};

TEST(Http2Session, OneStreamIsOneExchange) {
  Http2Story s;
  s.Ingress(s.client.Request(1, "POST", "/cart?x=1", false, {{"user-agent", "t"}}) + Data(1, "abc"));
  s.Egress(s.server.Response(1, "201", false, {{"location", "/9"}}) + Data(1, "created"));
  ASSERT_EQ(s.events().size(), 1u);
  const HttpEvent& e = s[0];
  EXPECT_EQ(Brief(e), "POST /cart?x=1 201");
  EXPECT_EQ(e.version, "HTTP/2");
  EXPECT_EQ(e.scheme, "http");
  EXPECT_EQ(e.authority, "shop:80");
  EXPECT_EQ(e.http2->id, 1u);
  EXPECT_EQ(e.request.body, "abc");
  EXPECT_EQ(e.response.body, "created");
  EXPECT_THAT(Fields(e.request.headers), ElementsAre("user-agent: t"));
  EXPECT_THAT(Fields(e.response.headers), ElementsAre("location: /9"));
  EXPECT_TRUE(e.complete);
  EXPECT_THAT(TagTexts(e), IsEmpty());
  EXPECT_FALSE(e.grpc);
  s.Close();
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s.table().budget.used(), 0u);
  EXPECT_EQ(s.Count(Counter::kConnectionsHttp2), 1u);
}

TEST(Http2Session, StreamsAreInterleavedAndArriveByteByByte) {
  Http2Story s;
  std::string in, out;
  for (const uint32_t id : {1u, 3u, 5u}) in += s.client.Request(id, "PUT", "/" + std::to_string(id), false);
  for (const uint32_t id : {5u, 1u, 3u}) in += Data(id, "a" + std::to_string(id), false);
  for (const uint32_t id : {3u, 5u, 1u}) in += Data(id, "b" + std::to_string(id));
  for (const uint32_t id : {3u, 1u, 5u}) out += s.server.Ok(id, "r" + std::to_string(id));
  s.Slowly(kIn, in).Slowly(kOut, out);
  EXPECT_THAT(Briefs(s.events()), ElementsAre("PUT /3 200", "PUT /1 200", "PUT /5 200"));
  EXPECT_EQ(s[0].request.body, "a3b3");
  EXPECT_EQ(s[2].response.body, "r5");
}

TEST(Http2Session, TenThousandStreamsAtOnce) {
  Http2Story s;
  for (uint32_t i = 0; i < 10000; ++i) s.Ingress(s.client.Get(2 * i + 1, "/" + std::to_string(i)));
  for (uint32_t i = 10000; i-- > 0;) s.Egress(s.server.Ok(2 * i + 1, std::to_string(i)));
  ASSERT_EQ(s.events().size(), 10000u);
  for (size_t i = 0; i < 10000; ++i) ASSERT_EQ(s[i].target, "/" + s[i].response.body);
}

TEST(Http2Session, StreamsBeyondTheLimitForgetTheOldest) {
  HttpLimits limits;
  limits.max_streams = 2;
  Http2Story s(Table::WithLimits(limits));
  for (const uint32_t id : {1u, 3u, 5u}) s.Ingress(s.client.Get(id, "/" + std::to_string(id)));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 -"));
  EXPECT_TRUE(s[0].tags.Has(Tag::kForgotten));
  s.Egress(Join({s.server.Ok(1, "late"), s.server.Ok(3, "3")}));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 -", "GET /3 200"));
}

TEST(Http2Session, PaddingAndPriorityAreNotContent) {
  Http2Story s;
  const std::string block = s.client.Block({{":method", "GET"}, {":scheme", "http"}, {":path", "/p"}});
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndHeaders | kHttp2Padded | kHttp2HasPriority, 1,
                  "\x03"s + Big32(0x80000000) + "\x10" + block + "\0\0\0"s));
  s.Ingress(Frame(Http2Frame::kPriority, 0, 7, Big32(1) + "\x05"));
  s.Ingress(Frame(Http2Frame::kData, kHttp2Padded, 1, "\x02hi\0\0"s) +
            Frame(Http2Frame::kData, kHttp2Padded | kHttp2EndStream, 1, "\x05\0\0\0\0\0"s));
  s.Egress(s.server.Ok(1, "x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /p 200"));
  EXPECT_EQ(s[0].request.body, "hi");
  EXPECT_EQ(s[0].request.body_bytes, 2u);
}

TEST(Http2Session, ContinuationFramesMakeOneBlock) {
  Http2Story s;
  const std::string block = s.client.Block({{":method", "GET"}, {":path", "/long"}, {"x", std::string(300, 'y')}});
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndStream, 1, block.substr(0, 5)));
  for (size_t i = 5; i + 1 < block.size(); ++i) s.Ingress(Frame(Http2Frame::kContinuation, 0, 1, block.substr(i, 1)));
  s.Ingress(Frame(Http2Frame::kContinuation, kHttp2EndHeaders, 1, block.substr(block.size() - 1)));
  s.Egress(s.server.Ok(1, "x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /long 200"));
  EXPECT_EQ(s[0].request.headers.Get("x").size(), 300u);
  EXPECT_EQ(s[0].request.header_bytes, block.size());
  EXPECT_TRUE(s[0].complete);
}

TEST(Http2Session, AFrameInsideAHeaderBlockIsMalformedAndTheHeadUnknown) {
  Http2Story s;
  const std::string block = s.client.Block({{":method", "GET"}, {":path", "/1"}, {"a", "b"}});
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndStream, 1, block.substr(0, 3)) + WindowUpdate(0));
  s.Egress(s.server.Ok(1, "x"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].tags.Has(Tag::kHeadersUnknown));
  EXPECT_FALSE(s[0].complete);
}

TEST(Http2Session, InterimResponsesAndTrailers) {
  Http2Story s;
  s.Ingress(s.client.Request(1, "POST", "/", false, {{"expect", "100-continue"}}));
  s.Egress(Join({s.server.Response(1, "100", false), s.server.Response(1, "103", false, {{"link", "x"}})}));
  s.Ingress(Data(1, "body", false) + s.client.Headers(1, {{"x-sum", "1"}}, true));
  s.Egress(
      Join({s.server.Response(1, "200", false), Data(1, "ok", false), s.server.Headers(1, {{"x-end", "2"}}, true)}));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(s[0].informational, ElementsAre(100, 103));
  EXPECT_EQ(s[0].status, 200);
  EXPECT_THAT(Fields(s[0].request.trailers), ElementsAre("x-sum: 1"));
  EXPECT_THAT(Fields(s[0].response.trailers), ElementsAre("x-end: 2"));
  EXPECT_TRUE(s[0].complete);
}

TEST(Http2Session, AResetEndsTheStreamAndSaysWhoDidIt) {
  Http2Story s;
  s.Ingress(Join({s.client.Get(1, "/1"), s.client.Get(3, "/3"), Reset(1, 8)}));
  s.Egress(Join(
      {s.server.Ok(1, "on its way already"), s.server.Response(3, "200", false), Data(3, "ha", false), Reset(3, 2)}));
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(Brief(s[0]), "GET /1 -");
  EXPECT_EQ(s[0].http2->request_error, 8u);
  EXPECT_TRUE(s[0].tags.Has(Tag::kReset));
  EXPECT_EQ(Brief(s[1]), "GET /3 200");
  EXPECT_EQ(s[1].http2->response_error, 2u);
  EXPECT_EQ(s[1].response.body, "ha");
  EXPECT_FALSE(s[1].complete);
}

TEST(Http2Session, AResetAfterTheWholeResponseOfAnUnfinishedRequest) {
  Http2Story s;
  s.Ingress(s.client.Request(1, "POST", "/big", false) + Data(1, "some", false));
  s.Egress(s.server.Response(1, "413", true) + Reset(1, 0));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), UnorderedElementsAre("early_response", "reset"));
  EXPECT_EQ(s[0].status, 413);
}

TEST(Http2Session, RapidResetsAreEventsAndLeaveNothingBehind) {
  Http2Story s;
  const size_t before = s.table().budget.used();
  for (uint32_t id = 1; id < 20000; id += 2) s.Ingress(s.client.Get(id, "/") + Reset(id, 8));
  EXPECT_EQ(s.events().size(), 10000u);
  EXPECT_LE(s.table().budget.used(), before + 8192);
}

TEST(Http2Session, GoawayEndsTheStreamsThatWillNotBeAnswered) {
  Http2Story s;
  s.Ingress(Join({s.client.Get(1, "/1"), s.client.Get(3, "/3"), s.client.Get(5, "/5")}));
  s.Egress(Frame(Http2Frame::kGoaway, 0, 0, Big32(3) + Big32(0) + "bye"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /5 -"));
  EXPECT_TRUE(s[0].tags.Has(Tag::kUnanswered));
  s.Egress(Join({s.server.Ok(3, "3"), s.server.Ok(1, "1")}));
  EXPECT_EQ(s.events().size(), 3u);
}

TEST(Http2Session, TheConnectionsEndEndsEveryStream) {
  Http2Story s;
  s.Ingress(Join({s.client.Get(1, "/1"), s.client.Get(3, "/3"), s.client.Request(5, "PUT", "/5", false)}));
  s.Egress(s.server.Response(3, "200", false) + Data(3, "half", false));
  s.Close();
  ASSERT_EQ(s.events().size(), 3u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unanswered"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("body_incomplete"));
  EXPECT_THAT(TagTexts(s[2]), ElementsAre("body_incomplete", "unanswered"));
  Http2Story t;
  t.Ingress(t.client.Get(1, "/1")).Close(CloseReason::kReset);
  EXPECT_THAT(TagTexts(t[0]), ElementsAre("unanswered", "reset"));
}

TEST(Http2Session, PushedResponsesHaveTheRequestThatWasPromised) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/page"));
  s.Egress(Frame(Http2Frame::kPushPromise, kHttp2EndHeaders, 1,
                 Big32(2) + s.server.Block({{":method", "GET"}, {":scheme", "http"}, {":path", "/style"}})));
  s.Egress(Join({s.server.Ok(1, "page"), s.server.Ok(2, "style")}));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /page 200", "GET /style 200"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("pushed"));
  EXPECT_TRUE(s[1].complete);
}

TEST(Http2Session, ExtendedConnectIsATunnelInAStream) {
  Http2Story s;
  s.Ingress(s.client.Headers(1,
                             {{":method", "CONNECT"},
                              {":protocol", "websocket"},
                              {":scheme", "https"},
                              {":path", "/chat"},
                              {":authority", "a"}},
                             false));
  s.Egress(s.server.Response(1, "200", false)).Ingress(Data(1, "ping", true)).Egress(Data(1, "pong", true));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("CONNECT /chat 200"));
  EXPECT_EQ(s[0].protocol, "websocket");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("upgrade"));
  Http2Story t;
  t.Ingress(t.client.Headers(1, {{":method", "CONNECT"}, {":authority", "db:5432"}}, false));
  t.Egress(t.server.Response(1, "502", true)).Ingress(Reset(1, 8));
  EXPECT_EQ(Brief(t[0]), "CONNECT db:5432 502");
}

TEST(Http2Session, ALargerTableIsFollowedOnceItIsUsed) {
  Http2Story s;
  // The server lets the client use 65,536 bytes; the client does, and says so.
  s.Egress(Frame(Http2Frame::kSettings, 0, 0, "\0\1\0\1\0\0"s));
  Http2Peer large(65536);
  FieldList many;
  for (int i = 0; i < 200; ++i) many.emplace_back("name-" + std::to_string(i), std::string(40, 'v'));
  s.Ingress(large.Request(1, "GET", "/1", true, many)).Ingress(large.Request(3, "GET", "/3", true, many));
  s.Egress(Join({s.server.Ok(1, "1"), s.server.Ok(3, "3")}));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /3 200"));
  EXPECT_EQ(s[1].request.headers.size(), 200u);
}

// ---- hostile input

TEST(Http2Session, AHeaderBombIsCutAtTheHeaderLimit) {
  Http2Story s;
  // One entry of 2,000 bytes, then a thousand references to it.
  std::string block = s.client.Block({{":method", "GET"}, {":path", "/bomb"}, {"x", std::string(2000, 'b')}});
  block += std::string(20000, '\xbe');
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndHeaders | kHttp2EndStream, 1, block));
  s.Egress(s.server.Ok(1, "x"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "GET /bomb 200");
  EXPECT_TRUE(s[0].tags.Has(Tag::kHeadersTruncated));
  EXPECT_LE(s[0].request.headers.memory(), 3u * 65536);
}

TEST(Http2Session, AFieldTooLongForAnyHeadIsLeftOutAndNothingAfterItIsLost) {
  Http2Story s;
  // A literal that is inserted: "x-giant" and a value of 200,000 bytes (127 + 199,873).
  const std::string giant = "\x40\x07x-giant\x7f\xc1\x99\x0c" + std::string(200000, 'g');
  std::string block = s.client.Block({{":method", "GET"}, {":scheme", "http"}, {":path", "/giant"}, {"x-one", "1"}});
  block += giant;
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndStream, 1, block.substr(0, 16384)));
  for (size_t at = 16384; at < block.size(); at += 16384)
    s.Ingress(Frame(Http2Frame::kContinuation, at + 16384 >= block.size() ? kHttp2EndHeaders : 0, 1,
                    block.substr(at, 16384)));
  Http2Peer fresh;  // whose table is empty, too
  s.Ingress(fresh.Request(3, "GET", "/3", true, {{"x-one", "1"}}))
      .Ingress(fresh.Request(5, "GET", "/5", true, {{"x-one", "1"}}));
  for (const uint32_t id : {1u, 3u, 5u}) s.Egress(s.server.Ok(id, "x"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /giant 200", "GET /3 200", "GET /5 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("headers_truncated"));
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(Fields(s[0].request.headers), ElementsAre("x-one: 1"));
  for (const size_t i : {1, 2}) {
    EXPECT_THAT(TagTexts(s[i]), ElementsAre());
    EXPECT_THAT(Fields(s[i].request.headers), ElementsAre("x-one: 1"));
  }
  // The same in one frame, as both ends may have agreed on frames of up to 16 MiB.
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndHeaders | kHttp2EndStream, 7, "\x82\x86\x84" + giant));
  Http2Peer again;
  s.Ingress(again.Request(9, "GET", "/9", true, {{"x-one", "1"}}));
  for (const uint32_t id : {7u, 9u}) s.Egress(s.server.Ok(id, "x"));
  EXPECT_EQ(Brief(s[3]), "GET / 200");
  EXPECT_EQ(Brief(s[4]), "GET /9 200");
  EXPECT_THAT(TagTexts(s[4]), ElementsAre());
}

TEST(Http2Session, AFloodOfContinuationsCostsNoMemory) {
  Http2Story s;
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndStream, 1, "\x82"));
  const size_t before = s.table().budget.used();
  for (int i = 0; i < 20000; ++i) s.Ingress(Frame(Http2Frame::kContinuation, 0, 1, "\x40\x01x\x01y\x40\x01x\x01z"));
  EXPECT_LE(s.table().budget.used(), before + (256 << 10));
  s.Close();
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http2Session, UnknownFramesAndBrokenOnesAreSkipped) {
  Http2Story s;
  s.Ingress(Frame(static_cast<Http2Frame>(0xbe), 0xff, 9, "whatever") + Frame(Http2Frame::kPing, 0, 0, "12345678"));
  s.Ingress(s.client.Headers(2, {{":method", "GET"}, {":path", "/even"}}, true));
  s.Ingress(s.client.Get(1, "/1")).Egress(s.server.Ok(1, "1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200"));
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
}

TEST(Http2Session, AnAnswerToNothingIsUnrequested) {
  Http2Story s;
  s.Egress(s.server.Ok(7, "x"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_TRUE(s[0].tags.Has(Tag::kUnrequested));
  EXPECT_FALSE(s[0].complete);
}

// ---- limits, time, memory

TEST(Http2Session, BodiesAreCutAtTheLimitAndCountedWhole) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  Http2Story s(Table::WithLimits(limits));
  s.Ingress(s.client.Get(1, "/")).Egress(s.server.Response(1, "200", false) + Data(1, "abc", false) + Data(1, "defg"));
  EXPECT_EQ(s[0].response.body, "abcd");
  EXPECT_EQ(s[0].response.body_bytes, 7u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("truncated"));
  EXPECT_TRUE(s[0].complete);
}

TEST(Http2Session, TheRestOfALongFramePastTheLimitIsNotAskedForAndNothingHasTurns) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  Http2Story s(Table::WithLimits(limits));
  for (const Interest& interest : s.table().interests) EXPECT_FALSE(interest.turn_rule);
  EXPECT_EQ(s.table().interests.size(), 2u);
  const std::string frame = Data(1, std::string(200000, 'x'));
  s.Ingress(s.client.Get(1, "/")).Egress(s.server.Response(1, "200", false));
  s.Egress(frame.substr(0, 1009));
  ASSERT_EQ(s.table().interests.size(), 3u);
  const Interest& skip = s.table().interests.back();
  EXPECT_EQ(skip.want, Interest::Want::kFromPosition);
  EXPECT_EQ(skip.direction, kOut);
  EXPECT_FALSE(skip.turn_rule);
  s.Skip(kOut, 199000);
  EXPECT_EQ(s[0].response.body_bytes, 200000u);
  EXPECT_TRUE(s[0].complete);
  s.Ingress(s.client.Get(3, "/3")).Egress(s.server.Ok(3, "3"));
  EXPECT_EQ(Brief(s[1]), "GET /3 200");
}

TEST(Http2Session, ASilentStreamTimesOutWhileOthersGoOn) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/slow"));
  for (uint32_t id = 3; id < 20; id += 2) {
    s.Ingress(s.client.Get(id, "/")).Egress(s.server.Ok(id, ""));
    s.Wait(40);
  }
  ASSERT_EQ(s.events().size(), 10u);
  const auto slow =
      std::find_if(s.events().begin(), s.events().end(), [](const HttpEventPtr& e) { return e->target == "/slow"; });
  EXPECT_TRUE((*slow)->tags.Has(Tag::kTimeout));
  s.Egress(s.server.Ok(1, "too late"));
  EXPECT_EQ(s.events().size(), 10u);
}

TEST(Http2Session, LongStreamsSayHowTheyAreDoing) {
  HttpLimits limits;
  limits.stream_interval_ns = 10'000'000'000;
  Http2Story s(Table::WithLimits(limits));
  s.Ingress(s.client.Get(1, "/watch")).Egress(s.server.Response(1, "200", false) + Data(1, "one", false));
  s.Wait(11).Egress(Data(1, "two", false)).Wait(5).Wait(6).Egress(Data(1, ""));
  ASSERT_EQ(s.events().size(), 3u);
  EXPECT_TRUE(s[0].tags.Has(Tag::kInterim));
  EXPECT_EQ(s[0].response.body_bytes, 3u);
  EXPECT_EQ(s[0].response.body, "");
  EXPECT_EQ(s[1].response.body_bytes, 6u);
  EXPECT_FALSE(s[2].tags.Has(Tag::kInterim));
  EXPECT_EQ(s[2].response.body, "onetwo");
  EXPECT_TRUE(s[2].complete);
  EXPECT_EQ(s[2].http2->id, s[0].http2->id);
}

TEST(Http2Session, MemoryIsRelievedByCuttingBodies) {
  Table table(Table::DefaultOptions(), 1 << 20);
  Story s(table, 1);
  Http2Peer client, server;
  s.Open().Ingress(Preface()).Egress(Settings());
  for (uint32_t id = 1; id < 40; id += 2) {
    s.Ingress(client.Get(id, "/"))
        .Egress(server.Response(id, "200", false) + Data(id, std::string(100000, 'x'), false));
    if (table.budget.over()) table.table.RelieveMemory();
    EXPECT_FALSE(table.budget.over());
  }
  s.Close();
  EXPECT_EQ(table.events.size(), 20u);
  EXPECT_GT(table.Count(Counter::kBodiesCutByMemory), 5u);
  EXPECT_EQ(table.budget.used(), 0u);
}

// ---- how it begins

TEST(Http2Session, TheServerMaySpeakFirst) {
  Story s;
  Http2Peer client, server;
  s.Open().Egress(Settings()).Ingress(Preface() + client.Get(1, "/1")).Egress(server.Ok(1, "1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200"));
  EXPECT_TRUE(s[0].complete);
}

TEST(Http2Session, AnUpgradedRequestIsStreamOne) {
  Story s;
  Http2Peer client, server;
  s.Open().Ingress("GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
  s.Egress("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + Settings() +
           server.Ok(1, "one"));
  s.Ingress(Preface() + client.Get(3, "/3")).Egress(server.Ok(3, "three"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /up 101", "GET /up 200", "GET /3 200"));
  EXPECT_EQ(s[1].http2->id, 1u);
  EXPECT_EQ(s[1].request.headers.Get("host"), "a");
  EXPECT_TRUE(s[0].complete && s[1].complete && s[2].complete);
  s.Close();
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http2Session, BehindAConnectInHttp1) {
  Story s;
  Http2Peer client, server;
  s.Open().Ingress("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n").Egress("HTTP/1.1 200 OK\r\n\r\n");
  s.Ingress(Preface() + client.Get(1, "/1")).Egress(Settings() + server.Ok(1, "1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("CONNECT a:80 200", "GET /1 200"));
}

}  // namespace
}  // namespace podtap
