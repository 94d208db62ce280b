// SPDX-License-Identifier: Apache-2.0
// ClusterMetrics: what the webhook counts about its dealings with the API server, and its text in Prometheus' format.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "webhook/kube_follow.h"

namespace podtap::webhook {

class ClusterMetrics {
 public:
  FollowMetrics namespaces, nodes, quotas, limit_ranges, off_switch;
  std::atomic<uint64_t> lookups{0};         // live questions about a pod that is being answered
  std::atomic<uint64_t> lookups_failed{0};  // without an answer in time
  std::atomic<uint64_t> events_sent{0};
  std::atomic<uint64_t> events_suppressed{0};  // the same was told within the last minute
  std::atomic<uint64_t> events_failed{0};
  std::atomic<uint64_t> secret_writes{0};
  std::atomic<uint64_t> secret_conflicts{0};  // another replica was first
  std::atomic<uint64_t> bundle_writes{0};
  std::atomic<uint64_t> keeper_failures{0};
  std::atomic<int64_t> authority_expiry_s{0};
  std::atomic<bool> switched_off{false};
  std::atomic<uint64_t> surveys{0};
  std::atomic<uint64_t> surveys_failed{0};
  std::atomic<int64_t> missed_pods{0};

  // Namespaces that ask for a revision which no webhook configuration serves.
  void SetUnserved(std::vector<std::pair<std::string, std::string>> namespaces);

  void AppendText(std::string& out) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> unserved_;
};

}  // namespace podtap::webhook
