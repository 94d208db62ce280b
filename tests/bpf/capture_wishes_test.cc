// SPDX-License-Identifier: Apache-2.0
// What the reader wishes, what the kernel does when the ring is short of room, and what a change of the mode means:
// whatever is left out is announced, so that it is never taken for a loss.
#include <gmock/gmock.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "tests/bpf/bpf_test_support.h"

namespace podtap {
namespace {

class CaptureWishes : public CaptureBpf {
 protected:
  void Wish(const CapturedConnection* c, Direction direction, Interest::Want want, uint64_t position = 0,
            bool turn_rule = true) {
    source->Apply({c->identity.id, direction, want, position, turn_rule});
  }
  const CapturedConnection* Server(const Pair& pair) {
    Drain();
    return seen.Find(pair.port, Role::kAccepted);
  }
  void Exchange(const Pair& pair, std::string_view request, std::string_view response) {
    Send(pair.client.get(), request);
    Receive(pair.server.get(), request.size());
    std::thread reader([&] { Receive(pair.client.get(), response.size()); });
    Send(pair.server.get(), response);
    reader.join();
  }
  // The server sends `bytes` in one turn; the client reads them away. Nothing is read from the ring meanwhile.
  void Download(const Pair& pair, size_t bytes) {
    const std::string block = Pattern(1 << 20, 42);
    std::thread reader([&] {
      std::vector<char> buffer(1 << 20);
      for (size_t got = 0; got < bytes;) {
        const ssize_t n = recv(pair.client.get(), buffer.data(), std::min(buffer.size(), bytes - got), 0);
        if (n <= 0) break;
        got += static_cast<size_t>(n);
      }
    });
    for (size_t sent = 0; sent < bytes; sent += std::min(block.size(), bytes - sent)) {
      Send(pair.server.get(), std::string_view(block).substr(0, std::min(block.size(), bytes - sent)));
    }
    reader.join();
  }
};

TEST_F(CaptureWishes, NothingIsCopiedOfWhatNobodyWants) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Exchange(pair, "question", "answer");
  const CapturedConnection* c = Server(pair);
  ASSERT_NE(c, nullptr);
  Wish(c, Direction::kIngress, Interest::Want::kNothing);
  Wish(c, Direction::kEgress, Interest::Want::kNothing);
  const uint64_t records = counters.Get(Counter::kRecordsRead);
  for (int i = 0; i < 50; ++i) Exchange(pair, "unheard", "unseen");
  Drain();
  EXPECT_EQ(counters.Get(Counter::kRecordsRead), records) << "not even a record";
  pair.client.reset();
  pair.server.reset();
  c = Server(pair);
  EXPECT_EQ(c->in.From(0), "question");
  EXPECT_EQ(c->out.From(0), "answer");
  EXPECT_TRUE(c->in.Covers(0, 8 + 50 * 7)) << "announced when the connection ends";
  EXPECT_TRUE(c->out.Covers(0, 6 + 50 * 6));
  EXPECT_TRUE(c->closed && c->in.fin && c->out.fin);
}

TEST_F(CaptureWishes, WhatIsLeftOutIsAnnouncedAboutOnceASecondWhileItFlows) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Exchange(pair, "question", "answer");
  const CapturedConnection* c = Server(pair);
  ASSERT_NE(c, nullptr);
  Wish(c, Direction::kEgress, Interest::Want::kNothing);
  const uint64_t records = counters.Get(Counter::kRecordsRead);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::steady_clock::now() - start; };
  size_t sent = 0;
  while (c->out.skipped.empty() && elapsed() < std::chrono::seconds(10)) {
    Send(pair.server.get(), "unseen");
    sent += Receive(pair.client.get(), 6).size();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    source->Poll(seen, 1000);
  }
  EXPECT_GE(elapsed(), std::chrono::milliseconds(900));
  EXPECT_LT(elapsed(), std::chrono::seconds(10)) << "never announced";
  EXPECT_EQ(counters.Get(Counter::kRecordsRead), records + 1) << "one announcement of all";
  EXPECT_TRUE(c->out.Covers(0, 6 + sent));
}

