// SPDX-License-Identifier: Apache-2.0
#include "webhook/namespaces_file.h"

#include "base/read_file.h"

namespace podtap::webhook {
namespace {

constexpr size_t kMaxFileBytes = 16 << 20;

void CopyTexts(const json::object* from, std::map<std::string, std::string, std::less<>>& to) {
  if (from == nullptr) return;
  for (const auto& member : *from)
    if (const json::string* text = member.value().if_string())
      to[member.key()] = std::string(text->data(), text->size());
}

}  // namespace

void CollectNamespaces(const json::value& document, NamespaceMap& namespaces) {
  const json::object* object = document.if_object();
  const std::string_view kind = TextMember(object, "kind");
  if (kind == "Namespace") {
    const json::object* metadata = ObjectMember(object, "metadata");
    const std::string_view name = TextMember(metadata, "name");
    if (name.empty()) return;
    auto info = std::make_shared<NamespaceInfo>();
    CopyTexts(ObjectMember(metadata, "labels"), info->labels);
    CopyTexts(ObjectMember(metadata, "annotations"), info->annotations);
    namespaces[std::string(name)] = std::move(info);
  } else if (kind == "List" || kind == "NamespaceList") {
    const json::array* items = ArrayMember(object, "items");
    for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
      json::value item = (*items)[i];
      // Items of a typed list may leave out their kind.
      if (kind == "NamespaceList" && item.is_object()) item.get_object()["kind"] = "Namespace";
      if (TextMember(item.if_object(), "kind") == "Namespace") CollectNamespaces(item, namespaces);
    }
  }
}

Result<NamespaceMap> ParseNamespaces(std::string_view text) {
  auto documents = ParseYaml(text);
  if (!documents) return std::unexpected(documents.error());
  NamespaceMap namespaces;
  for (const YamlNode& document : *documents) CollectNamespaces(ToJson(document), namespaces);
  return namespaces;
}

Status NamespacesFile::Refresh() {
  if (path_.empty()) return {};
  auto text = ReadFile(path_, kMaxFileBytes + 1);
  if (!text) return std::unexpected(text.error());
  if (text->size() > kMaxFileBytes) return UsageError(path_ + " is larger than 16 MiB");
  if (read_ && *text == last_text_) return {};
  auto namespaces = ParseNamespaces(*text);
  if (!namespaces) return UsageError(path_ + ": " + namespaces.error().message);
  last_text_ = *std::move(text);
  read_ = true;
  const std::lock_guard lock(mutex_);
  namespaces_ = std::make_shared<NamespaceMap>(*std::move(namespaces));
  return {};
}

std::shared_ptr<const NamespaceInfo> NamespacesFile::Find(std::string_view name) const {
  static const auto kWithoutLabels = std::make_shared<const NamespaceInfo>();
  std::shared_ptr<const NamespaceMap> namespaces;
  {
    const std::lock_guard lock(mutex_);
    namespaces = namespaces_;
  }
  const auto at = namespaces->find(name);
  return at == namespaces->end() ? kWithoutLabels : at->second;
}

}  // namespace podtap::webhook
