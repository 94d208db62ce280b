// SPDX-License-Identifier: Apache-2.0
// YamlTree: a YAML or JSON text as a tree that knows where in the text each value stands, so that a value can be added
// or taken away without touching any other line. Built from libfyaml's events. The text is UTF-8. Aliases are copies of
// what they name, merge keys are the caller's. Sizes are bounded: 64 levels, a million values, copies counted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace podtap {

struct YamlMember;

struct YamlNode {
  enum class Kind { kScalar, kMapping, kSequence };
  Kind kind = Kind::kScalar;
  bool flow = false;          // {…} or […]
  bool plain = false;         // a scalar without quotes
  bool block_scalar = false;  // | or >
  bool alias = false;
  bool absent = false;  // nothing is written, as in "key:"
  // Where it stands: bytes [begin, end) of the text, quotes and brackets included; of a block scalar the content.
  size_t begin = 0;
  size_t end = 0;
  std::string text;  // of a scalar
  std::string tag;   // "!!str", or empty
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;

  bool empty() const;
  // The value of member `key`, or nullptr.
  const YamlNode* Find(std::string_view key) const;
};

struct YamlMember {
  YamlNode key;
  YamlNode value;
};

inline bool YamlNode::empty() const { return items.empty() && members.empty(); }

// All documents of a text; empty ones are left out. JSON texts may follow one another without separator. The error
// names the line and, where libfyaml knows it, the column.
Result<std::vector<YamlNode>> ParseYaml(std::string_view text);

}  // namespace podtap
