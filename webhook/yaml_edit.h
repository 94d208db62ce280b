// SPDX-License-Identifier: Apache-2.0
// YamlEdit: changes a document's text so that it means something else, and touches only the lines where it differs:
// comments, order, quoting and spacing of everything else stay. The difference is taken between the tree that was read
// and the value that it is to become; the result is read again and compared, so an edit is either right or not made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "webhook/yaml_json.h"
#include "webhook/yaml_write.h"

namespace podtap::webhook {

// One replacement of the bytes [begin, end); begin == end inserts.
struct TextEdit {
  size_t begin;
  size_t end;
  std::string text;
};

// How the document that `root` stands for is formatted.
TextStyle StyleOf(std::string_view text, const YamlNode& root);

// Finds the edits that turn `root` into `wanted`.
class DocumentDiff {
 public:
  // `text` ends with a line feed.
  DocumentDiff(std::string_view text, const YamlNode& root) : text_(text), style_(StyleOf(text, root)) {}

  // False if the difference has no edit, e.g. inside a block scalar.
  bool Compare(const YamlNode& root, const json::value& wanted);
  const std::vector<TextEdit>& edits() const { return edits_; }

 private:
  // Where a value stands: the key before it (nullptr for items and the root), and whether that is inside {…} or […].
  struct Place {
    const YamlNode* owner = nullptr;
    bool in_flow = false;
  };

  void CompareNode(const YamlNode& node, Place place, const json::value& wanted);
  void CompareMapping(const YamlNode& node, const json::object& wanted);
  void CompareSequence(const YamlNode& node, Place place, const json::array& wanted);
  void ReplaceValue(const YamlNode& node, Place place, const json::value& wanted);
  void ReplaceByBlock(const YamlNode& node, const YamlNode& owner, const json::value& wanted);
  void RemoveMembers(const YamlNode& node, const std::vector<bool>& removed);
  void RemoveItems(const YamlNode& node, const std::vector<bool>& removed);
  void RemoveLines(size_t begin, const YamlNode& last);
  void RemoveFlow(const std::vector<std::pair<size_t, size_t>>& elements, const std::vector<bool>& removed);
  // A new element behind the one that stands at [begin, end); `key` is empty or `"key": `.
  void AppendFlow(size_t begin, size_t end, const std::string& key, const json::value& value);
  void InsertItem(const YamlNode& node, Place place, size_t before, const json::value& value);
  void Insert(size_t at, std::string text) { edits_.push_back({at, at, std::move(text)}); }

  size_t LineStart(size_t at) const;
  size_t NextLine(size_t at) const;
  size_t Column(size_t at) const { return at - LineStart(at); }
  bool BeginsItsLine(size_t at) const;
  std::string IndentText(size_t at) const;
  // Where the line after the node's last one begins.
  size_t LineAfter(const YamlNode& node) const;
  // The dash of a block sequence's item.
  size_t DashOf(const YamlNode& item) const;

  std::string_view text_;
  TextStyle style_;
  std::vector<TextEdit> edits_;
  bool possible_ = true;
};

struct EditedText {
  std::string text;
  // Documents (from 0) that could not be edited in place and were written anew, without their comments.
  std::vector<size_t> rewritten;
};

// Turns document i of `text` into wanted[i], for all documents that ParseYaml() finds in it.
EditedText EditDocuments(std::string_view text, const std::vector<YamlNode>& documents,
                         const std::vector<json::value>& wanted);

}  // namespace podtap::webhook
