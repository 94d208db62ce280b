// SPDX-License-Identifier: Apache-2.0
#include "webhook/admin.h"

namespace podtap::webhook {

HttpServer::Handler AdminHandler(AdminSources sources) {
  return [sources = std::move(sources)](const HttpRequest& request) -> HttpResponse {
    const bool known = request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
    if (!known) return HttpResponse::Text(404, "there are /healthz, /readyz and /metrics\n");
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse response = HttpResponse::Text(405, "use GET\n");
      response.allow = "GET, HEAD";
      return response;
    }
    if (request.path == "/healthz") return HttpResponse::Text(200, "ok\n");
    if (request.path == "/readyz") {
      const std::string waits_for = sources.waits_for();
      return waits_for.empty() ? HttpResponse::Text(200, "ready\n") : HttpResponse::Text(503, waits_for + "\n");
    }
    HttpResponse response = HttpResponse::Text(200, sources.metrics.Text());
    if (sources.more_metrics) sources.more_metrics(response.body);
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  };
}

}  // namespace podtap::webhook
