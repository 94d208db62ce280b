// SPDX-License-Identifier: Apache-2.0
// Owners of OpenSSL's objects, and its errors as ours.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace podtap::webhook {

template <auto Free>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* at) const {
    Free(at);
  }
};
using Bio = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

// "<what>: <the oldest error that OpenSSL holds>"; takes all of them away.
inline std::unexpected<Error> SslError(const std::string& what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return EnvironmentError(what + ": " + text);
}

// Seconds since 1970 of a certificate's time; 0 if it cannot be read.
inline int64_t UnixTime(const ASN1_TIME* at) {
  tm time{};
  return ASN1_TIME_to_tm(at, &time) == 1 ? timegm(&time) : 0;
}

}  // namespace podtap::webhook
