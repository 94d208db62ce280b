// SPDX-License-Identifier: Apache-2.0
// FileCertificates: the serving certificate from two files, read again when they change. Files that do not fit together
// leave the old one in use until they do.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "webhook/serving_certificate.h"

namespace podtap::webhook {

class FileCertificates {
 public:
  FileCertificates(std::string cert_file, std::string key_file, ServingCertificate& certificate,
                   WebhookMetrics& metrics)
      : cert_file_(std::move(cert_file)),
        key_file_(std::move(key_file)),
        certificate_(certificate),
        metrics_(metrics) {}

  // Loads the files if their content differs from what is in use. Called at start and then about once a second, from
  // one thread.
  Status Refresh();

 private:
  const std::string cert_file_;
  const std::string key_file_;
  ServingCertificate& certificate_;
  WebhookMetrics& metrics_;
  bool loaded_ = false;
  std::array<unsigned char, 32> loaded_digest_{};
};

}  // namespace podtap::webhook
