// SPDX-License-Identifier: Apache-2.0
// Memory and time stay bounded whatever arrives.
#include <chrono>

#include "sidecar/stream/piece_pool.h"
#include "sidecar/stream/recently_closed.h"
#include "tests/unit/stream/stream_fixture.h"

namespace podtap {
namespace {

using StreamLimits = StreamTest;

// A packet that the kernel may or may not have taken, at any position.
void AddAt(StreamAssembler& assembler, const Connection& connection, Direction direction, uint64_t position,
           std::string_view text, uint64_t received = 0) {
  const auto data = BytesOf(text);
  assembler.Add(Segment{.connection = &connection,
                        .direction = direction,
                        .position = position,
                        .data = data,
                        .received = received,
                        .acknowledged = 0});
}

TEST_F(StreamLimits, BeyondTheLargestNumberTheLongestSilentConnectionIsForgotten) {
  Use({.max_connections = 3});
  std::vector<Story> stories;
  for (uint64_t cookie = 1; cookie <= 3; ++cookie) {
    stories.emplace_back(StoryConnection(cookie));
    stories.back().Ingress("GET");
    Tell(stories.back());
  }
  stories[0].Egress("200");  // 1 speaks again: now 2 is the longest silent one
  Tell(stories[0]);
  Story fourth(StoryConnection(4));
  fourth.Ingress("GET");
  Tell(fourth);
  EXPECT_EQ(assembler->connection_count(), 3U);
  ASSERT_EQ(seen.Count("closed forgotten"), 1U);
  for (const StreamEvent& event : seen.events()) {
    if (std::holds_alternative<Closed>(event.what)) {
      EXPECT_EQ(event.connection.value, 2U);
    }
  }
  // A forgotten connection is found again when it speaks.
  stories[1].Egress("200");
  Tell(stories[1]);
  EXPECT_EQ(seen.Count("opened"), 4U);
  EXPECT_EQ(seen.Count("opened late"), 1U) << "what went before is known";
  EXPECT_EQ(seen.Count("out gap lost 3"), 0U);
}

TEST_F(StreamLimits, AfterAnHourOfSilenceNothingIsMissing) {
  Story s;
  s.Open().Ingress("GET").Egress("200").Acknowledged();
  Tell(s);
  assembler->Tick(Timestamp{s.now().ns + 3'700'000'000'000});
  ASSERT_EQ(seen.Count("closed forgotten"), 1U);
  seen.Clear();
  s.Later(3'700'000'000'000).Ingress("GET").Egress("200").Acknowledged();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened late\nin gap joined_late\nin \"GET\"\nout gap joined_late\nout \"200\"\n");
}

TEST_F(StreamLimits, ForgottenConnectionsCostLittleAndNothingWhenTheirSocketsClose) {
  Use({.max_connections = 1});
  std::vector<Story> stories;
  for (uint64_t cookie = 1; cookie <= 20000; ++cookie) {
    Story& s = stories.emplace_back(StoryConnection(cookie));
    s.Ingress("GET");
    Tell(s);
  }
  EXPECT_LE(budget.used(), 1U << 20);
  for (Story& s : stories) {
    s.SocketCloses();
    Tell(s);
  }
  TwoBatches();
  EXPECT_EQ(assembler->connection_count(), 0U);
  EXPECT_LE(budget.used(), 64U << 10);
}

TEST_F(StreamLimits, IngressHeldWithoutAHoleGoesOutWhenItIsTooMuch) {
  Use({.max_held_bytes = 10000});
  Story s;
  s.Open();
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string part(1000, static_cast<char>('a' + i % 26));
    AddAt(*assembler, s.connection(), Direction::kIngress, all.size(), part);  // `received` never moves
    all += part;
    ASSERT_LE(budget.used(), 100000U);
  }
  EXPECT_GE(seen.Text(Direction::kIngress).size(), 90000U);
  EXPECT_EQ(seen.Text(Direction::kIngress), all.substr(0, seen.Text(Direction::kIngress).size()));
}

