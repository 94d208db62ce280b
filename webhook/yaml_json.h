// SPDX-License-Identifier: Apache-2.0
// A YAML tree as the JSON value that Kubernetes makes of it.
#pragma once

#include "base/yaml_tree.h"
#include "webhook/json_view.h"

namespace podtap::webhook {

// The value as Kubernetes' own YAML reader sees it; merge keys are resolved.
json::value ToJson(const YamlNode& node);

}  // namespace podtap::webhook
