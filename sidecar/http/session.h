// SPDX-License-Identifier: Apache-2.0
// Session: both directions of one connection, understood as one protocol. Stream events go in, finished exchanges and
// interests come out. The SessionTable owns sessions, guesses the protocol (http/protocol_guess) and replaces a session
// that hands its connection over (Upgrade, CONNECT). All that a protocol must do is OnEvent(); the rest is for those
// that keep something (time, memory) or that other protocols can follow.
//
// A session never reads a clock (times come with the events), never allocates per segment, bounds what it keeps, and
// treats every byte as hostile.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/counters.h"
#include "base/memory_budget.h"
#include "sidecar/event/http_event.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

struct HttpLimits {
  size_t max_body_bytes = 131072;              // kept per body; the rest is counted
  size_t max_header_bytes = 65536;             // per head, and per trailer section
  uint64_t idle_timeout_ns = 300'000'000'000;  // without a byte, while an exchange is unfinished
  // Pipelined requests waiting for responses; beyond it the oldest is emitted. The memory budget is what bounds them.
  size_t max_pending_exchanges = 65536;
  size_t max_streams = 16384;       // open HTTP/2 streams of a connection; beyond it the oldest is emitted
  uint64_t stream_interval_ns = 0;  // between two interim events of an HTTP/2 stream; 0: none
  bool operator==(const HttpLimits&) const = default;
};

// Where a session puts what it made. Implemented by SessionTable, and by tests.
class SessionOutput {
 public:
  virtual ~SessionOutput() = default;
  virtual void Emit(std::shared_ptr<HttpEvent> event) = 0;
  virtual void Want(const Interest& interest) = 0;
};

// What a session needs besides its input. Outlives it.
struct SessionContext {
  const HttpLimits& limits;
  MemoryBudget& budget;
  Counters& counters;
  SessionOutput& output;
};

// How a connection stands when a session takes it over.
struct SessionStart {
  Direction client = Direction::kIngress;  // the direction that requests come from
  bool mid_stream = false;                 // bytes may have gone before that nobody saw
  bool joined_late = false;                // because the connection is older than the capture: every event says so
  bool request_lost = false;               // right before the first bytes of the client
  TagSet why;                              // for what cannot be understood because of it
  // The exchange that ended with the switch to this protocol (101), if one did. Already emitted.
  std::shared_ptr<const HttpEvent> upgraded;
};

class Session {
 public:
  enum class Next : uint8_t {
    kContinue,
    kHandOver,  // what follows is another protocol (after 101 or CONNECT 2xx) or is not understood: guess again
  };

  // Bytes that a session was given and that belong to what follows it.
  struct Rest {
    std::string bytes;
    uint64_t position = 0;
    Timestamp at;
  };
  struct Leftover {
    std::array<Rest, 2> rest;  // by Direction
    bool clean = false;        // the next protocol begins exactly here
    // The exchange with which both ends agreed on HTTP/2 (Upgrade: h2c); without one the next protocol is to be
    // guessed.
    std::shared_ptr<const HttpEvent> to_http2;
  };

  virtual ~Session() = default;
  virtual Next OnEvent(const StreamEvent& event) = 0;
  // Once, after kHandOver.
  virtual Leftover HandOver() { return {}; }
  // Event time moved on; emits what has been unfinished for longer than the idle timeout (tag `timeout`, final).
  virtual void OnTick(Timestamp /*now*/) {}
  // Frees the bodies kept so far (tag `truncated_memory`); called for the oldest session first. Returns bytes freed.
  virtual size_t CutBodies() { return 0; }
  // Emits everything unfinished as it is, finally, with the tag `why`, and lets go of all that it can do without. When
  // memory is short, sessions without an exchange are asked first.
  virtual void Abandon(Tag /*why*/) {}
  // When the oldest unfinished exchange began; 0 if none.
  virtual Timestamp oldest() const { return {}; }
};

}  // namespace podtap
