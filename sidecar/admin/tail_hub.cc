// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/tail_hub.h"

namespace podtap {

void TailHub::Add(std::shared_ptr<HttpTail> tail, bool as_text) {
  const std::lock_guard lock(mutex_);
  (as_text ? text_ : eve_).tails.push_back(std::move(tail));
  watched_ = true;
}

void TailHub::Push(std::span<const HttpEventPtr> events) {
  if (!watched_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  PushTo(eve_, events);
  PushTo(text_, events);
  watched_ = !eve_.tails.empty() || !text_.tails.empty();
}

void TailHub::PushTo(Group& group, std::span<const HttpEventPtr> events) {
  std::erase_if(group.tails, [](const auto& tail) { return tail->gone(); });
  if (group.tails.empty()) return;
  for (const HttpEventPtr& event : events) {
    group.record.clear();
    group.encoder->Encode(*event, /*without_bodies=*/false, group.record);
    for (const auto& tail : group.tails)
      if (!tail->Push(group.record)) counters_.Add(Counter::kTailDropped);
  }
}

}  // namespace podtap
