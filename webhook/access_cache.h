// SPDX-License-Identifier: Apache-2.0
// AccessCache: which service accounts may use OpenShift's privileged SCC, as the API server has said within the last
// minute. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace podtap::webhook {

class AccessCache {
 public:
  std::optional<bool> Find(const std::string& namespace_name, const std::string& account) const {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find({namespace_name, account});
    if (at == known_.end() || std::chrono::steady_clock::now() - at->second.second > kLife) return std::nullopt;
    return at->second.first;
  }
  void Set(const std::string& namespace_name, const std::string& account, bool allowed) {
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMost) known_.clear();
    known_[{namespace_name, account}] = {allowed, std::chrono::steady_clock::now()};
  }

 private:
  static constexpr std::chrono::minutes kLife{1};
  static constexpr size_t kMost = 20000;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::pair<bool, std::chrono::steady_clock::time_point>> known_;
};

}  // namespace podtap::webhook
