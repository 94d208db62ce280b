// SPDX-License-Identifier: Apache-2.0
// StreamEvent: what the StreamAssembler says about one connection, in order. Per direction the bytes come in order and
// once, or an explicit Gap stands where they are missing; ingress bytes come only after the kernel accepted them.
// Events of the two directions are ordered as the application can have seen them: bytes that were received before a
// response was sent come first. Everything by reference is valid only during the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "base/clock.h"
#include "sidecar/stream/connection.h"

namespace podtap {

// First event of a connection. `from_first_byte`: false if the socket is older than the capture.
struct Opened {
  Connection connection;
  bool from_first_byte = true;
};

struct Bytes {
  Direction direction;
  std::span<const std::byte> data;
  uint64_t position = 0;  // of data[0]
};

enum class GapReason : uint8_t { kLost, kSkipped, kJoinedLate };

// Bytes that will never come. `missing` is absent where the length cannot be known (joined late).
struct Gap {
  Direction direction;
  GapReason reason;
  std::optional<uint64_t> missing;
};

// FIN: no more bytes this way. The other direction may go on (half-close).
struct Ended {
  Direction direction;
};

// Two versions of one range of the stream were seen, or a segment that the kernel did not accept.
struct Conflict {
  Direction direction;
};

enum class CloseReason : uint8_t { kFinished, kReset, kForgotten, kShutdown };

// Last event of a connection. kFinished: both ways ended or the socket closed; kForgotten: dropped to stay within
// limits.
struct Closed {
  CloseReason reason;
};

// The connection's identity became better known (role, loopback, process, container): replaces what Opened said.
struct Identified {
  Connection connection;
};

struct StreamEvent {
  ConnectionId connection;
  Timestamp at;
  std::variant<Opened, Identified, Bytes, Gap, Conflict, Ended, Closed> what;
};

class StreamEventHandler {
 public:
  virtual ~StreamEventHandler() = default;
  virtual void OnStreamEvent(const StreamEvent& event) = 0;
};

// What a session wants to see of one direction from now on; the only thing that flows back to the source. A source that
// cannot obey may ignore it: more bytes than wanted are never wrong.
struct Interest {
  enum class Want : uint8_t {
    kEverything,
    kFromPosition,  // nothing before `position` (the rest of a body past its limit), then everything
    kTurnHeads,     // the first 16 bytes after each payload of the other direction: not HTTP, or not HTTP yet
    kNothing,       // never again
  };
  ConnectionId connection;
  Direction direction = Direction::kIngress;
  Want want = Want::kEverything;
  uint64_t position = 0;
  // While the ring is short of room, copy only header + body limit after the last payload of the other direction. False
  // for protocols without turns.
  bool turn_rule = true;
};

class InterestHandler {
 public:
  virtual ~InterestHandler() = default;
  virtual void OnInterest(const Interest& interest) = 0;
};

}  // namespace podtap
