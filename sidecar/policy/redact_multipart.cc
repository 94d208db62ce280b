// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_multipart.h"

#include <algorithm>
#include <utility>

#include "sidecar/event/header_list.h"

namespace podtap {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

size_t FindIgnoreCase(std::string_view text, std::string_view what, size_t from = 0) {
  const auto it = std::search(text.begin() + static_cast<ptrdiff_t>(std::min(from, text.size())), text.end(),
                              what.begin(), what.end(), [](char a, char b) { return Lower(a) == Lower(b); });
  return it == text.end() ? std::string_view::npos : static_cast<size_t>(it - text.begin());
}

// The value of `parameter` ("name=", "boundary=") in a header's value, quoted or not; empty if there is none.
std::string Parameter(std::string_view value, std::string_view parameter) {
  for (size_t at = FindIgnoreCase(value, parameter); at != std::string_view::npos;
       at = FindIgnoreCase(value, parameter, at + 1)) {
    const char before = at == 0 ? ';' : value[at - 1];
    if (before != ';' && before != ' ' && before != '\t') continue;  // "filename=" is no "name="
    value.remove_prefix(at + parameter.size());
    if (!value.starts_with('"')) return std::string(value.substr(0, value.find_first_of("; \t\r\n")));
    std::string text;
    for (size_t i = 1; i < value.size() && value[i] != '"'; ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      text += value[i];
    }
    return text;
  }
  return {};
}

}  // namespace

bool RedactMultipart(const Names& names, const Mask& mask, std::string_view content_type, std::string& body) {
  const std::string boundary = Parameter(content_type, "boundary=");
  if (boundary.empty()) return false;
  const std::string delimiter = "\r\n--" + boundary;
  // The first delimiter has no line end before it.
  const std::string text = "\r\n" + body;
  std::string out;
  size_t at = text.find(delimiter);
  if (at == std::string::npos) return false;
  out.append(text, 0, at);
  while (true) {
    const size_t part = at + delimiter.size();
    if (text.compare(part, 2, "--") == 0) {
      out.append(text, at);
      body = out.substr(2);
      return true;
    }
    const size_t head_end = text.find("\r\n\r\n", part);
    const size_t next = text.find(delimiter, part);
    if (head_end == std::string::npos || next == std::string::npos || head_end > next) return false;
    const std::string_view head = std::string_view(text).substr(part, head_end - part);
    const size_t content = head_end + 4;
    if (content > next) return false;
    out.append(text, at, content - at);
    if (names.HasPart(Parameter(head, "name="))) {
      out += mask(std::string_view(text).substr(content, next - content));
    } else if (FindIgnoreCase(head, "json") != std::string_view::npos ||
               FindIgnoreCase(head, "multipart/mixed") != std::string_view::npos) {
      return false;
    } else {
      out.append(text, content, next - content);
    }
    at = next;
  }
}

}  // namespace podtap
