// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kernel_numbers.h"

#include "sidecar/capture/packet_capture.h"

namespace podtap {
namespace {

// What stands between the quotes of `program="name"`.
std::string_view ProgramOf(std::string_view label) {
  const size_t first = label.find('"');
  return first == std::string_view::npos ? label : label.substr(first + 1, label.rfind('"') - first - 1);
}

}  // namespace

KernelNumbers ReadKernelNumbers(const PacketCapture* capture) {
  KernelNumbers numbers;
  if (capture == nullptr) return numbers;
  const CaptureMemory& memory = capture->memory();
  for (int i = 0; i < kKernelCounterCount; ++i) {
    const auto which = static_cast<kernel_counter>(i);
    const KernelCounterInfo& info = InfoOf(which);
    const uint64_t value = KernelCounter(memory, which);
    numbers.rows.push_back({info.metric, info.label, info.help, value});
    if (info.metric == InfoOf(kRunsIngress).metric) numbers.runs.push_back({ProgramOf(info.label), value});
  }
  numbers.lost_records = KernelCounter(memory, kRingFullRecords) + KernelCounter(memory, kCopyFailedRecords);
  return numbers;
}

}  // namespace podtap
