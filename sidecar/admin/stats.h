// SPDX-License-Identifier: Apache-2.0
// The numbers that operators know from the log: `stats {…}` with ten keys, and `probe stat {…}` with the runs of each
// BPF program. docs/events.md defines each key in one sentence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"

namespace podtap {

// What the kernel programs counted; made by whoever owns the capture, empty while nothing is attached.
struct KernelNumbers {
  struct Row {
    std::string_view metric, label, help;
    uint64_t value;
  };
  std::vector<Row> rows;
  struct Run {
    std::string_view program;
    uint64_t count;
  };
  std::vector<Run> runs;
  uint64_t lost_records = 0;  // records that were wanted and never reached the ring
};

// {"ControlEventReceived":0,…}: exactly the ten keys.
std::string StatsJson(const Counters& counters, const KernelNumbers& kernel);
// {"cap_skb_ingress":0,…}
std::string ProbeStatJson(const KernelNumbers& kernel);

}  // namespace podtap
