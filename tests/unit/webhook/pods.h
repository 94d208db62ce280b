// SPDX-License-Identifier: Apache-2.0
// Pods, namespaces and configurations for the webhook's tests, written as one would write them by hand.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "webhook/inject.h"

namespace podtap::webhook {

inline json::value Json(std::string_view text) { return json::parse(text); }

// A pod of one container without resources, with `annotations` (a JSON object) and further members of spec.
inline json::value Pod(std::string_view annotations = "{}", std::string_view more_spec = "") {
  std::string text = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"cart","annotations":)";
  text.append(annotations).append(R"(},"spec":{"containers":[{"name":"app","image":"shop/cart:1"}])");
  if (!more_spec.empty()) text.append(",").append(more_spec);
  return Json(text + "}}");
}

inline constexpr std::string_view kAsks = R"({"mirror.traceable.ai/enabled":"true"})";
inline json::value AskingPod(std::string_view more_spec = "") { return Pod(kAsks, more_spec); }

inline InjectorConfig TestConfig() {
  InjectorConfig config;
  config.image = "podtap-sidecar:test";
  return config;
}

inline Decision DecideIn(const json::value& pod, const NamespaceInfo& info, const InjectorConfig& config = TestConfig(),
                         std::string_view namespace_name = "shop") {
  return Decide({pod.get_object(), namespace_name, &info, true}, config);
}
inline Decision DecideAbout(const json::value& pod, const InjectorConfig& config = TestConfig()) {
  return DecideIn(pod, {}, config);
}

// What Inject() makes of a copy of `pod`, and the copy.
struct Injected {
  Outcome outcome;
  json::value pod;
};
inline Injected InjectInto(json::value pod, const InjectorConfig& config = TestConfig(),
                           const NamespaceInfo& info = {}) {
  Injected result{{}, std::move(pod)};
  result.outcome = Inject(result.pod, "shop", &info, config);
  return result;
}

// The value at a JSON Pointer; null if there is none.
inline json::value At(const json::value& document, std::string_view pointer) {
  boost::json::error_code error;
  const json::value* value = document.find_pointer(pointer, error);
  return value == nullptr ? json::value() : *value;
}
inline std::string TextAt(const json::value& document, std::string_view pointer) {
  const json::value value = At(document, pointer);
  return value.is_string() ? std::string(value.get_string().data(), value.get_string().size()) : std::string();
}

}  // namespace podtap::webhook
