// SPDX-License-Identifier: Apache-2.0
#include "webhook/file_certificates.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/read_file.h"

namespace podtap::webhook {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

}  // namespace

Status FileCertificates::Refresh() {
  const auto cert = ReadFile(cert_file_, kMaxFileBytes);
  auto key = ReadFile(key_file_, kMaxFileBytes);
  if (!cert || !key) {
    metrics_.certificate_errors.fetch_add(1, std::memory_order_relaxed);
    return std::unexpected(cert ? key.error() : cert.error());
  }
  std::array<unsigned char, 32> digest{};
  std::string both = std::to_string(cert->size()) + ":" + *cert + *key;
  EVP_Digest(both.data(), both.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(both.data(), both.size());
  Status ok;
  if (!loaded_ || digest != loaded_digest_) {
    ok = certificate_.Use(*cert, cert_file_, *key, key_file_);
    if (ok) {
      loaded_ = true;
      loaded_digest_ = digest;
    }
  }
  OPENSSL_cleanse(key->data(), key->size());
  return ok;
}

}  // namespace podtap::webhook
