// SPDX-License-Identifier: Apache-2.0
// Quality of service of a pod and the resources of the sidecar, chosen so that adding it never changes the pod's class,
// never lifts a limit that the pod as a whole has, and never makes up a request where the pod has none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "webhook/decide.h"

namespace podtap::webhook {

enum class Qos : uint8_t { kBestEffort, kBurstable, kGuaranteed };
std::string_view TextOf(Qos qos);

// The class as the kubelet computes it, over containers and init containers; `leave_out` names a container to skip.
Qos QosClass(const json::object& pod, std::string_view leave_out = {});

// The sidecar's `resources`, empty if it gets none:
//   BestEffort, or spec.resources (of the whole pod) set: none;
//   Guaranteed: request = limit, for cpu and memory;
//   Burstable: requests, and a limit only for what every container limits or the pod's author chose.
// Chosen limits that cannot be used leave a warning.
json::object SidecarResources(const json::object& pod, const ChosenSettings& settings, const InjectorConfig& config,
                              std::vector<std::string>& warnings);

// Below this the sidecar could not hold its ring and its parsing state.
uint64_t LeastMemoryBytes(const InjectorConfig& config);

}  // namespace podtap::webhook
