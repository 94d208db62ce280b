// SPDX-License-Identifier: Apache-2.0
#include "webhook/heal.h"

#include <vector>

#include "webhook/own_parts.h"
#include "webhook/sidecar_container.h"

namespace podtap::webhook {
namespace {

// What the API server fills in where a container leaves it out.
bool IsDefault(std::string_view key, const json::value& value) {
  if (value.is_null()) return true;
  if (key == "resources") return value.is_object() && value.get_object().empty();
  const json::string* text = value.if_string();
  if (text == nullptr) return false;
  if (key == "terminationMessagePath") return *text == "/dev/termination-log";
  if (key == "terminationMessagePolicy") return *text == "File";
  if (key == "imagePullPolicy") return true;
  if (key == "apiVersion") return *text == "v1";  // of a fieldRef
  return false;
}

// Whether `found` is `expected`, give or take filled-in defaults.
bool Matches(const json::value& expected, const json::value& found) {
  if (const json::array* array = expected.if_array()) {
    const json::array* other = found.if_array();
    if (other == nullptr || other->size() != array->size()) return false;
    for (size_t i = 0; i < array->size(); ++i)
      if (!Matches((*array)[i], (*other)[i])) return false;
    return true;
  }
  const json::object* object = expected.if_object();
  if (object == nullptr) return expected == found;
  const json::object* other = found.if_object();
  if (other == nullptr) return false;
  for (const auto& member : *object) {
    const json::value* value = other->if_contains(member.key());
    if (value == nullptr || !Matches(member.value(), *value)) return false;
  }
  for (const auto& member : *other)
    if (!object->contains(member.key()) && !IsDefault(member.key(), member.value())) return false;
  return true;
}

}  // namespace

bool IsAppArmorProfileStripped(const json::object& pod, const InjectorConfig& config) {
  const auto place = FindContainer(pod);
  if (!place || config.run_as_privileged) return false;
  const json::value& found = Spec(pod)->at(place->list).as_array()[place->index];
  const json::object* context = ObjectMember(found.if_object(), "securityContext");
  return context != nullptr && Member(context, "appArmorProfile") == nullptr;
}

std::optional<std::string> PathOfStrippedContainer(const json::object& pod, const Decision& decision,
                                                   const InjectorConfig& config) {
  const auto place = FindContainer(pod);
  if (!place || place->list != "initContainers" || decision.shape != Shape::kNative) return std::nullopt;
  const json::value& found = Spec(pod)->at(place->list).as_array()[place->index];
  if (Member(found.if_object(), "restartPolicy") != nullptr) return std::nullopt;
  std::vector<std::string> warnings;
  json::object expected = SidecarContainer(pod, decision, config, warnings);
  expected.erase("restartPolicy");
  // Whoever does not know the one field does not know the other, which is younger.
  if (IsAppArmorProfileStripped(pod, config)) expected.at("securityContext").as_object().erase("appArmorProfile");
  if (!Matches(expected, found)) return std::nullopt;
  return "/spec/initContainers/" + std::to_string(place->index);
}

}  // namespace podtap::webhook
