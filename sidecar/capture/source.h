// SPDX-License-Identifier: Apache-2.0
// Source: where segments come from: packets at the cgroup (packet_source), a recorded list (replay_source), later TLS
// libraries and syscalls. The pipeline polls it and hands what it says to the StreamAssembler.
#pragma once

#include <cstddef>

#include "sidecar/stream/segment.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

class SegmentHandler {
 public:
  virtual ~SegmentHandler() = default;
  virtual void OnOpen(const Connection& connection, bool from_first_byte, Timestamp at) = 0;
  virtual void OnSegment(const Segment& segment) = 0;
  virtual void OnClose(const SocketClosed& close) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // Delivers up to `max_records` records that are there now, without waiting. Returns how many.
  virtual size_t Poll(SegmentHandler& handler, size_t max_records) = 0;
  // What waits to be read, in units of the source's own; 0 = nothing. More than 0 although Poll() found no record: one
  // is still being written.
  virtual size_t backlog() const { return 0; }
  // A descriptor that becomes readable when the source is filling up, or -1. It may stay silent while records are
  // there.
  virtual int wakeup_fd() const = 0;
  virtual void Apply(const Interest& interest) = 0;
};

}  // namespace podtap
