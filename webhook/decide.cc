// SPDX-License-Identifier: Apache-2.0
#include "webhook/decide.h"

#include <algorithm>

#include "base/annotations.h"
#include "webhook/namespace_limits.h"
#include "webhook/own_parts.h"
#include "webhook/platform.h"
#include "webhook/pod_settings.h"
#include "webhook/resources.h"

namespace podtap::webhook {
namespace {

struct Answer {
  Reason reason;
  std::string decided_by;
};

constexpr std::string_view kMirrorPod = "kubernetes.io/config.mirror";
constexpr std::string_view kEnforceLabel = "pod-security.kubernetes.io/enforce";

bool IsSkippedRuntimeClass(std::string_view name, const InjectorConfig& config) {
  return std::any_of(
      config.skip_runtime_classes.begin(), config.skip_runtime_classes.end(),
      [&](const std::string& skip) { return name == skip || (name.starts_with(skip) && name[skip.size()] == '-'); });
}

bool IsSkippedNamespace(std::string_view name, const InjectorConfig& config) {
  return name == "kube-system" ||
         std::find(config.skip_namespaces.begin(), config.skip_namespaces.end(), name) != config.skip_namespaces.end();
}

// Step 1: what can never have a sidecar, or must not.
std::optional<Answer> Never(const DecisionInput& input, const InjectorConfig& config) {
  const json::object& pod = input.pod;
  const json::object* spec = Spec(pod);
  if (!input.is_pod_create) return Answer{Reason::kNotPodCreate, "the review"};
  if (Member(Annotations(pod), kMirrorPod) != nullptr)
    return Answer{Reason::kStaticPod, "pod annotation " + std::string(kMirrorPod)};
  // Before everything that a label or a flag could have changed since: what has the sidecar keeps it.
  if (FindContainer(pod) && HasInjectedStatus(pod))
    return Answer{Reason::kAlreadyInjected, "pod annotation " + std::string(kStatusAnnotation)};
  const json::array* containers = ArrayMember(spec, "containers");
  if (containers == nullptr || containers->empty()) return Answer{Reason::kMalformedPod, "spec.containers"};
  const json::value* host_users = Member(spec, "hostUsers");
  if (host_users != nullptr && host_users->is_bool() && !host_users->get_bool())
    return Answer{Reason::kHostUsers, "spec.hostUsers=false"};
  if (std::string mark = WindowsMark(pod); !mark.empty()) return Answer{Reason::kWindows, std::move(mark)};
  if (input.live != nullptr && input.live->windows) return Answer{Reason::kWindows, "the node that the pod names"};
  if (std::string mark = RefusingPlatform(pod, input.of_daemon_set); !mark.empty())
    return Answer{Reason::kPlatform, std::move(mark)};
  if (input.live != nullptr && !input.live->platform.empty()) return Answer{Reason::kPlatform, input.live->platform};
  const std::string_view runtime_class = TextMember(spec, "runtimeClassName");
  if (!runtime_class.empty() && IsSkippedRuntimeClass(runtime_class, config))
    return Answer{Reason::kRuntimeClass, "spec.runtimeClassName=" + std::string(runtime_class)};
  if (IsSkippedNamespace(input.namespace_name, config))
    return Answer{Reason::kSkipNamespace, "namespace " + std::string(input.namespace_name)};
  return std::nullopt;
}

// Step 2: the pod's own word. Anything but "true" and "false" counts as not said.
std::optional<Answer> PodSays(const DecisionInput& input, std::vector<std::string>& warnings) {
  const json::value* value = Member(Annotations(input.pod), kEnabledAnnotation);
  if (value == nullptr) return std::nullopt;
  const json::string* text = value->if_string();
  if (text == nullptr) {
    warnings.push_back(NoStringWarning(kEnabledAnnotation, *value));
    return std::nullopt;
  }
  const std::string by = "pod annotation " + std::string(kEnabledAnnotation);
  if (*text == "true") return Answer{Reason::kPodEnabled, by + "=true"};
  if (*text == "false") return Answer{Reason::kPodDisabled, by + "=false"};
  warnings.push_back(
      ValueWarning(kEnabledAnnotation, {text->data(), text->size()}, "not used; allowed: true or false"));
  return std::nullopt;
}

// Step 3: the namespace's word, in its present and its older form.
std::optional<Answer> NamespaceSays(const NamespaceInfo* info, std::vector<std::string>& warnings) {
  if (info == nullptr) return std::nullopt;
  const std::string by = "namespace label ";
  if (const std::string* label = info->Label(kNamespaceLabel)) {
    if (*label == "enabled") return Answer{Reason::kNamespaceEnabled, by + std::string(kNamespaceLabel) + "=enabled"};
    if (*label == "disabled")
      return Answer{Reason::kNamespaceDisabled, by + std::string(kNamespaceLabel) + "=disabled"};
    warnings.push_back(ValueWarning(kNamespaceLabel, *label, "not used; allowed: enabled or disabled"));
  }
  const std::string* older = info->Label(kOlderNamespaceLabel);
  if (older == nullptr || *older != "enabled") return std::nullopt;
  const std::string* by_default = info->Annotation(kDefaultInjectAnnotation);
  if (by_default != nullptr && *by_default == "true")
    return Answer{Reason::kNamespaceDefaultInject,
                  "namespace annotation " + std::string(kDefaultInjectAnnotation) + "=true"};
  return Answer{Reason::kNamespaceNoDefault, by + std::string(kOlderNamespaceLabel) + "=enabled"};
}

Answer WhoSays(const DecisionInput& input, const InjectorConfig& config, std::vector<std::string>& warnings) {
  if (auto answer = PodSays(input, warnings)) return *answer;
  if (auto answer = NamespaceSays(input.namespace_info, warnings)) return *answer;
  if (config.mirror_all_namespaces) return {Reason::kAllNamespaces, "--mirror_all_namespaces"};
  return {Reason::kNotAsked, "nobody"};
}

std::optional<Answer> OtherRevision(const DecisionInput& input, const InjectorConfig& config) {
  const AskedRevision asked = RevisionAskedBy(input.pod, input.namespace_info);
  if (asked.revision == config.revision) return std::nullopt;
  return Answer{Reason::kOtherRevision, Describe(asked)};
}

// The level that would be enforced, as the API server reads the label: an unknown value counts as the strictest.
std::optional<Answer> RefusedByPodSecurity(const NamespaceInfo& info, const InjectorConfig& config) {
  if (const std::string* label = info.Label(kEnforceLabel)) {
    if (*label == "privileged") return std::nullopt;
    return Answer{Reason::kPodSecurity, "namespace label " + std::string(kEnforceLabel) + "=" + *label};
  }
  if (config.default_pod_security == PodSecurity::kPrivileged) return std::nullopt;
  return Answer{Reason::kPodSecurity,
                "--default_pod_security_enforce=" + std::string(TextOf(config.default_pod_security))};
}

// What would make the pod fail if it got the sidecar.
std::optional<Answer> WouldFail(const DecisionInput& input, const InjectorConfig& config, Decision& decision) {
  const Shape shape = decision.shape;
  if (input.namespace_info == nullptr) return Answer{Reason::kNamespaceUnknown, "no knowledge of the namespace"};
  if (auto answer = RefusedByPodSecurity(*input.namespace_info, config)) return answer;
  if (const std::string name = ConflictingName(input.pod); !name.empty())
    return Answer{Reason::kNameConflict, (name == kContainerName ? "container " : "volume ") + name};
  const std::string_view restart = TextMember(Spec(input.pod), "restartPolicy");
  if (shape == Shape::kContainer && (restart == "Never" || restart == "OnFailure"))
    return Answer{Reason::kNeedsNativeSidecar, "spec.restartPolicy=" + std::string(restart)};
  if (input.live == nullptr) return std::nullopt;
  if (!input.live->scc_refusal.empty()) return Answer{Reason::kScc, input.live->scc_refusal};
  if (input.live->limits == nullptr) return std::nullopt;
  std::vector<std::string> ignored;  // they come again when the container is made
  decision.resources = SidecarResources(input.pod, decision.settings, config, ignored);
  if (std::string unmet = FitLimitRanges(input.pod, shape, *input.live->limits, config, *decision.resources);
      !unmet.empty())
    return Answer{Reason::kLimitRange, std::move(unmet)};
  if (std::string exceeded = ExceededQuota(input.pod, shape, *input.live->limits, *decision.resources);
      !exceeded.empty())
    return Answer{Reason::kQuota, std::move(exceeded)};
  return std::nullopt;
}

Shape ShapeFor(const InjectorConfig& config, const ClusterFacts& facts) {
  if (config.injection == Injection::kContainer) return Shape::kContainer;
  if (config.injection == Injection::kNative) return Shape::kNative;
  return facts.native_sidecars.value_or(true) ? Shape::kNative : Shape::kContainer;
}

// What the operator has said about the cluster, and what it shows of itself where nobody has.
ClusterFacts FactsOf(const DecisionInput& input, const InjectorConfig& config) {
  ClusterFacts facts = config.facts;
  if (input.live == nullptr) return facts;
  if (!facts.native_sidecars) facts.native_sidecars = input.live->cluster.native_sidecars;
  if (!facts.oldest_kernel) facts.oldest_kernel = input.live->cluster.oldest_kernel;
  return facts;
}

}  // namespace

std::string_view TextOf(ModeFrom from) {
  static constexpr std::string_view kNames[] = {"pod", "namespace", "default", "switch"};
  return kNames[static_cast<size_t>(from)];
}

AskedRevision RevisionAskedBy(const json::object& pod, const NamespaceInfo* info) {
  if (const json::string* label = StringMember(Labels(pod), kRevisionLabel))
    return {{label->data(), label->size()}, "pod label"};
  const std::string* label = info == nullptr ? nullptr : info->Label(kRevisionLabel);
  if (label != nullptr) return {*label, "namespace label"};
  return {"default", "default"};
}

std::string Describe(const AskedRevision& asked) {
  return std::string(asked.decided_by) + " " + std::string(kRevisionLabel) + "=" + std::string(asked.revision);
}

bool NamespaceAsks(const NamespaceInfo& info) {
  std::vector<std::string> ignored;
  const auto answer = NamespaceSays(&info, ignored);
  return answer && Injects(answer->reason);
}

Decision Decide(const DecisionInput& input, const InjectorConfig& config) {
  Decision decision;
  decision.facts = FactsOf(input, config);
  decision.shape = ShapeFor(config, decision.facts);
  Answer answer = WhoSays(input, config, decision.warnings);
  const bool wanted = Injects(answer.reason);
  ChooseSettings(input, config, decision);
  decision.start_mode = decision.mode;
  const bool live_switch = input.live != nullptr && !input.live->switched_off_by.empty();
  if (live_switch || config.switched_off) {
    decision.mode = "off";
    decision.mode_from = ModeFrom::kSwitch;
    decision.mode_decided_by = live_switch ? input.live->switched_off_by : "--switched_off";
  }
  decision.wanted = wanted;
  decision.asked = wanted && answer.reason != Reason::kAllNamespaces;
  if (auto never = Never(input, config)) {
    answer = *std::move(never);
  } else if (wanted) {
    if (auto other = OtherRevision(input, config))
      answer = *std::move(other);
    else if (auto fails = WouldFail(input, config, decision))
      answer = *std::move(fails);
  } else if (answer.reason == Reason::kNotAsked && input.namespace_info == nullptr && input.live != nullptr) {
    // Perhaps the namespace asks; nobody could say.
    answer = {Reason::kNamespaceUnknown, "no knowledge of the namespace"};
  }
  decision.inject = Injects(answer.reason);
  decision.reason = answer.reason;
  decision.decided_by = std::move(answer.decided_by);
  return decision;
}

}  // namespace podtap::webhook
