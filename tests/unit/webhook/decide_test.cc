// SPDX-License-Identifier: Apache-2.0
#include "webhook/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/annotations.h"
#include "tests/unit/webhook/pods.h"

namespace podtap::webhook {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Reason ReasonFor(std::string_view annotations, std::string_view more_spec = "") {
  return DecideAbout(Pod(annotations, more_spec)).reason;
}
Reason ReasonAsked(std::string_view more_spec) { return DecideAbout(AskingPod(more_spec)).reason; }

TEST(Decide, OnlyTheExactWordTrueOptsIn) {
  EXPECT_EQ(ReasonFor(R"({"mirror.traceable.ai/enabled":"true"})"), Reason::kPodEnabled);
  EXPECT_EQ(ReasonFor(R"({"mirror.traceable.ai/enabled":"false"})"), Reason::kPodDisabled);
  for (const char* word : {"True", "TRUE", "yes", "1", "", " true", "enabled"})
    EXPECT_EQ(ReasonFor("{\"mirror.traceable.ai/enabled\":\"" + std::string(word) + "\"}"), Reason::kNotAsked) << word;
}

TEST(Decide, AValueWithoutQuotesIsNamed) {
  const Decision decision = DecideAbout(Pod(R"({"mirror.traceable.ai/enabled":true})"));
  EXPECT_EQ(decision.reason, Reason::kNotAsked);
  EXPECT_THAT(decision.warnings, ElementsAre(AllOf(HasSubstr("enabled=\"true\""), HasSubstr("write it in quotes"))));
  EXPECT_THAT(DecideAbout(Pod(R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/mode":false})")).warnings,
              ElementsAre(AllOf(HasSubstr("mode=\"false\""), HasSubstr("write it in quotes"))));
}

TEST(Decide, WhatHasTheSidecarKeepsItWhateverElseHasChanged) {
  const json::value injected = InjectInto(AskingPod()).pod;
  InjectorConfig config = TestConfig();
  config.skip_namespaces = {"shop"};
  EXPECT_EQ(DecideAbout(injected, config).reason, Reason::kAlreadyInjected);
  json::value marked = injected;
  marked.at("spec").as_object()["runtimeClassName"] = "gvisor";
  marked.at("spec").as_object()["hostUsers"] = false;
  const Injected again = InjectInto(marked);
  EXPECT_EQ(again.outcome.decision.reason, Reason::kAlreadyInjected);
  EXPECT_FALSE(again.outcome.has_patch);
}

TEST(Decide, ADaemonSetThatToleratesVirtualNodesIsNotOnOne) {
  json::value pod = AskingPod(R"("tolerations":[{"key":"virtual-kubelet.io/provider","operator":"Exists"}])");
  EXPECT_EQ(DecideAbout(pod).reason, Reason::kPlatform);
  pod.at("metadata").as_object()["ownerReferences"] = Json(R"([{"kind":"DaemonSet","name":"logs","controller":true}])");
  EXPECT_EQ(DecideAbout(pod).reason, Reason::kPodEnabled);
}

TEST(Decide, APodForWindowsNeedNotSayItInItsSpecsOs) {
  for (const char* spec :
       {R"("os":{"name":"windows"})", R"("nodeSelector":{"kubernetes.io/os":"windows"})",
        R"("nodeSelector":{"beta.kubernetes.io/os":"windows","a":"b"})",
        R"("nodeSelector":{"node.kubernetes.io/windows-build":"10.0.17763"})",
        R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)"
        R"([{"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows"]}]}]}}})"})
    EXPECT_EQ(ReasonAsked(spec), Reason::kWindows) << spec;
  for (const char* spec :
       {R"("nodeSelector":{"kubernetes.io/os":"linux"})",
        R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)"
        R"([{"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows","linux"]}]}]}}})"})
    EXPECT_EQ(ReasonAsked(spec), Reason::kPodEnabled) << spec;
}

