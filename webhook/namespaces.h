// SPDX-License-Identifier: Apache-2.0
// What the decision needs to know about a namespace, and where it comes from.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace podtap::webhook {

struct NamespaceInfo {
  std::map<std::string, std::string, std::less<>> labels;
  std::map<std::string, std::string, std::less<>> annotations;

  // The value, or nullptr.
  const std::string* Label(std::string_view key) const { return Find(labels, key); }
  const std::string* Annotation(std::string_view key) const { return Find(annotations, key); }

 private:
  static const std::string* Find(const std::map<std::string, std::string, std::less<>>& map, std::string_view key) {
    const auto at = map.find(key);
    return at == map.end() ? nullptr : &at->second;
  }
};

// Answers from memory, never blocks, safe to call from any thread.
class NamespaceSource {
 public:
  virtual ~NamespaceSource() = default;
  // nullptr: nothing is known about this namespace (which is not the same as one without labels).
  virtual std::shared_ptr<const NamespaceInfo> Find(std::string_view name) const = 0;
};

}  // namespace podtap::webhook
