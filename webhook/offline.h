// SPDX-License-Identifier: Apache-2.0
// The offline tool's work on texts: the same decision and patch code as the webhook's, on the workloads of a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "webhook/decide.h"
#include "webhook/namespaces_file.h"
#include "webhook/yaml_edit.h"

namespace podtap::webhook {

struct OfflineInput {
  std::string_view text;
  NamespaceMap namespaces;                    // from --namespaces_file; those of `text` are added
  std::string default_namespace = "default";  // of objects that name none
};

// One workload and what was decided about it.
struct Explanation {
  std::string kind;
  std::string name;
  std::string namespace_name;
  Decision decision;
  std::vector<std::string> warnings;
};

struct OfflineOutput {
  EditedText edited;
  std::vector<Explanation> explanations;  // one per workload, in order
};

// The error says where the text is not YAML or JSON.
Result<OfflineOutput> InjectText(const OfflineInput& input, const InjectorConfig& config);
Result<EditedText> UninjectText(std::string_view text);

// What `podtap explain` prints: a table for people, or one JSON array.
std::string ExplanationTable(const std::vector<Explanation>& explanations);
std::string ExplanationJson(const std::vector<Explanation>& explanations);

}  // namespace podtap::webhook