TEST(Mode, SwitchedOffIsStrongerThanWhatPodAndNamespaceSay) {
  InjectorConfig config = TestConfig();
  config.switched_off = true;
  const Decision decision =
      DecideAbout(Pod(R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/mode":"all"})"), config);
  EXPECT_TRUE(decision.inject);
  EXPECT_EQ(decision.mode, "off");
  EXPECT_EQ(decision.start_mode, "all");
  EXPECT_EQ(decision.mode_decided_by, "--switched_off");
}

TEST(Decide, EveryMarkOfAPlatformThatRefusesPrivilegedPods) {
  for (const char* spec :
       {R"("nodeSelector":{"eks.amazonaws.com/compute-type":"fargate"})",
        R"("nodeSelector":{"type":"virtual-kubelet"})",
        R"("nodeSelector":{"kubernetes.azure.com/role":"virtual-node"})",
        R"("nodeSelector":{"alibabacloud.com/eci":"true"})",
        R"("nodeSelector":{"cloud.google.com/gke-autopilot":"true"})", R"("schedulerName":"fargate-scheduler")",
        R"("nodeName":"fargate-ip-10-0-0-1")", R"("nodeName":"virtual-node-aci-linux")",
        R"("tolerations":[{"key":"azure.com/aci"}])", R"("tolerations":[{"key":"eks.amazonaws.com/compute-type"}])"})
    EXPECT_EQ(ReasonAsked(spec), Reason::kPlatform) << spec;
  for (const char* spec :
       {R"("nodeSelector":{"type":"gpu"})", R"("nodeName":"worker-1")", R"("tolerations":[{"operator":"Exists"}])"})
    EXPECT_EQ(ReasonAsked(spec), Reason::kPodEnabled) << spec;
}

TEST(Decide, AnotherWordThanTrueOrFalseIsWarnedAboutAndTheNamespaceDecides) {
  NamespaceInfo shop;
  shop.labels["traceableai-mirror"] = "enabled";
  const Decision decision = DecideIn(Pod(R"({"mirror.traceable.ai/enabled":"yes"})"), shop);
  EXPECT_EQ(decision.reason, Reason::kNamespaceEnabled);
  EXPECT_THAT(decision.warnings, ElementsAre("mirror.traceable.ai/enabled=\"yes\" not used; allowed: true or false"));
}

TEST(Decide, ModeAloneDoesNotOptIn) {
  EXPECT_EQ(ReasonFor(R"({"mirror.traceable.ai/mode":"all"})"), Reason::kNotAsked);
}

TEST(Decide, TheOlderLabelNeedsTheOlderAnnotation) {
  NamespaceInfo shop;
  shop.labels["traceableai-inject-mirror"] = "enabled";
  EXPECT_EQ(DecideIn(Pod(), shop).reason, Reason::kNamespaceNoDefault);
  EXPECT_EQ(DecideIn(AskingPod(), shop).reason, Reason::kPodEnabled);
  shop.annotations["mirror.traceable.ai/defaultInject"] = "true";
  EXPECT_EQ(DecideIn(Pod(), shop).reason, Reason::kNamespaceDefaultInject);
  shop.labels.clear();
  EXPECT_EQ(DecideIn(Pod(), shop).reason, Reason::kNotAsked);
}

TEST(Decide, WhatCanNeverHaveASidecarIsSkippedEvenIfItAsks) {
  EXPECT_EQ(ReasonAsked(R"("hostUsers":false)"), Reason::kHostUsers);
  EXPECT_EQ(ReasonAsked(R"("hostUsers":true)"), Reason::kPodEnabled);
  EXPECT_EQ(ReasonAsked(R"("os":{"name":"windows"})"), Reason::kWindows);
  EXPECT_EQ(ReasonAsked(R"("os":{"name":"linux"})"), Reason::kPodEnabled);
  EXPECT_EQ(ReasonFor(R"({"mirror.traceable.ai/enabled":"true","kubernetes.io/config.mirror":"8a2c"})"),
            Reason::kStaticPod);
  EXPECT_EQ(Decide({AskingPod().get_object(), "shop", nullptr, false}, TestConfig()).reason, Reason::kNotPodCreate);
}

