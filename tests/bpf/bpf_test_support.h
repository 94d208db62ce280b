// SPDX-License-Identifier: Apache-2.0
// What the tests of the packet programs stand on: a fresh cgroup, an actor process inside it that makes sockets and
// hands them over (a socket belongs to the cgroup of its creator for ever, so the test itself drives both ends), a
// network namespace of their own, and a collector that puts captured segments back together by position.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "sidecar/capture/packet_capture.h"
#include "sidecar/capture/packet_source.h"

namespace podtap {

// A cgroup below the cgroup2 mount; removed when it goes (it must be empty by then).
class TestCgroup {
 public:
  explicit TestCgroup(const std::string& name, const TestCgroup* parent = nullptr);
  ~TestCgroup();
  int fd() const { return fd_.get(); }
  uint64_t id() const;
  const std::string& path() const { return path_; }
  // Moves the calling process into it.
  void Enter() const;

 private:
  std::string path_;
  UniqueFd fd_;
};

// A process inside a cgroup that makes TCP sockets on request.
class Actor {
 public:
  explicit Actor(const TestCgroup& cgroup);
  ~Actor();
  UniqueFd Socket(int family);
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd control_;
};

sockaddr_storage Loopback(int family, uint16_t port);
socklen_t LengthOf(int family);
uint16_t LocalPort(int fd);
// Binds to loopback, any port, and listens.
void Listen(int fd, int family, int backlog = 1024);
void Connect(int fd, int family, uint16_t port);
UniqueFd Accept(int listener);
void Send(int fd, std::string_view data);
// Reads exactly `bytes`, or to the end of the stream.
std::string Receive(int fd, size_t bytes = SIZE_MAX);
// `bytes` of a pattern that differs at every position and with every seed.
std::string Pattern(size_t bytes, uint32_t seed);
// Closes with RST.
void Reset(UniqueFd fd);

// One direction of a connection, as captured.
struct CapturedStream {
  std::map<uint64_t, std::string> pieces;  // by position
  std::map<uint64_t, uint64_t> skipped;    // position -> bytes
  uint64_t bytes_copied = 0;
  bool fin = false;
  // The bytes from `from` on, up to the first position that was not captured. Overlapping pieces must agree.
  std::string From(uint64_t from) const;
  std::string All() const { return pieces.empty() ? std::string() : From(pieces.begin()->first); }
  // Whether every byte of [from, to) was either captured or announced as skipped.
  bool Covers(uint64_t from, uint64_t to) const;
};

struct CapturedConnection {
  Connection identity;
  CapturedStream in, out;
  bool opened = false, closed = false, reset = false, from_first_byte = false;
  uint64_t received = 0, acknowledged = 0;  // the largest seen
  size_t records = 0;
};

class Collector : public SegmentHandler {
 public:
  void OnOpen(const Connection& connection, bool from_first_byte, Timestamp at) override;
  void OnSegment(const Segment& segment) override;
  void OnClose(const SocketClosed& close) override;
  // The captured connection whose local port is `port` and, if given, that has this role.
  const CapturedConnection* Find(uint16_t local_port, Role role) const;
  const CapturedConnection* FindRemote(uint16_t remote_port, Role role) const;

  std::map<uint64_t, CapturedConnection> connections;

 private:
  CapturedConnection& At(const Connection& connection);
};

// Skips visibly without root or BPF. Brings up a network namespace once for the whole program.
class CaptureBpf : public ::testing::Test {
 protected:
  void SetUp() override;
  void Attach(PacketCapture::Options options);
  void Attach(int mode = kCaptureAll);
  // Reads what is there until nothing came for 20 ms.
  void Drain();
  uint64_t Count(kernel_counter which) const { return KernelCounter(capture->memory(), which); }

  // A listener made in the cgroup, and a client made in it or outside.
  struct Pair {
    UniqueFd listener, server, client;
    uint16_t port = 0, client_port = 0;
  };
  UniqueFd InsideListener(int family);
  Pair InsideServer(int family);
  Pair InsideClient(int family);

  std::unique_ptr<TestCgroup> cgroup;
  std::unique_ptr<Actor> actor;
  std::unique_ptr<PacketCapture> capture;
  std::unique_ptr<PacketSource> source;
  Counters counters;
  Collector seen;
};

}  // namespace podtap
