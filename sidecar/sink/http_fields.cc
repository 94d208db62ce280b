// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/http_fields.h"

#include <charconv>

namespace podtap {
namespace {

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The authority of an absolute-form target, or nothing. RFC 3986 3.1: a scheme begins with a letter.
std::optional<std::string_view> AuthorityOf(std::string_view target) {
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  for (size_t i = 0; i < colon; ++i) {
    const char c = target[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!letter && (i == 0 || !other)) return std::nullopt;
  }
  const std::string_view rest = target.substr(colon + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

RequestHost SplitAuthority(std::string_view authority) {
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {authority, std::nullopt};
  // A bare IPv6 address without brackets is no valid host; what was written is shown as it is.
  if (authority.find(':', colon + 1) != std::string_view::npos) return {authority, std::nullopt};
  return {authority.substr(0, colon), ParseNumber<uint16_t>(authority.substr(colon + 1))};
}

// Fills `slot` with the first non-empty value.
void Keep(std::string_view value, std::string_view& slot) {
  if (slot.empty()) slot = value;
}

}  // namespace

RequestHost HostOf(std::string_view method, std::string_view target, std::string_view host_field) {
  // An extended CONNECT (RFC 8441) has a path where the plain one names its host.
  if (method == "CONNECT" && !target.empty() && !target.starts_with('/')) return SplitAuthority(target);
  if (const auto authority = AuthorityOf(target); authority && !authority->empty()) return SplitAuthority(*authority);
  return SplitAuthority(host_field);
}

ContentRange ParseContentRange(std::string_view value) {
  ContentRange range;
  const size_t space = value.find(' ');
  if (space == std::string_view::npos) return range;
  const std::string_view rest = Trim(value.substr(space));
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return range;
  range.size = ParseNumber<uint64_t>(Trim(rest.substr(slash + 1)));
  const std::string_view span = Trim(rest.substr(0, slash));
  if (const size_t dash = span.find('-'); dash != std::string_view::npos) {
    range.start = ParseNumber<uint64_t>(span.substr(0, dash));
    range.end = ParseNumber<uint64_t>(span.substr(dash + 1));
  }
  return range;
}

std::string_view MediaType(std::string_view content_type) {
  return Trim(content_type.substr(0, content_type.find(';')));
}

RequestFields FindRequestFields(const HeaderList& headers) {
  RequestFields found;
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers[i];
    switch (name.size()) {
      case 4:
        if (EqualsIgnoreCase(name, "host")) Keep(value, found.host);
        break;
      case 7:
        if (EqualsIgnoreCase(name, "referer")) Keep(value, found.referer);
        break;
      case 10:
        if (EqualsIgnoreCase(name, "user-agent")) Keep(value, found.user_agent);
        break;
      case 15:
        if (EqualsIgnoreCase(name, "x-forwarded-for")) Keep(value, found.forwarded_for);
        break;
      default:
        break;
    }
  }
  return found;
}

ResponseFields FindResponseFields(const HeaderList& headers) {
  ResponseFields found;
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers[i];
    switch (name.size()) {
      case 8:
        if (EqualsIgnoreCase(name, "location")) Keep(value, found.location);
        break;
      case 12:
        if (EqualsIgnoreCase(name, "content-type")) Keep(value, found.content_type);
        break;
      case 13:
        if (EqualsIgnoreCase(name, "content-range")) Keep(value, found.content_range);
        break;
      default:
        break;
    }
  }
  return found;
}

}  // namespace podtap