TEST(Decide, RuntimeClassesAreMatchedByNameAndByPrefix) {
  for (const char* name : {"gvisor", "runsc", "kata", "kata-qemu", "gvisor-strict"})
    EXPECT_EQ(ReasonAsked("\"runtimeClassName\":\"" + std::string(name) + "\""), Reason::kRuntimeClass) << name;
  for (const char* name : {"nvidia", "katana", "runc"})
    EXPECT_EQ(ReasonAsked("\"runtimeClassName\":\"" + std::string(name) + "\""), Reason::kPodEnabled) << name;
  InjectorConfig config = TestConfig();
  ASSERT_TRUE(ApplyOption(config, "skip_runtime_classes", "nvidia"));
  EXPECT_EQ(DecideAbout(AskingPod(R"("runtimeClassName":"nvidia")"), config).reason, Reason::kRuntimeClass);
  EXPECT_EQ(DecideAbout(AskingPod(R"("runtimeClassName":"gvisor")"), config).reason, Reason::kPodEnabled);
}

TEST(Decide, PlatformsThatRefusePrivilegedPodsAreKnownByTheirMarks) {
  for (const char* spec : {
           R"("nodeSelector":{"eks.amazonaws.com/compute-type":"fargate"})",
           R"("nodeSelector":{"type":"virtual-kubelet"})",
           R"("schedulerName":"fargate-scheduler")",
           R"("nodeName":"fargate-ip-10-0-0-7.ec2.internal")",
           R"("tolerations":[{"key":"virtual-kubelet.io/provider","operator":"Exists"}])",
           R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)"
           R"([{"matchExpressions":[{"key":"type","operator":"In","values":["virtual-kubelet"]}]}]}}})",
       })
    EXPECT_EQ(ReasonAsked(spec), Reason::kPlatform) << spec;
  EXPECT_EQ(ReasonFor(R"({"mirror.traceable.ai/enabled":"true","autopilot.gke.io/resource-adjustment":"{}"})"),
            Reason::kPlatform);
}

TEST(Decide, ATolerationOfEverythingAndAnAvoidedVirtualNodeAreNoMarks) {
  for (const char* spec : {
           R"("tolerations":[{"operator":"Exists"}])",
           R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)"
           R"([{"matchExpressions":[{"key":"type","operator":"NotIn","values":["virtual-kubelet"]}]}]}}})",
       })
    EXPECT_EQ(ReasonAsked(spec), Reason::kPodEnabled) << spec;
}

TEST(Decide, SystemNamespacesAreLeftAlone) {
  InjectorConfig config = TestConfig();
  EXPECT_EQ(DecideIn(AskingPod(), {}, config, "kube-system").reason, Reason::kSkipNamespace);
  EXPECT_EQ(DecideIn(AskingPod(), {}, config, "vault").reason, Reason::kPodEnabled);
  ASSERT_TRUE(ApplyOption(config, "skip_namespaces", "vault, traceableai"));
  EXPECT_EQ(DecideIn(AskingPod(), {}, config, "vault").reason, Reason::kSkipNamespace);
  EXPECT_EQ(DecideIn(AskingPod(), {}, config, "traceableai").reason, Reason::kSkipNamespace);
  EXPECT_EQ(DecideIn(AskingPod(), {}, config, "kube-system").reason, Reason::kSkipNamespace);
}

TEST(Decide, AnotherRevisionsPodsAreLeftToIt) {
  InjectorConfig config = TestConfig();
  config.revision = "canary";
  EXPECT_EQ(DecideAbout(AskingPod(), config).reason, Reason::kOtherRevision);
  NamespaceInfo shop;
  shop.labels["mirror.traceable.ai/revision"] = "canary";
  EXPECT_EQ(DecideIn(AskingPod(), shop, config).reason, Reason::kPodEnabled);
  EXPECT_EQ(DecideIn(AskingPod(), shop).reason, Reason::kOtherRevision);
  json::value pod = AskingPod();
  pod.at("metadata").as_object()["labels"] = {{"mirror.traceable.ai/revision", "default"}};
  EXPECT_EQ(DecideIn(pod, shop).reason, Reason::kPodEnabled) << "the pod's label counts before the namespace's";
}