TEST_F(StreamLimits, IngressBehindAHoleLosesItsHighestPiecesFirst) {
  Use({.max_held_bytes = 10000});
  const Connection connection = StoryConnection();
  for (int i = 0; i < 20; ++i) {
    AddAt(*assembler, connection, Direction::kIngress, 500 + static_cast<uint64_t>(i) * 1000, std::string(1000, 'x'));
  }
  EXPECT_LE(budget.used(), 20000U);
  AddAt(*assembler, connection, Direction::kIngress, 0, std::string(500, 'y'));
  AddAt(*assembler, connection, Direction::kEgress, 0, "", 20500);
  assembler->EndOfBatch();
  assembler->EndOfBatch();
  const std::string& out = seen.Text(Direction::kIngress);
  EXPECT_EQ(out.size(), 20500U);  // with its gap: nothing is silent
  EXPECT_EQ(out.substr(0, 501), std::string(500, 'y') + 'x');
  EXPECT_EQ(out.back(), '?');
}

TEST_F(StreamLimits, EgressBehindAHoleGivesUpTheHole) {
  Use({.max_held_bytes = 10000});
  const Connection connection = StoryConnection();
  for (uint64_t i = 0; i < 20; ++i) {
    AddAt(*assembler, connection, Direction::kEgress, 500 + i * 1000, std::string(1000, 'x'));
  }
  EXPECT_EQ(seen.Text(Direction::kEgress).substr(0, 501), std::string(500, '?') + 'x');
  EXPECT_LE(budget.used(), 20000U);
}

TEST_F(StreamLimits, OneByteSegmentsOutOfOrderStaySmallAndFast) {
  // Every second byte, then backwards, then forwards: a megabyte of one-byte packets behind a hole.
  const Connection connection = StoryConnection();
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < 100000; ++i) AddAt(*assembler, connection, Direction::kIngress, 10 + 2 * i, "x");
  EXPECT_LE(budget.used(), 4U << 20);
  for (uint64_t i = 100000; i > 0; --i) AddAt(*assembler, connection, Direction::kIngress, 300000 + i, "y");
  EXPECT_LE(budget.used(), 4U << 20);
  for (uint64_t i = 0; i < 100000; ++i) AddAt(*assembler, connection, Direction::kIngress, 600000 + i, "z");
  EXPECT_LE(budget.used(), 4U << 20);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));  // far below, also under sanitizers
  assembler->CloseAll(CloseReason::kShutdown, {});
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(StreamLimits, ALongRunOfBackwardSegmentsIsKeptWhole) {
  const Connection connection = StoryConnection();
  for (uint64_t i = 20000; i > 0; --i) {
    AddAt(*assembler, connection, Direction::kIngress, i, std::string(1, static_cast<char>('a' + i % 26)));
  }
  AddAt(*assembler, connection, Direction::kIngress, 0, "a");
  AddAt(*assembler, connection, Direction::kEgress, 0, "", 20001);
  std::string expected;
  for (uint64_t i = 0; i <= 20000; ++i) expected += static_cast<char>('a' + i % 26);
  EXPECT_EQ(seen.Text(Direction::kIngress), expected);
}

TEST_F(StreamLimits, ASegmentOverThousandsOfFragmentsFillsTheirHoles) {
  const Connection connection = StoryConnection();
  std::string whole(8000, 'x');
  for (uint64_t i = 1; i < 4000; ++i) AddAt(*assembler, connection, Direction::kIngress, 2 * i, "x");
  AddAt(*assembler, connection, Direction::kIngress, 0, whole);
  AddAt(*assembler, connection, Direction::kEgress, 0, "", 8000);
  EXPECT_EQ(seen.Text(Direction::kIngress), whole);
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
}

TEST_F(StreamLimits, WhenMemoryRunsShortTheLongestHoldingConnectionLetsGo) {
  budget = MemoryBudget(100000);
  std::vector<Connection> connections;
  for (uint64_t cookie = 1; cookie <= 20; ++cookie) {
    connections.push_back(StoryConnection(cookie));
    AddAt(*assembler, connections.back(), Direction::kEgress, 100, std::string(10000, 'x'));
  }
  ASSERT_TRUE(budget.over());
  assembler->RelieveMemory();
  EXPECT_FALSE(budget.over());
  size_t gaps = 0;
  for (const StreamEvent& event : seen.events()) {
    if (std::holds_alternative<Gap>(event.what)) {
      EXPECT_LE(event.connection.value, ++gaps);
    }
  }
  EXPECT_GE(gaps, 10U);
  EXPECT_LT(gaps, 20U);
}

