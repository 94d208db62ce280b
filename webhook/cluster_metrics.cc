// SPDX-License-Identifier: Apache-2.0
#include "webhook/cluster_metrics.h"

#include <string_view>

namespace podtap::webhook {
namespace {

void Head(std::string_view name, std::string_view type, std::string_view help, std::string& out) {
  out.append("# HELP podtap_webhook_").append(name).append(" ").append(help).append("\n# TYPE podtap_webhook_");
  out.append(name).append(" ").append(type).append("\n");
}
void Row(std::string_view name, const std::string& labels, int64_t value, std::string& out) {
  out.append("podtap_webhook_").append(name);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(std::to_string(value)).append("\n");
}
template <typename T>
void Single(std::string_view name, std::string_view type, std::string_view help, const std::atomic<T>& value,
            std::string& out) {
  Head(name, type, help, out);
  Row(name, {}, static_cast<int64_t>(value.load(std::memory_order_relaxed)), out);
}

constexpr size_t kMostUnserved = 100;

}  // namespace

void ClusterMetrics::SetUnserved(std::vector<std::pair<std::string, std::string>> namespaces) {
  const std::lock_guard lock(mutex_);
  unserved_ = std::move(namespaces);
}

void ClusterMetrics::AppendText(std::string& out) const {
  const std::pair<std::string_view, const FollowMetrics*> followed[] = {{"namespaces", &namespaces},
                                                                        {"nodes", &nodes},
                                                                        {"resourcequotas", &quotas},
                                                                        {"limitranges", &limit_ranges},
                                                                        {"configmap", &off_switch}};
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    Head(name, type, help, out);
    for (const auto& [kind, metrics] : followed)
      Row(name, "kind=\"" + std::string(kind) + "\"", static_cast<int64_t>(value(*metrics)), out);
  };
  each("cache_synced", "gauge", "Whether the first list of the kind is complete.",
       [](const FollowMetrics& m) { return m.synced.load() ? 1 : 0; });
  each("cache_lists_total", "counter", "Complete lists.", [](const FollowMetrics& m) { return m.lists.load(); });
  each("cache_watches_total", "counter", "Watches opened.", [](const FollowMetrics& m) { return m.watches.load(); });
  each("cache_events_total", "counter", "Changes seen.", [](const FollowMetrics& m) { return m.events.load(); });
  each("cache_failures_total", "counter", "Lists and watches that failed.",
       [](const FollowMetrics& m) { return m.failures.load(); });
  each("cache_last_contact_timestamp_seconds", "gauge", "When the API server last said something about the kind.",
       [](const FollowMetrics& m) { return m.last_contact_s.load(); });
  Single("lookups_total", "counter", "Live questions to the API server while a review waited.", lookups, out);
  Single("lookups_failed_total", "counter", "Live questions without an answer in time.", lookups_failed, out);
  Single("events_sent_total", "counter", "Events about skipped pods.", events_sent, out);
  Single("events_suppressed_total", "counter", "Events not sent: the same was said less than a minute ago.",
         events_suppressed, out);
  Single("events_failed_total", "counter", "Events that the API server did not take.", events_failed, out);
  Single("secret_writes_total", "counter", "Times the certificate's Secret was written.", secret_writes, out);
  Single("secret_conflicts_total", "counter", "Times another replica had written it first.", secret_conflicts, out);
  Single("ca_bundle_writes_total", "counter", "Times the webhook configuration was written.", bundle_writes, out);
  Single("certificate_keeper_failures_total", "counter", "Rounds of the certificate keeper that failed.",
         keeper_failures, out);
  Single("ca_expiry_timestamp_seconds", "gauge", "When the own certificate authority expires; 0 without one.",
         authority_expiry_s, out);
  Single("switched_off", "gauge", "Whether the off switch is on: new pods start with mode off.", switched_off, out);
  Single("surveys_total", "counter", "Times all pods were looked through.", surveys, out);
  Single("surveys_failed_total", "counter", "Times that failed.", surveys_failed, out);
  Single("missed_pods", "gauge", "Running pods that ask for capture, have no sidecar, and were never answered.",
         missed_pods, out);
  Head("unserved_namespace", "gauge", "Namespaces that name a revision which no webhook configuration serves.", out);
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < unserved_.size() && i < kMostUnserved; ++i)
    Row("unserved_namespace", "namespace=\"" + unserved_[i].first + "\",revision=\"" + unserved_[i].second + "\"", 1,
        out);
}

}  // namespace podtap::webhook
