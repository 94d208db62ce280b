// SPDX-License-Identifier: Apache-2.0
#include "webhook/limits_cache.h"

#include <type_traits>

namespace podtap::webhook {
namespace {

std::pair<std::string, std::string> KeyOf(const json::object& object) {
  const json::object* metadata = ObjectMember(&object, "metadata");
  return {std::string(TextMember(metadata, "namespace")), std::string(TextMember(metadata, "name"))};
}

template <typename T>
T Read(const json::object& object) {
  if constexpr (std::is_same_v<T, ResourceQuota>)
    return ReadQuota(object);
  else
    return ReadLimitRange(object);
}

}  // namespace

template <typename T>
void LimitsCache::Objects<T>::Listed(const json::object& object) {
  listed_.insert_or_assign(KeyOf(object), Read<T>(object));
}
template <typename T>
void LimitsCache::Objects<T>::EndList() {
  const std::lock_guard lock(cache_.mutex_);
  objects = std::move(listed_);
  listed_ = {};
}
template <typename T>
void LimitsCache::Objects<T>::Changed(const json::object& object) {
  const std::lock_guard lock(cache_.mutex_);
  objects.insert_or_assign(KeyOf(object), Read<T>(object));
}
template <typename T>
void LimitsCache::Objects<T>::Deleted(const json::object& object) {
  const std::lock_guard lock(cache_.mutex_);
  objects.erase(KeyOf(object));
}
template class LimitsCache::Objects<ResourceQuota>;
template class LimitsCache::Objects<std::vector<LimitRangeRule>>;

std::shared_ptr<const NamespaceLimits> LimitsCache::Find(std::string_view namespace_name) const {
  auto limits = std::make_shared<NamespaceLimits>();
  const Key first{std::string(namespace_name), {}};
  const std::lock_guard lock(mutex_);
  for (auto at = quotas_.objects.lower_bound(first); at != quotas_.objects.end() && at->first.first == namespace_name;
       ++at)
    limits->quotas.push_back(at->second);
  for (auto at = ranges_.objects.lower_bound(first); at != ranges_.objects.end() && at->first.first == namespace_name;
       ++at)
    limits->rules.insert(limits->rules.end(), at->second.begin(), at->second.end());
  return limits;
}

}  // namespace podtap::webhook