TEST(Decide, PodSecurityOfTheNamespaceIsAskedBeforeThePodWouldBeRefused) {
  NamespaceInfo shop;
  const auto reason = [&](const char* level, PodSecurity fallback) {
    InjectorConfig config = TestConfig();
    config.default_pod_security = fallback;
    shop.labels.clear();
    if (level != nullptr) shop.labels["pod-security.kubernetes.io/enforce"] = level;
    return DecideIn(AskingPod(), shop, config).reason;
  };
  EXPECT_EQ(reason("baseline", PodSecurity::kPrivileged), Reason::kPodSecurity);
  EXPECT_EQ(reason("restricted", PodSecurity::kPrivileged), Reason::kPodSecurity);
  EXPECT_EQ(reason("privileged", PodSecurity::kRestricted), Reason::kPodEnabled);
  EXPECT_EQ(reason(nullptr, PodSecurity::kBaseline), Reason::kPodSecurity);
  EXPECT_EQ(reason(nullptr, PodSecurity::kPrivileged), Reason::kPodEnabled);
  EXPECT_EQ(reason("baselin", PodSecurity::kPrivileged), Reason::kPodSecurity)
      << "the API server takes an unknown level for restricted";
}

TEST(Decide, AContainerOrVolumeOfOurNameThatIsNotOursIsAConflict) {
  EXPECT_EQ(ReasonAsked(R"("initContainers":[{"name":"podtap"}])"), Reason::kNameConflict);
  EXPECT_EQ(ReasonAsked(R"("volumes":[{"name":"podtap-run","emptyDir":{}}])"), Reason::kNameConflict);
  EXPECT_EQ(ReasonAsked(R"("volumes":[{"name":"podtap-data","emptyDir":{}}])"), Reason::kPodEnabled);
}

TEST(Decide, AJobNeedsANativeSidecar) {
  InjectorConfig config = TestConfig();
  const json::value job = AskingPod(R"("restartPolicy":"OnFailure")");
  EXPECT_EQ(DecideAbout(job, config).reason, Reason::kPodEnabled) << "auto without facts is native";
  config.facts.native_sidecars = false;
  EXPECT_EQ(DecideAbout(job, config).reason, Reason::kNeedsNativeSidecar);
  config.injection = Injection::kNative;
  EXPECT_EQ(DecideAbout(job, config).reason, Reason::kPodEnabled);
  config.injection = Injection::kContainer;
  EXPECT_EQ(DecideAbout(job, config).reason, Reason::kNeedsNativeSidecar);
  EXPECT_EQ(DecideAbout(AskingPod(R"("restartPolicy":"Never")"), config).reason, Reason::kNeedsNativeSidecar);
  EXPECT_EQ(DecideAbout(AskingPod(R"("restartPolicy":"Always")"), config).reason, Reason::kPodEnabled);
}

TEST(Decide, AnUnknownNamespaceIsNotGuessedAbout) {
  EXPECT_EQ(Decide({AskingPod().get_object(), "shop", nullptr, true}, TestConfig()).reason, Reason::kNamespaceUnknown);
  EXPECT_EQ(Decide({Pod().get_object(), "shop", nullptr, true}, TestConfig()).reason, Reason::kNotAsked);
}

TEST(Decide, TheStatusAnnotationAloneOrTheNameAloneIsNotAnInjectedPod) {
  const std::string status = R"("mirror.traceable.ai/status":"{\"result\":\"injected\",\"revision\":\"old\"}")";
  const std::string both = R"({"mirror.traceable.ai/enabled":"true",)" + status + "}";
  EXPECT_EQ(DecideAbout(Pod(both)).reason, Reason::kPodEnabled);
  EXPECT_EQ(DecideAbout(Pod(both, R"("initContainers":[{"name":"podtap"}])")).reason, Reason::kAlreadyInjected);
  const std::string skipped =
      R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/status":"{\"result\":\"skipped\"}"})";
  EXPECT_EQ(DecideAbout(Pod(skipped)).reason, Reason::kPodEnabled) << "an earlier skip does not bind";
}

