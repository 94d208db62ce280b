// SPDX-License-Identifier: Apache-2.0
// Connections that the StreamAssembler let go of although they may speak again: silent for too long, too many, or ended
// by a RST that the kernel refused. What comes later of one of them is not its first byte, whatever its records say.
// At most kMax are kept by name; after that every connection that begins above position 0 is taken for one.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>

#include "base/memory_budget.h"
#include "sidecar/stream/connection.h"

namespace podtap {

class ForgottenConnections {
 public:
  static constexpr size_t kMax = 16384;

  explicit ForgottenConnections(MemoryBudget& budget) : budget_(budget) {}
  ~ForgottenConnections() { budget_.Release(ids_.size() * kCost); }
  ForgottenConnections(const ForgottenConnections&) = delete;
  ForgottenConnections& operator=(const ForgottenConnections&) = delete;

  void Add(ConnectionId id) {
    if (ids_.size() >= kMax) {
      full_ = true;
    } else if (ids_.insert(id.value).second) {
      budget_.Charge(kCost);
    }
  }
  // Whether the connection was followed before, and takes it from the list. `position`: where it speaks again.
  bool Take(ConnectionId id, uint64_t position) {
    if (ids_.erase(id.value) == 0) return full_ && position > 0;
    budget_.Release(kCost);
    return true;
  }

 private:
  static constexpr size_t kCost = 2 * sizeof(uint64_t);
  MemoryBudget& budget_;
  boost::unordered_flat_set<uint64_t> ids_;
  bool full_ = false;
};

}  // namespace podtap
