// SPDX-License-Identifier: Apache-2.0
// MetricsText: the text exposition format of Prometheus (version 0.0.4). Rows of one metric may be added in any order;
// they come out together, after one HELP and one TYPE line, metrics in the order of their first row. Names that end in
// _total are counters, all others gauges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podtap {

class MetricsText {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  // `labels`: `key="value",…` without braces, or empty. Values are the caller's to escape (EscapeLabel).
  void Add(std::string_view name, std::string_view labels, std::string_view help, uint64_t value);
  void AddText(std::string_view name, std::string_view labels, std::string_view help, std::string_view value);
  std::string Finish() const;

 private:
  struct Family {
    std::string name, help, rows;
  };
  std::vector<Family> families_;
};

// Backslash, double quote and line feed escaped, as label values need it.
std::string EscapeLabel(std::string_view value);

}  // namespace podtap
