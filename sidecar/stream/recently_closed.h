// SPDX-License-Identifier: Apache-2.0
// RecentlyClosed: the last few thousand connections that ended, so that what still arrives for them (a FIN sent again,
// the last ACK, a hint that another CPU wrote later) does not look like a new connection. Fixed size: a table of small
// first-in first-out groups, chosen by the cookie. A cookie is never reused by the kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sidecar/stream/connection.h"

namespace podtap {

class RecentlyClosed {
 public:
  struct Entry {
    ConnectionId id;
    // Egress bytes beyond this prove that the socket still lives: the RST that we took for its end was refused.
    uint64_t egress_end = UINT64_MAX;
  };

  void Add(const Entry& entry) {
    if (!groups_) groups_ = std::make_unique<std::array<Group, kGroups>>();
    Group& group = GroupOf(entry.id);
    group.entries[group.oldest++ % kWays] = entry;
  }
  Entry* Find(ConnectionId id) {
    if (!groups_ || id.value == 0) return nullptr;
    for (Entry& entry : GroupOf(id).entries) {
      if (entry.id == id) return &entry;
    }
    return nullptr;
  }

 private:
  static constexpr size_t kGroups = 1024;
  static constexpr size_t kWays = 4;
  struct Group {
    std::array<Entry, kWays> entries{};
    uint32_t oldest = 0;
  };
  Group& GroupOf(ConnectionId id) { return (*groups_)[(std::hash<ConnectionId>{}(id) >> 32) % kGroups]; }
  std::unique_ptr<std::array<Group, kGroups>> groups_;
};

}  // namespace podtap
