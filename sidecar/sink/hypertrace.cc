// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/hypertrace.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "sidecar/sink/http_fields.h"
#include "sidecar/sink/json_text.h"
#include "sidecar/sink/request_url.h"

namespace podtap {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return lower;
}

void AppendHeaders(const std::string& prefix, const HeaderList& fields, OtlpAttributes& attributes) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string_view name = fields[i].name;
    size_t before = 0, all = 0;
    for (size_t j = 0; j < fields.size(); ++j)
      if (EqualsIgnoreCase(fields[j].name, name)) ++all, before += j < i ? 1 : 0;
    std::string key = prefix + (IsUtf8(name) ? Lower(name) : ToUtf8(name));
    if (all > 1) key.append("[").append(std::to_string(before)).append("]");
    attributes.String(key, fields[i].value);
  }
}

void AppendBody(const std::string& key, const HttpEvent& event, const HttpMessage& message,
                OtlpAttributes& attributes) {
  if (message.body.empty()) return;
  // A limit may have cut the text inside a character.
  const bool cut = message.body_decoded || message.body.size() < message.body_bytes;
  std::string_view text = message.body;
  for (int i = 0; cut && i < 3 && !IsUtf8(text); ++i) text.remove_suffix(1);
  const bool multipart = MediaType(message.headers.Get("content-type")).starts_with("multipart/");
  if (!multipart && !text.empty() && IsUtf8(text)) {
    attributes.String(key, text);
  } else {
    std::string base64;
    AppendBase64(message.body, base64);
    attributes.String(key + ".base64", base64);
  }
  if (cut && (event.tags.Has(Tag::kTruncated) || event.tags.Has(Tag::kTruncatedMemory)))
    attributes.Bool(key + ".truncated", true);
}

}  // namespace

void AppendHypertrace(const HttpEvent& event, OtlpAttributes& attributes) {
  attributes.String("traceableai.module.name", "ebpf");
  attributes.String("traceableai.module.version", PODTAP_VERSION);
  if (event.request.seen)
    attributes.String("http.url", FullUrl(event, UrlOf(event, HostFieldOf(event, event.request.headers.Get("host")))));
  AppendHeaders("http.request.header.", event.request.headers, attributes);
  AppendHeaders("http.response.header.", event.response.headers, attributes);
  AppendBody("http.request.body", event, event.request, attributes);
  AppendBody("http.response.body", event, event.response, attributes);
}

}  // namespace podtap
