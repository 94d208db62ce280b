// SPDX-License-Identifier: Apache-2.0
// AdminPages: what the admin endpoint answers. Read-only pages for whoever reaches the port, because all containers of
// a pod share it; control and payload (PUT /mode, /tail) on the unix socket only.
//
//   GET /metrics   Prometheus text           GET /healthz  200 while the attacher lives
//   GET /readyz    200 when attached         GET /stats    the ten counters of the log, state, and every other counter
//   GET /config    the configuration         PUT /mode     ingress, egress, all or off
//   GET /tail      exchanges as they come, as EVE lines; /tail?format=text as lines of text
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "base/metrics_text.h"
#include "base/result.h"
#include "sidecar/admin/shared_state.h"
#include "sidecar/admin/stats.h"
#include "sidecar/admin/tail_hub.h"

namespace podtap {

class AdminPages {
 public:
  struct Sources {
    const SharedState& shared;
    std::function<std::string()> config_json;
    std::function<KernelNumbers()> kernel_numbers;
    // Changes the mode (the number of Mode); returns when it is in force.
    std::function<Status(uint32_t mode)> set_mode;
    TailHub& tails;
    std::vector<std::string> sinks{};  // their addresses, by index
  };
  explicit AdminPages(Sources sources) : sources_(std::move(sources)) {}

  HttpResponse Answer(const HttpRequest& request) const;

 private:
  std::string Metrics() const;
  void AddSinks(MetricsText& text) const;
  std::string Health() const;
  std::string Stats() const;
  HttpResponse Ready() const;
  HttpResponse SetMode(const HttpRequest& request) const;
  HttpResponse Tail(bool as_text) const;

  const Sources sources_;
};

}  // namespace podtap
