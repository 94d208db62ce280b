// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/exchange_filter.h"

#include <algorithm>
#include <charconv>

#include "sidecar/policy/glob.h"

namespace podtap {
namespace {

std::optional<uint16_t> Number(std::string_view text) {
  uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The path of a target in origin or absolute form.
std::string_view PathOf(std::string_view target) {
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme != std::string_view::npos) {
      target.remove_prefix(scheme + 3);
      const size_t slash = target.find('/');
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
  }
  return target.substr(0, target.find_first_of("?#"));
}

// The host that was asked for, lower case, without port.
std::string HostOf(const HttpEvent& event) {
  std::string_view host =
      event.authority.empty() ? event.request.headers.Get("host") : std::string_view(event.authority);
  if (const size_t scheme = event.target.find("://"); !event.target.starts_with('/') && scheme != std::string::npos) {
    host = std::string_view(event.target).substr(scheme + 3);
    host = host.substr(0, host.find_first_of("/?#"));
  } else if (event.method == "CONNECT" && event.protocol.empty()) {
    host = event.target;
  }
  if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.starts_with('['))
    host = host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  else
    host = host.substr(0, host.find(':'));
  std::string lower(host);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return lower;
}

template <typename Range>
bool Within(const std::vector<Range>& ranges, uint16_t value) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [value](const Range& range) { return value >= range.low && value <= range.high; });
}

bool IsOneOf(const std::vector<std::string>& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [value](const auto& one) { return EqualsIgnoreCase(one, value); });
}

}  // namespace

Result<std::vector<StatusRange>> ParseStatuses(std::string_view flag, const std::vector<std::string>& items) {
  std::vector<StatusRange> ranges;
  for (const std::string& item : items) {
    const auto status = Number(item);
    if (item.size() == 3 && (item.ends_with("xx") || item.ends_with("XX")) && item[0] >= '1' && item[0] <= '9') {
      const auto low = static_cast<uint16_t>((item[0] - '0') * 100);
      ranges.push_back({low, static_cast<uint16_t>(low + 99)});
    } else if (status && *status >= 100 && *status <= 999) {
      ranges.push_back({*status, *status});
    } else {
      return UsageError("--" + std::string(flag) + ": \"" + item + "\" is no status; use 404 or 5xx");
    }
  }
  return ranges;
}

Result<std::vector<PortRange>> ParsePorts(std::string_view flag, const std::vector<std::string>& items) {
  std::vector<PortRange> ranges;
  for (const std::string& item : items) {
    const size_t dash = item.find('-');
    const auto low = Number(item.substr(0, dash));
    const auto high = dash == std::string::npos ? low : Number(item.substr(dash + 1));
    if (!low || !high || *low == 0 || *high < *low)
      return UsageError("--" + std::string(flag) + ": \"" + item + "\" is no port; use 8080 or 8000-8999");
    ranges.push_back({*low, *high});
  }
  return ranges;
}

bool FilterSettings::empty() const {
  return include_paths.empty() && exclude_paths.empty() && include_methods.empty() && exclude_methods.empty() &&
         include_hosts.empty() && exclude_hosts.empty() && include_user_agents.empty() && exclude_user_agents.empty() &&
         include_statuses.empty() && exclude_statuses.empty() && include_ports.empty() && exclude_ports.empty();
}

std::optional<Counter> ExchangeFilter::LeavesOut(const HttpEvent& event) const {
  if (empty_) return std::nullopt;
  const FilterSettings& s = settings_;
  const auto by_glob = [](const std::vector<std::string>& include, const std::vector<std::string>& exclude,
                          std::string_view value) {
    return (!include.empty() && !MatchesAny(include, value)) || MatchesAny(exclude, value);
  };
  const uint16_t port = event.server().port;
  if ((!s.include_ports.empty() && !Within(s.include_ports, port)) || Within(s.exclude_ports, port))
    return Counter::kEventsSkippedPort;
  if ((!s.include_statuses.empty() && !Within(s.include_statuses, event.status)) ||
      Within(s.exclude_statuses, event.status))
    return Counter::kEventsSkippedStatus;
  if ((!s.include_methods.empty() && !IsOneOf(s.include_methods, event.method)) ||
      IsOneOf(s.exclude_methods, event.method))
    return Counter::kEventsSkippedMethod;
  if (by_glob(s.include_paths, s.exclude_paths, PathOf(event.target))) return Counter::kEventsSkippedPath;
  if ((!s.include_hosts.empty() || !s.exclude_hosts.empty()) &&
      by_glob(s.include_hosts, s.exclude_hosts, HostOf(event)))
    return Counter::kEventsSkippedHost;
  if ((!s.include_user_agents.empty() || !s.exclude_user_agents.empty()) &&
      by_glob(s.include_user_agents, s.exclude_user_agents, event.request.headers.Get("user-agent")))
    return Counter::kEventsIgnoredUserAgent;
  return std::nullopt;
}

}  // namespace podtap
