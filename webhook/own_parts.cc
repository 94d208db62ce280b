// SPDX-License-Identifier: Apache-2.0
#include "webhook/own_parts.h"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "base/annotations.h"

namespace podtap::webhook {

bool IsOwnVolume(std::string_view name) {
  return std::find(kVolumeNames.begin(), kVolumeNames.end(), name) != kVolumeNames.end();
}

std::optional<ContainerPlace> FindContainer(const json::object& pod) {
  for (std::string_view list : {std::string_view("initContainers"), std::string_view("containers")}) {
    const json::array* containers = ArrayMember(Spec(pod), list);
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i)
      if (TextMember((*containers)[i].if_object(), "name") == kContainerName) return ContainerPlace{list, i};
  }
  return std::nullopt;
}

bool HasInjectedStatus(const json::object& pod) {
  const std::string_view text = TextMember(Annotations(pod), kStatusAnnotation);
  constexpr size_t kLongestStatus = 4096;
  if (text.empty() || text.size() > kLongestStatus) return false;
  boost::json::error_code error;
  const json::value status = json::parse(text, error);
  return !error && TextMember(status.if_object(), "result") == "injected";
}

std::string ConflictingName(const json::object& pod) {
  if (const auto place = FindContainer(pod)) return std::string(kContainerName);
  const json::array* volumes = ArrayMember(Spec(pod), "volumes");
  for (size_t i = 0; volumes != nullptr && i < volumes->size(); ++i) {
    const std::string_view name = TextMember((*volumes)[i].if_object(), "name");
    if (IsOwnVolume(name)) return std::string(name);
  }
  return {};
}

}  // namespace podtap::webhook
