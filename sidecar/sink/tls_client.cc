// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace podtap {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Memory(const std::string& pem) { return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free}; }
Certificate NextCertificate(BIO* bio) { return {PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), &X509_free}; }

// A key with a pass phrase cannot be used: nobody is there to ask.
int NoPassPhrase(char*, int, int, void*) { return 0; }

Status Trust(SSL_CTX* context, const std::string& ca_bundle) {
  const Bio bio = Memory(ca_bundle);
  int certificates = 0;
  while (const Certificate certificate = NextCertificate(bio.get())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
    ++certificates;
  }
  ERR_clear_error();
  if (certificates == 0) return EnvironmentError("the CA file holds no certificate in PEM");
  return {};
}

Status Show(SSL_CTX* context, const std::string& certificate, const std::string& key_text) {
  const Bio bio = Memory(certificate);
  const Certificate own = NextCertificate(bio.get());
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1)
    return EnvironmentError("the client certificate file holds no certificate in PEM");
  while (Certificate next = NextCertificate(bio.get()))
    if (SSL_CTX_add0_chain_cert(context, next.get()) == 1) (void)next.release();
  const Bio key_bio = Memory(key_text);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, &NoPassPhrase, nullptr), &EVP_PKEY_free);
  if (!key) return EnvironmentError("the client key file holds no private key in PEM without pass phrase");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return EnvironmentError("the client key does not belong to the client certificate");
  ERR_clear_error();
  return {};
}

bool IsAddress(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

Result<SslContext> MakeSslContext(const std::string& ca_bundle, const std::string& certificate,
                                  const std::string& key) {
  SslContext context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) return EnvironmentError("OpenSSL cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (Status ok = Trust(context.get(), ca_bundle); !ok) return std::unexpected(ok.error());
  if (certificate.empty() && key.empty()) return context;
  if (Status ok = Show(context.get(), certificate, key); !ok) return std::unexpected(ok.error());
  return context;
}

Result<SslContext> ReadSslContext(const OtlpSettings& settings, const FileReader& read) {
  auto ca = read(NamedFile::kCaBundle);
  if (!ca) return std::unexpected(ca.error());
  std::string certificate, key;
  if (!settings.client_certificate_file.empty()) {
    auto certificate_text = read(NamedFile::kClientCertificate);
    if (!certificate_text) return std::unexpected(certificate_text.error());
    auto key_text = read(NamedFile::kClientKey);
    if (!key_text) return std::unexpected(key_text.error());
    certificate = *std::move(certificate_text);
    key = *std::move(key_text);
  }
  return MakeSslContext(*ca, certificate, key);
}

Result<SslSession> MakeSslSession(SSL_CTX* context, int socket, const std::string& host) {
  SslSession session(SSL_new(context), &SSL_free);
  if (!session || SSL_set_fd(session.get(), socket) != 1) return EnvironmentError("OpenSSL cannot make a TLS session");
  X509_VERIFY_PARAM* verify = SSL_get0_param(session.get());
  if (IsAddress(host)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1)
      return EnvironmentError("OpenSSL does not take this address");
  } else {
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) != 1 ||
        SSL_set_tlsext_host_name(session.get(), host.c_str()) != 1)
      return EnvironmentError("OpenSSL does not take this host name");
  }
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  SSL_set_alpn_protos(session.get(), kHttp11, sizeof(kHttp11) - 1);
  return session;
}

std::string HandshakeError(const SSL* session) {
  std::string text;
  if (const long verdict = SSL_get_verify_result(session); verdict != X509_V_OK)
    text = std::string("its certificate is not accepted: ") + X509_verify_cert_error_string(verdict);
  else if (const unsigned long error = ERR_peek_last_error(); error != 0 && ERR_reason_error_string(error) != nullptr)
    text = ERR_reason_error_string(error);
  else
    text = "the connection ended during the TLS handshake";
  ERR_clear_error();
  return text;
}

}  // namespace podtap