TEST(Mode, ThePodDecidesThenTheNamespaceThenTheDefault) {
  NamespaceInfo shop;
  shop.annotations["mirror.traceable.ai/defaultMode"] = "egress";
  const Decision by_pod = DecideIn(Pod(R"({"mirror.traceable.ai/mode":"all"})"), shop);
  EXPECT_EQ(by_pod.mode, "all");
  EXPECT_EQ(by_pod.mode_from, ModeFrom::kPod);
  const Decision by_namespace = DecideIn(Pod(), shop);
  EXPECT_EQ(by_namespace.mode, "egress");
  EXPECT_EQ(by_namespace.mode_from, ModeFrom::kNamespace);
  InjectorConfig config = TestConfig();
  config.default_mode = "off";
  const Decision by_default = DecideAbout(Pod(), config);
  EXPECT_EQ(by_default.mode, "off");
  EXPECT_EQ(by_default.mode_from, ModeFrom::kDefault);
}

TEST(Mode, AnInvalidValueFallsToTheNextLevelWithAWarningThatNamesIt) {
  NamespaceInfo shop;
  shop.annotations["mirror.traceable.ai/defaultMode"] = "out";
  const Decision decision = DecideIn(Pod(R"({"mirror.traceable.ai/mode":"Egress"})"), shop);
  EXPECT_EQ(decision.mode, "ingress");
  EXPECT_EQ(decision.mode_from, ModeFrom::kDefault);
  EXPECT_THAT(decision.warnings,
              ElementsAre("mirror.traceable.ai/mode=\"Egress\" not used; allowed: ingress, egress, all or off",
                          "mirror.traceable.ai/defaultMode=\"out\" not used; allowed: ingress, egress, all or off"));
}

TEST(Settings, ValidOnesAreTakenFromThePodElseFromTheNamespace) {
  NamespaceInfo shop;
  shop.annotations["mirror.traceable.ai/log-level"] = "debug";
  shop.annotations["mirror.traceable.ai/max-body-bytes"] = "1024";
  const Decision decision = DecideIn(Pod(R"({"mirror.traceable.ai/max-body-bytes":"0"})"), shop);
  EXPECT_EQ(decision.settings.max_body_bytes, "0");
  EXPECT_EQ(decision.settings.log_level, "debug");
  EXPECT_THAT(decision.warnings, IsEmpty());
}

TEST(Settings, ASinkIsChosenByANameThatTheOperatorKnows) {
  InjectorConfig config = TestConfig();
  ASSERT_TRUE(ApplyOption(config, "named_sink", "collector=unix:/var/run/collector/podtap.sock"));
  const auto sink = [&](const std::string& value) {
    return DecideAbout(Pod("{\"mirror.traceable.ai/sink\":\"" + value + "\"}"), config);
  };
  EXPECT_EQ(sink("collector").settings.sink, "unix:/var/run/collector/podtap.sock");
  EXPECT_EQ(sink("other").settings.sink, "stdout");
  EXPECT_THAT(sink("other").warnings, ElementsAre(HasSubstr("allowed: collector")));
  EXPECT_EQ(sink("file:/etc/shadow").settings.sink, "stdout") << "a pod's author names a sink, and cannot write one";
}

TEST(Settings, WarningsStayShortAndPrintableWhateverTheValue) {
  const std::string wild(5000, '\x01');
  json::value pod = AskingPod();
  auto& annotations = pod.at("metadata").at("annotations").as_object();
  for (const SettingInfo& info : AllSettings()) annotations[info.annotation] = wild;
  const Decision decision = DecideAbout(pod);
  EXPECT_EQ(decision.warnings.size(), AllSettings().size());
  for (const std::string& warning : decision.warnings) {
    EXPECT_LE(warning.size(), 120u);
    for (const char c : warning) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  }
}

}  // namespace
}  // namespace podtap::webhook
