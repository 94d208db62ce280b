// SPDX-License-Identifier: Apache-2.0
// ServingCertificate: the certificate that the server presents now. It may be replaced at any time: new connections get
// the new one, open ones keep theirs; a pair that does not fit together leaves the old one in use.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

class ServingCertificate {
 public:
  explicit ServingCertificate(WebhookMetrics& metrics) : metrics_(metrics) {}

  // Uses a certificate with its chain and its private key, both PEM, from now on. The names are for the error. Counts
  // what comes of it.
  Status Use(const std::string& chain_pem, const std::string& chain_name, const std::string& key_pem,
             const std::string& key_name);

  // A TLS server context (TLS 1.2 or later, ALPN http/1.1) with the certificate in use; empty before the first success.
  std::shared_ptr<SSL_CTX> Current() const;

 private:
  WebhookMetrics& metrics_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace podtap::webhook
