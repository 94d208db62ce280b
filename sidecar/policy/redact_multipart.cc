// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_multipart.h"

#include <algorithm>
#include <utility>

#include "base/percent.h"
#include "sidecar/policy/look.h"
#include "sidecar/policy/redact_json.h"

namespace podtap {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

size_t FindIgnoreCase(std::string_view text, std::string_view what, size_t from = 0) {
  const auto it = std::search(text.begin() + static_cast<ptrdiff_t>(std::min(from, text.size())), text.end(),
                              what.begin(), what.end(), [](char a, char b) { return Lower(a) == Lower(b); });
  return it == text.end() ? std::string_view::npos : static_cast<size_t>(it - text.begin());
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// The value at the beginning of `text`, quoted or not.
std::string ParameterValue(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text.substr(0, text.find_first_of("; \t\r\n")));
  std::string value;
  for (size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  return value;
}

// Calls `with` for the value of each parameter of that name (RFC 2045 5.1; with a '*', RFC 8187, decoded).
template <typename With>
void ForEachParameter(std::string_view text, std::string_view name, With with) {
  for (size_t at = FindIgnoreCase(text, name); at != std::string_view::npos; at = FindIgnoreCase(text, name, at + 1)) {
    const char before = at == 0 ? ';' : text[at - 1];
    if (before != ';' && !IsBlank(before) && before != '\n') continue;  // "filename=" is no "name="
    size_t next = at + name.size();
    const bool extended = next < text.size() && text[next] == '*';
    if (extended) ++next;
    while (next < text.size() && IsBlank(text[next])) ++next;
    if (next == text.size() || text[next] != '=') continue;
    ++next;
    while (next < text.size() && IsBlank(text[next])) ++next;
    std::string value = ParameterValue(text.substr(next));
    if (extended) value = FormDecode(std::string_view(value).substr(value.rfind('\'') + 1));
    with(value);
  }
}

bool IsOfName(const Names& names, std::string_view head) {
  bool named = false;
  ForEachParameter(head, "name", [&](const std::string& name) {
    // Browsers write quotes and line ends in names with percent signs.
    named = named || names.HasPart(name) || names.HasPart(FormDecode(name));
  });
  return named;
}

// Whether the part's head says that its bytes stand for others.
bool IsCoded(std::string_view head) {
  const auto has = [head](std::string_view what) { return FindIgnoreCase(head, what) != std::string_view::npos; };
  return has("content-encoding") || has("base64") || has("quoted-printable") || has("multipart/");
}

}  // namespace

bool RedactMultipart(const Names& names, const Mask& mask, std::string_view content_type, std::string& body) {
  std::string boundary;
  size_t boundaries = 0;
  ForEachParameter(content_type, "boundary", [&](const std::string& value) { boundary = value, ++boundaries; });
  if (boundary.empty() || boundaries != 1) return false;
  const std::string delimiter = "\r\n--" + boundary;
  // The first delimiter has no line end before it.
  const std::string text = "\r\n" + body;
  const std::string_view view = text;
  std::string out;
  size_t at = text.find(delimiter);
  if (at == std::string::npos || MentionsKey(names, view.substr(0, at))) return false;
  out.append(text, 0, at);
  while (true) {
    const size_t part = at + delimiter.size();
    if (text.compare(part, 2, "--") == 0) {
      if (MentionsKey(names, view.substr(part))) return false;
      out.append(text, at);
      body = out.substr(2);
      return true;
    }
    // White space may follow the boundary, nothing else: it would be another boundary that begins so.
    const size_t line_end = text.find_first_not_of(" \t", part);
    if (line_end == std::string::npos || text.compare(line_end, 2, "\r\n") != 0) return false;
    const size_t head_end = text.find("\r\n\r\n", line_end);
    const size_t content = head_end + 4;
    // An empty part's last line end belongs to the delimiter.
    const size_t next = text.find(delimiter, line_end);
    if (head_end == std::string::npos || next == std::string::npos || content > next + 2) return false;
    const std::string_view head = view.substr(part, head_end - part);
    const std::string_view value = content < next ? view.substr(content, next - content) : std::string_view();
    const bool named = IsOfName(names, head);
    out.append(text, at, (named ? content : std::min(content, next)) - at);
    if (named) {
      out += mask(value);
    } else if (IsCoded(head) || !RedactEmbedded(names, mask, value, out)) {
      return false;
    }
    at = next;
  }
}

}  // namespace podtap
