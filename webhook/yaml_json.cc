// SPDX-License-Identifier: Apache-2.0
#include "webhook/yaml_json.h"

#include "webhook/yaml_scalar.h"

namespace podtap::webhook {
namespace {

void MergeInto(json::object& object, const YamlNode& merged) {
  if (merged.kind == YamlNode::Kind::kSequence) {
    for (const YamlNode& item : merged.items) MergeInto(object, item);
  } else if (merged.kind == YamlNode::Kind::kMapping) {
    const json::value value = ToJson(merged);
    for (const auto& member : value.get_object())
      if (!object.contains(member.key())) object[member.key()] = member.value();
  }
}

}  // namespace

json::value ToJson(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kScalar:
      return node.plain && node.tag.empty() ? PlainScalarValue(node.text) : TaggedScalarValue(node.text, node.tag);
    case YamlNode::Kind::kSequence: {
      json::array array;
      array.reserve(node.items.size());
      for (const YamlNode& item : node.items) array.push_back(ToJson(item));
      return array;
    }
    case YamlNode::Kind::kMapping:
      break;
  }
  json::object object;
  for (const auto& [key, value] : node.members)
    if (!(key.plain && key.text == "<<")) object[key.text] = ToJson(value);
  for (const auto& [key, value] : node.members)
    if (key.plain && key.text == "<<") MergeInto(object, value);
  return object;
}

}  // namespace podtap::webhook