TEST_F(CaptureWishes, TheRestOfALongBodyIsSkippedExactly) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  constexpr size_t kBody = 768 << 20;
  Exchange(pair, "GET /big", "head");
  const CapturedConnection* c = Server(pair);
  ASSERT_NE(c, nullptr);
  Wish(c, Direction::kEgress, Interest::Want::kFromPosition, 4 + kBody);
  Download(pair, kBody);
  Drain();
  EXPECT_TRUE(c->out.Covers(0, 4 + kBody)) << "the end of the body is announced without waiting for anything else";
  Exchange(pair, "GET /next", "next head");
  Drain();
  EXPECT_EQ(c->out.From(4 + kBody), "next head");
  EXPECT_EQ(c->out.bytes_copied, 4 + 9u);
  EXPECT_EQ(c->out.skipped.begin()->first, 4u);
  EXPECT_EQ(c->in.From(0), "GET /bigGET /next");
  EXPECT_GE(Count(kSkippedByWishBytes), kBody);
  EXPECT_LT(c->records, 50u);
}

TEST_F(CaptureWishes, OfATurnOnlyTheFirstSixteenBytes) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Exchange(pair, "hello", "who?");
  const CapturedConnection* c = Server(pair);
  ASSERT_NE(c, nullptr);
  Wish(c, Direction::kIngress, Interest::Want::kTurnHeads);
  Wish(c, Direction::kEgress, Interest::Want::kTurnHeads);
  const std::string question = Pattern(1000, 1), answer = Pattern(200'000, 2);
  Exchange(pair, question, answer);
  Exchange(pair, question, answer);
  Drain();
  EXPECT_EQ(c->in.From(5), question.substr(0, 16));
  EXPECT_EQ(c->in.From(5 + 1000), question.substr(0, 16));
  EXPECT_EQ(c->out.From(4), answer.substr(0, 16));
  EXPECT_EQ(c->out.From(4 + 200'000), answer.substr(0, 16));
  EXPECT_EQ(c->in.bytes_copied, 5 + 2 * 16u);
  EXPECT_TRUE(c->in.Covers(0, 5 + 2000));
  pair.server.reset();
  Drain();
  EXPECT_TRUE(c->out.Covers(0, 4 + 400'000));
}

TEST_F(CaptureWishes, EverythingAgainAfterNothing) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Exchange(pair, "one", "uno");
  const CapturedConnection* c = Server(pair);
  Wish(c, Direction::kIngress, Interest::Want::kNothing);
  Exchange(pair, "two", "due");
  Drain();
  Wish(c, Direction::kIngress, Interest::Want::kEverything);
  Exchange(pair, "three", "tre");
  Drain();
  EXPECT_EQ(c->in.From(6), "three");
  EXPECT_TRUE(c->in.Covers(0, 11));
  EXPECT_EQ(c->out.From(0), "unoduetre");
}

TEST_F(CaptureWishes, AWordOfAnotherConnectionMeansNothing) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  for (size_t i = 0; i < capture->memory().slot_count; ++i) {
    for (int direction = 0; direction < 2; ++direction) {
      capture->memory().slots[i].skip_until[direction] = 777ULL << PODTAP_VALUE_BITS | PODTAP_VALUE_MASK;
      capture->memory().slots[i].wishes[direction] = 777ULL << PODTAP_VALUE_BITS | kWishTurnHeads;
    }
  }
  const std::string request = Pattern(400, 3);
  Exchange(pair, request, "fine");
  EXPECT_TRUE(Server(pair)->in.From(0) == request);
}

TEST_F(CaptureWishes, OneBulkTransferLeavesRoomForOthers) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.ring_bytes = 1 << 20;
  options.max_header_bytes = 8 << 10;
  options.max_body_bytes = 64 << 10;
  Attach(options);
  Pair bulk = InsideServer(AF_INET), small = InsideServer(AF_INET);
  Exchange(bulk, "GET /bulk", "200");
  Download(bulk, 32 << 20);
  // Nobody has read the ring since; it is a little more than half full.
  EXPECT_LT(source->backlog(), (1 << 19) + (200u << 10));
  for (int i = 0; i < 100; ++i) Exchange(small, "ping", "pong");
  EXPECT_EQ(Count(kRingFullRecords), 0u);
  EXPECT_GT(Count(kSkippedByTurnRuleBytes) + Count(kSkippedByFillBytes), 31u << 20);
  const CapturedConnection* c = Server(small);
  EXPECT_EQ(c->in.From(0).size(), 400u);
  EXPECT_EQ(c->out.From(0).size(), 400u);
  Exchange(bulk, "GET /next", "201");
  c = Server(bulk);
  EXPECT_EQ(c->out.From(3 + (32 << 20)), "201");
  EXPECT_TRUE(c->out.Covers(0, 3 + (32 << 20) + 3));
}

TEST_F(CaptureWishes, AProtocolWithoutTurnsIsCutOnlyAboveThreeQuarters) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.ring_bytes = 1 << 20;
  options.max_header_bytes = 4 << 10;
  options.max_body_bytes = 4 << 10;
  Attach(options);
  Pair pair = InsideServer(AF_INET);
  Exchange(pair, "PRI", "settings");
  const CapturedConnection* c = Server(pair);
  Wish(c, Direction::kEgress, Interest::Want::kEverything, 0, /*turn_rule=*/false);
  Download(pair, 8 << 20);
  EXPECT_GT(source->backlog(), (1u << 20) / 4 * 3);
  EXPECT_EQ(Count(kSkippedByTurnRuleBytes), 0u);
  EXPECT_GT(Count(kSkippedByFillBytes), 6u << 20);
  pair.server.reset();
  Drain();
  EXPECT_TRUE(c->out.Covers(0, 8 + (8 << 20)));
}

