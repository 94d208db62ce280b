// SPDX-License-Identifier: Apache-2.0
// What is sent over real sockets of a cgroup is what comes out of the ring, byte by byte, with the right identity.
#include <gmock/gmock.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <thread>

#include "tests/bpf/bpf_test_support.h"

namespace podtap {
namespace {

class CaptureBytes : public CaptureBpf, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Family, CaptureBytes, ::testing::Values(AF_INET, AF_INET6),
                         [](const auto& info) { return info.param == AF_INET ? "V4" : "V6"; });

TEST_P(CaptureBytes, AcceptedConnectionIsCopiedInBothDirections) {
  Attach(kCaptureIngress);
  Pair pair = InsideServer(GetParam());
  const std::string request = Pattern(700, 1), response = Pattern(40000, 2);
  Send(pair.client.get(), request);
  EXPECT_EQ(Receive(pair.server.get(), request.size()), request);
  Send(pair.server.get(), response);
  EXPECT_EQ(Receive(pair.client.get(), response.size()), response);
  pair.client.reset();
  pair.server.reset();
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(seen.connections.size(), 1u) << "the client is outside of the cgroup";
  EXPECT_TRUE(c->in.From(0) == request);
  EXPECT_TRUE(c->out.From(0) == response);
  EXPECT_TRUE(c->opened && c->closed && c->from_first_byte && c->in.fin && c->out.fin);
  EXPECT_EQ(c->received, request.size());
  EXPECT_EQ(c->identity.remote.port, pair.client_port);
  EXPECT_EQ(c->identity.local.AddressText(), GetParam() == AF_INET ? "127.0.0.1" : "::1");
  EXPECT_EQ(c->identity.process.pid, static_cast<uint32_t>(actor->pid()));
  EXPECT_EQ(c->identity.process.CommText(), "test-actor");
  EXPECT_EQ(c->identity.cgroup_id, cgroup->id());
  EXPECT_FALSE(c->identity.loopback) << "the peer is not of this cgroup";
}

TEST_P(CaptureBytes, OpenedConnectionIsCopiedInBothDirections) {
  Attach(kCaptureEgress);
  Pair pair = InsideClient(GetParam());
  const std::string request = Pattern(3000, 3), response = Pattern(200, 4);
  Send(pair.client.get(), request);
  Receive(pair.server.get(), request.size());
  Send(pair.server.get(), response);
  Receive(pair.client.get(), response.size());
  pair.server.reset();
  pair.client.reset();
  Drain();
  const CapturedConnection* c = seen.FindRemote(pair.port, Role::kOpened);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(seen.connections.size(), 1u);
  EXPECT_TRUE(c->out.From(0) == request);
  EXPECT_TRUE(c->in.From(0) == response);
  EXPECT_EQ(c->received, response.size());
  EXPECT_EQ(c->acknowledged, request.size());
  EXPECT_EQ(c->identity.process.pid, static_cast<uint32_t>(actor->pid()));
}

TEST_P(CaptureBytes, BigTransfersAreExactInBothDirections) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.ring_bytes = 64 << 20;
  options.max_body_bytes = 64 << 20;
  Attach(options);
  Pair pair = InsideServer(GetParam());
  const std::string up = Pattern(5'000'001, 5), down = Pattern(9'000'003, 6);
  std::string got_up, got_down;
  std::thread server([&] {
    got_up = Receive(pair.server.get(), up.size());
    Send(pair.server.get(), down);
  });
  Send(pair.client.get(), up);
  got_down = Receive(pair.client.get(), down.size());
  server.join();
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_TRUE(got_up == up && got_down == down);
  EXPECT_EQ(c->in.From(0).size(), up.size());
  EXPECT_TRUE(c->in.From(0) == up);
  EXPECT_TRUE(c->out.From(0) == down);
  EXPECT_EQ(Count(kRingFullRecords), 0u);
}

