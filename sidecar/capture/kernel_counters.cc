// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>

#include "sidecar/capture/packet_capture.h"

namespace podtap {
namespace {

constexpr std::array<KernelCounterInfo, kKernelCounterCount> kInfos = {{
#define X(enumerator, metric, label, help) {#enumerator, metric, label, help},
    PODTAP_KERNEL_COUNTERS(X)
#undef X
}};

}  // namespace

const KernelCounterInfo& InfoOf(kernel_counter which) { return kInfos.at(which); }

uint64_t KernelCounter(const CaptureMemory& memory, kernel_counter which) {
  uint64_t sum = 0;
  for (size_t cpu = 0; cpu < memory.cpus; ++cpu) {
    const uint64_t* value = memory.counters + cpu * PODTAP_KERNEL_COUNTER_STRIDE + which;
    sum += __atomic_load_n(value, __ATOMIC_RELAXED);
  }
  return sum;
}

}  // namespace podtap
