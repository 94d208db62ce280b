// SPDX-License-Identifier: Apache-2.0
// Who else lives in the target: asked when podtap is told to end while an application may still be answering.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_set>

#include "sidecar/capture/cgroup_finder.h"

namespace podtap {

// Whether a process lives in the target or below it, outside our own cgroup and the pod's sandbox ("pause" container).
// Where our own cgroup is not below the target, or is the target itself, our own processes (this one and its worker)
// are left out by their ids. `talkers`: ids of cgroups whose sockets carried exchanges; none of them is a sandbox.
// Bounded in depth and number.
bool OthersIn(const CgroupTarget& target, pid_t worker, const std::unordered_set<uint64_t>& talkers = {});

}  // namespace podtap
