// SPDX-License-Identifier: Apache-2.0
// Writing values as text that fits into a file somebody else has formatted: block YAML at an indentation, or JSON.
#pragma once

#include <string>
#include <string_view>

#include "webhook/json_view.h"

namespace podtap::webhook {

struct TextStyle {
  size_t step = 2;           // of block mappings
  size_t sequence_step = 0;  // of "- " below its key
  std::string json_step = "  ";
};

// "key: value" and what follows it, each line indented by `indent` and ended by '\n'.
void WriteBlockMember(std::string_view key, const json::value& value, size_t indent, const TextStyle& style,
                      std::string& out);
// "- value" likewise.
void WriteBlockItem(const json::value& value, size_t indent, const TextStyle& style, std::string& out);
// What stands below a key whose value is a mapping or sequence that is not empty.
void WriteBlockBelow(const json::value& value, size_t key_indent, const TextStyle& style, std::string& out);

// JSON over several lines; every line after the first begins with `prefix`.
void WriteJson(const json::value& value, const std::string& prefix, const TextStyle& style, std::string& out);

// A whole document.
std::string WriteDocument(const json::value& value, bool as_json, const TextStyle& style);

}  // namespace podtap::webhook
