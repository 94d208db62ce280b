// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/sampler.h"

#include <algorithm>
#include <vector>

namespace podtap {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// The finaliser of MurmurHash3.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ x >> 33;
}

}  // namespace

Sampler::Sampler(double rate, uint64_t max_per_second)
    : threshold_(rate >= 1 ? UINT64_MAX : static_cast<uint64_t>(std::max(rate, 0.0) * 18446744073709549568.0)),
      all_(rate >= 1),
      max_per_second_(max_per_second),
      part_(max_per_second) {}

std::optional<Counter> Sampler::LeavesOut(const HttpEvent& event) {
  // A stream's interim records and its final one share its number.
  const uint64_t number = event.http2 ? event.http2->id : event.exchange;
  if (!all_ && Mix(Mix(event.connection.id.value) + number) >= threshold_) return Counter::kEventsSkippedSample;
  if (max_per_second_ == 0 || event.tags.Has(Tag::kInterim)) return std::nullopt;
  if (const uint64_t second = event.finished_at().ns / kSecond; second > second_) BeginSecond(second);
  const bool known = wanted_.size() < kMaxConnections || wanted_.contains(event.connection.id);
  const uint64_t wanted = ++wanted_[known ? event.connection.id : ConnectionId{}];
  if (wanted > part_ || let_through_ >= max_per_second_) return Counter::kEventsSkippedRate;
  ++let_through_;
  return std::nullopt;
}

void Sampler::BeginSecond(uint64_t second) {
  // What an earlier second wanted says nothing of this one.
  part_ = second == second_ + 1 ? FairPart() : max_per_second_;
  second_ = second;
  let_through_ = 0;
  wanted_.clear();
}

// The largest part with which all together stay within the limit (max-min fairness).
uint64_t Sampler::FairPart() const {
  std::vector<uint64_t> wants;
  wants.reserve(wanted_.size());
  for (const auto& [id, wanted] : wanted_) wants.push_back(wanted);
  std::sort(wants.begin(), wants.end());
  uint64_t left = max_per_second_;
  for (size_t i = 0; i < wants.size(); ++i) {
    const uint64_t part = left / (wants.size() - i);
    if (wants[i] > part) return std::max<uint64_t>(part, 1);
    left -= wants[i];
  }
  return max_per_second_;
}

}  // namespace podtap
