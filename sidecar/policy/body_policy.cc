// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/body_policy.h"

#include <algorithm>
#include <utility>

#include "sidecar/policy/glob.h"
#include "sidecar/policy/look.h"
#include "sidecar/policy/redact_json.h"
#include "sidecar/policy/redact_multipart.h"
#include "sidecar/policy/redact_pairs.h"

namespace podtap {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string LowerType(std::string_view content_type) {
  std::string type(Trim(content_type.substr(0, content_type.find(';'))));
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return type;
}

bool IsJson(std::string_view type) {
  return type == "application/json" || type == "text/json" || type.ends_with("+json") ||
         type == "application/x-ndjson" || type == "application/jsonl" || type == "application/json-seq" ||
         type == "application/x-json" || type == "application/csp-report";
}

bool IsText(std::string_view type) {
  return type.empty() || type.starts_with("text/") || IsJson(type) || type.ends_with("+xml") ||
         type.ends_with("/xml") || type.ends_with("+yaml") || type == "application/x-www-form-urlencoded" ||
         type == "application/javascript" || type == "application/graphql" || type == "application/yaml" ||
         type == "application/x-yaml";
}

// What says nothing of what the body is.
bool SaysNothing(std::string_view type) {
  return type.empty() || type == "text/plain" || type == "application/octet-stream" ||
         type == "application/x-www-form-urlencoded" || type == "binary/octet-stream";
}

// Whether the text can be read byte by byte: a byte below 0x80 is that of ASCII wherever it stands. (Not so in
// Shift_JIS, GBK and Big5, nor in UTF-7, UTF-16 and EBCDIC.)
bool IsKnownCharset(std::string_view content_type) {
  size_t at = 0;
  while ((at = content_type.find(';', at)) != std::string_view::npos) {
    ++at;
    std::string_view parameter = Trim(content_type.substr(at, content_type.find(';', at) - at));
    if (parameter.size() < 8 || !EqualsIgnoreCase(parameter.substr(0, 8), "charset=")) continue;
    parameter = Trim(parameter.substr(8));
    if (parameter.starts_with('"')) parameter = parameter.substr(1, parameter.find('"', 1) - 1);
    static constexpr std::string_view kKnown[] = {"utf-8",  "utf8",   "us-ascii", "ascii", "latin1",
                                                  "euc-jp", "euc-kr", "gb2312",   "euc-tw"};
    static constexpr std::string_view kFamilies[] = {"iso-8859-", "windows-125", "koi8-"};
    const bool known = std::any_of(std::begin(kKnown), std::end(kKnown),
                                   [&](std::string_view one) { return EqualsIgnoreCase(one, parameter); }) ||
                       std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](std::string_view one) {
                         return EqualsIgnoreCase(one, parameter.substr(0, one.size()));
                       });
    if (!known) return false;
  }
  return true;
}

// What no text is sent as.
bool IsMedia(std::string_view type) {
  return type.starts_with("image/") || type.starts_with("video/") || type.starts_with("audio/") ||
         type.starts_with("font/");
}

// The Content-Type, or none if the message has several that differ: nobody knows which one counts.
std::string_view ContentType(const HeaderList& headers) {
  const std::string_view first = headers.Get("content-type");
  for (size_t i = 0; i < headers.size(); ++i)
    if (EqualsIgnoreCase(headers[i].name, "content-type") && headers[i].value != first) return {};
  return first;
}

// All codings, in the order in which they were applied (RFC 9110 5.3).
std::string ContentEncoding(const HeaderList& headers) {
  std::string all;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (!EqualsIgnoreCase(headers[i].name, "content-encoding")) continue;
    if (!all.empty()) all += ", ";
    all += headers[i].value;
  }
  return all;
}

}  // namespace

BodyPolicy::BodyPolicy(Options options, const Mask& mask, Counters& counters)
    : options_(std::move(options)), fields_(options_.redact_fields), mask_(mask), counters_(counters) {}

