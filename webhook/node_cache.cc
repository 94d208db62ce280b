// SPDX-License-Identifier: Apache-2.0
#include "webhook/node_cache.h"

#include <algorithm>
#include <charconv>

namespace podtap::webhook {
namespace {

struct Mark {
  std::string_view key;
  std::string_view value;  // empty: any
};
// Labels of nodes that run no privileged pods.
constexpr Mark kMarks[] = {
    {"eks.amazonaws.com/compute-type", "fargate"}, {"type", "virtual-kubelet"},
    {"kubernetes.azure.com/role", "virtual-node"}, {"node.kubernetes.io/role", "virtual-kubelet"},
    {"alibabacloud.com/virtual-node", "true"},     {"cloud.google.com/gke-autopilot", "true"}};
// Autopilot's nodes are told by their names alone.
constexpr std::string_view kAutopilotNodes = "gk3-";

std::string PlatformOfNode(std::string_view name, const json::object* labels) {
  for (const Mark& mark : kMarks) {
    const std::string_view value = TextMember(labels, mark.key);
    if (!value.empty() && (mark.value.empty() || value == mark.value))
      return "node label " + std::string(mark.key) + "=" + std::string(value);
  }
  return name.starts_with(kAutopilotNodes) ? "node name " + std::string(name) : std::string();
}

void Least(std::optional<KernelVersion>& least, const std::optional<KernelVersion>& version) {
  if (version && (!least || *version < *least)) least = version;
}

}  // namespace

std::optional<KernelVersion> ParseMajorMinor(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  KernelVersion version;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return version;
}

std::pair<std::string, NodeCache::Node> NodeCache::Read(const json::object& object) {
  const json::object* metadata = ObjectMember(&object, "metadata");
  const json::object* info = ObjectMember(ObjectMember(&object, "status"), "nodeInfo");
  const json::value* unschedulable = Member(ObjectMember(&object, "spec"), "unschedulable");
  const std::string_view name = TextMember(metadata, "name");
  Node node;
  node.kubelet = ParseMajorMinor(TextMember(info, "kubeletVersion"));
  node.kernel = ParseMajorMinor(TextMember(info, "kernelVersion"));
  node.platform = PlatformOfNode(name, ObjectMember(metadata, "labels"));
  node.schedulable = unschedulable == nullptr || !unschedulable->is_bool() || !unschedulable->get_bool();
  node.windows = TextMember(info, "operatingSystem") == "windows" ||
                 TextMember(ObjectMember(metadata, "labels"), "kubernetes.io/os") == "windows";
  return {std::string(name), std::move(node)};
}

void NodeCache::Listed(const json::object& object) { listed_.insert(Read(object)); }

void NodeCache::EndList() {
  const std::lock_guard lock(mutex_);
  nodes_ = std::move(listed_);
  listed_ = {};
  Summarize();
}

void NodeCache::Changed(const json::object& object) {
  auto [name, node] = Read(object);
  const std::lock_guard lock(mutex_);
  nodes_.insert_or_assign(std::move(name), std::move(node));
  Summarize();
}

void NodeCache::Deleted(const json::object& object) {
  const std::lock_guard lock(mutex_);
  if (const auto at = nodes_.find(TextMember(ObjectMember(&object, "metadata"), "name")); at != nodes_.end())
    nodes_.erase(at);
  Summarize();
}

void NodeCache::SetServerVersion(std::optional<KernelVersion> version) {
  const std::lock_guard lock(mutex_);
  server_ = version;
}

void NodeCache::Summarize() {
  oldest_kubelet_.reset();
  oldest_kernel_.reset();
  any_counts_ = false;
  platform_of_all_.clear();
  for (const auto& [name, node] : nodes_) {
    if (!node.schedulable || node.windows) continue;
    if (!node.platform.empty()) {
      platform_of_all_ = node.platform;
      continue;
    }
    any_counts_ = true;
    // A kubelet that does not say its version counts as an old one.
    Least(oldest_kubelet_, node.kubelet.value_or(KernelVersion{}));
    Least(oldest_kernel_, node.kernel);
  }
  if (any_counts_) platform_of_all_.clear();
}

ClusterFacts NodeCache::FactsFor(std::string_view node_name, KernelVersion least) const {
  const std::lock_guard lock(mutex_);
  ClusterFacts facts;
  facts.oldest_kernel = oldest_kernel_;
  std::optional<KernelVersion> kubelet = oldest_kubelet_;
  if (const auto node = nodes_.find(node_name); node != nodes_.end()) {
    kubelet = node->second.kubelet.value_or(KernelVersion{});
    if (node->second.kernel) facts.oldest_kernel = node->second.kernel;
  }
  // No node at all: an autoscaler will make some, of the server's version at the latest.
  facts.native_sidecars = server_ && *server_ >= least && (!kubelet || *kubelet >= least);
  return facts;
}

std::string NodeCache::PlatformOf(std::string_view node_name) const {
  const std::lock_guard lock(mutex_);
  if (const auto node = nodes_.find(node_name); node != nodes_.end()) return node->second.platform;
  return platform_of_all_;
}

bool NodeCache::IsWindows(std::string_view node_name) const {
  const std::lock_guard lock(mutex_);
  const auto node = nodes_.find(node_name);
  return node != nodes_.end() && node->second.windows;
}

std::string_view NamedNode(const json::object& pod) {
  if (const std::string_view name = TextMember(Spec(pod), "nodeName"); !name.empty()) return name;
  const json::array* terms = ArrayMember(ObjectMember(ObjectMember(ObjectMember(Spec(pod), "affinity"), "nodeAffinity"),
                                                      "requiredDuringSchedulingIgnoredDuringExecution"),
                                         "nodeSelectorTerms");
  if (terms == nullptr || terms->size() != 1) return {};
  const json::array* fields = ArrayMember((*terms)[0].if_object(), "matchFields");
  for (size_t i = 0; fields != nullptr && i < fields->size(); ++i) {
    const json::object* field = (*fields)[i].if_object();
    const json::array* values = ArrayMember(field, "values");
    if (TextMember(field, "key") == "metadata.name" && TextMember(field, "operator") == "In" && values != nullptr &&
        values->size() == 1 && (*values)[0].is_string())
      return {(*values)[0].get_string().data(), (*values)[0].get_string().size()};
  }
  return {};
}

}  // namespace podtap::webhook