TEST_P(CaptureBytes, LoopbackInsideTheCgroupIsSeenOncePerRole) {
  Attach(kCaptureAll);
  UniqueFd listener = InsideListener(GetParam());
  const uint16_t port = LocalPort(listener.get());
  UniqueFd client = actor->Socket(GetParam());
  Connect(client.get(), GetParam(), port);
  UniqueFd server = Accept(listener.get());
  for (int i = 0; i < 3; ++i) {
    Send(client.get(), "ping");
    Receive(server.get(), 4);
    Send(server.get(), "pong!");
    Receive(client.get(), 5);
  }
  client.reset();
  server.reset();
  Drain();
  const CapturedConnection* accepted = seen.Find(port, Role::kAccepted);
  const CapturedConnection* opened = seen.FindRemote(port, Role::kOpened);
  ASSERT_TRUE(accepted != nullptr && opened != nullptr);
  EXPECT_EQ(accepted->in.From(0), "pingpingping");
  EXPECT_EQ(accepted->out.From(0), "pong!pong!pong!");
  EXPECT_EQ(opened->out.From(0), "pingpingping");
  EXPECT_EQ(opened->in.From(0), "pong!pong!pong!");
  EXPECT_TRUE(accepted->identity.loopback);
  EXPECT_TRUE(opened->identity.loopback);
}

TEST_P(CaptureBytes, PayloadThatCompletesTheHandshakeIsJoined) {
  Attach(kCaptureIngress);
  UniqueFd listener = InsideListener(GetParam());
  const int seconds = 5;
  ASSERT_EQ(setsockopt(listener.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
  UniqueFd client(socket(GetParam(), SOCK_STREAM, 0));
  Connect(client.get(), GetParam(), LocalPort(listener.get()));
  const std::string first = Pattern(30000, 7), second = Pattern(500, 8);
  Send(client.get(), first);
  UniqueFd server = Accept(listener.get());
  EXPECT_EQ(Receive(server.get(), first.size()), first);
  Send(client.get(), second);
  Receive(server.get(), second.size());
  Send(server.get(), "ok");
  Receive(client.get(), 2);
  Drain();
  const CapturedConnection* c = seen.Find(LocalPort(listener.get()), Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_GT(Count(kEarlyRecords), 0u) << "the kernel delivered the first payload with the listening socket";
  EXPECT_TRUE(c->in.From(0) == first + second);
  EXPECT_EQ(source->early_bytes(), 0u);
}

TEST_P(CaptureBytes, FastOpenIsCapturedOnBothSides) {
  Attach(kCaptureAll);
  UniqueFd listener = InsideListener(GetParam());
  const int queue = 16;
  ASSERT_EQ(setsockopt(listener.get(), IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)), 0);
  const sockaddr_storage address = Loopback(GetParam(), LocalPort(listener.get()));
  uint16_t client_port = 0;
  const std::string request = Pattern(900, 9);
  // The first connection only fetches the cookie; the second one's SYN carries payload.
  for (int i = 0; i < 2; ++i) {
    UniqueFd client = actor->Socket(GetParam());
    ASSERT_EQ(sendto(client.get(), request.data(), request.size(), MSG_FASTOPEN,
                     reinterpret_cast<const sockaddr*>(&address), LengthOf(GetParam())),
              static_cast<ssize_t>(request.size()));
    UniqueFd server = Accept(listener.get());
    EXPECT_EQ(Receive(server.get(), request.size()), request);
    Send(server.get(), "fine");
    Receive(client.get(), 4);
    client_port = LocalPort(client.get());
    tcp_info info{};
    socklen_t length = sizeof(info);
    getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &length);
    if (i == 1 && (info.tcpi_options & TCPI_OPT_SYN_DATA) == 0) GTEST_SKIP() << "Fast Open does not work here";
  }
  Drain();
  const CapturedConnection* opened = seen.Find(client_port, Role::kOpened);
  const CapturedConnection* accepted = seen.FindRemote(client_port, Role::kAccepted);
  ASSERT_TRUE(opened != nullptr && accepted != nullptr);
  EXPECT_TRUE(opened->out.From(0) == request);
  EXPECT_TRUE(accepted->in.From(0) == request);
  EXPECT_EQ(opened->in.From(0), "fine");
  EXPECT_EQ(accepted->out.From(0), "fine");
}

TEST_P(CaptureBytes, ServerSocketOlderThanTheAttachIsAccepted) {
  Pair pair = InsideServer(GetParam());
  Send(pair.client.get(), "before");
  Receive(pair.server.get(), 6);
  Attach(kCaptureIngress);
  Send(pair.client.get(), "after");
  Receive(pair.server.get(), 5);
  Send(pair.server.get(), "answer");
  Receive(pair.client.get(), 6);
  pair.client.reset();
  pair.server.reset();
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_FALSE(c->from_first_byte);
  EXPECT_EQ(c->in.From(PODTAP_LATE_POSITION), "after");
  EXPECT_EQ(c->out.From(PODTAP_LATE_POSITION), "answer");
  EXPECT_TRUE(c->in.fin && c->out.fin);
  EXPECT_EQ(Count(kSlotsTaken), Count(kSlotsReturned));
}

TEST_P(CaptureBytes, ClientSocketOlderThanTheAttachIsOfUnknownRole) {
  Pair pair = InsideClient(GetParam());
  Attach(kCaptureIngress);
  Send(pair.client.get(), "GET");
  Receive(pair.server.get(), 3);
  Send(pair.server.get(), "200");
  Receive(pair.client.get(), 3);
  pair.client.reset();
  pair.server.reset();
  Drain();
  const CapturedConnection* c = seen.FindRemote(pair.port, Role::kUnknown);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->out.From(PODTAP_LATE_POSITION), "GET");
  EXPECT_EQ(c->in.From(PODTAP_LATE_POSITION), "200");
  EXPECT_EQ(Count(kSlotsTaken), Count(kSlotsReturned));
}

