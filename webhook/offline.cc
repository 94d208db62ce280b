// SPDX-License-Identifier: Apache-2.0
#include "webhook/offline.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "webhook/inject.h"
#include "webhook/uninject.h"
#include "webhook/workloads.h"

namespace podtap::webhook {
namespace {

// Decides about one workload and patches it; a patch that does not apply leaves it as it was.
Explanation InjectWorkload(const Workload& workload, const OfflineInput& input, const NamespaceMap& namespaces,
                           const InjectorConfig& config) {
  static const NamespaceInfo kWithoutLabels;
  Explanation explanation{workload.kind, workload.name, workload.namespace_name, {}, {}};
  if (explanation.namespace_name.empty()) explanation.namespace_name = input.default_namespace;
  const auto known = namespaces.find(explanation.namespace_name);
  const NamespaceInfo* info = known == namespaces.end() ? &kWithoutLabels : known->second.get();
  json::value before = *workload.pod;
  Outcome outcome =
      Inject(*workload.pod, explanation.namespace_name, info, config, nullptr, workload.kind == "DaemonSet");
  if (!outcome.has_patch) *workload.pod = std::move(before);
  explanation.decision = std::move(outcome.decision);
  explanation.warnings = std::move(outcome.warnings);
  return explanation;
}

// How many columns a terminal shows: code points, not bytes.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

const char* Result(const Explanation& explanation) {
  const Reason reason = explanation.decision.reason;
  return explanation.decision.inject || reason == Reason::kHealed ? "inject" : "skip";
}

}  // namespace

podtap::Result<OfflineOutput> InjectText(const OfflineInput& input, const InjectorConfig& config) {
  const auto documents = ParseYaml(input.text);
  if (!documents) return std::unexpected(documents.error());
  std::vector<json::value> values;
  NamespaceMap namespaces = input.namespaces;
  for (const YamlNode& document : *documents) {
    values.push_back(ToJson(document));
    CollectNamespaces(values.back(), namespaces);
  }
  OfflineOutput output;
  for (json::value& value : values)
    for (const Workload& workload : FindWorkloads(value))
      output.explanations.push_back(InjectWorkload(workload, input, namespaces, config));
  output.edited = EditDocuments(input.text, *documents, values);
  return output;
}

podtap::Result<EditedText> UninjectText(std::string_view text) {
  const auto documents = ParseYaml(text);
  if (!documents) return std::unexpected(documents.error());
  std::vector<json::value> values;
  for (const YamlNode& document : *documents) {
    values.push_back(ToJson(document));
    for (const Workload& workload : FindWorkloads(values.back())) Uninject(*workload.pod);
  }
  return EditDocuments(text, *documents, values);
}

std::string ExplanationTable(const std::vector<Explanation>& explanations) {
  std::vector<std::array<std::string, 6>> rows = {
      {"WORKLOAD", "DECISION", "REASON", "DECIDED BY", "MODE", "MODE DECIDED BY"}};
  for (const Explanation& e : explanations)
    rows.push_back({e.namespace_name + "/" + e.kind + "/" + e.name, Result(e), std::string(TextOf(e.decision.reason)),
                    e.decision.decided_by, e.decision.mode, e.decision.mode_decided_by});
  std::array<size_t, 6> widths{};
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  std::string table;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < rows[r].size(); ++i) {
      table.append(rows[r][i]);
      if (i + 1 < rows[r].size()) table.append(widths[i] - Width(rows[r][i]) + 2, ' ');
    }
    table += '\n';
    if (r > 0)
      for (const std::string& warning : explanations[r - 1].warnings)
        table.append("  warning: ").append(warning).append("\n");
  }
  return table;
}

std::string ExplanationJson(const std::vector<Explanation>& explanations) {
  json::array array;
  for (const Explanation& e : explanations)
    array.emplace_back(json::object{{"kind", e.kind},
                                    {"name", e.name},
                                    {"namespace", e.namespace_name},
                                    {"decision", Result(e)},
                                    {"reason", TextOf(e.decision.reason)},
                                    {"decided_by", e.decision.decided_by},
                                    {"mode", e.decision.mode},
                                    {"mode_from", TextOf(e.decision.mode_from)},
                                    {"mode_decided_by", e.decision.mode_decided_by},
                                    {"warnings", json::array(e.warnings.begin(), e.warnings.end())}});
  std::string out;
  WriteJson(array, {}, {}, out);
  return out + "\n";
}

}  // namespace podtap::webhook
