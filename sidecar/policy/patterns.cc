// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/patterns.h"

#include "sidecar/event/header_list.h"

namespace podtap {
namespace {

template <typename Holds>
Status CheckAll(std::string_view flag, const std::vector<std::string>& items, std::string_view what, Holds holds) {
  for (const std::string& item : items)
    if (!holds(item)) return UsageError("--" + std::string(flag) + ": \"" + item + "\" " + std::string(what));
  return {};
}

}  // namespace

Status CheckPaths(std::string_view flag, const std::vector<std::string>& items) {
  return CheckAll(flag, items, "matches no path; begin it with / or **", [](std::string_view item) {
    return item.starts_with('/') || item.starts_with('*') || item.starts_with('?');
  });
}

Status CheckHosts(std::string_view flag, const std::vector<std::string>& items) {
  return CheckAll(flag, items, "matches no host; write it without scheme, port and path (IPv6 in brackets)",
                  [](std::string_view item) {
                    if (item.starts_with('[') && item.ends_with(']')) return true;
                    return item.find_first_of("/:") == std::string_view::npos;
                  });
}

Status CheckTokens(std::string_view flag, const std::vector<std::string>& items) {
  return CheckAll(flag, items, "is no name; write names with commas between them", IsFieldName);
}

Status CheckMediaTypes(std::string_view flag, const std::vector<std::string>& items) {
  return CheckAll(flag, items, "matches no media type; write application/json, or text/* for all of a kind",
                  [](std::string_view item) {
                    return item.find('/') != std::string_view::npos || item.find("**") != std::string_view::npos;
                  });
}

}  // namespace podtap
