// SPDX-License-Identifier: Apache-2.0
// ContainerNames: which container a socket belongs to. A socket carries the id of its creator's cgroup, which is the
// inode number of a directory below the target; that directory, or one above it, is named by the container runtime:
//   containerd   cri-containerd-<id>.scope   or <id>                CRI-O   crio-<id>.scope   or crio-<id>
//   Docker       docker-<id>.scope           or <id>                Podman  libpod-<id>.scope or libpod-<id>
// crun puts a further "container" below it, which inherits the name, as do cgroups that a container makes itself.
//
// The pipeline asks once per connection. A cgroup that is not known yet makes it look at the tree again, at most once a
// second; names stay known after their cgroup is gone. Not thread-safe. Memory is bounded (kMaxKnown).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "sidecar/capture/cgroup_finder.h"

namespace podtap {

// The container id in one directory name; empty if there is none.
std::string_view ContainerIdInName(std::string_view name);

class ContainerNames {
 public:
  static constexpr uint64_t kRescanNs = 1'000'000'000;
  static constexpr size_t kMaxKnown = 4096;

  // `target` is looked at but not kept; the directory is opened once more.
  explicit ContainerNames(const CgroupTarget& target);

  // The id of the container that `cgroup_id` lies in; empty if it is not below the target, is no container's, or is not
  // known yet. The reference is good until the next call. `now` never goes back.
  const std::string& ContainerIdOf(uint64_t cgroup_id, Timestamp now = MonotonicNow());

  // How often the tree was looked at.
  uint64_t scans() const { return scans_; }

 private:
  void Scan();

  UniqueFd fd_;
  uint64_t target_id_ = 0;
  std::string of_target_;                            // set if the target itself is a container's cgroup or lies in one
  std::unordered_map<uint64_t, std::string> known_;  // empty name: seen, and no container's
  Timestamp last_scan_;
  uint64_t scans_ = 0;
};

}  // namespace podtap
