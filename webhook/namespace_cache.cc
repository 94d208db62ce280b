// SPDX-License-Identifier: Apache-2.0
#include "webhook/namespace_cache.h"

#include "base/annotations.h"
#include "webhook/decide.h"

namespace podtap::webhook {
namespace {

constexpr std::string_view kPrefix = "mirror.traceable.ai/";
constexpr std::string_view kEnforceLabel = "pod-security.kubernetes.io/enforce";

bool IsInteresting(std::string_view key) {
  return key.starts_with(kPrefix) || key == kNamespaceLabel || key == kOlderNamespaceLabel || key == kEnforceLabel;
}

void Copy(const json::object* from, std::map<std::string, std::string, std::less<>>& to) {
  if (from == nullptr) return;
  for (const auto& member : *from)
    if (const json::string* text = member.value().if_string(); text != nullptr && IsInteresting(member.key()))
      to.emplace(member.key(), std::string(text->data(), text->size()));
}

std::string_view NameOf(const json::object& object) { return TextMember(ObjectMember(&object, "metadata"), "name"); }

}  // namespace

NamespaceInfo InterestingParts(const json::object& object) {
  NamespaceInfo info;
  const json::object* metadata = ObjectMember(&object, "metadata");
  Copy(ObjectMember(metadata, "labels"), info.labels);
  Copy(ObjectMember(metadata, "annotations"), info.annotations);
  return info;
}

NamespaceCache::NamespaceCache() : plain_(std::make_shared<NamespaceInfo>()) {}

std::shared_ptr<const NamespaceInfo> NamespaceCache::InfoOf(const json::object& object) const {
  NamespaceInfo info = InterestingParts(object);
  if (info.labels.empty() && info.annotations.empty()) return plain_;
  return std::make_shared<const NamespaceInfo>(std::move(info));
}

std::shared_ptr<const NamespaceInfo> NamespaceCache::Find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto at = namespaces_.find(name);
  return at == namespaces_.end() ? nullptr : at->second;
}

size_t NamespaceCache::size() const {
  const std::lock_guard lock(mutex_);
  return namespaces_.size();
}

void NamespaceCache::BeginList() { listed_.clear(); }

void NamespaceCache::Listed(const json::object& object) {
  if (const std::string_view name = NameOf(object); !name.empty())
    listed_.insert_or_assign(std::string(name), InfoOf(object));
}

void NamespaceCache::EndList() {
  const std::lock_guard lock(mutex_);
  namespaces_ = std::move(listed_);
  listed_ = {};
}

void NamespaceCache::Changed(const json::object& object) {
  const std::string_view name = NameOf(object);
  if (name.empty()) return;
  auto info = InfoOf(object);
  const std::lock_guard lock(mutex_);
  namespaces_.insert_or_assign(std::string(name), std::move(info));
}

void NamespaceCache::Deleted(const json::object& object) {
  const std::lock_guard lock(mutex_);
  if (const auto at = namespaces_.find(NameOf(object)); at != namespaces_.end()) namespaces_.erase(at);
}

std::vector<std::pair<std::string, std::string>> NamespaceCache::AskingRevisions() const {
  std::vector<std::pair<std::string, std::string>> asking;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, info] : namespaces_) {
    const std::string* revision = info->Label(kRevisionLabel);
    if (revision != nullptr || NamespaceAsks(*info))
      asking.emplace_back(name, revision == nullptr ? "default" : *revision);
  }
  return asking;
}

}  // namespace podtap::webhook
