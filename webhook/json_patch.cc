// SPDX-License-Identifier: Apache-2.0
#include "webhook/json_patch.h"

#include <boost/json/serializer.hpp>
#include <charconv>
#include <optional>

namespace podtap::webhook {
namespace {

std::string Unescape(std::string_view segment) {
  std::string out;
  for (size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '~' && i + 1 < segment.size() && (segment[i + 1] == '0' || segment[i + 1] == '1'))
      out += segment[++i] == '0' ? '~' : '/';
    else
      out += segment[i];
  }
  return out;
}

// An array index without sign or leading zeros, RFC 6901 section 4.
std::optional<size_t> ParseIndex(std::string_view text) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text[0] == '0'))
    return std::nullopt;
  return index;
}

json::value* Step(json::value* at, std::string_view segment) {
  if (json::object* object = at->if_object()) return object->if_contains(Unescape(segment));
  if (json::array* array = at->if_array()) {
    const auto index = ParseIndex(segment);
    return index && *index < array->size() ? &(*array)[*index] : nullptr;
  }
  return nullptr;
}

// The value at `path` ("" is the document), or nullptr.
json::value* Walk(json::value& document, std::string_view path) {
  json::value* at = &document;
  while (at != nullptr && !path.empty()) {
    if (path[0] != '/') return nullptr;
    const size_t end = std::min(path.find('/', 1), path.size());
    at = Step(at, path.substr(1, end - 1));
    path.remove_prefix(end);
  }
  return at;
}

}  // namespace

std::string EscapePointer(std::string_view segment) {
  std::string out;
  for (const char c : segment) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

bool ApplyAdd(json::value& document, const AddOperation& operation) {
  const std::string_view path = operation.path;
  if (path.empty()) {
    document = operation.value;
    return true;
  }
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return false;
  json::value* parent = Walk(document, path.substr(0, slash));
  const std::string_view last = path.substr(slash + 1);
  if (parent == nullptr) return false;
  if (json::object* object = parent->if_object()) {
    object->insert_or_assign(Unescape(last), operation.value);
    return true;
  }
  json::array* array = parent->if_array();
  if (array == nullptr) return false;
  const std::optional<size_t> index = last == "-" ? array->size() : ParseIndex(last);
  if (!index || *index > array->size()) return false;
  array->insert(array->begin() + static_cast<std::ptrdiff_t>(*index), operation.value);
  return true;
}

const json::value* PatchBuilder::Existing(const std::string& path) const {
  const json::value* value = Walk(document_, path);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void PatchBuilder::Add(std::string path, json::value value) {
  operations_.push_back({std::move(path), std::move(value)});
  applies_ = applies_ && ApplyAdd(document_, operations_.back());
}

void PatchBuilder::SetMember(std::string_view parent_path, std::string_view parent_key, std::string_view key,
                             json::value value) {
  const std::string parent = std::string(parent_path) + "/" + EscapePointer(parent_key);
  const json::value* existing = Existing(parent);
  if (existing == nullptr) {
    json::object whole;
    whole[key] = std::move(value);
    Add(parent, std::move(whole));
    return;
  }
  applies_ = applies_ && existing->is_object();
  Add(parent + "/" + EscapePointer(key), std::move(value));
}

void PatchBuilder::AddElement(std::string_view parent_path, std::string_view array_key, std::string_view where,
                              json::value value) {
  const std::string array = std::string(parent_path) + "/" + EscapePointer(array_key);
  const json::value* existing = Existing(array);
  if (existing == nullptr) {
    Add(array, json::array{std::move(value)});
    return;
  }
  // "/0" of an object would be a member of that name.
  applies_ = applies_ && existing->is_array();
  Add(array + std::string(where), std::move(value));
}

std::string PatchText(const std::vector<AddOperation>& operations) {
  std::string text;
  text.reserve(4096);
  json::serializer serializer;
  const auto append = [&](const json::value& value) {
    serializer.reset(&value);
    char buffer[4096];
    while (!serializer.done()) {
      const boost::json::string_view piece = serializer.read(buffer);
      text.append(piece.data(), piece.size());
    }
  };
  char separator = '[';
  for (const AddOperation& operation : operations) {
    text += separator;
    text += R"({"op":"add","path":)";
    append(json::value(operation.path));
    text += ",\"value\":";
    append(operation.value);
    text += '}';
    separator = ',';
  }
  return operations.empty() ? "[]" : text += ']';
}

}  // namespace podtap::webhook
