// SPDX-License-Identifier: Apache-2.0
// Namespaces from a file: Namespace objects (or a List of them) in YAML or JSON. For a webhook without a cluster, and
// for the offline tool. A namespace that is not in the file is one without labels.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "webhook/namespaces.h"
#include "webhook/yaml_json.h"

namespace podtap::webhook {

using NamespaceMap = std::map<std::string, std::shared_ptr<const NamespaceInfo>, std::less<>>;

// Adds the Namespace objects of one document: the object itself, or the items of a List.
void CollectNamespaces(const json::value& document, NamespaceMap& namespaces);

// All of a text; the error says what is wrong with it.
Result<NamespaceMap> ParseNamespaces(std::string_view text);

// The file, read again when it has changed. A content that cannot be read leaves what was known before.
class NamespacesFile final : public NamespaceSource {
 public:
  // An empty path: no namespace has labels.
  explicit NamespacesFile(std::string path) : path_(std::move(path)) {}

  // Reads the file if it differs from what was last read. Called at start and then about once a second, from one
  // thread.
  Status Refresh();

  std::shared_ptr<const NamespaceInfo> Find(std::string_view name) const override;

 private:
  const std::string path_;
  std::string last_text_;
  bool read_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const NamespaceMap> namespaces_ = std::make_shared<NamespaceMap>();
};

}  // namespace podtap::webhook
