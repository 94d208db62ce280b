// SPDX-License-Identifier: Apache-2.0
// JSON Patch (RFC 6902) with one operation only, `add`: it never removes or replaces an array, and it cannot fail on a
// `test`. Every operation is applied to the document in memory as it is recorded, so what is sent has been shown to
// apply: a patch that does not apply would have the API server refuse the pod, whatever the failure policy says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "webhook/json_view.h"

namespace podtap::webhook {

// One segment of a JSON Pointer (RFC 6901): "~" becomes "~0" and "/" becomes "~1".
std::string EscapePointer(std::string_view segment);

struct AddOperation {
  std::string path;
  json::value value;
};

// Applies one `add`. False, and `document` unchanged, if the path's parent does not exist, is no container, or an index
// is past the end.
bool ApplyAdd(json::value& document, const AddOperation& operation);

// The patch as JSON text: [{"op":"add","path":…,"value":…},…].
std::string PatchText(const std::vector<AddOperation>& operations);

// Records operations on a document that it changes as it goes; the document must outlive it. Missing and null parents
// are the same: they are added whole.
class PatchBuilder {
 public:
  explicit PatchBuilder(json::value& document) : document_(document) {}

  // Sets member `key` of the object `parent_path`/`parent_key`.
  void SetMember(std::string_view parent_path, std::string_view parent_key, std::string_view key, json::value value);
  // Puts `value` at the front or the end of the array `parent_path`/`array_key`.
  void Prepend(std::string_view parent_path, std::string_view array_key, json::value value) {
    AddElement(parent_path, array_key, "/0", std::move(value));
  }
  void Append(std::string_view parent_path, std::string_view array_key, json::value value) {
    AddElement(parent_path, array_key, "/-", std::move(value));
  }
  void Add(std::string path, json::value value);

  // Whether every operation so far has applied.
  bool applies() const { return applies_; }
  const std::vector<AddOperation>& operations() const { return operations_; }
  std::vector<AddOperation> TakeOperations() { return std::move(operations_); }

 private:
  void AddElement(std::string_view parent_path, std::string_view array_key, std::string_view where, json::value value);
  // The container at `path`, or nullptr if missing or null.
  const json::value* Existing(const std::string& path) const;

  json::value& document_;
  std::vector<AddOperation> operations_;
  bool applies_ = true;
};

}  // namespace podtap::webhook
