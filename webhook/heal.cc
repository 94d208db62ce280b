// SPDX-License-Identifier: Apache-2.0
#include "webhook/heal.h"

#include <string_view>
#include <utility>
#include <vector>

#include "base/annotations.h"
#include "webhook/own_parts.h"
#include "webhook/sidecar_container.h"

namespace podtap::webhook {
namespace {

// What the API server fills in where a container leaves it out.
bool IsDefault(std::string_view key, const json::value& value) {
  if (value.is_null()) return true;
  const json::string* text = value.if_string();
  if (text == nullptr) return false;
  if (key == "terminationMessagePath") return *text == "/dev/termination-log";
  if (key == "terminationMessagePolicy") return *text == "File";
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

// Members that the cluster's own admission may have set since: a LimitRange fills in resources, AlwaysPullImages
// changes the pull policy.
constexpr std::string_view kOthersMaySet[] = {"resources", "imagePullPolicy"};

json::object WithoutWhatOthersSet(json::object container) {
  for (std::string_view key : kOthersMaySet) container.erase(key);
  return container;
}

// The mode that the container was started with. The annotation that it came from may say something else by now: the off
// switch writes one.
std::string StartModeOf(const json::object& container, std::string otherwise) {
  constexpr std::string_view kFlag = "--mode=";
  const json::array* args = ArrayMember(&container, "args");
  for (size_t i = 0; args != nullptr && i < args->size(); ++i) {
    const json::string* text = (*args)[i].if_string();
    if (text == nullptr || !std::string_view(*text).starts_with(kFlag)) continue;
    if (const std::string mode(text->data() + kFlag.size(), text->size() - kFlag.size()); IsMode(mode)) return mode;
  }
  return otherwise;
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
  const json::object* found = Spec(pod)->at(place->list).as_array()[place->index].if_object();
  if (found == nullptr || Member(found, "restartPolicy") != nullptr) return std::nullopt;
  Decision then = decision;
  then.start_mode = StartModeOf(*found, decision.start_mode);
  std::vector<std::string> warnings;
  json::object expected = SidecarContainer(pod, then, config, warnings);
  expected.erase("restartPolicy");
  // Whoever does not know the one field does not know the other, which is younger.
  if (IsAppArmorProfileStripped(pod, config)) expected.at("securityContext").as_object().erase("appArmorProfile");
  if (!Matches(WithoutWhatOthersSet(std::move(expected)), WithoutWhatOthersSet(*found))) return std::nullopt;
  return "/spec/initContainers/" + std::to_string(place->index);
}

}  // namespace podtap::webhook
