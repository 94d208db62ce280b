// SPDX-License-Identifier: Apache-2.0
#include "webhook/uninject.h"

#include <algorithm>
#include <string>

#include "base/annotations.h"
#include "webhook/inject.h"
#include "webhook/own_parts.h"

namespace podtap::webhook {
namespace {

json::object* MutableObject(json::object* object, std::string_view key) {
  json::value* value = object == nullptr ? nullptr : object->if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

// Removes the array's elements that `ours` names, and the array if that leaves it empty.
template <typename IsOurs>
void RemoveNamed(json::object* spec, std::string_view key, IsOurs ours) {
  json::value* value = spec == nullptr ? nullptr : spec->if_contains(key);
  json::array* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return;
  const size_t before = array->size();
  for (size_t i = array->size(); i-- > 0;)
    if (ours(TextMember((*array)[i].if_object(), "name")))
      array->erase(array->begin() + static_cast<std::ptrdiff_t>(i));
  if (array->empty() && before > 0) spec->stable_erase(key);
}

std::string WithoutOwnVolumes(std::string_view list) {
  std::string kept;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    if (!IsOwnVolume(item)) kept.append(kept.empty() ? "" : ",").append(item);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return kept;
}

// Ours comes after our status annotation; one that the author wrote stands before it.
bool IsOwnDefaultContainer(const json::object& annotations) {
  const auto status = annotations.find(kStatusAnnotation);
  const auto container = annotations.find(kDefaultContainerAnnotation);
  return status != annotations.end() && container != annotations.end() && status < container;
}

void RemoveAnnotations(json::object& annotations) {
  if (IsOwnDefaultContainer(annotations)) annotations.stable_erase(kDefaultContainerAnnotation);
  annotations.stable_erase(kStatusAnnotation);
  annotations.stable_erase(kAppArmorAnnotation);
  if (json::value* list = annotations.if_contains(kSafeToEvictVolumesAnnotation);
      list != nullptr && list->is_string()) {
    const std::string kept = WithoutOwnVolumes({list->get_string().data(), list->get_string().size()});
    if (kept.empty())
      annotations.stable_erase(kSafeToEvictVolumesAnnotation);
    else
      *list = kept;
  }
}

template <typename Change>
void ChangeMap(json::object* metadata, std::string_view key, Change change) {
  json::object* map = MutableObject(metadata, key);
  if (map == nullptr || map->empty()) return;
  change(*map);
  if (map->empty()) metadata->stable_erase(key);
}

}  // namespace

bool Uninject(json::value& pod_value) {
  json::object* pod = pod_value.if_object();
  if (pod == nullptr || Member(Annotations(*pod), kStatusAnnotation) == nullptr) return false;
  json::object* metadata = MutableObject(pod, "metadata");
  if (!HasInjectedStatus(*pod)) {
    // A pod that was skipped has the status and nothing else of ours.
    ChangeMap(metadata, "annotations", [](json::object& annotations) { annotations.stable_erase(kStatusAnnotation); });
    return true;
  }
  json::object* spec = MutableObject(pod, "spec");
  const auto own_container = [](std::string_view name) { return name == kContainerName; };
  RemoveNamed(spec, "initContainers", own_container);
  RemoveNamed(spec, "containers", own_container);
  RemoveNamed(spec, "volumes", IsOwnVolume);
  ChangeMap(metadata, "annotations", RemoveAnnotations);
  ChangeMap(metadata, "labels", [](json::object& labels) { labels.stable_erase(kInjectedLabel); });
  return true;
}

}  // namespace podtap::webhook
