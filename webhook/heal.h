// SPDX-License-Identifier: Apache-2.0
// Healing. Webhooks that decode pods into old Go types drop fields that they do not know; our init container without
// its restartPolicy would keep the pod from ever starting.
#pragma once

#include <optional>
#include <string>

#include "webhook/decide.h"

namespace podtap::webhook {

// The path of our init container, if it is the one that we would add to this pod now in everything but restartPolicy,
// which is missing (and perhaps appArmorProfile). Fields that the API server has filled in with their defaults,
// resources and the pull policy (which its own admission may set), and the mode that the sidecar starts with do not
// count as a difference.
std::optional<std::string> PathOfStrippedContainer(const json::object& pod, const Decision& decision,
                                                   const InjectorConfig& config);

// Whether our container ought to have an appArmorProfile, a field younger than restartPolicy, and has none.
bool IsAppArmorProfileStripped(const json::object& pod, const InjectorConfig& config);

}  // namespace podtap::webhook
