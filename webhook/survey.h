// SPDX-License-Identifier: Apache-2.0
// Looking through a cluster for what went without us: running pods that ask for capture and have no sidecar, and
// namespaces whose revision nobody serves. The webhook does it now and then for its metrics (metadata of pods is
// enough); `podtap status` does it once with whole pods, to say why. Nothing is changed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <utility>
#include <vector>

#include "webhook/decide.h"
#include "webhook/kube_follow.h"

namespace podtap::webhook {

struct UncapturedPod {
  std::string namespace_name;
  std::string name;
  std::string reason;  // of the pod's status annotation; "missed" without one; "no-revision"; or what would be answered
  std::string decided_by;  // of that answer
};

// What `pod` (whole, or its metadata alone) shows of the revision of `config`; nothing if it does not ask, asks for
// another revision, or has the sidecar.
std::optional<UncapturedPod> UncapturedIn(const json::object& pod, const NamespaceInfo* info,
                                          const InjectorConfig& config);
// The same under the revision that the pod asks for, whichever it is.
std::optional<UncapturedPod> UncapturedInAnyRevision(const json::object& pod, const NamespaceInfo* info,
                                                     InjectorConfig config);
// A pod that would be injected had anybody served its revision is not missed but lost: its reason becomes
// "no-revision", unless the revision is among `served`.
void CheckServed(const json::object& pod, const NamespaceInfo* info, const std::vector<std::string>& served,
                 UncapturedPod& uncaptured);

// "/api/v1/pods" or one namespace's: those without the sidecar's label that have not ended.
FollowSpec UncapturedPods(const std::string& namespace_name, bool metadata_only);

// The revisions that webhook configurations serve, by their label mirror.traceable.ai/revision.
boost::asio::awaitable<KubeAnswer> ServedRevisions(KubeClient& client, std::vector<std::string>& revisions);

// Of `asking` (namespace, revision) those whose revision is not among `served`, sorted.
std::vector<std::pair<std::string, std::string>> Unserved(std::vector<std::pair<std::string, std::string>> asking,
                                                          const std::vector<std::string>& served);

}  // namespace podtap::webhook
