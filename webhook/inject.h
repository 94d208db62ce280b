// SPDX-License-Identifier: Apache-2.0
// Inject: turns a decision into a patch of the pod, and applies it to the pod in memory. The webhook sends the patch,
// the offline tool edits its file so that it becomes the patched pod.
#pragma once

#include <string>
#include <vector>

#include "webhook/decide.h"
#include "webhook/json_patch.h"

namespace podtap::webhook {

struct Outcome {
  Decision decision;       // with the final reason: healed and patch-failed are known only here
  bool has_patch = false;  // false: the pod stays as it is
  std::vector<AddOperation> operations;
  std::vector<std::string> warnings;
};

// Decides about `pod` and patches it in place. If a part of the patch does not apply, nothing is to be sent: the
// outcome is patch-failed without a patch (and `pod` is left in no useful state).
Outcome Inject(json::value& pod, std::string_view namespace_name, const NamespaceInfo* namespace_info,
               const InjectorConfig& config, const LiveFacts* live = nullptr, bool of_daemon_set = false);

// The status annotation's value: {revision, result, reason, mode, mode_from, version}.
std::string StatusText(const Decision& decision, const InjectorConfig& config);

}  // namespace podtap::webhook
