// SPDX-License-Identifier: Apache-2.0
#include "webhook/inject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/webhook/pods.h"
#include "webhook/own_parts.h"
#include "webhook/resources.h"
#include "webhook/sidecar_container.h"
#include "webhook/version.h"

namespace podtap::webhook {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Strings(const json::value& array) {
  std::vector<std::string> out;
  for (const json::value& item : array.as_array()) out.push_back(json::value_to<std::string>(item));
  return out;
}
std::vector<std::string> Args(const json::value& pod) { return Strings(At(pod, "/spec/initContainers/0/args")); }

TEST(Inject, TheNativeSidecarComesFirstAndRestartsAlways) {
  const auto [outcome, pod] = InjectInto(AskingPod(R"("initContainers":[{"name":"istio-init"}])"));
  EXPECT_TRUE(outcome.has_patch);
  EXPECT_EQ(TextAt(pod, "/spec/initContainers/0/name"), "podtap");
  EXPECT_EQ(TextAt(pod, "/spec/initContainers/0/restartPolicy"), "Always");
  EXPECT_EQ(TextAt(pod, "/spec/initContainers/1/name"), "istio-init");
  EXPECT_TRUE(At(pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container").is_null());
  EXPECT_EQ(TextAt(pod, "/metadata/labels/mirror.traceable.ai~1injected"), "true");
}

TEST(Inject, AnOrdinaryContainerComesFirstWithoutBecomingTheDefaultOne) {
  InjectorConfig config = TestConfig();
  config.injection = Injection::kContainer;
  const auto [outcome, pod] = InjectInto(AskingPod(), config);
  EXPECT_EQ(TextAt(pod, "/spec/containers/0/name"), "podtap");
  EXPECT_EQ(TextAt(pod, "/spec/containers/1/name"), "app");
  EXPECT_TRUE(At(pod, "/spec/containers/0/restartPolicy").is_null());
  EXPECT_EQ(TextAt(pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container"), "app");
  EXPECT_THAT(Strings(At(pod, "/spec/containers/0/args")), Contains("--drain_ms=22000"));

  json::value chosen = AskingPod();
  chosen.at("metadata").at("annotations").as_object()["kubectl.kubernetes.io/default-container"] = "other";
  EXPECT_EQ(TextAt(InjectInto(chosen, config).pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container"),
            "other");
}

TEST(Inject, DrainingEndsUnderThePodsGracePeriod) {
  const auto drain = [](std::string_view spec) { return DrainMs(AskingPod(spec).get_object()); };
  EXPECT_EQ(drain(""), 22000u);
  EXPECT_EQ(drain(R"("terminationGracePeriodSeconds":120)"), 112000u);
  EXPECT_EQ(drain(R"("terminationGracePeriodSeconds":4)"), 2000u);
  EXPECT_EQ(drain(R"("terminationGracePeriodSeconds":0)"), 0u);
  EXPECT_EQ(drain(R"("terminationGracePeriodSeconds":-9)"), 0u);
  EXPECT_EQ(drain(R"("terminationGracePeriodSeconds":9223372036854775807)"), 86392000u);
}

TEST(Inject, DrainingAndFlushingFitTogetherIntoTheGracePeriod) {
  constexpr uint64_t kSidecarsDefaultMs = 5000;
  for (uint64_t grace = 0; grace <= 60; ++grace) {
    const auto spec = AskingPod("\"terminationGracePeriodSeconds\":" + std::to_string(grace));
    const uint64_t flush = FlushMs(spec.get_object()).value_or(kSidecarsDefaultMs);
    EXPECT_LE(DrainMs(spec.get_object()) + flush, grace * 1000) << grace;
  }
}

TEST(Inject, OnlyAShortGracePeriodShortensTheFlushAndTheOperatorsWordCountsForMore) {
  InjectorConfig config = TestConfig();
  config.injection = Injection::kContainer;
  const auto args = [&](std::string_view spec) {
    return Strings(At(InjectInto(AskingPod(spec), config).pod, "/spec/containers/0/args"));
  };
  const char* kShort = R"("terminationGracePeriodSeconds":5)";
  EXPECT_THAT(args(""), Not(Contains(HasSubstr("--shutdown_timeout_ms"))));
  EXPECT_THAT(args(kShort), Contains("--shutdown_timeout_ms=2000"));
  config.sidecar.args = {"--shutdown_timeout_ms=100"};
  const auto both = args(kShort);
  EXPECT_LT(std::find(both.begin(), both.end(), "--shutdown_timeout_ms=2000"),
            std::find(both.begin(), both.end(), "--shutdown_timeout_ms=100"));
}

TEST(Inject, TheContainerIsAsTheOperatorWantsIt) {
  const auto [outcome, pod] = InjectInto(AskingPod());
  const json::value container = At(pod, "/spec/initContainers/0");
  EXPECT_EQ(TextAt(container, "/image"), "podtap-sidecar:test");
  EXPECT_EQ(
      At(container, "/securityContext"),
      Json(R"({"privileged":true,"runAsUser":0,"runAsGroup":0,"runAsNonRoot":false,"readOnlyRootFilesystem":true})"));
  EXPECT_EQ(At(container, "/lifecycle/postStart/exec/command"),
            Json(R"(["podtap-sidecar","--wait_until_attached_ms=3000"])"));
  for (const char* probe : {"/livenessProbe", "/readinessProbe", "/startupProbe"})
    EXPECT_TRUE(At(container, probe).is_null());
  EXPECT_THAT(Args(pod), AllOf(Contains("--keep_running"), Contains("--mode=ingress"), Contains("--sink=stdout"),
                               Contains("--cgroup_root=/host/cgroup")));
  EXPECT_TRUE(At(container, "/resources").is_null()) << "a BestEffort pod stays one";
}

TEST(Inject, TheHostsCgroupsAreMountedReadOnlyAndNeverOverTheContainersOwn) {
  InjectorConfig config = TestConfig();
  config.tls_capture = true;
  const auto [outcome, pod] = InjectInto(AskingPod(), config);
  bool token_covered = false;
  const json::value mounts = At(pod, "/spec/initContainers/0/volumeMounts");
  for (const json::value& mount : mounts.as_array()) {
    EXPECT_NE(TextAt(mount, "/mountPath"), "/sys/fs/cgroup");
    const bool writable = At(mount, "/readOnly").is_null();
    EXPECT_EQ(writable, TextAt(mount, "/name") == "podtap-run") << TextAt(mount, "/name");
    token_covered |= TextAt(mount, "/mountPath") == "/var/run/secrets/kubernetes.io/serviceaccount";
  }
  EXPECT_TRUE(token_covered);
  EXPECT_THAT(json::serialize(At(pod, "/spec/volumes")),
              HasSubstr(R"({"name":"podtap-proc","hostPath":{"path":"/proc"}})"));
}

TEST(Inject, AUnixSinksDirectoryIsMountedFromTheNode) {
  InjectorConfig config = TestConfig();
  ASSERT_TRUE(ApplyOption(config, "sidecar_sink", "unix:/var/run/collector/podtap.sock"));
  const auto [outcome, pod] = InjectInto(AskingPod(), config);
  EXPECT_THAT(Args(pod), Contains("--sink=unix:/var/run/collector/podtap.sock"));
  EXPECT_THAT(json::serialize(At(pod, "/spec/volumes")),
              HasSubstr(R"("hostPath":{"path":"/var/run/collector","type":"DirectoryOrCreate"})"));
  EXPECT_EQ(TextAt(pod, "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes"),
            "podtap-cgroup,podtap-run,podtap-no-token,podtap-sink");
}

InjectorConfig ConfigWithEndpoint() {
  InjectorConfig config = TestConfig();
  EXPECT_TRUE(ApplyOption(config, "sidecar_sink", "otlp:http://podtap-collector.podtap.svc:4318"));
  return config;
}

TEST(Inject, AnEndpointIsShownAServiceAccountTokenOfItsOwnAudience) {
  const json::value pod = InjectInto(AskingPod(), ConfigWithEndpoint()).pod;
  EXPECT_THAT(Args(pod), AllOf(Contains("--sink=otlp:http://podtap-collector.podtap.svc:4318"),
                               Contains("--token_file=/etc/podtap/token/token")));
  EXPECT_THAT(json::serialize(At(pod, "/spec/initContainers/0/volumeMounts")),
              HasSubstr(R"({"name":"podtap-token","mountPath":"/etc/podtap/token","readOnly":true})"));
  EXPECT_THAT(json::serialize(At(pod, "/spec/volumes")),
              HasSubstr(R"({"name":"podtap-token","projected":{"sources":[{"serviceAccountToken":)"
                        R"({"audience":"podtap","expirationSeconds":3600,"path":"token"}}]}})"));
  EXPECT_EQ(TextAt(pod, "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes"),
            "podtap-cgroup,podtap-run,podtap-no-token")
      << "a projected volume keeps no node";
  // Nobody else is shown one.
  for (const char* sink : {"stdout", "unix:/var/run/collector/podtap.sock"}) {
    InjectorConfig config = TestConfig();
    ASSERT_TRUE(ApplyOption(config, "sidecar_sink", sink));
    EXPECT_THAT(json::serialize(InjectInto(AskingPod(), config).pod), Not(HasSubstr("podtap-token"))) << sink;
  }
  InjectorConfig config = ConfigWithEndpoint();
  ASSERT_TRUE(ApplyOption(config, "sidecar_token_audience", ""));
  EXPECT_THAT(json::serialize(InjectInto(AskingPod(), config).pod), Not(HasSubstr("podtap-token")));
}

TEST(Inject, ASecretOfTheApplicationsNamespaceMayHoldTheToken) {
  InjectorConfig config = ConfigWithEndpoint();
  ASSERT_TRUE(ApplyOption(config, "sidecar_token_secret", "podtap-access/key"));
  const json::value pod = InjectInto(AskingPod(), config).pod;
  EXPECT_THAT(json::serialize(At(pod, "/spec/volumes")),
              HasSubstr(R"({"name":"podtap-token","secret":{"secretName":"podtap-access","optional":true,)"
                        R"("items":[{"key":"key","path":"token"}]}})"));
  EXPECT_THAT(Args(pod), Contains("--token_file=/etc/podtap/token/token"));
}

TEST(Inject, TheOperatorsFlagsComeBeforeThoseOfThePodsAuthor) {
  InjectorConfig config = TestConfig();
  ASSERT_TRUE(ApplyOption(config, "sidecar_arg", "--log-level=warning"));
  ASSERT_TRUE(ApplyOption(config, "sidecar_arg", "--redact_query=$(POD_NAME),x"));
  const auto args = Args(
      InjectInto(Pod(R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/log-level":"debug"})"), config).pod);
  EXPECT_THAT(args, Contains("--redact_query=$$(POD_NAME),x"));
  const auto first = std::find(args.begin(), args.end(), "--log_level=warning");
  ASSERT_NE(first, args.end());
  EXPECT_NE(std::find(first, args.end(), "--log_level=debug"), args.end());
}

TEST(Inject, MetricsAreServedOnAPortOfThePodButNotOfTheNode) {
  InjectorConfig config = TestConfig();
  ASSERT_TRUE(ApplyOption(config, "sidecar_metrics_port", "9464"));
  const json::value pod = InjectInto(AskingPod(), config).pod;
  EXPECT_THAT(Args(pod), Contains("--admin_address=unix:/run/podtap/admin.sock,[::]:9464"));
  EXPECT_EQ(At(pod, "/spec/initContainers/0/ports"),
            Json(R"([{"name":"podtap-metrics","containerPort":9464,"protocol":"TCP"}])"));
  const json::value node = InjectInto(AskingPod(R"("hostNetwork":true)"), config).pod;
  EXPECT_THAT(Args(node), Contains("--admin_address=unix:/run/podtap/admin.sock"));
  EXPECT_TRUE(At(node, "/spec/initContainers/0/ports").is_null());
}

TEST(Inject, TheOperatorMayNameCapabilitiesAndSelinuxOptions) {
  InjectorConfig config = TestConfig();
  ASSERT_FALSE(ApplyOption(config, "sidecar_selinux_options", "type=spc_t,c3"));
  ASSERT_TRUE(ApplyOption(config, "sidecar_selinux_options", "type=other_t,user=system_u"));
  EXPECT_EQ(At(InjectInto(AskingPod(), config).pod, "/spec/initContainers/0/securityContext/seLinuxOptions"),
            Json(R"({"type":"other_t","user":"system_u"})"));
  config.run_as_privileged = false;
  ASSERT_TRUE(ApplyOption(config, "sidecar_capabilities", "CAP_SYS_ADMIN,NET_ADMIN"));
  const json::value context = At(InjectInto(AskingPod(), config).pod, "/spec/initContainers/0/securityContext");
  EXPECT_EQ(At(context, "/capabilities/add"), Json(R"(["SYS_ADMIN","NET_ADMIN"])"));
  EXPECT_EQ(TextAt(context, "/seLinuxOptions/type"), "other_t");
}

TEST(Inject, WithoutPrivilegeItGetsTheFewestCapabilitiesOfTheOldestKernel) {
  InjectorConfig config = TestConfig();
  config.run_as_privileged = false;
  // Where nobody has said which kernels there are, the oldest that podtap runs on: 5.10.
  EXPECT_THAT(Capabilities(config, config.facts),
              ElementsAre("BPF", "PERFMON", "NET_ADMIN", "SYS_RESOURCE", "SETUID", "SETGID", "KILL"));
  ASSERT_TRUE(ApplyOption(config, "oldest_node_kernel", "5.11.0-33-cloud"));
  EXPECT_THAT(Capabilities(config, config.facts),
              ElementsAre("BPF", "PERFMON", "NET_ADMIN", "SETUID", "SETGID", "KILL"));
  ASSERT_TRUE(ApplyOption(config, "oldest_node_kernel", "4.19"));
  EXPECT_THAT(Capabilities(config, config.facts),
              ElementsAre("SYS_ADMIN", "NET_ADMIN", "SYS_RESOURCE", "SETUID", "SETGID", "KILL"));
  const auto [outcome, pod] = InjectInto(AskingPod(), config);
  const json::value context = At(pod, "/spec/initContainers/0/securityContext");
  EXPECT_EQ(At(context, "/privileged"), false);
  EXPECT_EQ(At(context, "/capabilities/drop"), Json(R"(["ALL"])"));
  EXPECT_EQ(TextAt(context, "/seLinuxOptions/type"), "spc_t");
  EXPECT_EQ(TextAt(context, "/seccompProfile/type"), "Unconfined");
  EXPECT_EQ(TextAt(context, "/appArmorProfile/type"), "Unconfined");
}

TEST(Inject, TheAutoscalersListIsAppendedTo) {
  json::value pod = AskingPod();
  pod.at("metadata").at("annotations").as_object()["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"] =
      "cache, podtap-run";
  EXPECT_EQ(TextAt(InjectInto(pod).pod,
                   "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes"),
            "cache, podtap-run,podtap-cgroup,podtap-no-token");
}

TEST(Inject, TheStatusSaysWhatWasDecided) {
  const auto [outcome, pod] =
      InjectInto(Pod(R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/mode":"egress"})"));
  EXPECT_EQ(Json(TextAt(pod, "/metadata/annotations/mirror.traceable.ai~1status")),
            json::value({{"revision", "default"},
                         {"result", "injected"},
                         {"reason", "pod-enabled"},
                         {"mode", "egress"},
                         {"mode_from", "pod"},
                         {"version", kVersion}}));
}

TEST(Inject, APodThatAskedAndWasSkippedIsToldWhy) {
  const auto [outcome, pod] = InjectInto(AskingPod(R"("hostUsers":false)"));
  EXPECT_FALSE(outcome.decision.inject);
  EXPECT_TRUE(outcome.has_patch);
  EXPECT_EQ(outcome.operations.size(), 1u);
  const json::value status = Json(TextAt(pod, "/metadata/annotations/mirror.traceable.ai~1status"));
  EXPECT_EQ(TextAt(status, "/result"), "skipped");
  EXPECT_EQ(TextAt(status, "/reason"), "host-users");
  EXPECT_THAT(outcome.warnings,
              ElementsAre("podtap did not add the capture sidecar: host-users (spec.hostUsers=false)"));
  EXPECT_FALSE(InjectInto(pod).outcome.has_patch) << "said once is enough";
}

TEST(Inject, WhatAnotherRevisionAnswersIsLeftToIt) {
  json::value pod = AskingPod();
  pod.at("metadata").as_object()["labels"] = json::object{{"mirror.traceable.ai/revision", "canary"}};
  const auto [outcome, after] = InjectInto(pod);
  EXPECT_EQ(outcome.decision.reason, Reason::kOtherRevision);
  EXPECT_FALSE(outcome.has_patch);
  EXPECT_THAT(outcome.warnings, ElementsAre());
}

TEST(Inject, WhereAllAreMirroredASkippedPodBearsTheReasonWithoutAWarning) {
  InjectorConfig config = TestConfig();
  config.mirror_all_namespaces = true;
  const auto [outcome, pod] = InjectInto(Pod("{}", R"("hostUsers":false)"), config);
  EXPECT_EQ(TextAt(Json(TextAt(pod, "/metadata/annotations/mirror.traceable.ai~1status")), "/reason"), "host-users");
  EXPECT_THAT(outcome.warnings, ElementsAre());
  config.skip_namespaces = {"shop"};
  EXPECT_FALSE(InjectInto(Pod("{}"), config).outcome.has_patch);
}

TEST(Inject, APodThatDidNotAskIsLeftAlone) {
  for (const char* annotations : {"{}", R"({"mirror.traceable.ai/enabled":"false"})"}) {
    const auto [outcome, pod] = InjectInto(Pod(annotations));
    EXPECT_FALSE(outcome.has_patch);
    EXPECT_EQ(pod, Pod(annotations));
  }
}

TEST(Inject, AStaticPodIsNeverPatched) {
  const auto [outcome, pod] =
      InjectInto(Pod(R"({"mirror.traceable.ai/enabled":"true","kubernetes.io/config.mirror":"x"})"));
  EXPECT_FALSE(outcome.has_patch);
}

TEST(Inject, APatchThatDoesNotApplyIsNotSent) {
  json::value pod = AskingPod();
  pod.at("metadata").as_object()["labels"] = "not a map";
  const Outcome outcome = InjectInto(pod).outcome;
  EXPECT_EQ(outcome.decision.reason, Reason::kPatchFailed);
  EXPECT_FALSE(outcome.has_patch);
  EXPECT_EQ(InjectInto(AskingPod(R"("initContainers":{})")).outcome.decision.reason, Reason::kPatchFailed);
  EXPECT_EQ(InjectInto(AskingPod(R"("volumes":"x")")).outcome.decision.reason, Reason::kPatchFailed);
}

TEST(Inject, APodsLabelsAreNeverExpandedByKubernetes) {
  json::value pod = AskingPod();
  pod.at("metadata").as_object()["labels"] = {{"app", "$(POD_NAME)"}};
  EXPECT_EQ(TextAt(InjectInto(pod).pod, "/spec/initContainers/0/env/4/value"), "$$(POD_NAME)");
}

TEST(Heal, AWebhookThatDropsTheRestartPolicyDropsTheYoungerAppArmorProfileToo) {
  InjectorConfig config = TestConfig();
  config.run_as_privileged = false;
  json::value pod = InjectInto(AskingPod(), config).pod;
  const json::value whole = At(pod, "/spec/initContainers/0");
  json::object& container = pod.at("spec").at("initContainers").at(0).as_object();
  container.erase("restartPolicy");
  container.at("securityContext").as_object().erase("appArmorProfile");
  const Injected healed = InjectInto(pod, config);
  EXPECT_EQ(healed.outcome.decision.reason, Reason::kHealed);
  EXPECT_EQ(At(healed.pod, "/spec/initContainers/0"), whole);
}

TEST(Heal, OnlyOurOwnOtherwiseIdenticalContainerGetsItsRestartPolicyBack) {
  const json::value injected = InjectInto(AskingPod()).pod;
  json::value stripped = injected;
  stripped.at_pointer("/spec/initContainers/0").as_object().erase("restartPolicy");
  const auto [outcome, pod] = InjectInto(stripped);
  EXPECT_EQ(outcome.decision.reason, Reason::kHealed);
  EXPECT_EQ(PatchText(outcome.operations),
            R"([{"op":"add","path":"/spec/initContainers/0/restartPolicy","value":"Always"}])");
  EXPECT_EQ(pod, injected);

  json::value defaulted = stripped;
  auto& container = defaulted.at_pointer("/spec/initContainers/0").as_object();
  container["terminationMessagePath"] = "/dev/termination-log";
  container["terminationMessagePolicy"] = "File";
  container["imagePullPolicy"] = "Always";
  container["resources"] = Json(R"({"limits":{"cpu":"1"},"requests":{"cpu":"100m"}})");
  EXPECT_EQ(InjectInto(defaulted).outcome.decision.reason, Reason::kHealed)
      << "what the API server and its own admission fill in is no difference";

  for (const char* change : {R"({"image":"other"})", R"({"args":["--mode=off"]})", R"({"stdin":true})"}) {
    json::value changed = stripped;
    const json::value members = Json(change);
    for (const auto& member : members.as_object())
      changed.at_pointer("/spec/initContainers/0").as_object()[member.key()] = member.value();
    const auto result = InjectInto(changed);
    EXPECT_EQ(result.outcome.decision.reason, Reason::kAlreadyInjected) << change;
    EXPECT_FALSE(result.outcome.has_patch);
  }
}

TEST(Heal, APodThatTheSwitchTurnedOffIsHealedToo) {
  const NamespaceInfo info;
  LiveFacts live;
  live.switched_off_by = "ConfigMap podtap-switch";
  json::value pod = AskingPod();
  ASSERT_TRUE(Inject(pod, "shop", &info, TestConfig(), &live).decision.inject);
  EXPECT_EQ(TextAt(pod, "/metadata/annotations/mirror.traceable.ai~1mode"), "off");
  pod.at_pointer("/spec/initContainers/0").as_object().erase("restartPolicy");
  EXPECT_EQ(Inject(pod, "shop", &info, TestConfig(), &live).decision.reason, Reason::kHealed);
  EXPECT_EQ(TextAt(pod, "/spec/initContainers/0/restartPolicy"), "Always");
}

// Pods as clusters have them: other meshes' sidecars, missing and null arrays, resources of all kinds.
json::value RandomPod(std::mt19937& random) {
  const auto maybe = [&](int of = 2) { return static_cast<int>(random() % static_cast<unsigned>(of)) == 0; };
  const auto resources = [&]() -> json::object {
    static constexpr const char* kChoices[] = {
        "{}",
        R"({"requests":{"cpu":"100m"}})",
        R"({"limits":{"memory":"1Gi"}})",
        R"({"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"1000m","memory":"1024Mi"}})",
        R"({"limits":{"cpu":"2","memory":"2Gi"}})",
        R"({"requests":{"cpu":"0"},"limits":{}})",
        R"({"requests":{"ephemeral-storage":"1Gi"}})"};
    return Json(kChoices[random() % std::size(kChoices)]).as_object();
  };
  const auto container = [&](const char* name) {
    json::object out{{"name", name}, {"image", "x"}};
    if (!maybe(3)) out["resources"] = resources();
    return out;
  };
  json::value pod = maybe() ? AskingPod() : Pod("null");
  auto& metadata = pod.at("metadata").as_object();
  auto& spec = pod.at("spec").as_object();
  if (maybe()) metadata.erase("name"), metadata["generateName"] = "cart-";
  if (maybe()) metadata["labels"] = maybe() ? json::value(nullptr) : json::value({{"app", "cart"}});
  spec["containers"] = json::array{container("app")};
  if (maybe()) spec["containers"].as_array().push_back(container("istio-proxy"));
  if (maybe(4)) {
    json::array env;
    for (int i = 0; i < 2000; ++i)
      env.push_back({{"name", "VAR_" + std::to_string(i)}, {"value", std::string(20, 'v')}});
    spec["containers"].as_array()[0].as_object()["env"] = env;
  }
  if (maybe()) spec["initContainers"] = nullptr;
  if (maybe()) {
    json::object mesh = container("linkerd-proxy");
    mesh["restartPolicy"] = "Always";
    spec["initContainers"] = maybe() ? json::array{container("istio-init"), mesh} : json::array{};
  }
  if (maybe())
    spec["volumes"] =
        maybe() ? json::value(nullptr) : json::value(json::array{{{"name", "v"}, {"emptyDir", json::object()}}});
  if (maybe(6)) spec["resources"] = resources();
  return pod;
}

TEST(InjectProperties, QosStaysSecondPatchIsEmptyAndTheRestIsUntouched) {
  std::mt19937 random(20240607);
  for (int i = 0; i < 400; ++i) {
    const json::value before = RandomPod(random);
    InjectorConfig config = TestConfig();
    config.mirror_all_namespaces = true;
    config.injection = random() % 2 == 0 ? Injection::kNative : Injection::kContainer;
    config.run_as_privileged = random() % 2 == 0;
    const auto [outcome, after] = InjectInto(before, config);
    ASSERT_TRUE(outcome.decision.inject) << json::serialize(before);
    ASSERT_TRUE(outcome.has_patch);
    ASSERT_EQ(QosClass(after.get_object()), QosClass(before.get_object())) << json::serialize(before);
    ASSERT_EQ(QosClass(after.get_object(), kContainerName), QosClass(before.get_object()));

    const auto again = InjectInto(after, config);
    ASSERT_FALSE(again.outcome.has_patch);
    ASSERT_EQ(again.outcome.decision.reason, Reason::kAlreadyInjected);

    json::value replayed = before;
    for (const AddOperation& operation : outcome.operations) ASSERT_TRUE(ApplyAdd(replayed, operation));
    ASSERT_EQ(replayed, after);
    // Every container of the pod is there as it was, in its order.
    for (const char* list : {"initContainers", "containers"}) {
      json::array rest;
      const json::array* containers = ArrayMember(Spec(after.get_object()), list);
      for (size_t c = 0; containers != nullptr && c < containers->size(); ++c)
        if (TextMember((*containers)[c].if_object(), "name") != kContainerName) rest.push_back((*containers)[c]);
      const json::array* old = ArrayMember(Spec(before.get_object()), list);
      ASSERT_EQ(rest, old == nullptr ? json::array() : *old);
    }
  }
}

}  // namespace
}  // namespace podtap::webhook
