// SPDX-License-Identifier: Apache-2.0
// Segment: the one sentence every source can say: "connection C, direction D, these bytes at position P". Sources make
// segments, the StreamAssembler puts them in order. Nothing depends on another segment having arrived: each carries the
// whole identity of its connection.
//
// A position is a 64-bit offset in the stream of one direction. Position 0 is the first byte after the handshake where
// `from_first_byte`; on a connection that was joined late positions start at an arbitrary, large number. Positions
// never wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "sidecar/stream/connection.h"

namespace podtap {

struct Segment {
  const Connection* connection = nullptr;  // valid during the call
  Direction direction = Direction::kIngress;
  Timestamp at = {};
  uint64_t position = 0;
  std::span<const std::byte> data = {};  // valid during the call
  // Bytes right after `data` that the source left out at our wish, or because they exceed its copy bound. They are part
  // of the segment's range: [position, position + data.size() + skipped). An empty segment with `skipped` announces
  // what was left out since the last one.
  uint64_t skipped = 0;
  bool from_first_byte = true;  // false: the socket is older than the capture
  bool fin = false;             // the stream of this direction ends after this range
  bool reset = false;           // RST at `position`: both directions end here
  // What the kernel said when it saw this packet, before it processed it, as positions (the FIN is not counted): all
  // ingress bytes below `received` were accepted from the network (rcv_nxt), all egress bytes below `acknowledged` are
  // in the peer's hands (snd_una). A hole below will not be filled. Lower than the truth is harmless, higher is not.
  // Absent where a source cannot know (replay of a capture, TLS, syscalls): there the bytes themselves are final. A
  // segment without a range may bring these alone: news of what was accepted when nothing else is sent. A source should
  // read both before it takes its place in the queue.
  std::optional<uint64_t> received = std::nullopt;
  std::optional<uint64_t> acknowledged = std::nullopt;
};

// The socket is gone. A hint: it may be missing, and records of the connection may still come after it.
struct SocketClosed {
  const Connection* connection = nullptr;
  Timestamp at = {};
  std::optional<uint64_t> received = std::nullopt;      // final rcv_nxt as a position
  std::optional<uint64_t> acknowledged = std::nullopt;  // final snd_una as a position
};

}  // namespace podtap
