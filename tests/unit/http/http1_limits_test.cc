// SPDX-License-Identifier: Apache-2.0
// Nothing that a peer sends makes a session hold more than its limits, or take more than linear time.
#include <chrono>

#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Direction kIn = Direction::kIngress;

HttpLimits Small(size_t body, size_t head) {
  HttpLimits limits;
  limits.max_body_bytes = body;
  limits.max_header_bytes = head;
  return limits;
}

TEST(Http1Limits, BodiesAreCutAtTheLimit) {
  Story s(Table::WithLimits(Small(4, 65536)));
  s.Open().Ingress(Post("/1", "abcdefg")).Egress(Ok("1234")).Ingress(Post("/2", "ab")).Egress(Ok("12345"));
  EXPECT_EQ(s[0].request.body, "abcd");
  EXPECT_EQ(s[0].request.body_bytes, 7u);
  EXPECT_EQ(s[0].response.body, "1234");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("truncated"));
  EXPECT_TRUE(s[0].complete);
  EXPECT_EQ(s[1].response.body, "1234");
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("truncated"));
}

TEST(Http1Limits, AHeadOfExactlyTheLimitIsWhole) {
  const std::string start = "GET / HTTP/1.1\r\nA: ";
  const std::string head = start + std::string(200 - start.size() - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(head.size(), 200u);
  for (const bool slowly : {false, true}) {
    Story exact(Table::WithLimits(Small(10, 200)));
    exact.Open();
    slowly ? exact.Slowly(kIn, head) : exact.Ingress(head);
    exact.Egress(Ok(""));
    EXPECT_THAT(TagTexts(exact[0]), IsEmpty());
    Story over(Table::WithLimits(Small(10, 199)));
    over.Open();
    slowly ? over.Slowly(kIn, head) : over.Ingress(head);
    over.Egress(Ok(""));
    EXPECT_THAT(TagTexts(over[0]), ElementsAre("headers_truncated"));
    EXPECT_EQ(over[0].request.header_bytes, 200u);
    EXPECT_TRUE(over[0].complete);
  }
}

TEST(Http1Limits, LongHeadsKeepWhatFitsAndTheirLength) {
  const std::string filler = "F: " + std::string(50, 'f') + "\r\n";
  std::string request = "POST /up HTTP/1.1\r\nFirst: 1\r\n";
  for (int i = 0; i < 10; ++i) request += filler;
  request += "cOnTent-length: 5\r\nLast: 1\r\n\r\nhello";
  const size_t head = request.size() - 5;
  for (const bool slowly : {false, true}) {
    Story s(Table::WithLimits(Small(10, 128)));
    s.Open();
    slowly ? s.Slowly(kIn, request) : s.Ingress(request);
    s.Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2"));
    ASSERT_EQ(s.events().size(), 2u);
    EXPECT_THAT(Fields(s[0].request.headers), ElementsAre("First: 1", filler.substr(0, 53), "cOnTent-length: 5"));
    EXPECT_EQ(s[0].request.header_bytes, head);
    EXPECT_EQ(s[0].request.body, "hello");
    EXPECT_THAT(TagTexts(s[0]), ElementsAre("headers_truncated"));
    EXPECT_TRUE(s[0].complete && s[1].complete);
    EXPECT_THAT(TagTexts(s[1]), IsEmpty());
  }
}

TEST(Http1Limits, AnUrlLongerThanTheLimit) {
  const std::string target = "/" + std::string(500, 'u');
  for (const size_t limit : {128u, 505u, 506u, 510u, 512u}) {  // also where the limit cuts the version
    for (const bool slowly : {false, true}) {
      const std::string text = "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
      Story s(Table::WithLimits(Small(10, limit)));
      s.Open();
      slowly ? s.Slowly(kIn, text) : s.Ingress(text);
      s.Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2"));
      ASSERT_EQ(s.events().size(), 2u) << limit;
      EXPECT_TRUE(target.starts_with(s[0].target)) << s[0].target;
      EXPECT_EQ(s[0].target.size(), std::min(target.size(), limit - 4)) << limit;
      EXPECT_EQ(s[0].version, "HTTP/1.1");
      EXPECT_EQ(s[0].request.header_bytes, text.size());
      EXPECT_THAT(TagTexts(s[0]), ElementsAre("headers_truncated")) << limit;
      EXPECT_TRUE(s[1].complete);
    }
  }
}

TEST(Http1Limits, AMebibyteOfHeader) {
  std::string request = "GET / HTTP/1.1\r\n";
  while (request.size() < (1 << 20)) request += "X-" + std::to_string(request.size()) + ": y\r\n";
  request += "\r\n";
  Story s;
  s.Open();
  for (size_t i = 0; i < request.size(); i += 1448) s.Ingress(std::string_view(request).substr(i, 1448));
  EXPECT_LE(s.table().budget.used(), 300'000u);
  s.Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.header_bytes, request.size());
  EXPECT_TRUE(s[0].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("headers_truncated"));
}

TEST(Http1Limits, HeadersOfNothingButLineEnds) {
  std::string request = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 30'000; ++i) request += "a\n";
  Story s;
  s.Open().Slowly(kIn, request + "\n").Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.headers.size(), 30'000u);
}

// Takes about ten times as long for ten times as much.
double SecondsFor(int requests) {
  const auto begin = std::chrono::steady_clock::now();
  HttpLimits limits;
  limits.max_pending_exchanges = 1024;
  Table table(Table::WithLimits(limits));
  Story s(table, 1);
  s.Open();
  std::string batch;
  for (int i = 0; i < 100; ++i) batch += "G / HTTP/1.1\r\n\r\n";
  size_t most = 0;
  for (int i = 0; i < requests / 100; ++i) {
    s.Ingress(batch);
    most = std::max(most, table.budget.used());
  }
  EXPECT_LE(most, 3u << 20);
  std::string answers;
  for (int i = 0; i < 100; ++i) answers += "HTTP/1.1 204 X\r\n\r\n";
  for (int i = 0; i < requests / 100; ++i) s.Egress(answers);
  s.Close();
  EXPECT_EQ(table.events.size(), static_cast<size_t>(requests));
  EXPECT_EQ(table.budget.used(), 0u);
  EXPECT_EQ(table.Count(Counter::kLateResponses), static_cast<uint64_t>(requests - 1024));
  EXPECT_TRUE(table.events.back()->complete);
  EXPECT_THAT(TagTexts(*table.events.front()), ElementsAre("forgotten"));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Http1Limits, PipelinedRequestsWithoutEndAreBoundedAndLinear) {
  const double ten_thousand = SecondsFor(10'000);
  const double hundred_thousand = SecondsFor(100'000);
  EXPECT_LT(hundred_thousand, 40 * ten_thousand + 0.5);
}

TEST(Http1Limits, TenThousandRequestsBeforeTheFirstResponseAreAnsweredOneByOne) {
  Table table;
  Story s(table, 1);
  s.Open();
  for (int i = 0; i < 10'000; ++i) s.Ingress(Get("/" + std::to_string(i)));
  EXPECT_FALSE(table.budget.over());
  for (int i = 0; i < 10'000; ++i) s.Egress(Ok(std::to_string(i)));
  ASSERT_EQ(table.events.size(), 10'000u);
  for (size_t i = 0; i < table.events.size(); ++i) {
    ASSERT_EQ(table.events[i]->target, "/" + std::to_string(i));
    ASSERT_EQ(table.events[i]->response.body, std::to_string(i));
    ASSERT_TRUE(table.events[i]->complete);
  }
}

TEST(Http1Limits, InformationalResponsesWithoutEnd) {
  Story s;
  s.Open().Ingress(Get("/"));
  for (int i = 0; i < 10'000; ++i) s.Egress("HTTP/1.1 102 Processing\r\n\r\n");
  s.Egress(Ok(""));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].informational.size(), 64u);
}

TEST(Http1Limits, ATunnelThatIsNeverConfirmedHoldsLittle) {
  Story s;
  s.Open().Ingress("CONNECT h:1 HTTP/1.1\r\n\r\n");
  const std::string data(10'000, '\x01');
  for (int i = 0; i < 1000; ++i) s.Ingress(data);
  EXPECT_LE(s.table().budget.used(), 100'000u);
  s.Egress("HTTP/1.1 200 OK\r\n\r\n").Close();
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(Http1Limits, BytesThatAreNoHttpAtAll) {
  Story s;
  std::string noise(100'000, '\0');
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i >> 3);
  s.Open().Ingress(Get("/")).Egress(Ok(""));
  for (int i = 0; i < 100; ++i) s.Ingress(noise).Egress(noise);
  EXPECT_EQ(s.events().size(), 1u);
  EXPECT_LE(s.table().budget.used(), 70'000u);
  s.Close();
  EXPECT_EQ(s.table().budget.used(), 0u);
}

// ---- the memory limit

TEST(Http1Memory, TheOldestBodiesAreCutFirst) {
  Table table(Table::DefaultOptions(), 300'000);
  std::vector<Story> stories;
  for (uint64_t i = 1; i <= 10; ++i) {
    stories.emplace_back(table, i);
    stories.back().Open().Ingress("POST /" + std::to_string(i) + " HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" +
                                  std::string(50'000, 'x'));
  }
  EXPECT_TRUE(table.budget.over());
  table.table.RelieveMemory();
  EXPECT_FALSE(table.budget.over());
  EXPECT_THAT(table.events, IsEmpty());
  for (Story& s : stories) s.Ingress(std::string(10'000, 'y')).Egress(Ok(""));
  ASSERT_EQ(table.events.size(), 10u);
  size_t cut = 0;
  for (const HttpEventPtr& e : table.events) {
    const bool is_cut = e->tags.Has(Tag::kTruncatedMemory);
    EXPECT_EQ(e->request.body.size(), is_cut ? 0u : 60'000u);
    EXPECT_EQ(e->request.body_bytes, 60'000u);
    EXPECT_TRUE(e->complete);
    if (is_cut) {
      EXPECT_EQ(e->target, "/" + std::to_string(++cut));
    }
  }
  EXPECT_GT(cut, 2u);
  EXPECT_LT(cut, 9u);
  EXPECT_EQ(table.Count(Counter::kBodiesCutByMemory), cut);
}

TEST(Http1Memory, WhenBodiesAreNotEnoughTheOldestExchangesAreToldAsTheyAre) {
  Table table(Table::DefaultOptions(), 400'000);
  std::vector<Story> stories;
  for (uint64_t i = 1; i <= 20; ++i) {
    stories.emplace_back(table, i);
    stories.back().Open().Ingress("GET /" + std::to_string(i) + " HTTP/1.1\r\nA: " + std::string(40'000, 'h'));
  }
  table.table.RelieveMemory();
  EXPECT_FALSE(table.budget.over());
  ASSERT_FALSE(table.events.empty());
  EXPECT_EQ(table.events[0]->target, "/1");
  EXPECT_THAT(TagTexts(*table.events[0]), ElementsAre("head_incomplete", "forgotten"));
  // The connection goes on.
  stories[0].Ingress("h\r\n\r\n").Egress(Ok("late")).Ingress(Get("/again")).Egress(Ok("2"));
  EXPECT_EQ(Brief(*table.events.back()), "GET /again 200");
  EXPECT_TRUE(table.events.back()->complete);
}

TEST(Http1Memory, IdleConnectionsHoldLittle) {
  Table table(Table::DefaultOptions(), 24 << 20);
  for (uint64_t i = 1; i <= 1000; ++i) {
    Story s(table, i);
    s.Open().Ingress(Get("/") + Get("/")).Egress(Ok(std::string(10'000, 'x')) + Ok("y"));
  }
  EXPECT_LE(table.budget.used() / 1000, 2048u);
}

}  // namespace
}  // namespace podtap
