// SPDX-License-Identifier: Apache-2.0
#include "sidecar/pipeline.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kRecordsPerLook = 64;  // between two looks at whether the sink keeps up
constexpr size_t kEventsPerDelivery = 256;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr int kLastRounds = 256;
constexpr int kLastWaits = 100;

SessionTable::Options SessionOptions(const Config& config, std::function<std::string(uint64_t)> container_of) {
  return {.limits = config.http,
          .mode = config.mode,
          .ignore_user_agents = config.ignore_user_agents,
          .redact_headers = config.redact_headers,
          .policy = config.policy,
          .container_of = std::move(container_of)};
}

// A session gives up an unfinished exchange before its connection is forgotten.
StreamAssembler::Limits AssemblerLimits(const Config& config, bool resumed) {
  StreamAssembler::Limits limits{.resumed = resumed};
  limits.forget_after_ns = std::max(limits.forget_after_ns, config.http.idle_timeout_ns + 60 * kSecond);
  return limits;
}

}  // namespace

Pipeline::Pipeline(const Config& config, Source& source, Counters& counters,
                   std::function<std::string(uint64_t cgroup_id)> container_of, EventBatchHandler deliver, bool resumed)
    : source_(source),
      mode_(static_cast<uint32_t>(config.mode)),
      budget_(config.memory_limit_bytes),
      sessions_(SessionOptions(config, std::move(container_of)), budget_, counters, *this, *this),
      guard_(config.max_worker_cpu_percent, counters, sessions_, *this),
      assembler_(AssemblerLimits(config, resumed), budget_, counters, guard_),
      deliver_(std::move(deliver)) {
  batch_.reserve(kEventsPerDelivery);
}

void Pipeline::SetPolicy(const Config& config) {
  sessions_.SetPolicy(config.ignore_user_agents, config.redact_headers, config.policy);
}

uint32_t Pipeline::UpdateMode() {
  if (source_.backlog() == 0) UpdateModeAt(MonotonicNow());
  return mode_;
}

void Pipeline::UpdateModeAt(Timestamp at) {
  if (wanted_mode_ == nullptr) return;
  const uint32_t wanted = wanted_mode_->load(std::memory_order_acquire);
  if (wanted == mode_ || at.ns < mode_since_ns_->load(std::memory_order_relaxed)) return;
  mode_ = wanted;
  sessions_.SetMode(static_cast<Mode>(wanted));
}

size_t Pipeline::Read() {
  if (!hold_) return source_.Poll(*this, kRecordsPerRound);
  size_t records = 0;
  while (records < kRecordsPerRound && !hold_()) {
    const size_t n = source_.Poll(*this, kRecordsPerLook);
    records += n;
    if (n < kRecordsPerLook) break;
  }
  return records;
}

size_t Pipeline::RunOnce(Timestamp now) {
  const size_t records = Read();
  assembler_.EndOfBatch();
  if (now >= next_second_) {
    next_second_ = Timestamp{now.ns + kSecond};
    wall_clock_.Measure();
    sessions_.SetWallClock(wall_clock_);
    guard_.Update(now, ProcessCpuNs());
    assembler_.Tick(now);
    sessions_.Tick(now);
  }
  RelieveMemory();
  Deliver();
  return records;
}

// What costs no exchange first.
void Pipeline::RelieveMemory() {
  if (!budget_.over()) return;
  assembler_.RelieveHistory();
  sessions_.RelieveMemory();
  assembler_.RelieveMemory();
}

void Pipeline::Finish(std::chrono::milliseconds most_hold) {
  // The applications of a pod may still be talking: what is in the ring now is the end, not what comes while it is
  // read. A record that is still being written stands before others.
  const auto deadline = MonotonicNow().ns + static_cast<uint64_t>(std::chrono::nanoseconds(most_hold).count());
  for (int round = 0, empty = 0; round < kLastRounds && empty < kLastWaits;) {
    const size_t records = RunOnce(MonotonicNow());
    if (source_.backlog() == 0) break;
    ++round;
    if (records > 0) continue;
    if (holding() && MonotonicNow().ns < deadline) {
      --round;  // the sink needs a moment
    } else {
      hold_ = nullptr;
      ++empty;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  assembler_.CloseAll(CloseReason::kShutdown, MonotonicNow());
  Deliver();
}

void Pipeline::OnOpen(const Connection& connection, bool from_first_byte, Timestamp at) {
  UpdateModeAt(at);
  assembler_.Open(connection, from_first_byte, at);
}
void Pipeline::OnSegment(const Segment& segment) {
  UpdateModeAt(segment.at);
  assembler_.Add(segment);
  RelieveMemory();  // a batch of large segments can outgrow the limit before its end
}
void Pipeline::OnClose(const SocketClosed& close) { assembler_.Close(close); }

void Pipeline::OnHttpEvent(HttpEventPtr event) {
  batch_.push_back(std::move(event));
  if (batch_.size() >= kEventsPerDelivery) Deliver();
}

void Pipeline::OnInterest(const Interest& interest) { source_.Apply(interest); }

void Pipeline::Deliver() {
  if (batch_.empty()) return;
  deliver_(batch_);
  batch_.clear();
}

}  // namespace podtap
