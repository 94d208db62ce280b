// SPDX-License-Identifier: Apache-2.0
// NodeCache: what a decision needs to know about the nodes of a cluster: the versions of kubelet and kernel, and
// whether a provider runs pods there that must not be privileged. Written in the kube client's thread, read from any.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "webhook/injector_config.h"
#include "webhook/kube_follow.h"

namespace podtap::webhook {

// "v1.29.3-gke.1200", "1.30+" → 1.29, 1.30.
std::optional<KernelVersion> ParseMajorMinor(std::string_view text);

class NodeCache final : public FollowedObjects {
 public:
  // What is known for a pod that names `node_name` (empty: it may go anywhere). Native sidecars are possible if the API
  // server and the named node's kubelet, or those of all nodes that can be scheduled to, are `least` or later. Windows
  // and virtual nodes do not count: no sidecar ever runs there.
  ClusterFacts FactsFor(std::string_view node_name, KernelVersion least) const;
  // Why pods on that node (or on all nodes) must not be privileged; empty: nothing speaks against it.
  std::string PlatformOf(std::string_view node_name) const;

  // Whether the node is known and runs Windows.
  bool IsWindows(std::string_view node_name) const;

  void SetServerVersion(std::optional<KernelVersion> version);

  void BeginList() override { listed_.clear(); }
  void Listed(const json::object& object) override;
  void EndList() override;
  void Changed(const json::object& object) override;
  void Deleted(const json::object& object) override;

 private:
  struct Node {
    std::optional<KernelVersion> kubelet;
    std::optional<KernelVersion> kernel;
    std::string platform;  // the mark of a provider, or empty
    bool schedulable = true;
    bool windows = false;
  };
  using Map = std::map<std::string, Node, std::less<>>;
  static std::pair<std::string, Node> Read(const json::object& object);
  void Summarize();  // with mutex_ held

  Map listed_;
  mutable std::mutex mutex_;
  Map nodes_;
  std::optional<KernelVersion> server_;
  // Over all nodes that count, kept up to date: reviews only read it.
  std::optional<KernelVersion> oldest_kubelet_;
  std::optional<KernelVersion> oldest_kernel_;
  bool any_counts_ = false;
  std::string platform_of_all_;
};

// The node that a pod can only go to: spec.nodeName, or the one name that its required node affinity allows (as a
// DaemonSet's controller writes it). Empty: any.
std::string_view NamedNode(const json::object& pod);

}  // namespace podtap::webhook
