// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/mask.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace podtap {

std::string Mask::operator()(std::string_view value) const {
  std::string mask = "***";
  if (key_.empty()) return mask;
  constexpr size_t kShown = 6;
  unsigned char hash[EVP_MAX_MD_SIZE];
  if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(value.data()), value.size(), hash, nullptr) == nullptr)
    return mask;
  mask += ':';
  for (size_t i = 0; i < kShown; ++i) {
    mask += "0123456789abcdef"[hash[i] >> 4];
    mask += "0123456789abcdef"[hash[i] & 15];
  }
  return mask;
}

}  // namespace podtap
