// SPDX-License-Identifier: Apache-2.0
// Walking a cgroup tree within bounds: depth first, through open directories (openat, never a symbolic link), so that a
// tree that changes meanwhile can mislead nobody out of it. The finder and the container names use it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace podtap {

struct CgroupWalkLimits {
  int depth = 16;              // levels below the start
  size_t directories = 50000;  // visited in all
};

enum class CgroupVisit { kDescend, kSkipChildren, kStop };

// Calls `visit(fd, name, relative path)` for every cgroup below the open directory `fd` (not for itself). The
// descriptor is valid during the call. Leaves out what CRI-O runs beside containers (crio-conmon-*). Returns how many
// were visited; `directories` of the limits means that the walk was cut short.
size_t WalkCgroups(int fd, const CgroupWalkLimits& limits,
                   const std::function<CgroupVisit(int fd, std::string_view name, const std::string& path)>& visit);

}  // namespace podtap
