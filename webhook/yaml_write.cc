// SPDX-License-Identifier: Apache-2.0
#include "webhook/yaml_write.h"

#include <boost/json/serialize.hpp>

#include "webhook/yaml_scalar.h"

namespace podtap::webhook {
namespace {

bool IsFilled(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

std::string OneLine(const json::value& value) {
  return value.is_structured() ? json::serialize(value) : WriteScalar(value);
}

void WriteMembers(const json::object& object, size_t indent, const TextStyle& style, std::string& out) {
  for (const auto& member : object) WriteBlockMember(member.key(), member.value(), indent, style, out);
}

}  // namespace

void WriteBlockBelow(const json::value& value, size_t key_indent, const TextStyle& style, std::string& out) {
  if (const json::object* object = value.if_object()) {
    WriteMembers(*object, key_indent + style.step, style, out);
  } else {
    for (const json::value& item : value.get_array())
      WriteBlockItem(item, key_indent + style.sequence_step, style, out);
  }
}

void WriteBlockMember(std::string_view key, const json::value& value, size_t indent, const TextStyle& style,
                      std::string& out) {
  out.append(indent, ' ').append(WriteScalar(json::value(key))).append(":");
  if (IsFilled(value)) {
    out += '\n';
    WriteBlockBelow(value, indent, style, out);
  } else {
    out.append(" ").append(OneLine(value)).append("\n");
  }
}

void WriteBlockItem(const json::value& value, size_t indent, const TextStyle& style, std::string& out) {
  out.append(indent, ' ').append("- ");
  if (!IsFilled(value)) {
    out.append(OneLine(value)).append("\n");
    return;
  }
  // The first line of what the item holds stands behind the dash.
  std::string below;
  if (const json::object* object = value.if_object())
    WriteMembers(*object, indent + 2, style, below);
  else
    for (const json::value& item : value.get_array()) WriteBlockItem(item, indent + 2, style, below);
  out.append(below, indent + 2);
}

void WriteJson(const json::value& value, const std::string& prefix, const TextStyle& style, std::string& out) {
  if (!IsFilled(value)) {
    out.append(json::serialize(value));
    return;
  }
  const std::string inner = prefix + style.json_step;
  const char* separator = "\n";
  if (const json::object* object = value.if_object()) {
    out += '{';
    for (const auto& member : *object) {
      out.append(separator).append(inner).append(json::serialize(json::value(member.key()))).append(": ");
      WriteJson(member.value(), inner, style, out);
      separator = ",\n";
    }
    out.append("\n").append(prefix).append("}");
  } else {
    out += '[';
    for (const json::value& item : value.get_array()) {
      out.append(separator).append(inner);
      WriteJson(item, inner, style, out);
      separator = ",\n";
    }
    out.append("\n").append(prefix).append("]");
  }
}

std::string WriteDocument(const json::value& value, bool as_json, const TextStyle& style) {
  std::string out;
  if (as_json || !IsFilled(value)) {
    WriteJson(value, {}, style, out);
    out += '\n';
  } else if (const json::object* object = value.if_object()) {
    WriteMembers(*object, 0, style, out);
  } else {
    for (const json::value& item : value.get_array()) WriteBlockItem(item, 0, style, out);
  }
  return out;
}

}  // namespace podtap::webhook
