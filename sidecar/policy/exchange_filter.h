// SPDX-License-Identifier: Apache-2.0
// ExchangeFilter: which exchanges leave at all, by what they are. Each list of what to include lets through what
// matches one of its entries (an empty list everything), each list of what to exclude holds back what matches one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "base/result.h"
#include "sidecar/event/http_event.h"

namespace podtap {

// "404" or "5xx".
struct StatusRange {
  uint16_t low, high;
  bool operator==(const StatusRange&) const = default;
};
Result<std::vector<StatusRange>> ParseStatuses(std::string_view flag, const std::vector<std::string>& items);
// "80" or "8000-8999".
struct PortRange {
  uint16_t low, high;
  bool operator==(const PortRange&) const = default;
};
Result<std::vector<PortRange>> ParsePorts(std::string_view flag, const std::vector<std::string>& items);

struct FilterSettings {
  std::vector<std::string> include_paths, exclude_paths;              // globs of the path, without query
  std::vector<std::string> include_methods, exclude_methods;          // without regard to case
  std::vector<std::string> include_hosts, exclude_hosts;              // globs, lower case, without port
  std::vector<std::string> include_user_agents, exclude_user_agents;  // globs
  std::vector<StatusRange> include_statuses, exclude_statuses;
  std::vector<PortRange> include_ports, exclude_ports;  // of the server's end of the connection
  bool empty() const;
  bool operator==(const FilterSettings&) const = default;
};

class ExchangeFilter {
 public:
  explicit ExchangeFilter(FilterSettings settings) : settings_(std::move(settings)), empty_(settings_.empty()) {}
  // The counter to count it by if it is left out.
  std::optional<Counter> LeavesOut(const HttpEvent& event) const;

 private:
  const FilterSettings settings_;
  const bool empty_;
};

}  // namespace podtap
