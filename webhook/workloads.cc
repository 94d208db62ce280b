// SPDX-License-Identifier: Apache-2.0
#include "webhook/workloads.h"

#include <optional>

namespace podtap::webhook {
namespace {

struct KindPath {
  std::string_view kind;
  std::vector<std::string_view> path;  // to the pod template
};

const KindPath* FindKind(std::string_view kind) {
  static const KindPath kKinds[] = {{"Pod", {}},
                                    {"Deployment", {"spec", "template"}},
                                    {"StatefulSet", {"spec", "template"}},
                                    {"DaemonSet", {"spec", "template"}},
                                    {"ReplicaSet", {"spec", "template"}},
                                    {"Job", {"spec", "template"}},
                                    {"CronJob", {"spec", "jobTemplate", "spec", "template"}}};
  for (const KindPath& row : kKinds)
    if (row.kind == kind) return &row;
  return nullptr;
}

// `implied_kind`: of the items of a typed list, which may leave theirs out.
void Collect(json::value& value, std::string_view implied_kind, int depth, std::vector<Workload>& workloads) {
  constexpr int kDeepestList = 8;
  json::object* object = value.if_object();
  if (object == nullptr || depth > kDeepestList) return;
  std::string kind(TextMember(object, "kind"));
  if (kind.empty()) kind = implied_kind;
  if (kind.ends_with("List")) {
    json::value* items = object->if_contains("items");
    if (items == nullptr || !items->is_array()) return;
    for (json::value& item : items->get_array()) Collect(item, kind.substr(0, kind.size() - 4), depth + 1, workloads);
    return;
  }
  const KindPath* row = FindKind(kind);
  if (row == nullptr) return;
  json::value* pod = &value;
  for (std::string_view step : row->path) {
    json::object* parent = pod->if_object();
    pod = parent == nullptr ? nullptr : parent->if_contains(step);
    if (pod == nullptr) return;
  }
  if (!pod->is_object()) return;
  const json::object* metadata = ObjectMember(object, "metadata");
  std::string name(TextMember(metadata, "name"));
  if (name.empty() && !TextMember(metadata, "generateName").empty())
    name = std::string(TextMember(metadata, "generateName")) + "*";
  workloads.push_back({kind, name, std::string(TextMember(metadata, "namespace")), pod});
}

}  // namespace

std::vector<Workload> FindWorkloads(json::value& document) {
  std::vector<Workload> workloads;
  Collect(document, {}, 0, workloads);
  return workloads;
}

}  // namespace podtap::webhook
