// SPDX-License-Identifier: Apache-2.0
// The mounts of this process as /proc/self/mountinfo lists them, in its order (proc_pid_mountinfo(5)). The cgroup
// finder and `podtap run` look for the cgroup2 file system here. An entry may be hidden by a later mount on the same
// place: whoever uses one checks what it finds there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace podtap {

struct Mount {
  std::string root;   // the directory of the file system that is mounted; for cgroup2 as seen from our cgroup namespace
  std::string point;  // where it is mounted
  std::string type;   // "cgroup2"
};

// Lines that are not in the documented form are left out. Escapes (\040 for a space) are resolved.
std::vector<Mount> ParseMountinfo(std::string_view text);

// `proc` is where the proc file system is mounted.
Result<std::vector<Mount>> ReadMountinfo(const std::string& proc = "/proc");

}  // namespace podtap