TEST_F(CaptureBpf, OneByteAtATimeNeedsNoExtraRecords) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  const int one = 1;
  setsockopt(pair.client.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  setsockopt(pair.server.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  for (int i = 0; i < 200; ++i) {
    Send(pair.client.get(), "q");
    Receive(pair.server.get(), 1);
    Send(pair.server.get(), "a");
    Receive(pair.client.get(), 1);
  }
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->in.From(0), std::string(200, 'q'));
  EXPECT_EQ(c->out.From(0), std::string(200, 'a'));
  // Two payload records per exchange; while a connection is young the kernel sends some ACKs of their own.
  EXPECT_LT(c->records, 2 * 200 + 40u);
}

TEST_F(CaptureBpf, BareAckTellsThatTheKernelAcceptedTheBytes) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Send(pair.client.get(), "no answer comes");
  Receive(pair.server.get(), 15);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // longer than a delayed ACK
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->received, 15u);
}

TEST_F(CaptureBpf, ResetIsSeenOnBothSides) {
  Attach(kCaptureAll);
  Pair server = InsideServer(AF_INET);
  Send(server.client.get(), "x");
  Receive(server.server.get(), 1);
  Reset(std::move(server.client));
  Pair client = InsideServer(AF_INET);
  Send(client.client.get(), "y");
  Receive(client.server.get(), 1);
  Reset(std::move(client.server));
  Drain();
  const CapturedConnection* by_peer = seen.FindRemote(server.client_port, Role::kAccepted);
  const CapturedConnection* by_us = seen.FindRemote(client.client_port, Role::kAccepted);
  ASSERT_TRUE(by_peer != nullptr && by_us != nullptr);
  EXPECT_TRUE(by_peer->reset && by_peer->closed);
  EXPECT_TRUE(by_us->reset && by_us->closed);
}

TEST_F(CaptureBpf, ChurnReturnsEverySlot) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.slots = 64;
  Attach(options);
  UniqueFd listener = InsideListener(AF_INET);
  const uint16_t port = LocalPort(listener.get());
  for (int i = 0; i < 400; ++i) {
    UniqueFd client(socket(AF_INET, SOCK_STREAM, 0));
    Connect(client.get(), AF_INET, port);
    UniqueFd server = Accept(listener.get());
    Send(client.get(), "hello " + std::to_string(i));
    if (i % 4 == 0) Receive(server.get(), 6);
    if (i % 4 == 1) Reset(std::move(client));
    if (i % 4 == 2) Reset(std::move(server));
    if (i % 100 == 99) Drain();
  }
  // Connections that nobody accepts die with the listener.
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
    Connect(waiting.back().get(), AF_INET, port);
  }
  listener.reset();
  waiting.clear();
  Drain();
  EXPECT_EQ(Count(kSlotsTaken), 420u);
  EXPECT_EQ(Count(kSlotsReturned), 420u);
  EXPECT_EQ(Count(kNoSlot), 0u);
  EXPECT_EQ(seen.connections.size(), 420u);
  EXPECT_EQ(counters.Get(Counter::kRecordsInvalid), 0u);
}