BodyPolicy::Kind BodyPolicy::KindOf(std::string_view content_type, std::string_view text) const {
  if (fields_.empty()) return Kind::kNone;
  const std::string type = LowerType(content_type);
  if (IsJson(type)) return Kind::kJson;
  if (type.starts_with("multipart/")) return Kind::kMultipart;
  // Programs like curl send JSON as forms when they are not told otherwise.
  if (SaysNothing(type) && LooksLikeJson(text)) return Kind::kJson;
  if (type == "application/x-www-form-urlencoded") return Kind::kForm;
  if (SaysNothing(type) && LooksLikeForm(text) && text.find('\0') == std::string_view::npos) return Kind::kForm;
  return IsMedia(type) ? Kind::kNone : Kind::kUnknown;
}

void BodyPolicy::Withhold(HttpEvent& event, HttpMessage& message) const {
  std::string().swap(message.body);
  message.wire_body.reset();
  event.tags.Add(Tag::kBodyWithheld);
  counters_.Add(Counter::kBodiesWithheld);
}

bool BodyPolicy::Redact(Kind kind, std::string_view content_type, bool cut, std::string& text) const {
  if (!IsKnownCharset(content_type) && (kind != Kind::kUnknown || SaysNothing(LowerType(content_type)))) return false;
  switch (kind) {
    case Kind::kJson: {
      std::string out;
      const JsonOutcome outcome = RedactJson(fields_, mask_, text, out);
      if (outcome != JsonOutcome::kWhole && (outcome != JsonOutcome::kCut || !cut)) return false;
      text = std::move(out);
      return true;
    }
    case Kind::kForm:
      if (cut && !text.ends_with('&')) return false;
      if (text.find('\0') != std::string::npos) return false;  // another charset than it says
      return RedactForm(fields_, mask_, text);
    case Kind::kMultipart:
      return !cut && RedactMultipart(fields_, mask_, content_type, text);
    case Kind::kUnknown:
      return !MentionsKey(fields_, text);
    case Kind::kNone:
      break;
  }
  return true;
}

void BodyPolicy::Apply(HttpEvent& event, HttpMessage& message) const {
  if (message.body.empty()) return;
  const std::string_view content_type = ContentType(message.headers);
  const std::string type = LowerType(content_type);
  if (!options_.keep_types.empty() && !MatchesAny(options_.keep_types, type)) {
    std::string().swap(message.body);
    event.tags.Add(Tag::kBodyLeftOut);
    counters_.Add(Counter::kBodiesLeftOut);
    return;
  }
  const std::string coding = ContentEncoding(message.headers);
  const bool coded = IsCoded(coding);
  bool cut = message.body.size() < message.body_bytes || !message.finished;
  std::string decoded_text;
  if (coded) {
    const bool may_be_ruled = !fields_.empty() && !IsMedia(type);
    if (!may_be_ruled && !(options_.decode && IsText(type))) return;
    Decoded decoded = DecodeBody(coding, message.body, options_.limits);
    if (decoded.outcome == Decoded::Outcome::kBroken || decoded.outcome == Decoded::Outcome::kTooMuch) {
      counters_.Add(Counter::kBodiesNotDecoded);
      if (may_be_ruled) Withhold(event, message);
      return;
    }
    if (decoded.outcome == Decoded::Outcome::kCut) cut = true;
    decoded_text = std::move(decoded.text);
  }
  const Kind kind = KindOf(content_type, coded ? decoded_text : message.body);
  const bool ruled = kind != Kind::kNone && kind != Kind::kUnknown;
  if (coded && !ruled && !(options_.decode && IsText(type))) {
    // The bytes of the wire leave, with what of them was not looked at.
    const bool seen = kind == Kind::kNone || decoded_text.size() < options_.limits.max_bytes;
    if (!seen || !Redact(kind, content_type, cut, decoded_text)) Withhold(event, message);
    return;
  }
  std::string text = coded ? std::move(decoded_text) : std::string();
  std::string& shown = coded ? text : message.body;
  if (kind != Kind::kNone && !Redact(kind, content_type, cut, shown)) return Withhold(event, message);
  if (!coded) return;
  // What was redacted replaces, never accompanies.
  if (options_.keep_wire_bodies && !ruled)
    message.wire_body = std::make_shared<const std::string>(std::move(message.body));
  if (cut) event.tags.Add(Tag::kTruncated);
  message.body = std::move(text);
  message.body_decoded = true;
  event.tags.Add(Tag::kDecoded);
  counters_.Add(Counter::kBodiesDecoded);
}

}  // namespace podtap
