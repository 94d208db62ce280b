// SPDX-License-Identifier: Apache-2.0
// Sampler: how many exchanges leave. A share of all, evenly over connections; and at most so many per second, where
// each connection gets its fair part: those that want less than their part get all they want, and what they leave is
// shared by the others. The parts come from the second before.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/counters.h"
#include "sidecar/event/http_event.h"

namespace podtap {

class Sampler {
 public:
  // `rate` from 0 to 1; `max_per_second` 0: no limit.
  Sampler(double rate, uint64_t max_per_second);
  // The counter to count it by if it is left out. Exchanges come in any order of time.
  std::optional<Counter> LeavesOut(const HttpEvent& event);

 private:
  static constexpr size_t kMaxConnections = 65536;  // beyond it all others share one part
  void BeginSecond(uint64_t second);
  uint64_t FairPart() const;

  const uint64_t threshold_;  // of a hash of 64 bits
  const bool all_;
  const uint64_t max_per_second_;
  uint64_t second_ = 0;
  uint64_t let_through_ = 0;
  uint64_t part_;  // of each connection in this second
  std::unordered_map<ConnectionId, uint64_t> wanted_;
};

}  // namespace podtap
