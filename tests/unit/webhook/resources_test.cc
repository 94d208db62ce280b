// SPDX-License-Identifier: Apache-2.0
#include "webhook/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/quantity.h"
#include "tests/unit/webhook/pods.h"

namespace podtap::webhook {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

json::value PodWith(std::string_view resources, std::string_view more = "") {
  std::string text =
      R"({"metadata":{"annotations":{"mirror.traceable.ai/enabled":"true"}},"spec":{"containers":[{"name":"app","resources":)";
  text.append(resources).append("}");
  text.append(more).append("]}}");
  return Json(text);
}
json::value ResourcesFor(const json::value& pod, const ChosenSettings& settings = {}) {
  std::vector<std::string> warnings;
  return SidecarResources(pod.get_object(), settings, TestConfig(), warnings);
}

TEST(Quantity, ReadsWhatKubernetesReads) {
  EXPECT_EQ(*ParseQuantity("100m"), kNanoPerUnit / 10);
  EXPECT_EQ(*ParseQuantity("1"), kNanoPerUnit);
  EXPECT_EQ(*ParseQuantity("1Ki"), 1024 * kNanoPerUnit);
  EXPECT_EQ(*ParseQuantity("1.5Gi"), (NanoUnits{3} << 29) * kNanoPerUnit);
  EXPECT_EQ(*ParseQuantity("1e3"), *ParseQuantity("1k"));
  EXPECT_EQ(*ParseQuantity("128974848"), *ParseQuantity("123Mi"));
  EXPECT_EQ(*ParseQuantity("0.0000000001"), 1) << "rounded up";
  EXPECT_EQ(*ParseQuantity("7Ei"), (NanoUnits{7} << 60) * kNanoPerUnit);
  for (const char* text :
       {"", "x", "1KB", "-1", "1.2.3", "1 Mi", "1Mi ", ".", "9999999999999999999999999999999999999E", "1e99"})
    EXPECT_FALSE(ParseQuantity(text)) << text;
}

TEST(Quantity, BytesAreWrittenShortAndExact) {
  EXPECT_EQ(BytesAsQuantity(48 << 20), "48Mi");
  EXPECT_EQ(BytesAsQuantity(1000), "1000");
  EXPECT_EQ(BytesAsQuantity(0), "0");
  EXPECT_EQ(BytesAsQuantity(uint64_t{3} << 40), "3Ti");
}

TEST(Qos, IsComputedAsTheKubeletDoes) {
  EXPECT_EQ(QosClass(PodWith("{}").get_object()), Qos::kBestEffort);
  EXPECT_EQ(QosClass(PodWith(R"({"requests":{"cpu":"1"}})").get_object()), Qos::kBurstable);
  EXPECT_EQ(QosClass(PodWith(R"({"limits":{"cpu":"1","memory":"1Gi"}})").get_object()), Qos::kGuaranteed);
  EXPECT_EQ(
      QosClass(
          PodWith(R"({"limits":{"cpu":1,"memory":"1Gi"},"requests":{"cpu":"1000m","memory":"1024Mi"}})").get_object()),
      Qos::kGuaranteed);
  EXPECT_EQ(QosClass(PodWith(R"({"limits":{"cpu":"1","memory":"1Gi"}})", R"(,{"name":"b"})").get_object()),
            Qos::kBurstable);
  EXPECT_EQ(QosClass(PodWith(R"({"requests":{"cpu":"0"}})").get_object()), Qos::kBestEffort);
  EXPECT_EQ(QosClass(PodWith(R"({"requests":{"nvidia.com/gpu":"1"}})").get_object()), Qos::kBestEffort);
}

TEST(SidecarResources, ABestEffortPodGetsNone) { EXPECT_EQ(ResourcesFor(PodWith("{}")), json::object()); }

TEST(SidecarResources, AGuaranteedPodGetsRequestsThatAreLimits) {
  EXPECT_EQ(ResourcesFor(PodWith(R"({"limits":{"cpu":"1","memory":"1Gi"}})")),
            Json(R"({"requests":{"cpu":"200m","memory":"128Mi"},"limits":{"cpu":"200m","memory":"128Mi"}})"));
}

TEST(SidecarResources, ABurstablePodGetsRequestsAndLimitsOnlyWhereAllHaveThem) {
  EXPECT_EQ(ResourcesFor(PodWith(R"({"requests":{"cpu":"1"}})")),
            Json(R"({"requests":{"cpu":"10m","memory":"48Mi"}})"));
  EXPECT_EQ(ResourcesFor(PodWith(R"({"limits":{"memory":"1Gi"}})")),
            Json(R"({"requests":{"cpu":"10m","memory":"48Mi"},"limits":{"memory":"128Mi"}})"));
  EXPECT_EQ(ResourcesFor(PodWith(R"({"limits":{"memory":"1Gi"}})", R"(,{"name":"b"})")),
            Json(R"({"requests":{"cpu":"10m","memory":"48Mi"}})"))
      << "one container without a limit leaves the pod without one, and so must ours";
}

TEST(SidecarResources, PodLevelResourcesCoverTheSidecar) {
  json::value pod = PodWith(R"({"requests":{"cpu":"1"}})");
  pod.at("spec").as_object()["resources"] = {{"limits", {{"cpu", "2"}}}};
  EXPECT_EQ(ResourcesFor(pod), json::object());
}

TEST(SidecarResources, ChosenLimitsAreUsedWhereTheyDoNotChangeTheClass) {
  ChosenSettings chosen;
  chosen.cpu_limit = "500m";
  chosen.memory_limit = "64Mi";
  EXPECT_EQ(ResourcesFor(PodWith(R"({"limits":{"cpu":"1","memory":"1Gi"}})"), chosen),
            Json(R"({"requests":{"cpu":"500m","memory":"64Mi"},"limits":{"cpu":"500m","memory":"64Mi"}})"));
  EXPECT_EQ(ResourcesFor(PodWith(R"({"requests":{"cpu":"1"}})"), chosen),
            Json(R"({"requests":{"cpu":"10m","memory":"48Mi"},"limits":{"cpu":"500m","memory":"64Mi"}})"));
  std::vector<std::string> warnings;
  EXPECT_EQ(SidecarResources(PodWith("{}").get_object(), chosen, TestConfig(), warnings), json::object());
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("BestEffort"), HasSubstr("BestEffort")));
}

TEST(SidecarResources, MemoryIncludesTheRing) {
  InjectorConfig config = TestConfig();
  config.ring_bytes = 64 << 20;
  std::vector<std::string> warnings;
  EXPECT_EQ(json::value(SidecarResources(PodWith(R"({"requests":{"cpu":"1"}})").get_object(), {}, config, warnings)),
            Json(R"({"requests":{"cpu":"10m","memory":"104Mi"}})"));
  ChosenSettings chosen;
  chosen.memory_limit = "96Mi";
  EXPECT_EQ(
      json::value(SidecarResources(PodWith(R"({"requests":{"cpu":"1"}})").get_object(), chosen, config, warnings)),
      Json(R"({"requests":{"cpu":"10m","memory":"104Mi"}})"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("at least 104Mi is needed")));
}

}  // namespace
}  // namespace podtap::webhook
