// SPDX-License-Identifier: Apache-2.0
// WebhookMetrics: what the webhook counts, and its text in Prometheus' format. Thread-safe, relaxed order; /metrics
// reads while connections count.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "webhook/reasons.h"

namespace podtap::webhook {

// Latency of a review from its last byte read to its answer ready to be sent, in buckets from 50 µs.
class LatencyHistogram {
 public:
  static constexpr std::array<uint32_t, 14> kBoundsUs = {50,    100,   250,   500,    1000,   2500,    5000,
                                                         10000, 25000, 50000, 100000, 250000, 1000000, 5000000};
  void Observe(uint64_t ns);
  void AppendText(std::string_view name, std::string& out) const;

 private:
  std::array<std::atomic<uint64_t>, kBoundsUs.size() + 1> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

class WebhookMetrics {
 public:
  void CountDecision(Reason reason) { decisions_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed); }
  uint64_t Decisions(Reason reason) const {
    return decisions_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }

  // A pod that asked for capture and goes without.
  void CountSkipped(Reason reason) { skipped_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed); }

  LatencyHistogram latency;
  std::atomic<uint64_t> requests_ok{0};   // answered 200
  std::atomic<uint64_t> requests_bad{0};  // answered 4xx
  std::atomic<uint64_t> warnings{0};      // warnings sent in answers
  std::atomic<uint64_t> connections{0};   // accepted, ever
  std::atomic<int64_t> connections_open{0};
  std::atomic<uint64_t> connections_refused{0};  // beyond the limit of open ones
  std::atomic<uint64_t> handshakes_failed{0};
  std::atomic<uint64_t> timeouts{0};  // connections closed because a step took too long
  std::atomic<uint64_t> bytes_received{0};
  std::atomic<int64_t> bytes_in_flight{0};
  std::atomic<int64_t> certificate_expiry_s{0};  // seconds since 1970
  std::atomic<uint64_t> certificate_loads{0};
  std::atomic<uint64_t> certificate_errors{0};
  std::atomic<uint64_t> namespaces_file_errors{0};

  std::string Text() const;

 private:
  std::array<std::atomic<uint64_t>, kReasonCount> decisions_{};
  std::array<std::atomic<uint64_t>, kReasonCount> skipped_{};
};

}  // namespace podtap::webhook
