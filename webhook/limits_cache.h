// SPDX-License-Identifier: Apache-2.0
// LimitsCache: the resource quotas and limit ranges of all namespaces, followed by list and watch; two FollowedObjects
// that share one map. Written in the kube client's thread, read from any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "webhook/kube_follow.h"
#include "webhook/namespace_limits.h"

namespace podtap::webhook {

class LimitsCache {
 public:
  LimitsCache() : quotas_(*this), ranges_(*this) {}
  FollowedObjects& quotas() { return quotas_; }
  FollowedObjects& limit_ranges() { return ranges_; }

  // Never null.
  std::shared_ptr<const NamespaceLimits> Find(std::string_view namespace_name) const;

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  template <typename T>
  class Objects final : public FollowedObjects {
   public:
    explicit Objects(LimitsCache& cache) : cache_(cache) {}
    void BeginList() override { listed_.clear(); }
    void Listed(const json::object& object) override;
    void EndList() override;
    void Changed(const json::object& object) override;
    void Deleted(const json::object& object) override;
    std::map<Key, T> objects;  // guarded by the cache's mutex

   private:
    LimitsCache& cache_;
    std::map<Key, T> listed_;
  };

  Objects<ResourceQuota> quotas_;
  Objects<std::vector<LimitRangeRule>> ranges_;
  mutable std::mutex mutex_;
};

}  // namespace podtap::webhook
