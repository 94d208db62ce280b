// SPDX-License-Identifier: Apache-2.0
// The webhook's admin endpoints, plain HTTP: /healthz (200 while the process lives), /readyz (503 once it drains),
// /metrics.
#pragma once

#include <atomic>

#include "base/http_server.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

// Both must outlive the server that the handler is given to.
HttpServer::Handler AdminHandler(const WebhookMetrics& metrics, const std::atomic<bool>& ready);

}  // namespace podtap::webhook