TEST_F(CaptureBpf, ChurnOfClientsReturnsEverySlot) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.slots = 64;
  Attach(options);
  UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  Listen(listener.get(), AF_INET);
  std::vector<UniqueFd> kept;
  for (int i = 0; i < 100; ++i) {
    UniqueFd client = actor->Socket(AF_INET);
    Connect(client.get(), AF_INET, LocalPort(listener.get()));
    UniqueFd server = Accept(listener.get());
    Send(client.get(), "hello");
    Receive(server.get(), 5);
    if (i < 40) {
      kept.push_back(std::move(client));
      kept.push_back(std::move(server));
    } else if (i % 3 == 0) {
      Reset(std::move(server));
    } else if (i % 3 == 1) {
      // The same socket connects a second time.
      sockaddr none{};
      none.sa_family = AF_UNSPEC;
      ASSERT_EQ(connect(client.get(), &none, sizeof(none)), 0);
      Connect(client.get(), AF_INET, LocalPort(listener.get()));
      server = Accept(listener.get());
      Send(client.get(), "again");
      Receive(server.get(), 5);
    }
  }
  // Nobody answers there: never established, never given a slot.
  UniqueFd refused = actor->Socket(AF_INET);
  const sockaddr_storage nowhere = Loopback(AF_INET, 1);
  EXPECT_NE(connect(refused.get(), reinterpret_cast<const sockaddr*>(&nowhere), LengthOf(AF_INET)), 0);
  Drain();
  EXPECT_EQ(Count(kNoSlot), 0u);
  EXPECT_EQ(Count(kSlotsTaken), Count(kSlotsReturned) + 40);
  kept.clear();
  Drain();
  EXPECT_EQ(Count(kSlotsTaken), 120u);
  EXPECT_EQ(Count(kSlotsReturned), 120u);
  EXPECT_EQ(seen.connections.size(), 120u) << "a socket that connects twice makes two connections";
  for (const auto& [cookie, c] : seen.connections) {
    EXPECT_THAT(c.out.From(0), ::testing::AnyOf("hello", "again")) << cookie;
    EXPECT_TRUE(c.closed);
  }
}

TEST_F(CaptureBpf, ConnectionsWithoutASlotAreStillCopied) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.slots = 1;
  Attach(options);
  Pair first = InsideServer(AF_INET), second = InsideServer(AF_INET);
  Send(first.client.get(), "one");
  Send(second.client.get(), "two");
  Receive(first.server.get(), 3);
  Receive(second.server.get(), 3);
  Drain();
  EXPECT_EQ(Count(kNoSlot), 1u);
  EXPECT_EQ(seen.Find(first.port, Role::kAccepted)->in.From(0), "one");
  EXPECT_EQ(seen.Find(second.port, Role::kAccepted)->in.From(0), "two");
}

TEST_F(CaptureBpf, V4OnADualStackListenerIsWrittenAsV4) {
  Attach(kCaptureAll);
  UniqueFd listener = actor->Socket(AF_INET6);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
  ASSERT_EQ(listen(listener.get(), 8), 0);
  UniqueFd client(socket(AF_INET, SOCK_STREAM, 0));
  Connect(client.get(), AF_INET, LocalPort(listener.get()));
  UniqueFd server = Accept(listener.get());
  Send(client.get(), "v4");
  Receive(server.get(), 2);
  Drain();
  const CapturedConnection* c = seen.Find(LocalPort(listener.get()), Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->identity.remote.AddressText(), "127.0.0.1");
  EXPECT_EQ(c->in.From(0), "v4");
}

}  // namespace
}  // namespace podtap
