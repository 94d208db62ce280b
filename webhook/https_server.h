// SPDX-License-Identifier: Apache-2.0
// HttpsServer: answers AdmissionReviews over HTTP/1.1 (RFC 9112) and TLS 1.2 or later, keep-alive. POST /mutate only;
// the query that the API server appends is ignored. Every step has a time limit, every connection a bounded amount of
// memory, and the bodies of all connections together a limit: a body beyond it is read, dropped and answered unchanged,
// because a pod is never refused here.
//
// Runs in its own threads. The certificates, the mutator, the metrics and the live source (nullptr: there is no
// cluster) belong to the caller and outlive it; a live source is stopped before the server is destroyed.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "base/unique_fd.h"
#include "webhook/mutator.h"
#include "webhook/serving_certificate.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

struct HttpsServerOptions {
  unsigned threads = 2;
  size_t max_body_bytes = 7 << 20;
  size_t max_bytes_in_flight = 64 << 20;
  size_t max_dropped_bytes = 64 << 20;  // of one body that is not kept; beyond it the connection is closed
  size_t max_connections = 2048;
  std::chrono::milliseconds handshake_timeout{10000};
  std::chrono::milliseconds idle_timeout{150000};  // the API server's client closes idle connections after 90 s
  std::chrono::milliseconds head_timeout{10000};
  std::chrono::milliseconds body_timeout{25000};
  std::chrono::milliseconds write_timeout{10000};
};

class HttpsServer {
 public:
  HttpsServer(UniqueFd listener, const HttpsServerOptions& options, const ServingCertificate& certificates,
              const Mutator& mutator, WebhookMetrics& metrics, LiveSource* live = nullptr);
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  // From now on every answer closes its connection; new connections are still served.
  void StartDraining();
  // Closes the listener and idle connections, lets requests that are under way finish for at most `limit`, and ends.
  void Stop(std::chrono::milliseconds limit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap::webhook
