// SPDX-License-Identifier: Apache-2.0
// A small certificate authority for the webhook's own serving certificate: ECDSA P-256 throughout (some API servers
// refuse Ed25519), SHA-256, X.509 v3 as RFC 5280 has it. Keys are made here and leave as PEM.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace podtap::webhook {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8
};

// A new authority; valid from a little before now, for clocks that are behind.
Result<KeyPair> MakeAuthority(std::string_view name, std::chrono::seconds lifetime);
// A serving certificate for `dns_names`, signed by `authority`.
Result<KeyPair> MakeServingPair(const KeyPair& authority, const std::vector<std::string>& dns_names,
                                std::chrono::seconds lifetime);

// What is asked of a certificate that was stored.
struct CertificateFacts {
  int64_t not_before = 0;  // seconds since 1970
  int64_t not_after = 0;
  // Two thirds of its life are over.
  bool IsDue(int64_t now) const { return now >= not_before + (not_after - not_before) / 3 * 2; }
};
// Of the first certificate of a PEM text.
Result<CertificateFacts> FactsOfCertificate(const std::string& pem);
// Whether `serving` names `dns_name`, fits its key, and is signed by the first certificate of `authority_pem`.
bool IsUsable(const KeyPair& serving, const std::string& authority_pem, const std::string& dns_name);
// Whether the key belongs to the first certificate.
bool Fits(const KeyPair& pair);

// The certificates of a PEM text, one PEM each, without those that have expired at `now`.
std::vector<std::string> SplitBundle(const std::string& pem, int64_t now);

}  // namespace podtap::webhook
