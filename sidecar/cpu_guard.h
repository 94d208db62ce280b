// SPDX-License-Identifier: Apache-2.0
// CpuGuard: keeps the worker below --max_worker_cpu_percent by leaving out whole new connections. It stands between the
// streams and the sessions: a connection is taken or left when it opens, by a fair throw, and stays so; what is left
// out is counted and told to the source, which then copies nothing of it. No exchange is ever seen in part because of
// it.
//
// The share of connections to leave out is adjusted once a second by how much CPU the process used. One thread.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "base/clock.h"
#include "base/counters.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

class CpuGuard : public StreamEventHandler {
 public:
  // `limit_percent` of one CPU; 0 = everything passes.
  CpuGuard(uint32_t limit_percent, Counters& counters, StreamEventHandler& next, InterestHandler& interests)
      : limit_percent_(limit_percent), counters_(counters), next_(next), interests_(interests) {}

  void OnStreamEvent(const StreamEvent& event) override;
  // Once a second or so: `cpu_ns` is what the process has used since it began.
  void Update(Timestamp now, uint64_t cpu_ns);
  // Of 256 new connections so many are left out.
  uint32_t shed_share() const { return shed_share_; }

 private:
  bool Shed(ConnectionId id) const;

  const uint32_t limit_percent_;
  Counters& counters_;
  StreamEventHandler& next_;
  InterestHandler& interests_;
  uint32_t shed_share_ = 0;
  Timestamp last_;
  uint64_t last_cpu_ns_ = 0;
  std::unordered_set<ConnectionId> left_out_;
};

// CPU time of this process, all threads.
uint64_t ProcessCpuNs();

}  // namespace podtap
