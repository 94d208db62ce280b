// SPDX-License-Identifier: Apache-2.0
#include "base/json_line.h"

#include <utility>

namespace podtap {
namespace {

void AppendQuoted(std::string_view value, std::string& out) {
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00", out += kHex[static_cast<unsigned char>(c) >> 4], out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

void JsonLine::Key(std::string_view key) {
  if (text_.size() > 1) text_ += ',';
  AppendQuoted(key, text_);
  text_ += ':';
}

JsonLine& JsonLine::Text(std::string_view key, std::string_view value) {
  Key(key);
  AppendQuoted(value, text_);
  return *this;
}

JsonLine& JsonLine::Number(std::string_view key, uint64_t value) {
  Key(key);
  text_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::Bool(std::string_view key, bool value) {
  Key(key);
  text_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::List(std::string_view key, const std::vector<std::string>& values) {
  Key(key);
  text_ += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_ += ',';
    AppendQuoted(values[i], text_);
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::Raw(std::string_view key, std::string_view json) {
  Key(key);
  text_ += json;
  return *this;
}

std::string JsonLine::Finish() {
  std::string finished = std::exchange(text_, "{");
  finished += '}';
  return finished;
}

}  // namespace podtap
