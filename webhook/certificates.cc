// SPDX-License-Identifier: Apache-2.0
#include "webhook/certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstring>
#include <ctime>

#include "base/read_file.h"

namespace podtap::webhook {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* at) const {
    Free(at);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

std::unexpected<Error> SslError(const std::string& what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return EnvironmentError(what + ": " + text);
}

// The API server's HTTP client offers http/1.1 and h2; we speak the first. A client that offers nothing of ours may
// try.
int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                   unsigned int in_size, void*) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kProtocols, sizeof(kProtocols) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

int64_t ExpiryOf(const X509* certificate) {
  tm time{};
  return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 ? timegm(&time) : 0;
}

// Never asks a terminal for a passphrase.
int NoPassphrase(char*, int, int, void*) { return 0; }

Status UseChain(SSL_CTX* context, const std::string& pem, const std::string& file, int64_t& expiry) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPassphrase, nullptr));
  if (!leaf) return SslError(file + " holds no PEM certificate");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return SslError(file + ": the certificate cannot be used");
  expiry = ExpiryOf(leaf.get());
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)})
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return SslError(file + ": the chain cannot be used");
  ERR_clear_error();  // the end of the file
  return {};
}

Status UseKey(SSL_CTX* context, const std::string& pem, const std::string& file) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (!key) return SslError(file + " holds no PEM private key (one without passphrase is needed)");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return SslError(file + " is not the key of the certificate");
  return {};
}

}  // namespace

Status FileCertificates::Refresh() {
  const auto cert = ReadFile(cert_file_, kMaxFileBytes);
  if (!cert) return std::unexpected(cert.error());
  auto key = ReadFile(key_file_, kMaxFileBytes);
  if (!key) return std::unexpected(key.error());
  std::array<unsigned char, 32> digest{};
  const std::string both = std::to_string(cert->size()) + ":" + *cert + *key;
  EVP_Digest(both.data(), both.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  if (Current() && digest == loaded_digest_) return {};

  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return SslError("cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  int64_t expiry = 0;
  Status ok = UseChain(context.get(), *cert, cert_file_, expiry);
  if (ok) ok = UseKey(context.get(), *key, key_file_);
  OPENSSL_cleanse(key->data(), key->size());
  if (!ok) {
    metrics_.certificate_errors.fetch_add(1, std::memory_order_relaxed);
    return ok;
  }
  loaded_digest_ = digest;
  metrics_.certificate_loads.fetch_add(1, std::memory_order_relaxed);
  metrics_.certificate_expiry_s.store(expiry, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  context_ = context;
  return {};
}

std::shared_ptr<SSL_CTX> FileCertificates::Current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace podtap::webhook
