// SPDX-License-Identifier: Apache-2.0
#include "webhook/survey.h"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "base/annotations.h"

namespace podtap::webhook {
namespace {

std::string ReasonInStatus(const json::object& pod) {
  const std::string_view text = TextMember(Annotations(pod), kStatusAnnotation);
  boost::json::error_code error;
  const json::value status = text.empty() || text.size() > 4096 ? json::value() : json::parse(text, error);
  return error ? std::string() : std::string(TextMember(status.if_object(), "reason"));
}

}  // namespace

std::optional<UncapturedPod> UncapturedIn(const json::object& pod, const NamespaceInfo* info,
                                          const InjectorConfig& config) {
  const json::object* metadata = ObjectMember(&pod, "metadata");
  json::object whole;
  const json::object* seen = &pod;
  if (Spec(pod) == nullptr) {
    // Metadata alone: what only the spec could show is not held against the pod.
    whole = {{"metadata", *metadata}, {"spec", {{"containers", {json::object{{"name", "unknown"}}}}}}};
    seen = &whole;
  }
  UncapturedPod uncaptured;
  uncaptured.namespace_name = TextMember(metadata, "namespace");
  uncaptured.name = TextMember(metadata, "name");
  const Decision decision = Decide({*seen, uncaptured.namespace_name, info, true}, config);
  const bool wanted = decision.asked || decision.inject;
  if (!wanted || decision.reason == Reason::kAlreadyInjected || decision.reason == Reason::kOtherRevision ||
      decision.reason == Reason::kStaticPod || decision.reason == Reason::kSkipNamespace)
    return std::nullopt;
  uncaptured.decided_by = decision.decided_by;
  uncaptured.reason = ReasonInStatus(pod);
  // Said by a webhook that it was not meant for; its own has not answered.
  if (uncaptured.reason == TextOf(Reason::kOtherRevision)) uncaptured.reason.clear();
  if (uncaptured.reason.empty()) uncaptured.reason = decision.inject ? "missed" : std::string(TextOf(decision.reason));
  return uncaptured;
}

std::optional<UncapturedPod> UncapturedInAnyRevision(const json::object& pod, const NamespaceInfo* info,
                                                     InjectorConfig config) {
  config.revision = RevisionAskedBy(pod, info).revision;
  return UncapturedIn(pod, info, config);
}

void CheckServed(const json::object& pod, const NamespaceInfo* info, const std::vector<std::string>& served,
                 UncapturedPod& uncaptured) {
  const AskedRevision asked = RevisionAskedBy(pod, info);
  if (uncaptured.reason != "missed" || std::find(served.begin(), served.end(), asked.revision) != served.end()) return;
  uncaptured.reason = "no-revision";
  uncaptured.decided_by = Describe(asked);
}

FollowSpec UncapturedPods(const std::string& namespace_name, bool metadata_only) {
  FollowSpec spec;
  spec.name = "pods";
  spec.path = namespace_name.empty() ? "/api/v1/pods" : "/api/v1/namespaces/" + UrlEncode(namespace_name) + "/pods";
  spec.selection = "fieldSelector=" + UrlEncode("status.phase!=Failed,status.phase!=Succeeded") +
                   "&labelSelector=" + UrlEncode(std::string(kInjectedLabel) + "!=true");
  spec.metadata_only = metadata_only;
  return spec;
}

boost::asio::awaitable<KubeAnswer> ServedRevisions(KubeClient& client, std::vector<std::string>& revisions) {
  FollowSpec spec;
  spec.path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
  spec.selection = "labelSelector=" + UrlEncode(kRevisionLabel);
  spec.metadata_only = true;
  std::string version;
  std::function<void(const json::object&)> each = [&](const json::object& object) {
    revisions.emplace_back(TextMember(Labels(object), kRevisionLabel));
  };
  co_return co_await ListPages(client, spec, std::move(each), version);
}

std::vector<std::pair<std::string, std::string>> Unserved(std::vector<std::pair<std::string, std::string>> asking,
                                                          const std::vector<std::string>& served) {
  std::erase_if(
      asking, [&](const auto& entry) { return std::find(served.begin(), served.end(), entry.second) != served.end(); });
  std::sort(asking.begin(), asking.end());
  return asking;
}

}  // namespace podtap::webhook
