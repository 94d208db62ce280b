// SPDX-License-Identifier: Apache-2.0
// Reading a pod that may be anything: null and missing are the same, a value of the wrong type is missing too. The API
// server has decoded the pod before it calls, but an offline file and a fuzzer have not. All views point into the value
// given.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string_view>

namespace podtap::webhook {

namespace json = boost::json;

// The member `key`, or nullptr if `object` is nullptr, has no such member, or the member is null.
inline const json::value* Member(const json::object* object, std::string_view key) {
  if (object == nullptr) return nullptr;
  const json::value* value = object->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}
inline const json::object* ObjectMember(const json::object* object, std::string_view key) {
  const json::value* value = Member(object, key);
  return value == nullptr ? nullptr : value->if_object();
}
inline const json::array* ArrayMember(const json::object* object, std::string_view key) {
  const json::value* value = Member(object, key);
  return value == nullptr ? nullptr : value->if_array();
}
inline const json::string* StringMember(const json::object* object, std::string_view key) {
  const json::value* value = Member(object, key);
  return value == nullptr ? nullptr : value->if_string();
}
// The text of a string member; empty if there is none.
inline std::string_view TextMember(const json::object* object, std::string_view key) {
  const json::string* text = StringMember(object, key);
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

// pod.metadata.annotations, pod.metadata.labels, pod.spec; nullptr if missing.
inline const json::object* Annotations(const json::object& pod) {
  return ObjectMember(ObjectMember(&pod, "metadata"), "annotations");
}
inline const json::object* Labels(const json::object& pod) {
  return ObjectMember(ObjectMember(&pod, "metadata"), "labels");
}
inline const json::object* Spec(const json::object& pod) { return ObjectMember(&pod, "spec"); }

}  // namespace podtap::webhook
