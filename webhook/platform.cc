// SPDX-License-Identifier: Apache-2.0
#include "webhook/platform.h"

#include <string_view>

namespace podtap::webhook {
namespace {

struct Mark {
  std::string_view key;
  std::string_view value;  // empty: any
};

// spec.nodeSelector, and the values that a required node affinity allows.
constexpr Mark kNodeMarks[] = {
    {"eks.amazonaws.com/compute-type", "fargate"},  {"type", "virtual-kubelet"},
    {"kubernetes.azure.com/role", "virtual-node"},  {"alibabacloud.com/eci", "true"},
    {"node.kubernetes.io/role", "virtual-kubelet"}, {"cloud.google.com/gke-autopilot", "true"}};
constexpr Mark kWindowsMarks[] = {
    {"kubernetes.io/os", "windows"}, {"beta.kubernetes.io/os", "windows"}, {"node.kubernetes.io/windows-build", ""}};
constexpr Mark kLabelMarks[] = {{"eks.amazonaws.com/fargate-profile", ""},
                                {"alibabacloud.com/eci", "true"},
                                {"eci", "true"},
                                {"virtual-kubelet.io/burst-to-cci", "enforce"}};
// A pod tolerates these taints only to run on a virtual node; but a DaemonSet's pods tolerate what they merely do not
// mind. (A toleration without a key tolerates everything and says nothing.)
constexpr std::string_view kTolerationKeys[] = {"virtual-kubelet.io/provider", "virtual-kubelet.io/compute-type",
                                                "azure.com/aci", "eks.amazonaws.com/compute-type"};
constexpr std::string_view kNodeNames[] = {"fargate-", "virtual-node-", "virtual-kubelet", "virtual-kubelet-"};
// Written by the API server's own admission on Autopilot clusters.
constexpr std::string_view kAutopilotPrefix = "autopilot.gke.io/";

std::string Describe(std::string_view where, std::string_view key, std::string_view value) {
  std::string text(where);
  text.append(" ").append(key);
  if (!value.empty()) text.append("=").append(value);
  return text;
}

template <size_t N>
std::string FindMark(const json::object* map, const Mark (&marks)[N], std::string_view where) {
  for (const Mark& mark : marks) {
    const json::string* value = StringMember(map, mark.key);
    if (value != nullptr && (mark.value.empty() || *value == mark.value)) return Describe(where, mark.key, mark.value);
  }
  return {};
}

std::string FindToleration(const json::array* tolerations) {
  if (tolerations == nullptr) return {};
  for (const json::value& toleration : *tolerations) {
    const std::string_view key = TextMember(toleration.if_object(), "key");
    for (std::string_view known : kTolerationKeys)
      if (key == known) return Describe("spec.tolerations", key, {});
  }
  return {};
}

bool IsOfDaemonSet(const json::object& pod) {
  const json::array* owners = ArrayMember(ObjectMember(&pod, "metadata"), "ownerReferences");
  for (size_t i = 0; owners != nullptr && i < owners->size(); ++i)
    if (TextMember((*owners)[i].if_object(), "kind") == "DaemonSet") return true;
  return false;
}

// spec.affinity.nodeAffinity.required…: if every term asks for one of the marks (terms are alternatives).
template <size_t N>
std::string FindAffinity(const json::object* spec, const Mark (&marks)[N]) {
  const json::array* terms = ArrayMember(ObjectMember(ObjectMember(ObjectMember(spec, "affinity"), "nodeAffinity"),
                                                      "requiredDuringSchedulingIgnoredDuringExecution"),
                                         "nodeSelectorTerms");
  if (terms == nullptr || terms->empty()) return {};
  std::string found;
  for (const json::value& term : *terms) {
    std::string mark;
    const json::array* expressions = ArrayMember(term.if_object(), "matchExpressions");
    for (size_t i = 0; expressions != nullptr && i < expressions->size() && mark.empty(); ++i) {
      const json::object* expression = (*expressions)[i].if_object();
      const json::array* values = ArrayMember(expression, "values");
      if (TextMember(expression, "operator") != "In" || values == nullptr || values->size() != 1) continue;
      const json::object pair{{TextMember(expression, "key"), (*values)[0]}};
      mark = FindMark(&pair, marks, "spec.affinity");
    }
    if (mark.empty()) return {};
    found = mark;
  }
  return found;
}

}  // namespace

std::string WindowsMark(const json::object& pod) {
  const json::object* spec = Spec(pod);
  if (TextMember(ObjectMember(spec, "os"), "name") == "windows") return "spec.os.name=windows";
  std::string mark = FindMark(ObjectMember(spec, "nodeSelector"), kWindowsMarks, "spec.nodeSelector");
  return mark.empty() ? FindAffinity(spec, kWindowsMarks) : mark;
}

std::string RefusingPlatform(const json::object& pod, bool of_daemon_set) {
  const json::object* spec = Spec(pod);
  std::string mark = FindMark(ObjectMember(spec, "nodeSelector"), kNodeMarks, "spec.nodeSelector");
  if (mark.empty()) mark = FindMark(Labels(pod), kLabelMarks, "label");
  if (mark.empty() && !of_daemon_set && !IsOfDaemonSet(pod)) mark = FindToleration(ArrayMember(spec, "tolerations"));
  if (mark.empty()) mark = FindAffinity(spec, kNodeMarks);
  if (!mark.empty()) return mark;
  if (TextMember(spec, "schedulerName") == "fargate-scheduler") return "spec.schedulerName fargate-scheduler";
  for (std::string_view name : kNodeNames)
    if (TextMember(spec, "nodeName").starts_with(name))
      return Describe("spec.nodeName", TextMember(spec, "nodeName"), {});
  for (const json::object* map : {Annotations(pod), Labels(pod)})
    if (map != nullptr)
      for (const auto& member : *map)
        if (std::string_view(member.key()).starts_with(kAutopilotPrefix))
          return Describe(map == Labels(pod) ? "label" : "annotation", member.key(), {});
  return {};
}

}  // namespace podtap::webhook
