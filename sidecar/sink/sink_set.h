// SPDX-License-Identifier: Apache-2.0
// SinkSet: all sinks of a worker. Each gets a share of every event and goes on alone: none waits for another.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "sidecar/sink/sink.h"

namespace podtap {

class SinkSet {
 public:
  void Add(std::unique_ptr<Sink> sink) { sinks_.push_back(std::move(sink)); }
  void Push(std::span<const HttpEventPtr> events) const {
    for (const auto& sink : sinks_) sink->Push(events);
  }
  // Each of them: while one could take more, none is waited for.
  bool Busy() const {
    return !sinks_.empty() && std::all_of(sinks_.begin(), sinks_.end(), [](const auto& sink) { return sink->Busy(); });
  }
  void Reopen() const {
    for (const auto& sink : sinks_) sink->Reopen();
  }
  // All flush at the same time, until `deadline`. Returns how many exchanges could not be delivered, over all sinks.
  size_t Shutdown(Sink::Clock::time_point deadline) const {
    for (const auto& sink : sinks_) sink->AskStop(deadline);
    size_t left = 0;
    for (const auto& sink : sinks_) left += sink->AwaitStop();
    return left;
  }

 private:
  std::vector<std::unique_ptr<Sink>> sinks_;
};

}  // namespace podtap
