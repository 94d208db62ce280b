// SPDX-License-Identifier: Apache-2.0
// SkipEvents: tells the owner of a pod that asked for capture and was skipped, by an Event (events.k8s.io/v1), after
// the answer was sent: at most one per owner and reason a minute. A ReplicaSet's owner is looked up, because people
// look at their Deployments. Lives in the kube client's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "webhook/cluster_metrics.h"
#include "webhook/kube_client.h"
#include "webhook/live_source.h"

namespace podtap::webhook {

class SkipEvents {
 public:
  // `instance` names this process in events, at most 128 characters.
  SkipEvents(KubeClient& client, std::string instance, ClusterMetrics& metrics)
      : client_(client), instance_(std::move(instance)), metrics_(metrics) {}

  void Tell(SkippedPod pod);

  // The Event's JSON; `serial` makes its name.
  static std::string EventText(const SkippedPod& pod, std::string_view instance, uint64_t serial, int64_t wall_ns);

 private:
  // An event under way holds a copy, until it is destroyed, however its sending ends.
  using Place = std::shared_ptr<const char>;

  boost::asio::awaitable<void> Send(SkippedPod pod, Place place);
  bool SaidLately(const std::string& key);

  KubeClient& client_;
  const std::string instance_;
  ClusterMetrics& metrics_;
  std::map<std::string, std::chrono::steady_clock::time_point> said_;
  const Place place_ = std::make_shared<const char>();
  uint64_t serial_ = 0;
};

}  // namespace podtap::webhook