TEST_F(CaptureWishes, AFullRingIsCountedAndTheHoleShows) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.ring_bytes = 256 << 10;
  Attach(options);
  Pair pair = InsideServer(AF_INET);
  for (int i = 0; i < 600; ++i) Exchange(pair, "ping", "pong");
  EXPECT_GT(Count(kRingFullRecords), 0u);
  EXPECT_GT(Count(kRingFullBytes), 0u);
  const CapturedConnection* c = Server(pair);
  Exchange(pair, "last", "word");
  Drain();
  EXPECT_FALSE(c->in.Covers(0, 601 * 4)) << "lost bytes are not called skipped";
  EXPECT_EQ(c->in.From(600 * 4), "last");
  EXPECT_EQ(c->out.From(600 * 4), "word");
}

TEST_F(CaptureWishes, TheModeChangesWithTheNextPacket) {
  Attach(kCaptureIngress);
  Pair server = InsideServer(AF_INET), client = InsideClient(AF_INET);
  Exchange(server, "a1", "b1");
  Exchange(client, "c1", "d1");  // here the client is inside: its request leaves the pod
  ASSERT_TRUE(capture->SetMode(kCaptureOff));
  Exchange(server, "a2", "b2");
  Drain();
  const uint64_t records = counters.Get(Counter::kRecordsRead);
  Exchange(server, "a3", "b3");
  Exchange(client, "c2", "d2");
  Drain();
  EXPECT_EQ(counters.Get(Counter::kRecordsRead), records);
  ASSERT_TRUE(capture->SetMode(kCaptureAll));
  EXPECT_EQ(capture->mode(), kCaptureAll);
  Exchange(server, "a4", "b4");
  Exchange(client, "c3", "d3");
  const CapturedConnection* accepted = Server(server);
  const CapturedConnection* opened = seen.FindRemote(client.port, Role::kOpened);
  ASSERT_TRUE(accepted != nullptr && opened != nullptr);
  EXPECT_EQ(accepted->in.From(0), "a1");
  EXPECT_EQ(accepted->in.From(6), "a4");
  EXPECT_EQ(accepted->out.From(6), "b4");
  EXPECT_TRUE(accepted->in.Covers(0, 8) && accepted->out.Covers(0, 8)) << "what passed unwanted is announced";
  EXPECT_EQ(opened->out.From(4), "c3");
  EXPECT_EQ(opened->in.From(4), "d3");
  EXPECT_TRUE(opened->in.Covers(0, 6) && opened->out.Covers(0, 6));
  EXPECT_TRUE(opened->from_first_byte);
  EXPECT_FALSE(capture->SetMode(17));
}

}  // namespace
}  // namespace podtap
