// SPDX-License-Identifier: Apache-2.0
// Every combination of what the decision looks at, against the rules written down once more, as a chain of sentences.
#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/webhook/pods.h"

namespace podtap::webhook {
namespace {

using Word = const char*;  // nullptr: not there

void SetLabel(json::value& pod, std::string_view key, Word value) {
  if (value == nullptr) return;
  auto& metadata = pod.at("metadata").as_object();
  if (!metadata.contains("labels")) metadata["labels"] = json::object();
  metadata["labels"].as_object()[key] = value;
}
void SetAnnotation(json::value& pod, std::string_view key, Word value) {
  if (value != nullptr) pod.at("metadata").at("annotations").as_object()[key] = value;
}
bool Is(Word word, std::string_view text) { return word != nullptr && word == text; }

enum class Obstacle { kNone, kStatic, kHostUsers, kWindows, kPlatform, kRuntimeClass, kNamespace, kInjected };
constexpr Obstacle kObstacles[] = {Obstacle::kNone,      Obstacle::kStatic,   Obstacle::kHostUsers,
                                   Obstacle::kWindows,   Obstacle::kPlatform, Obstacle::kRuntimeClass,
                                   Obstacle::kNamespace, Obstacle::kInjected};

void PutObstacle(json::value& pod, Obstacle obstacle) {
  auto& spec = pod.at("spec").as_object();
  switch (obstacle) {
    case Obstacle::kNone:
    case Obstacle::kNamespace:
      break;
    case Obstacle::kStatic:
      SetAnnotation(pod, "kubernetes.io/config.mirror", "x");
      break;
    case Obstacle::kHostUsers:
      spec["hostUsers"] = false;
      break;
    case Obstacle::kWindows:
      spec["os"] = {{"name", "windows"}};
      break;
    case Obstacle::kPlatform:
      spec["schedulerName"] = "fargate-scheduler";
      break;
    case Obstacle::kRuntimeClass:
      spec["runtimeClassName"] = "gvisor";
      break;
    case Obstacle::kInjected:
      SetAnnotation(pod, "mirror.traceable.ai/status", R"({"result":"injected"})");
      spec["containers"].as_array().push_back(json::object{{"name", "podtap"}});
      break;
  }
}

std::optional<Reason> ReasonOf(Obstacle obstacle) {
  constexpr Reason kReasons[] = {Reason::kNotAsked,      Reason::kStaticPod,      Reason::kHostUsers,
                                 Reason::kWindows,       Reason::kPlatform,       Reason::kRuntimeClass,
                                 Reason::kSkipNamespace, Reason::kAlreadyInjected};
  if (obstacle == Obstacle::kNone) return std::nullopt;
  return kReasons[static_cast<size_t>(obstacle)];
}

struct Wishes {
  Word pod, label, older_label, default_inject;
  bool all;
};

Reason WhoDecides(const Wishes& w) {
  if (Is(w.pod, "true")) return Reason::kPodEnabled;
  if (Is(w.pod, "false")) return Reason::kPodDisabled;
  if (Is(w.label, "enabled")) return Reason::kNamespaceEnabled;
  if (Is(w.label, "disabled")) return Reason::kNamespaceDisabled;
  if (Is(w.older_label, "enabled"))
    return Is(w.default_inject, "true") ? Reason::kNamespaceDefaultInject : Reason::kNamespaceNoDefault;
  return w.all ? Reason::kAllNamespaces : Reason::kNotAsked;
}

bool Wants(Reason reason) {
  return reason == Reason::kPodEnabled || reason == Reason::kNamespaceEnabled ||
         reason == Reason::kNamespaceDefaultInject || reason == Reason::kAllNamespaces;
}

TEST(DecisionTable, EveryWishUnderEveryObstacleAndRevision) {
  size_t rows = 0;
  for (Word pod_says : {Word(nullptr), "true", "false", "maybe"})
    for (Word label : {Word(nullptr), "enabled", "disabled", "on"})
      for (Word older : {Word(nullptr), "enabled"})
        for (Word inject : {Word(nullptr), "true", "false"})
          for (bool all : {false, true})
            for (Obstacle obstacle : kObstacles)
              for (Word pod_revision : {Word(nullptr), "default", "canary"})
                for (Word ns_revision : {Word(nullptr), "default", "canary"}) {
                  const Wishes wishes{pod_says, label, older, inject, all};
                  json::value pod = Pod();
                  SetAnnotation(pod, "mirror.traceable.ai/enabled", pod_says);
                  SetLabel(pod, "mirror.traceable.ai/revision", pod_revision);
                  PutObstacle(pod, obstacle);
                  NamespaceInfo info;
                  if (label != nullptr) info.labels["traceableai-mirror"] = label;
                  if (older != nullptr) info.labels["traceableai-inject-mirror"] = older;
                  if (inject != nullptr) info.annotations["mirror.traceable.ai/defaultInject"] = inject;
                  if (ns_revision != nullptr) info.labels["mirror.traceable.ai/revision"] = ns_revision;
                  InjectorConfig config = TestConfig();
                  config.mirror_all_namespaces = all;

                  Reason expected = WhoDecides(wishes);
                  const bool other = Is(pod_revision != nullptr ? pod_revision : ns_revision, "canary");
                  if (Wants(expected) && other) expected = Reason::kOtherRevision;
                  if (auto reason = ReasonOf(obstacle)) expected = *reason;
                  const Decision decision =
                      DecideIn(pod, info, config, obstacle == Obstacle::kNamespace ? "kube-system" : "shop");
                  ASSERT_EQ(TextOf(decision.reason), TextOf(expected)) << json::serialize(pod);
                  ASSERT_EQ(decision.inject, Wants(expected));
                  ASSERT_EQ(decision.asked, Wants(WhoDecides(wishes)) && WhoDecides(wishes) != Reason::kAllNamespaces);
                  ASSERT_FALSE(decision.decided_by.empty());
                  ++rows;
                }
  EXPECT_EQ(rows, 4u * 4 * 2 * 3 * 2 * 8 * 3 * 3);
}

TEST(DecisionTable, EverythingThatWouldMakeAnAskingPodFail) {
  for (bool known : {false, true})
    for (Word enforce : {Word(nullptr), "privileged", "baseline", "restricted", "typo"})
      for (PodSecurity fallback : {PodSecurity::kPrivileged, PodSecurity::kBaseline, PodSecurity::kRestricted})
        for (Word taken : {Word(nullptr), "container", "init", "volume"})
          for (Word restart : {Word(nullptr), "Always", "OnFailure", "Never"})
            for (Injection injection : {Injection::kAuto, Injection::kNative, Injection::kContainer})
              for (std::optional<bool> native :
                   {std::optional<bool>(), std::optional<bool>(false), std::optional<bool>(true)}) {
                json::value pod = AskingPod();
                auto& spec = pod.at("spec").as_object();
                if (restart != nullptr) spec["restartPolicy"] = restart;
                if (Is(taken, "container")) spec["containers"].as_array().push_back(json::object{{"name", "podtap"}});
                if (Is(taken, "init")) spec["initContainers"] = json::array{json::object{{"name", "podtap"}}};
                if (Is(taken, "volume")) spec["volumes"] = json::array{json::object{{"name", "podtap-cgroup"}}};
                NamespaceInfo info;
                if (enforce != nullptr) info.labels["pod-security.kubernetes.io/enforce"] = enforce;
                InjectorConfig config = TestConfig();
                config.default_pod_security = fallback;
                config.injection = injection;
                config.facts.native_sidecars = native;

                const bool is_native = injection == Injection::kNative ||
                                       (injection == Injection::kAuto && native != std::optional(false));
                Reason expected = Reason::kPodEnabled;
                if (!is_native && (Is(restart, "OnFailure") || Is(restart, "Never")))
                  expected = Reason::kNeedsNativeSidecar;
                if (taken != nullptr) expected = Reason::kNameConflict;
                if (enforce == nullptr ? fallback != PodSecurity::kPrivileged : !Is(enforce, "privileged"))
                  expected = Reason::kPodSecurity;
                if (!known) expected = Reason::kNamespaceUnknown;
                const Decision decision = Decide({pod.get_object(), "shop", known ? &info : nullptr, true}, config);
                ASSERT_EQ(TextOf(decision.reason), TextOf(expected)) << json::serialize(pod);
                ASSERT_EQ(decision.shape, is_native ? Shape::kNative : Shape::kContainer);
              }
}

}  // namespace
}  // namespace podtap::webhook
