// SPDX-License-Identifier: Apache-2.0
// Decide: whether a pod gets the sidecar, why, and with which settings. A pure function of pod, namespace, cluster
// facts and configuration; the webhook and the offline tool share it. Order: never (the pod cannot or must not have
// one), the pod's annotation, the namespace's label, --mirror_all_namespaces, the revision, and then whatever would
// make the pod fail.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "webhook/injector_config.h"
#include "webhook/json_view.h"
#include "webhook/live_source.h"
#include "webhook/namespaces.h"
#include "webhook/reasons.h"

namespace podtap::webhook {

enum class ModeFrom : uint8_t { kPod, kNamespace, kDefault, kSwitch };
enum class Shape : uint8_t { kNative, kContainer };

// What a pod's author has chosen, checked; empty means the default.
struct ChosenSettings {
  std::string max_body_bytes;
  std::string log_level;
  std::string cpu_limit;
  std::string memory_limit;
  std::string sink;  // the sink itself, no longer its name; never empty
};

struct DecisionInput {
  const json::object& pod;
  std::string_view namespace_name;
  const NamespaceInfo* namespace_info = nullptr;  // nullptr: nothing is known about it
  bool is_pod_create = true;
  const LiveFacts* live = nullptr;  // nullptr: there is no cluster to know anything from
  bool of_daemon_set = false;       // it is the template of one; a pod says so by its owner
};

struct Decision {
  bool inject = false;
  Reason reason = Reason::kNotAsked;
  std::string decided_by;  // for people: "pod annotation mirror.traceable.ai/enabled=true"
  bool asked = false;      // pod or namespace asked for capture, whatever came of it
  bool wanted = false;     // the same, or --mirror_all_namespaces wants it
  std::string mode;
  std::string
      start_mode;  // what the sidecar starts with: `mode`, or what it would be if nobody had switched capture off
  ModeFrom mode_from = ModeFrom::kDefault;
  std::string mode_decided_by;
  Shape shape = Shape::kNative;
  ChosenSettings settings;
  ClusterFacts facts;                     // of the configuration, and of the cluster where it knows more
  std::optional<json::object> resources;  // of the container, where limits of the namespace had to be fitted
  std::vector<std::string> warnings;      // at most 120 characters each, without control characters
};

Decision Decide(const DecisionInput& input, const InjectorConfig& config);

// Whether the namespace asks for capture of its pods, by its present or its older label.
bool NamespaceAsks(const NamespaceInfo& info);

// The revision that a pod asks for, by its label, else by its namespace's.
struct AskedRevision {
  std::string_view revision;    // of `pod`, of `info`, or "default"
  std::string_view decided_by;  // "pod label", "namespace label" or "default"
};
AskedRevision RevisionAskedBy(const json::object& pod, const NamespaceInfo* info);
// For people: "pod label mirror.traceable.ai/revision=canary".
std::string Describe(const AskedRevision& asked);

std::string_view TextOf(ModeFrom from);

}  // namespace podtap::webhook