TEST_F(StreamLimits, WhenMemoryRunsShortCopiesOfWhatWasEmittedGoFirstAndNothingIsLost) {
  budget = MemoryBudget(150000);
  std::vector<Connection> connections;
  for (uint64_t cookie = 1; cookie <= 20; ++cookie) {
    connections.push_back(StoryConnection(cookie));
    AddAt(*assembler, connections.back(), Direction::kIngress, 0, std::string(10000, 'x'), 0);
    AddAt(*assembler, connections.back(), Direction::kIngress, 10000, "y", 10000);
  }
  ASSERT_EQ(seen.Text(Direction::kIngress).size(), 20 * 10000U);  // accepted: emitted, and remembered
  ASSERT_TRUE(budget.over());
  assembler->RelieveHistory();
  EXPECT_FALSE(budget.over());
  const size_t used = budget.used();
  assembler->RelieveHistory();  // no more than is needed
  EXPECT_EQ(budget.used(), used);
  for (const Connection& connection : connections)
    AddAt(*assembler, connection, Direction::kIngress, 10001, "z", 10001);
  EXPECT_EQ(seen.Text(Direction::kIngress).size(), 20 * 10001U);
  for (const StreamEvent& event : seen.events()) EXPECT_FALSE(std::holds_alternative<Gap>(event.what));
}

TEST_F(StreamLimits, RelievingMemoryEndsWhenNothingIsHeld) {
  budget = MemoryBudget(1);
  Story s;
  s.Open().Ingress("GET").Refused(Direction::kIngress, 10, "later").LostEgress("xx").Egress("yy");
  Tell(s);
  assembler->RelieveMemory();
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET");
  EXPECT_EQ(seen.Text(Direction::kEgress), "??yy");
  EXPECT_EQ(assembler->connection_count(), 1U);
}

TEST_F(StreamLimits, TenThousandIdleConnectionsAreCheap) {
  for (uint64_t cookie = 1; cookie <= 10000; ++cookie) {
    Story s(StoryConnection(cookie));
    s.Ingress("GET / HTTP/1.1\r\n\r\n").Egress(Ok("x"));
    Tell(s);
  }
  EXPECT_EQ(assembler->connection_count(), 10000U);
  EXPECT_LT(budget.used(), 8U << 20);
}

TEST_F(StreamLimits, DestructionWithHeldBytesIsClean) {
  Story s;
  s.Open().Ingress("GET").Refused(Direction::kIngress, 10, "later").LostEgress("xx").Egress("yy");
  Tell(s);
  assembler.reset();
  EXPECT_EQ(budget.used(), 0U);
}

TEST(PiecePool, GivesTheSmallestPieceThatFitsAndReusesIt) {
  MemoryBudget budget(1 << 20);
  PiecePool pool(budget);
  const std::pair<size_t, size_t> cases[] = {{0, 0},      {1, 256},       {256, 256},
                                             {257, 1024}, {16384, 16384}, {100000, 16384}};
  for (const auto& [wanted, capacity] : cases) {
    Piece* piece = pool.Take(wanted);
    EXPECT_EQ(piece->capacity, capacity);
    EXPECT_EQ(budget.used(), sizeof(Piece) + capacity);
    piece->length = 3;
    pool.Give(piece);
    EXPECT_EQ(budget.used(), 0U);
    Piece* again = pool.Take(wanted);
    EXPECT_EQ(again, piece);
    EXPECT_EQ(again->length, 0U);
    pool.Give(again);
  }
}

TEST(RecentlyClosed, KeepsTheLatestAndForgetsTheOldest) {
  RecentlyClosed closed;
  EXPECT_EQ(closed.Find({1}), nullptr);
  for (uint64_t i = 1; i <= 100000; ++i) closed.Add({{i}, i});
  size_t kept = 0;
  for (uint64_t i = 1; i <= 100000; ++i) kept += closed.Find({i}) != nullptr;
  EXPECT_LE(kept, 4096U);
  for (uint64_t i = 99900; i <= 100000; ++i) {
    ASSERT_NE(closed.Find({i}), nullptr);
    EXPECT_EQ(closed.Find({i})->egress_end, i);
  }
  EXPECT_EQ(closed.Find({0}), nullptr);
}

}  // namespace
}  // namespace podtap
