// SPDX-License-Identifier: Apache-2.0
// SinkCounters: where one sink counts: in the totals of all sinks, and in numbers of its own, which /metrics shows with
// the label `sink`. A handle; copies count in the same place.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/counters.h"

namespace podtap {

// One sink's own numbers. In the page that both processes share.
struct SinkNumbers {
  Counters counters;  // only the rows about sinks are ever used
  std::atomic<uint64_t> queue_events{0};
  std::atomic<uint64_t> queue_bytes{0};
  std::atomic<bool> failing{false};
};

class SinkCounters {
 public:
  SinkCounters(Counters& all, SinkNumbers* own = nullptr) : all_(&all), own_(own) {}  // NOLINT: a Counters will do
  void Add(Counter counter, uint64_t n = 1) const {
    all_->Add(counter, n);
    if (own_ != nullptr) own_->counters.Add(counter, n);
  }
  void Max(Counter counter, uint64_t value) const {
    all_->Max(counter, value);
    if (own_ != nullptr) own_->counters.Max(counter, value);
  }
  void SetQueue(uint64_t events, uint64_t bytes) const {
    if (own_ == nullptr) return;
    own_->queue_events.store(events, std::memory_order_relaxed);
    own_->queue_bytes.store(bytes, std::memory_order_relaxed);
  }
  // What an earlier worker left here says nothing of a sink that begins.
  void Begin() const {
    SetQueue(0, 0);
    SetFailing(false);
  }
  void SetFailing(bool failing) const {
    if (own_ != nullptr) own_->failing.store(failing, std::memory_order_relaxed);
  }

 private:
  Counters* all_;
  SinkNumbers* own_;
};

}  // namespace podtap
