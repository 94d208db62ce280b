// SPDX-License-Identifier: Apache-2.0
#include "webhook/namespace_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/webhook/pods.h"
#include "webhook/resources.h"

namespace podtap::webhook {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// A pod of one container with these resources (JSON).
json::value PodWith(std::string_view resources, std::string_view more_spec = "") {
  json::value pod = AskingPod(more_spec);
  pod.at_pointer("/spec/containers/0").as_object()["resources"] = Json(resources);
  return pod;
}
constexpr std::string_view kBurstable = R"({"requests":{"cpu":"100m","memory":"100Mi"}})";
constexpr std::string_view kGuaranteed = R"({"limits":{"cpu":"1","memory":"1Gi"}})";

NamespaceLimits Ranges(std::string_view limits) {
  const json::value object = Json(R"({"metadata":{"name":"range"},"spec":{"limits":[)" + std::string(limits) + "]}}");
  return {ReadLimitRange(object.as_object()), {}};
}
NamespaceLimits Quota(std::string_view hard, std::string_view used, std::string_view more = "") {
  const json::value object = Json(R"({"metadata":{"name":"team"},"spec":{"hard":)" + std::string(hard) +
                                  std::string(more) + R"(},"status":{"used":)" + std::string(used) + "}}");
  return {{}, {ReadQuota(object.as_object())}};
}

struct Fitted {
  std::string unmet;
  json::object resources;
};
Fitted Fit(std::string_view pod_resources, const NamespaceLimits& limits) {
  const json::value pod = PodWith(pod_resources);
  std::vector<std::string> warnings;
  Fitted fitted{{}, SidecarResources(pod.as_object(), {}, TestConfig(), warnings)};
  fitted.unmet = FitLimitRanges(pod.as_object(), Shape::kNative, limits, TestConfig(), fitted.resources);
  return fitted;
}
std::string Exceeded(const json::value& pod, const NamespaceLimits& limits, Shape shape = Shape::kNative) {
  std::vector<std::string> warnings;
  const json::object own = SidecarResources(pod.as_object(), {}, TestConfig(), warnings);
  return ExceededQuota(pod.as_object(), shape, limits, own);
}

TEST(LimitRange, MinimaRaiseTheRequests) {
  const Fitted fitted = Fit(kBurstable, Ranges(R"({"type":"Container","min":{"cpu":"50m","memory":"64Mi"}})"));
  EXPECT_EQ(fitted.unmet, "");
  EXPECT_EQ(fitted.resources, Json(R"({"requests":{"cpu":"50m","memory":"64Mi"}})").as_object());
  const Fitted below = Fit(kBurstable, Ranges(R"({"type":"Container","min":{"cpu":"1m"}})"));
  EXPECT_EQ(below.resources, Json(R"({"requests":{"cpu":"10m","memory":"48Mi"}})").as_object());
}

TEST(LimitRange, AMinimumAboveAGuaranteedLimitRaisesBoth) {
  const Fitted fitted = Fit(kGuaranteed, Ranges(R"({"type":"Container","min":{"cpu":"500m"}})"));
  EXPECT_EQ(At(fitted.resources, "/requests/cpu"), "500m");
  EXPECT_EQ(At(fitted.resources, "/limits/cpu"), "500m");
}

TEST(LimitRange, ADefaultLimitBelowOurRequestIsNotLeftToApply) {
  // LimitRanger would give our container the limit 20Mi beside its request of 48Mi, and the API server refuse the pod.
  const Fitted fitted = Fit(kBurstable, Ranges(R"({"type":"Container","default":{"memory":"20Mi"}})"));
  EXPECT_EQ(fitted.unmet, "");
  EXPECT_EQ(At(fitted.resources, "/limits/memory"), "128Mi");
}

TEST(LimitRange, MaximaLowerLimitsDownToWhatWeNeed) {
  const Fitted lowered = Fit(kBurstable, Ranges(R"({"type":"Container","max":{"memory":"100Mi"}})"));
  EXPECT_EQ(lowered.unmet, "");
  EXPECT_EQ(At(lowered.resources, "/limits/memory"), "100Mi");
  EXPECT_EQ(At(lowered.resources, "/requests/memory"), "48Mi");
  const Fitted guaranteed = Fit(kGuaranteed, Ranges(R"({"type":"Container","max":{"memory":"100Mi"}})"));
  EXPECT_EQ(guaranteed.resources.at("requests"), guaranteed.resources.at("limits"));
  EXPECT_THAT(Fit(kBurstable, Ranges(R"({"type":"Container","max":{"memory":"40Mi"}})")).unmet,
              HasSubstr("LimitRange range: max memory=40Mi"));
  EXPECT_THAT(Fit(kBurstable, Ranges(R"({"type":"Container","max":{"cpu":"5m"}})")).unmet, HasSubstr("max cpu=5m"));
}

TEST(LimitRange, TwoRangesThatContradictEachOtherCannotBeMet) {
  EXPECT_THAT(
      Fit(kBurstable, Ranges(R"({"type":"Container","max":{"cpu":"20m"}},{"type":"Container","min":{"cpu":"30m"}})"))
          .unmet,
      HasSubstr("LimitRange range"));
}

TEST(LimitRange, RatiosAreKept) {
  const Fitted fitted = Fit(kBurstable, Ranges(R"({"type":"Container","maxLimitRequestRatio":{"cpu":"2"}})"));
  EXPECT_EQ(fitted.unmet, "");
  EXPECT_EQ(At(fitted.resources, "/requests/cpu"), At(fitted.resources, "/limits/cpu"));
}

TEST(LimitRange, ThePodAsAWholeHasAMaximumToo) {
  EXPECT_EQ(Fit(kBurstable, Ranges(R"({"type":"Pod","max":{"cpu":"110m"}})")).unmet, "");
  EXPECT_THAT(Fit(kBurstable, Ranges(R"({"type":"Pod","max":{"cpu":"105m"}})")).unmet,
              HasSubstr("max of a pod cpu=105m"));
}

TEST(LimitRange, ABestEffortPodIsLeftAlone) {
  EXPECT_THAT(Fit("{}", Ranges(R"({"type":"Container","max":{"memory":"1Mi"}})")).resources, IsEmpty());
}

TEST(Quota, WhatIsUsedAndThePodWithUsMustFit) {
  const json::value pod = PodWith(kBurstable);
  EXPECT_EQ(Exceeded(pod, Quota(R"({"requests.cpu":"1"})", R"({"requests.cpu":"890m"})")), "");
  EXPECT_EQ(Exceeded(pod, Quota(R"({"requests.cpu":"1"})", R"({"requests.cpu":"891m"})")),
            "ResourceQuota team: requests.cpu");
  EXPECT_EQ(Exceeded(pod, Quota(R"({"memory":"148Mi"})", "{}")), "");
  EXPECT_EQ(Exceeded(pod, Quota(R"({"memory":"147Mi"})", "{}")), "ResourceQuota team: memory");
  EXPECT_EQ(Exceeded(pod, Quota(R"({"pods":"0","count/secrets":"0","requests.storage":"0"})", "{}")), "");
}

TEST(Quota, WhatIsCountedMustBeStated) {
  EXPECT_EQ(Exceeded(PodWith(kBurstable), Quota(R"({"limits.cpu":"10"})", "{}")),
            "ResourceQuota team: limits.cpu must be stated");
  EXPECT_EQ(Exceeded(PodWith(kGuaranteed), Quota(R"({"limits.cpu":"10"})", "{}")), "");
}

TEST(Quota, InitContainersCountAsKubernetesCountsThem) {
  // A large init container runs beside our native sidecar, but not beside an ordinary container.
  const json::value pod =
      PodWith(kBurstable, R"("initContainers":[{"name":"i","resources":{"requests":{"cpu":"300m"}}}])");
  const NamespaceLimits limits = Quota(R"({"requests.cpu":"305m"})", "{}");
  EXPECT_EQ(Exceeded(pod, limits, Shape::kNative), "ResourceQuota team: requests.cpu");
  EXPECT_EQ(Exceeded(pod, limits, Shape::kContainer), "");
}

TEST(Quota, ScopesSayWhichPodsCount) {
  const auto exceeded = [](const json::value& pod, std::string_view scopes) {
    return !Exceeded(pod, Quota(R"({"requests.cpu":"1m"})", "{}", scopes)).empty();
  };
  const json::value pod = PodWith(kBurstable);
  const json::value job = PodWith(kBurstable, R"("activeDeadlineSeconds":60,"priorityClassName":"high")");
  EXPECT_FALSE(exceeded(pod, R"(,"scopes":["Terminating"])"));
  EXPECT_TRUE(exceeded(job, R"(,"scopes":["Terminating"])"));
  EXPECT_TRUE(exceeded(pod, R"(,"scopes":["NotTerminating","NotBestEffort"])"));
  EXPECT_FALSE(exceeded(pod, R"(,"scopes":["BestEffort"])"));
  const std::string_view high =
      R"(,"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]})";
  EXPECT_FALSE(exceeded(pod, high));
  EXPECT_TRUE(exceeded(job, high));
}

TEST(Decide, LimitsOfTheNamespaceDecideLast) {
  LiveFacts live;
  live.limits = std::make_shared<NamespaceLimits>(Quota(R"({"requests.cpu":"1m"})", "{}"));
  const NamespaceInfo info;
  const json::value pod = PodWith(kBurstable);
  EXPECT_EQ(Decide({pod.as_object(), "shop", &info, true, &live}, TestConfig()).reason, Reason::kQuota);
  live.limits = std::make_shared<NamespaceLimits>(Ranges(R"({"type":"Container","min":{"cpu":"50m"}})"));
  json::value patched = pod;
  const Outcome outcome = Inject(patched, "shop", &info, TestConfig(), &live);
  EXPECT_EQ(outcome.decision.reason, Reason::kPodEnabled);
  EXPECT_EQ(TextAt(patched, "/spec/initContainers/0/resources/requests/cpu"), "50m");
  EXPECT_EQ(QosClass(patched.as_object(), {}), Qos::kBurstable);
}

}  // namespace
}  // namespace podtap::webhook
