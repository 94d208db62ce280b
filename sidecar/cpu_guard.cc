// SPDX-License-Identifier: Apache-2.0
#include "sidecar/cpu_guard.h"

#include <algorithm>
#include <ctime>

namespace podtap {
namespace {

constexpr uint32_t kAll = 256;
constexpr uint32_t kStep = 8;  // of kAll, per update: how fast connections come back

}  // namespace

// Cookies count up, so they are mixed: the throw must not depend on their order.
bool CpuGuard::Shed(ConnectionId id) const {
  uint64_t mixed = id.value * 0x9e3779b97f4a7c15ULL;
  mixed ^= mixed >> 32;
  mixed *= 0xd6e8feb86659fd93ULL;
  return (mixed >> 56) < shed_share_;
}

void CpuGuard::OnStreamEvent(const StreamEvent& event) {
  if (limit_percent_ == 0) return next_.OnStreamEvent(event);
  if (std::holds_alternative<Opened>(event.what) && Shed(event.connection)) {
    left_out_.insert(event.connection);
    counters_.Add(Counter::kConnectionsShed);
    for (const Direction direction : {Direction::kIngress, Direction::kEgress})
      interests_.OnInterest({.connection = event.connection, .direction = direction, .want = Interest::Want::kNothing});
    return;
  }
  if (!left_out_.empty() && left_out_.contains(event.connection)) {
    if (std::holds_alternative<Closed>(event.what)) left_out_.erase(event.connection);
    return;
  }
  next_.OnStreamEvent(event);
}

void CpuGuard::Update(Timestamp now, uint64_t cpu_ns) {
  const uint64_t elapsed = NanosecondsBetween(last_, now);
  const bool first = !last_;
  const uint64_t used_percent = elapsed == 0 ? 0 : (cpu_ns - std::min(cpu_ns, last_cpu_ns_)) * 100 / elapsed;
  last_ = now;
  last_cpu_ns_ = cpu_ns;
  if (limit_percent_ == 0 || first) return;
  if (used_percent > limit_percent_) {
    // What is taken costs too much: take that much less of it.
    const uint32_t taken = kAll - shed_share_;
    const auto wanted = static_cast<uint32_t>(uint64_t{taken} * limit_percent_ / used_percent);
    shed_share_ = kAll - std::min(wanted, taken > 0 ? taken - 1 : 0);
  } else if (used_percent * 10 < uint64_t{limit_percent_} * 9) {
    shed_share_ -= std::min(shed_share_, kStep);
  }
}

uint64_t ProcessCpuNs() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace podtap
