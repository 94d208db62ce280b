// SPDX-License-Identifier: Apache-2.0
// How much memory the container may use, and who goes first when it runs out. The kernel ends a process of a full
// memory cgroup with SIGKILL, so what would fill it is better not begun: the attacher looks at the limit before it
// loads programs, whose verification alone takes some 10 MiB for a moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace podtap {

// The smallest memory limit of this process's cgroup and the cgroups above it, as far as they are visible here (cgroup
// v1 and v2). Empty: none is known. `proc` is where the proc file system is mounted.
std::optional<uint64_t> OwnMemoryLimit(const std::string& proc = "/proc");

// The kernel picks this process before all others when memory runs out. Needs no privilege.
void BeEndedFirst();
// The kernel never picks this process, nor ends it with its whole cgroup (memory.oom.group). Needs CAP_SYS_RESOURCE;
// without it nothing changes.
void BeEndedLast();

}  // namespace podtap
