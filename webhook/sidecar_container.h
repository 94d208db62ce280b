// SPDX-License-Identifier: Apache-2.0
// What is added to a pod: the container and its volumes, as Kubernetes objects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "webhook/decide.h"

namespace podtap::webhook {

// The container `podtap` for this pod: privileged or with few capabilities, its arguments from configuration and
// decision, no probes, its own empty directory where the service account's token would be.
json::object SidecarContainer(const json::object& pod, const Decision& decision, const InjectorConfig& config,
                              std::vector<std::string>& warnings);

// Its volumes, in the order in which they are added.
std::vector<json::object> SidecarVolumes(const Decision& decision, const InjectorConfig& config,
                                         const json::storage_ptr& memory);

// The least that the sidecar's attacher needs on the oldest kernel of the nodes (unknown: 5.11 or newer).
std::vector<std::string_view> Capabilities(const InjectorConfig& config, const ClusterFacts& facts);

// The name of the application from the usual labels, or empty.
std::string ServiceName(const json::object& pod);

// Milliseconds that an ordinary container goes on after SIGTERM: a few seconds under the pod's grace period.
uint64_t DrainMs(const json::object& pod);

// Milliseconds for its sinks after that, where the grace period is too short for the sidecar's default of 5 s.
std::optional<uint64_t> FlushMs(const json::object& pod);

}  // namespace podtap::webhook
