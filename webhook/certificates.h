// SPDX-License-Identifier: Apache-2.0
// FileCertificates: the webhook's TLS certificate from two files, read again when they change. New connections get the
// new certificate, open ones keep theirs; files that do not fit together leave the old one in use until they do.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

class FileCertificates {
 public:
  FileCertificates(std::string cert_file, std::string key_file, WebhookMetrics& metrics)
      : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)), metrics_(metrics) {}

  // Loads the files if their content differs from what is in use. Called at start and then about once a second, from
  // one thread.
  Status Refresh();

  // A TLS server context (TLS 1.2 or later, ALPN http/1.1) with the certificate in use; empty before the first success.
  std::shared_ptr<SSL_CTX> Current() const;

 private:
  const std::string cert_file_;
  const std::string key_file_;
  WebhookMetrics& metrics_;
  std::array<unsigned char, 32> loaded_digest_{};
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace podtap::webhook
