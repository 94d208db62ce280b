// SPDX-License-Identifier: Apache-2.0
#include "webhook/certificate_authority.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "webhook/openssl_types.h"

namespace podtap::webhook {
namespace {

int NoPassphrase(char*, int, int, void*) { return 0; }

Certificate ReadCertificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return certificate;
}

PrivateKey ReadKey(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(std::max(size, 0L))};
}

std::string WriteCertificate(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return TextOf(bio.get());
}

std::string WriteKey(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return TextOf(bio.get());
}

bool AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Everything but names, extensions and the signature.
Certificate Begin(EVP_PKEY* key, std::string_view name, std::chrono::seconds lifetime) {
  Certificate certificate(X509_new());
  unsigned char serial[16];
  RAND_bytes(serial, sizeof(serial));
  // Positive, and without a leading zero: DER has no padding, and readers refuse it (X.690 8.3.2).
  serial[0] = static_cast<unsigned char>((serial[0] & 0x3f) | 0x40);
  ASN1_INTEGER* number = X509_get_serialNumber(certificate.get());
  ASN1_STRING_set(number, serial, sizeof(serial));
  X509_set_version(certificate.get(), X509_VERSION_3);
  const long early = std::min<long>(300, lifetime.count() / 10);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -early);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), lifetime.count());
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  return certificate;
}

}  // namespace

Result<KeyPair> MakeAuthority(std::string_view name, std::chrono::seconds lifetime) {
  const PrivateKey key(EVP_EC_gen("P-256"));
  if (!key) return SslError("cannot make a key");
  const Certificate certificate = Begin(key.get(), name, lifetime);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  const bool made = AddExtension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE") &&
                    AddExtension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    AddExtension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash") &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  if (!made) return SslError("cannot make a certificate authority");
  return KeyPair{WriteCertificate(certificate.get()), WriteKey(key.get())};
}

Result<KeyPair> MakeServingPair(const KeyPair& authority, const std::vector<std::string>& dns_names,
                                std::chrono::seconds lifetime) {
  const Certificate issuer = ReadCertificate(authority.certificate);
  const PrivateKey issuer_key = ReadKey(authority.key);
  const PrivateKey key(EVP_EC_gen("P-256"));
  if (!issuer || !issuer_key || !key || dns_names.empty()) return SslError("cannot make a key");
  // A common name holds at most 64 characters; nobody reads it.
  const Certificate certificate = Begin(key.get(), std::string_view(dns_names[0]).substr(0, 64), lifetime);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  std::string names;
  for (const std::string& name : dns_names) names.append(names.empty() ? "DNS:" : ",DNS:").append(name);
  const bool made = AddExtension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    AddExtension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                    AddExtension(certificate.get(), issuer.get(), NID_ext_key_usage, "serverAuth") &&
                    AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name, names) &&
                    AddExtension(certificate.get(), issuer.get(), NID_subject_key_identifier, "hash") &&
                    AddExtension(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid:always") &&
                    X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) > 0;
  if (!made) return SslError("cannot make a serving certificate");
  return KeyPair{WriteCertificate(certificate.get()), WriteKey(key.get())};
}

Result<CertificateFacts> FactsOfCertificate(const std::string& pem) {
  const Certificate certificate = ReadCertificate(pem);
  if (!certificate) return EnvironmentError("no PEM certificate");
  return CertificateFacts{UnixTime(X509_get0_notBefore(certificate.get())),
                          UnixTime(X509_get0_notAfter(certificate.get()))};
}

bool Fits(const KeyPair& pair) {
  const Certificate certificate = ReadCertificate(pair.certificate);
  const PrivateKey key = ReadKey(pair.key);
  const bool fits = certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return fits;
}

bool IsUsable(const KeyPair& serving, const std::string& authority_pem, const std::string& dns_name) {
  const Certificate certificate = ReadCertificate(serving.certificate);
  const Certificate issuer = ReadCertificate(authority_pem);
  if (!certificate || !issuer || !Fits(serving)) return false;
  const bool usable = X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1 &&
                      X509_check_host(certificate.get(), dns_name.c_str(), dns_name.size(),
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
  ERR_clear_error();
  return usable;
}

std::vector<std::string> SplitBundle(const std::string& pem, int64_t now) {
  std::vector<std::string> out;
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (const Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)})
    if (UnixTime(X509_get0_notAfter(next.get())) > now) out.push_back(WriteCertificate(next.get()));
  ERR_clear_error();
  return out;
}

}  // namespace podtap::webhook
