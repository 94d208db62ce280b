// SPDX-License-Identifier: Apache-2.0
#include "webhook/webhook_metrics.h"

#include <algorithm>
#include <cstdio>

#include "webhook/version.h"

namespace podtap::webhook {
namespace {

void Head(std::string_view name, std::string_view type, std::string_view help, std::string& out) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  out.append(name).append(" ").append(type).append("\n");
}

void Row(std::string_view name, std::string_view labels, std::string_view value, std::string& out) {
  out.append(name);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(value).append("\n");
}

template <typename Number>
void Single(std::string_view name, std::string_view type, std::string_view help, const std::atomic<Number>& value,
            std::string& out) {
  Head(name, type, help, out);
  Row(name, {}, std::to_string(value.load(std::memory_order_relaxed)), out);
}

// 50 µs is "5e-05" and 0.1 s is "0.1", as Prometheus' own clients write them.
std::string Seconds(double seconds) {
  char text[32];
  snprintf(text, sizeof(text), "%.9g", seconds);
  return text;
}

}  // namespace

void LatencyHistogram::Observe(uint64_t ns) {
  const auto bucket = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), (ns + 999) / 1000) - kBoundsUs.begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
}

void LatencyHistogram::AppendText(std::string_view name, std::string& out) const {
  uint64_t count = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    count += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = i < kBoundsUs.size() ? Seconds(kBoundsUs[i] / 1e6) : "+Inf";
    Row(std::string(name) + "_bucket", "le=\"" + bound + "\"", std::to_string(count), out);
  }
  Row(std::string(name) + "_sum", {}, Seconds(static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9), out);
  Row(std::string(name) + "_count", {}, std::to_string(count), out);
}

std::string WebhookMetrics::Text() const {
  std::string out;
  Head("podtap_webhook_build_info", "gauge", "The version of this build.", out);
  Row("podtap_webhook_build_info", "version=\"" + std::string(kVersion) + "\"", "1", out);
  Head("podtap_webhook_decisions_total", "counter", "Reviews by what was decided and why.", out);
  for (size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    std::string labels("reason=\"");
    labels.append(TextOf(reason)).append("\",result=\"").append(Injects(reason) ? "injected" : "skipped").append("\"");
    Row("podtap_webhook_decisions_total", labels, std::to_string(Decisions(reason)), out);
  }
  Head("podtap_webhook_asking_pods_skipped_total", "counter", "Pods that asked for capture and go without, by reason.",
       out);
  for (size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (Injects(reason)) continue;
    Row("podtap_webhook_asking_pods_skipped_total", "reason=\"" + std::string(TextOf(reason)) + "\"",
        std::to_string(skipped_[i].load(std::memory_order_relaxed)), out);
  }
  Head("podtap_webhook_review_duration_seconds", "histogram", "From the last byte of a review to its answer.", out);
  latency.AppendText("podtap_webhook_review_duration_seconds", out);
  Head("podtap_webhook_requests_total", "counter", "Requests answered, by status class.", out);
  Row("podtap_webhook_requests_total", "code=\"200\"", std::to_string(requests_ok.load()), out);
  Row("podtap_webhook_requests_total", "code=\"4xx\"", std::to_string(requests_bad.load()), out);
  Single("podtap_webhook_warnings_total", "counter", "Warnings sent in answers.", warnings, out);
  Single("podtap_webhook_connections_total", "counter", "Connections accepted.", connections, out);
  Single("podtap_webhook_connections_open", "gauge", "Connections open now.", connections_open, out);
  Single("podtap_webhook_connections_refused_total", "counter", "Connections closed at once: too many were open.",
         connections_refused, out);
  Single("podtap_webhook_handshakes_failed_total", "counter", "TLS handshakes that failed.", handshakes_failed, out);
  Single("podtap_webhook_timeouts_total", "counter", "Connections closed because a step took too long.", timeouts, out);
  Single("podtap_webhook_received_bytes_total", "counter", "Bytes of bodies received.", bytes_received, out);
  Single("podtap_webhook_in_flight_bytes", "gauge", "Bytes of bodies held now.", bytes_in_flight, out);
  Single("podtap_webhook_certificate_expiry_timestamp_seconds", "gauge",
         "When the certificate in use expires, in seconds since 1970.", certificate_expiry_s, out);
  Single("podtap_webhook_certificate_loads_total", "counter", "Certificates loaded.", certificate_loads, out);
  Single("podtap_webhook_certificate_errors_total", "counter", "Certificates that could not be loaded.",
         certificate_errors, out);
  Single("podtap_webhook_namespaces_file_errors_total", "counter", "Times --namespaces_file could not be read.",
         namespaces_file_errors, out);
  return out;
}

}  // namespace podtap::webhook
