// SPDX-License-Identifier: Apache-2.0
#include "webhook/serving_certificate.h"

#include <openssl/pem.h>

#include "webhook/openssl_types.h"

namespace podtap::webhook {
namespace {

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

// Never asks a terminal for a passphrase.
int NoPassphrase(char*, int, int, void*) { return 0; }

Status UseChain(SSL_CTX* context, const std::string& pem, const std::string& file, int64_t& expiry) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPassphrase, nullptr));
  if (!leaf) return SslError(file + " holds no PEM certificate");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return SslError(file + ": the certificate cannot be used");
  expiry = UnixTime(X509_get0_notAfter(leaf.get()));
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)})
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return SslError(file + ": the chain cannot be used");
  // The end of the file is an error too; anything else is a certificate that cannot be read.
  const unsigned long last = ERR_peek_last_error();
  if (last != 0 && !(ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE))
    return SslError(file + ": a certificate of the chain cannot be read");
  ERR_clear_error();
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

Status ServingCertificate::Use(const std::string& chain_pem, const std::string& chain_name, const std::string& key_pem,
                               const std::string& key_name) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return SslError("cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  int64_t expiry = 0;
  Status ok = UseChain(context.get(), chain_pem, chain_name, expiry);
  if (ok) ok = UseKey(context.get(), key_pem, key_name);
  if (!ok) {
    metrics_.certificate_errors.fetch_add(1, std::memory_order_relaxed);
    return ok;
  }
  metrics_.certificate_loads.fetch_add(1, std::memory_order_relaxed);
  metrics_.certificate_expiry_s.store(expiry, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  context_ = context;
  return {};
}

std::shared_ptr<SSL_CTX> ServingCertificate::Current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace podtap::webhook
