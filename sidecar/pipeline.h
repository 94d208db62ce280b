// SPDX-License-Identifier: Apache-2.0
// Pipeline: the one place that sees source, streams, sessions and sinks, and the only one that joins them. It runs in
// one thread of the worker; everything it calls is called from that thread (sinks have threads of their own behind
// their queues).
//
//   Source -> StreamAssembler -> CpuGuard -> SessionTable -> SinkRunner        and back: Interest -> Source
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/memory_budget.h"
#include "sidecar/capture/source.h"
#include "sidecar/config.h"
#include "sidecar/cpu_guard.h"
#include "sidecar/http/session_table.h"
#include "sidecar/stream/stream_assembler.h"

namespace podtap {

// Takes the exchanges of one round. The events are shared; the span is valid during the call.
using EventBatchHandler = std::function<void(std::span<const HttpEventPtr>)>;

// `resumed`: another reader of this source went before; connections that it knew are joined late.
class Pipeline final : private SegmentHandler, private HttpEventHandler, private InterestHandler {
 public:
  // One round reads at most this many records before timers, mode and memory are looked at again.
  static constexpr size_t kRecordsPerRound = 4096;

  Pipeline(const Config& config, Source& source, Counters& counters,
           std::function<std::string(uint64_t cgroup_id)> container_of, EventBatchHandler deliver,
           bool resumed = false);

  // What may leave, from the next exchange on: the policy and the lists of headers and user agents of `config`.
  void SetPolicy(const Config& config);
  // Reads what is there (bounded per call), and delivers the exchanges that became complete. Returns records read.
  size_t RunOnce(Timestamp now);
  // From now on `mode` (a number of Mode) is looked at before every record. It holds since `since_ns` (monotonic,
  // written first); the kernel copies by a new mode only after that, and what was copied before belongs to the mode of
  // then. Both outlive this.
  void FollowMode(const std::atomic<uint32_t>& mode, const std::atomic<uint64_t>& since_ns) {
    wanted_mode_ = &mode;
    mode_since_ns_ = &since_ns;
  }
  // While `hold` says true, nothing is read: what waits is better off in the source's ring than in the sink's queue,
  // because a few bytes there can become thousands of exchanges here (HTTP/2). It must say false before the ring fills.
  void HoldWhile(std::function<bool()> hold) { hold_ = std::move(hold); }
  bool holding() const { return hold_ && hold_(); }
  // Another mode is wanted, and records of the time before it are still to be read.
  bool mode_changes() const {
    return wanted_mode_ != nullptr && wanted_mode_->load(std::memory_order_acquire) != mode_;
  }
  // Looks at it without a record; nothing changes before the records that wait are read. Returns the mode in force.
  uint32_t UpdateMode();
  // Reads the source to its end, then ends every connection; what is open is emitted with the tag `shutdown`. Is held
  // no longer than `most_hold`.
  void Finish(std::chrono::milliseconds most_hold);

  size_t connection_count() const { return assembler_.connection_count(); }
  size_t memory_used() const { return budget_.used(); }

 private:
  void OnOpen(const Connection& connection, bool from_first_byte, Timestamp at) override;
  void OnSegment(const Segment& segment) override;
  void OnClose(const SocketClosed& close) override;
  void OnHttpEvent(HttpEventPtr event) override;
  void OnInterest(const Interest& interest) override;
  void RelieveMemory();
  void Deliver();
  size_t Read();
  void UpdateModeAt(Timestamp at);

  Source& source_;
  uint32_t mode_;
  const std::atomic<uint32_t>* wanted_mode_ = nullptr;
  const std::atomic<uint64_t>* mode_since_ns_ = nullptr;
  MemoryBudget budget_;
  WallClock wall_clock_;
  Timestamp next_second_;
  SessionTable sessions_;
  CpuGuard guard_;
  StreamAssembler assembler_;
  EventBatchHandler deliver_;
  std::function<bool()> hold_;
  std::vector<HttpEventPtr> batch_;
};

}  // namespace podtap
