// SPDX-License-Identifier: Apache-2.0
#include "webhook/inject.h"

#include <boost/json/serialize.hpp>

#include "base/annotations.h"
#include "webhook/heal.h"
#include "webhook/own_parts.h"
#include "webhook/pod_settings.h"
#include "webhook/sidecar_container.h"
#include "webhook/version.h"

namespace podtap::webhook {
namespace {

void SetAnnotation(PatchBuilder& patch, std::string_view key, std::string_view value) {
  patch.SetMember("/metadata", "annotations", key, json::value(value));
}

// Skipped pods are patched again and again as they pass by; what is there already needs no patch.
void SetStatus(PatchBuilder& patch, const json::object& pod, const Decision& decision, const InjectorConfig& config) {
  const std::string status = StatusText(decision, config);
  if (TextMember(Annotations(pod), kStatusAnnotation) != status) SetAnnotation(patch, kStatusAnnotation, status);
}

// The names that the autoscaler may evict the pod with, ours appended.
std::string WithOwnVolumes(std::string_view present, const std::vector<json::object>& volumes) {
  std::string list(present);
  const auto holds = [&](std::string_view name) {
    std::string_view rest = list;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      std::string_view item = rest.substr(0, comma);
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      if (item == name) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return false;
  };
  for (const json::object& volume : volumes) {
    const std::string_view name = TextMember(&volume, "name");
    const bool local = volume.contains("emptyDir") || volume.contains("hostPath");
    if (local && !holds(name)) list.append(list.empty() ? "" : ",").append(name);
  }
  return list;
}

void EnsureMetadata(PatchBuilder& patch, const json::object& pod) {
  if (Member(&pod, "metadata") == nullptr) patch.Add("/metadata", json::object{});
}

void AddSidecar(PatchBuilder& patch, json::value& pod_value, const Decision& decision, const InjectorConfig& config,
                std::vector<std::string>& warnings) {
  const json::object& pod = pod_value.get_object();
  // All that depends on the pod is read before the first operation changes it.
  const json::array* containers = ArrayMember(Spec(pod), "containers");
  const std::string first(TextMember((*containers)[0].if_object(), "name"));
  const bool names_default = Member(Annotations(pod), kDefaultContainerAnnotation) != nullptr;
  std::vector<json::object> volumes = SidecarVolumes(decision, config, pod.storage());
  const std::string safe = WithOwnVolumes(TextMember(Annotations(pod), kSafeToEvictVolumesAnnotation), volumes);
  json::object container = SidecarContainer(pod, decision, config, warnings);

  EnsureMetadata(patch, pod);
  patch.Prepend("/spec", decision.shape == Shape::kNative ? "initContainers" : "containers", std::move(container));
  for (json::object& volume : volumes) patch.Append("/spec", "volumes", std::move(volume));
  patch.SetMember("/metadata", "labels", kInjectedLabel, json::value("true"));
  SetStatus(patch, pod, decision, config);
  // Switched off as a running pod is: by the annotation, whose removal restores what the sidecar has started with.
  if (decision.mode_from == ModeFrom::kSwitch) SetAnnotation(patch, kModeAnnotation, decision.mode);
  if (decision.shape == Shape::kContainer && !names_default && !first.empty())
    SetAnnotation(patch, kDefaultContainerAnnotation, first);
  SetAnnotation(patch, kSafeToEvictVolumesAnnotation, safe);
  if (!config.run_as_privileged) SetAnnotation(patch, kAppArmorAnnotation, "unconfined");
}

// The kubelet made a mirror pod from a file of its node; nobody may change it here. In a namespace that is left out
// nothing is changed that did not ask.
bool BearsStatus(const Decision& decision) {
  if (decision.reason == Reason::kStaticPod) return false;
  return decision.asked || decision.reason != Reason::kSkipNamespace;
}

std::string SkipWarning(const Decision& decision) {
  return "podtap did not add the capture sidecar: " + std::string(TextOf(decision.reason)) + " (" +
         Printable(decision.decided_by, 60) + ")";
}

}  // namespace

std::string StatusText(const Decision& decision, const InjectorConfig& config) {
  return json::serialize(json::object{{"revision", config.revision},
                                      {"result", decision.inject ? "injected" : "skipped"},
                                      {"reason", TextOf(decision.reason)},
                                      {"mode", decision.mode},
                                      {"mode_from", TextOf(decision.mode_from)},
                                      {"version", kVersion}});
}

Outcome Inject(json::value& pod_value, std::string_view namespace_name, const NamespaceInfo* namespace_info,
               const InjectorConfig& config, const LiveFacts* live, bool of_daemon_set) {
  Outcome outcome;
  json::object* pod = pod_value.if_object();
  if (pod == nullptr) {
    outcome.decision.reason = Reason::kMalformedPod;
    outcome.decision.decided_by = "the pod";
    return outcome;
  }
  Decision& decision = outcome.decision;
  decision = Decide({*pod, namespace_name, namespace_info, true, live, of_daemon_set}, config);
  outcome.warnings = decision.warnings;
  PatchBuilder patch(pod_value);
  if (decision.inject) {
    AddSidecar(patch, pod_value, decision, config, outcome.warnings);
  } else if (decision.reason == Reason::kAlreadyInjected) {
    if (const auto path = PathOfStrippedContainer(*pod, decision, config)) {
      decision.reason = Reason::kHealed;
      patch.Add(*path + "/restartPolicy", "Always");
      if (IsAppArmorProfileStripped(*pod, config))
        patch.Add(*path + "/securityContext/appArmorProfile", json::object{{"type", "Unconfined"}});
    }
  } else if (decision.wanted && decision.reason != Reason::kOtherRevision) {
    // (What another revision's webhook is to answer, it answers.)
    if (decision.asked) outcome.warnings.push_back(SkipWarning(decision));
    if (BearsStatus(decision)) {
      EnsureMetadata(patch, *pod);
      SetStatus(patch, *pod, decision, config);
    }
  }
  if (!patch.applies()) {
    decision.inject = false;
    decision.reason = Reason::kPatchFailed;
    if (decision.asked) outcome.warnings.push_back(SkipWarning(decision));
    return outcome;
  }
  outcome.has_patch = !patch.operations().empty();
  outcome.operations = patch.TakeOperations();
  return outcome;
}

}  // namespace podtap::webhook
