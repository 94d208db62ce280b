// SPDX-License-Identifier: Apache-2.0
// Who talks to whom: the identity of one TCP connection as the kernel knows it. Plain values, copied freely.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace podtap {

// The socket cookie: unique for the life of the machine's network stack, never reused. 0 = none.
struct ConnectionId {
  uint64_t value = 0;
  bool operator==(const ConnectionId&) const = default;
};

// What the pod's process did to get this connection. kUnknown: the socket is older than the capture and no listener was
// found for it; the direction of the first request line decides (RFC 9112: only clients send request lines).
enum class Role : uint8_t { kUnknown = 0, kAccepted = 1, kOpened = 2 };

// As seen from the pod's socket: ingress bytes were received by it, egress bytes were sent by it.
enum class Direction : uint8_t { kIngress = 0, kEgress = 1 };
constexpr Direction Opposite(Direction d) {
  return d == Direction::kIngress ? Direction::kEgress : Direction::kIngress;
}
constexpr size_t IndexOf(Direction d) { return static_cast<size_t>(d); }

// An IP address and TCP port. IPv4 is kept IPv4-mapped (::ffff:a.b.c.d) and written as IPv4.
struct Endpoint {
  std::array<uint8_t, 16> address{};
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;

  bool is_v4() const {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(address.data(), kMapped, sizeof(kMapped)) == 0;
  }
  // "10.0.0.7" or "2001:db8::1" (RFC 5952).
  std::string AddressText() const;
  // The same without allocation, in `buffer`.
  using AddressBuffer = std::array<char, 48>;
  std::string_view AddressText(AddressBuffer& buffer) const;
  // "10.0.0.7:80" or "[2001:db8::1]:80".
  std::string Text() const;
  static Endpoint V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
};

// The process that created the socket; accepted sockets inherit their listener's creator. pid as the node's root PID
// namespace numbers it; 0 = unknown.
struct Process {
  uint32_t pid = 0;
  std::array<char, 16> comm{};  // NUL-padded
  std::string_view CommText() const { return {comm.data(), strnlen(comm.data(), comm.size())}; }
};

enum class Transport : uint8_t { kPlain, kTls };

struct Connection {
  ConnectionId id;
  Role role = Role::kUnknown;
  Transport transport = Transport::kPlain;
  bool loopback = false;  // the peer is a process of the same pod
  Endpoint local;         // the pod's end
  Endpoint remote;
  Process process;
  uint64_t cgroup_id = 0;  // of the socket: the cgroup of its creator at socket() time; 0 = unknown
};

}  // namespace podtap

template <>
struct std::hash<podtap::ConnectionId> {
  size_t operator()(const podtap::ConnectionId& id) const noexcept { return id.value * 0x9e3779b97f4a7c15ULL; }
};
