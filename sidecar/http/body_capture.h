// SPDX-License-Identifier: Apache-2.0
// BodyCapture: keeps the first bytes of one body, without holes, up to the body limit, and charges what it holds to the
// memory budget. It works on the HttpMessage that the event will carry, so nothing is copied when the exchange is
// emitted. Owned by an Exchange. Whoever drops the body, or hands it over to the sinks, calls Release().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/memory_budget.h"
#include "sidecar/event/http_event.h"

namespace podtap {

class BodyCapture {
 public:
  // The next bytes of the body. `rest`: how many follow `data` at least to the end of the body or chunk, where known:
  // saves growing step by step.
  void Append(HttpMessage& message, std::string_view data, std::optional<uint64_t> rest, size_t limit,
              MemoryBudget& budget);
  // `n` bytes of the body are not here. What was lost is missing; what was left out at our own wish is missing only as
  // far as it lies before the limit.
  void Skip(HttpMessage& message, uint64_t n, bool lost, size_t limit);
  // An unknown part of the body is not here: nothing more is kept.
  void Close() { closed_ = true; }
  // If there are any, frees the bytes kept so far and keeps none from now on. Returns the bytes freed.
  size_t Cut(HttpMessage& message, MemoryBudget& budget);
  void Release(MemoryBudget& budget);

  bool keeps_more(const HttpMessage& message, size_t limit) const { return !closed_ && message.body.size() < limit; }

 private:
  size_t charged_ = 0;
  bool closed_ = false;  // a hole, or cut
};

}  // namespace podtap
