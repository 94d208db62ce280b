// SPDX-License-Identifier: Apache-2.0
// What a namespace allows its pods to ask for: resource quotas and limit ranges, and whether a pod fits with the
// sidecar. The rules are those of Kubernetes' own LimitRanger and ResourceQuota admission, for cpu and memory. Pure
// functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "webhook/decide.h"

namespace podtap::webhook {

using Amounts = std::map<std::string, std::string, std::less<>>;  // resource → quantity

struct LimitRangeRule {
  std::string name;  // of the LimitRange
  std::string type;  // Container or Pod
  Amounts min, max, default_limit, max_ratio;
};

struct QuotaScope {
  std::string scope;      // Terminating, NotTerminating, BestEffort, NotBestEffort, PriorityClass, …
  std::string operation;  // Exists, DoesNotExist, In, NotIn
  std::vector<std::string> values;
};

struct ResourceQuota {
  std::string name;
  Amounts hard, used;
  std::vector<QuotaScope> scopes;
};

struct NamespaceLimits {
  std::vector<LimitRangeRule> rules;
  std::vector<ResourceQuota> quotas;
};

// From the API's objects.
std::vector<LimitRangeRule> ReadLimitRange(const json::object& object);
ResourceQuota ReadQuota(const json::object& object);

// Makes the sidecar's `resources` fit the limit ranges: minima raise requests, maxima lower limits, what must be
// limited is. Empty if they fit now; else what cannot be met, for people ("LimitRange small: max memory=64Mi").
std::string FitLimitRanges(const json::object& pod, Shape shape, const NamespaceLimits& limits,
                           const InjectorConfig& config, json::object& resources);

// Empty, or the quota that the pod with the sidecar would exceed ("ResourceQuota team: requests.cpu").
std::string ExceededQuota(const json::object& pod, Shape shape, const NamespaceLimits& limits,
                          const json::object& resources);

}  // namespace podtap::webhook
