// SPDX-License-Identifier: Apache-2.0
// MemoryBudget: one number for all reassembly and parsing state (--memory_limit_bytes). Whoever holds bytes charges
// them and releases them; nobody is refused. The pipeline looks once per batch and, while the budget is over, asks the
// holders to let go of their oldest (bodies first, then out-of-order segments). One thread only.
#pragma once

#include <cstddef>

namespace podtap {

class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit_bytes) : limit_(limit_bytes) {}
  void Charge(size_t bytes) { used_ += bytes; }
  void Release(size_t bytes) { used_ -= bytes < used_ ? bytes : used_; }
  size_t used() const { return used_; }
  size_t limit() const { return limit_; }
  bool over() const { return used_ > limit_; }

 private:
  size_t limit_;
  size_t used_ = 0;
};

}  // namespace podtap
