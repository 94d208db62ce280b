// SPDX-License-Identifier: Apache-2.0
#include "base/metrics_text.h"

#include <algorithm>

namespace podtap {

void MetricsText::Add(std::string_view name, std::string_view labels, std::string_view help, uint64_t value) {
  AddText(name, labels, help, std::to_string(value));
}

void MetricsText::AddText(std::string_view name, std::string_view labels, std::string_view help,
                          std::string_view value) {
  auto family = std::find_if(families_.begin(), families_.end(), [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), {}});
    family = families_.end() - 1;
  }
  family->rows += name;
  if (!labels.empty()) family->rows.append("{").append(labels).append("}");
  family->rows.append(" ").append(value).append("\n");
}

std::string MetricsText::Finish() const {
  std::string text;
  for (const Family& family : families_) {
    text.append("# HELP ").append(family.name).append(" ").append(family.help).append("\n");
    text.append("# TYPE ").append(family.name).append(family.name.ends_with("_total") ? " counter\n" : " gauge\n");
    text += family.rows;
  }
  return text;
}

std::string EscapeLabel(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\n')
      escaped += "\\n";
    else if (c == '"' || c == '\\')
      escaped.append("\\").append(1, c);
    else
      escaped += c;
  }
  return escaped;
}

}  // namespace podtap
