// SPDX-License-Identifier: Apache-2.0
// Fuzzes what may leave: one body with its Content-Type and Content-Encoding, and a target. The first line of the input
// is "TYPE|CODING|TARGET", the rest is the body. Promises that are checked: the value of a named field of a JSON body
// that a parser of ours or any other understands does not leave; what was redacted is redacted again to itself; a body
// that is withheld is empty.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sidecar/policy/policy.h"

namespace podtap {
namespace {

#define PROMISE(condition) \
  do {                     \
    if (!(condition)) {    \
      std::abort();        \
    }                      \
  } while (false)

// No value of a field "secret" is anything but the mask, nor in strings that are JSON themselves.
bool IsClean(const boost::json::value& value, int depth = 0) {
  if (const auto* object = value.if_object()) {
    for (const auto& [key, field] : *object) {
      if (EqualsIgnoreCase(key, "secret") ? field != "***" : !IsClean(field, depth)) return false;
    }
  } else if (const auto* array = value.if_array()) {
    for (const auto& item : *array)
      if (!IsClean(item, depth)) return false;
  } else if (const auto* text = value.if_string(); text != nullptr && depth < 3) {
    boost::json::error_code error;
    const auto inside = boost::json::parse(*text, error);
    if (!error && inside.is_structured()) return IsClean(inside, depth + 1);
  }
  return true;
}

HttpEvent Apply(Policy& policy, std::string_view type, std::string_view coding, std::string_view target,
                std::string_view body, bool finished = true) {
  HttpEvent event;
  event.target = target;
  event.request.seen = true;
  event.request.finished = finished;
  if (!type.empty()) event.request.headers.Add("Content-Type", type);
  if (!coding.empty()) event.request.headers.Add("Content-Encoding", coding);
  event.request.headers.Add("Referer", target);
  event.request.body = body;
  event.request.body_bytes = body.size();
  policy.ApplyToBodies(event);
  policy.ApplyToUrls(event);
  return event;
}

void Run(std::string_view input) {
  static Counters counters;
  static Policy policy = [] {
    PolicySettings settings;
    settings.redact_query = settings.bodies.redact_fields = {"secret"};
    settings.bodies.limits.max_bytes = 64 << 10;
    return Policy(std::move(settings), counters);
  }();
  const std::string_view line = input.substr(0, input.find('\n'));
  const std::string_view body = input.substr(std::min(line.size() + 1, input.size()));
  const size_t first = std::min(line.find('|'), line.size());
  const size_t second = std::min(line.find('|', first + 1), line.size());
  const std::string_view type = line.substr(0, first);
  const std::string_view coding = first < second ? line.substr(first + 1, second - first - 1) : "";
  const std::string_view target = second < line.size() ? line.substr(second + 1) : "";

  const HttpEvent once = Apply(policy, type, coding, target, body);
  if (once.tags.Has(Tag::kBodyWithheld)) PROMISE(once.request.body.empty());
  const std::string_view left = once.request.body;
  const bool decoded = once.request.body_decoded;
  const HttpEvent again = Apply(policy, type, decoded ? "" : coding, once.target, left, !decoded);
  PROMISE(again.target == once.target);
  PROMISE(again.request.body == left);
  if (coding.empty() || decoded) {
    boost::json::error_code error;
    const auto parsed = boost::json::parse(left, error);
    const bool media = type.starts_with("image/") || type.starts_with("video/") || type.starts_with("audio/") ||
                       type.starts_with("font/");
    if (!error && !media && type.find_first_not_of("abcdefghijklmnopqrstuvwxyz/-+") == std::string_view::npos &&
        !type.starts_with("multipart/"))
      PROMISE(!parsed.is_structured() || IsClean(parsed));
  }
}

}  // namespace
}  // namespace podtap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  podtap::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
