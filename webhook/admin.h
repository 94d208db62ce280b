// SPDX-License-Identifier: Apache-2.0
// What the webhook's admin address answers: /healthz, /readyz, /metrics.
#pragma once

#include <functional>
#include <string>

#include "base/http_server.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

struct AdminSources {
  const WebhookMetrics& metrics;
  std::function<std::string()> waits_for;              // empty when reviews can be answered; else why not
  std::function<void(std::string& out)> more_metrics;  // nullptr: none
};

HttpServer::Handler AdminHandler(AdminSources sources);

}  // namespace podtap::webhook
