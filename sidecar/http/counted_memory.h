// SPDX-License-Identifier: Apache-2.0
// CountedMemory: an allocator for nghttp2 that charges to the budget what is allocated, when it is allocated: so tables
// are counted as large as they are, and in the middle of a header block, too. Belongs to one holder and outlives all
// that it allocated. One thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/memory_budget.h"

namespace podtap {

class CountedMemory {
 public:
  explicit CountedMemory(MemoryBudget& budget);
  CountedMemory(const CountedMemory&) = delete;
  CountedMemory& operator=(const CountedMemory&) = delete;
  nghttp2_mem* get() { return &functions_; }

 private:
  nghttp2_mem functions_;
};

}  // namespace podtap
