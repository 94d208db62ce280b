// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/http_url.h"

#include <algorithm>
#include <charconv>

namespace podtap {
namespace {

constexpr uint16_t kDefaultPort = 4318;
constexpr std::string_view kTraces = "/v1/traces";

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool IsVisible(char c) { return c > ' ' && c < 0x7f && c != '#'; }

// Host and port of "host", "host:4318", "[::1]" or "[::1]:4318".
Status ParseAuthority(std::string_view authority, HttpUrl& url) {
  if (authority.find('@') != std::string_view::npos)
    return UsageError("holds a user name or password; use --token_file or --otlp_headers");
  std::string_view host = authority, port;
  const bool literal = authority.starts_with('[');
  if (literal) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return UsageError("has a [ without ] in its host");
    host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!std::all_of(host.begin(), host.end(), [](char c) { return IsHostCharacter(c) || c == ':'; }))
      return UsageError("has no valid IPv6 address in its brackets");
  } else {
    host = authority.substr(0, authority.find(':'));
    port = authority.substr(host.size());
    if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) return UsageError("has no valid host");
  }
  if (host.empty()) return UsageError("names no host");
  url.host = host;
  url.port = kDefaultPort;
  if (port.empty()) return {};
  if (port.front() != ':') return UsageError("has something between its host and its port");
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() || url.port == 0)
    return UsageError("has no valid port (1 to 65535)");
  return {};
}

}  // namespace

std::string HttpUrl::Authority() const {
  const bool literal = host.find(':') != std::string::npos;
  return (literal ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string HttpUrl::Text() const { return (tls ? "https://" : "http://") + Authority() + path; }

Result<HttpUrl> ParseTracesUrl(std::string_view text) {
  HttpUrl url;
  if (text.starts_with("https://"))
    url.tls = true;
  else if (!text.starts_with("http://"))
    return UsageError("has no http:// or https:// URL; OTLP over gRPC is not offered");
  text.remove_prefix(url.tls ? 8 : 7);
  const size_t slash = std::min(text.find_first_of("/?#"), text.size());
  if (Status ok = ParseAuthority(text.substr(0, slash), url); !ok) return std::unexpected(ok.error());
  std::string_view path = text.substr(slash);
  if (!std::all_of(path.begin(), path.end(), IsVisible))
    return UsageError("has a character in its path that no URL has");
  if (path.find('?') != std::string_view::npos) return UsageError("has a query, which OTLP endpoints have not");
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  if (!path.ends_with(kTraces)) url.path += kTraces;
  return url;
}

std::string WithoutSecrets(std::string_view address) {
  std::string shown(address);
  const size_t scheme = shown.find("://");
  if (scheme == std::string::npos) return shown;
  const size_t begin = scheme + 3, end = std::min(shown.find_first_of("/?#", begin), shown.size());
  const size_t query = shown.find_first_of("?#", end);
  if (query != std::string::npos) shown.replace(query + 1, std::string::npos, "***");
  const size_t at = shown.rfind('@', end);
  if (at != std::string::npos && at >= begin && at < end) shown.replace(begin, at - begin, "***");
  return shown;
}

}  // namespace podtap
