// SPDX-License-Identifier: Apache-2.0
// Policy: what may leave of what was seen, decided in the worker before any encoder. The last hand on an exchange
// before it is shared: the one place where it is filtered, sampled, redacted and decoded. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/counters.h"
#include "sidecar/event/http_event.h"
#include "sidecar/policy/body_policy.h"
#include "sidecar/policy/exchange_filter.h"
#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"
#include "sidecar/policy/sampler.h"

namespace podtap {

struct PolicySettings {
  std::vector<std::string> redact_query;  // parameters of URLs
  std::string hash_key;                   // of masks; empty: plain ones
  BodyPolicy::Options bodies;
  FilterSettings filter;
  double sample_rate = 1;
  uint64_t max_exchanges_per_second = 0;
  bool operator==(const PolicySettings&) const = default;
};

class Policy {
 public:
  Policy(PolicySettings settings, Counters& counters);
  // False: it is left out, and counted.
  bool Admits(const HttpEvent& event);
  // Redacts and decodes bodies, going by header values as they were sent; so first.
  void ApplyToBodies(HttpEvent& event) const;
  // Redacts URLs. Named headers are the caller's.
  void ApplyToUrls(HttpEvent& event) const;
  const Mask& mask() const { return mask_; }

 private:
  void RedactUrls(HeaderList& fields) const;

  Counters& counters_;
  const Mask mask_;
  const Names query_;
  const ExchangeFilter filter_;
  Sampler sampler_;
  const BodyPolicy bodies_;
};

}  // namespace podtap
