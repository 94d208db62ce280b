// SPDX-License-Identifier: Apache-2.0
// NamespaceCache: the namespaces of a cluster, followed by list and watch; of each only the few labels and annotations
// that a decision reads, so that 10,000 of them take a few MiB. Written in the kube client's thread, read from any.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "webhook/kube_follow.h"
#include "webhook/namespaces.h"

namespace podtap::webhook {

class NamespaceCache final : public NamespaceSource, public FollowedObjects {
 public:
  NamespaceCache();

  // nullptr: not in the copy (perhaps younger than it).
  std::shared_ptr<const NamespaceInfo> Find(std::string_view name) const override;
  // From a live answer, for a namespace that the copy does not have yet.
  void Changed(const json::object& object) override;

  void BeginList() override;
  void Listed(const json::object& object) override;
  void EndList() override;
  void Deleted(const json::object& object) override;

  size_t size() const;
  // Names of namespaces that ask for capture, with the revision they name.
  std::vector<std::pair<std::string, std::string>> AskingRevisions() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Map = std::unordered_map<std::string, std::shared_ptr<const NamespaceInfo>, Hash, std::equal_to<>>;

  std::shared_ptr<const NamespaceInfo> InfoOf(const json::object& object) const;

  const std::shared_ptr<const NamespaceInfo> plain_;  // shared by all that have nothing of interest
  Map listed_;
  mutable std::mutex mutex_;
  Map namespaces_;
};

// The labels and annotations of a Namespace object that a decision reads.
NamespaceInfo InterestingParts(const json::object& object);

}  // namespace podtap::webhook
