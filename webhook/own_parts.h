// SPDX-License-Identifier: Apache-2.0
// What of a pod is ours: the container, the volumes, the status annotation. Decision, patch and uninject ask here.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "webhook/json_view.h"

namespace podtap::webhook {

inline constexpr std::string_view kContainerName = "podtap";
inline constexpr std::string_view kCgroupVolume = "podtap-cgroup";
inline constexpr std::string_view kRunVolume = "podtap-run";
inline constexpr std::string_view kAnnotationsVolume = "podtap-annotations";
inline constexpr std::string_view kNoTokenVolume = "podtap-no-token";
inline constexpr std::string_view kSinkVolume = "podtap-sink";
inline constexpr std::string_view kTokenVolume = "podtap-token";
inline constexpr std::string_view kProcVolume = "podtap-proc";
inline constexpr std::array<std::string_view, 7> kVolumeNames = {
    kCgroupVolume, kRunVolume, kAnnotationsVolume, kNoTokenVolume, kSinkVolume, kTokenVolume, kProcVolume};

// Annotations of others that we add to or set.
inline constexpr std::string_view kDefaultContainerAnnotation = "kubectl.kubernetes.io/default-container";
inline constexpr std::string_view kSafeToEvictVolumesAnnotation =
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
inline constexpr std::string_view kAppArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/podtap";

bool IsOwnVolume(std::string_view name);

struct ContainerPlace {
  std::string_view list;  // "containers" or "initContainers"
  size_t index;
};
// The container named podtap, whoever made it.
std::optional<ContainerPlace> FindContainer(const json::object& pod);

// Whether the status annotation says that the sidecar was added, by any revision and version.
bool HasInjectedStatus(const json::object& pod);

// The name of a container or volume that we would add and that is there already; empty if there is none.
std::string ConflictingName(const json::object& pod);

}  // namespace podtap::webhook
