// SPDX-License-Identifier: Apache-2.0
// The pieces of JSON text that encoders append to a buffer they own and use again: no allocation beyond the buffer's
// growth. Input may be any bytes; output is always valid UTF-8 and valid JSON (RFC 8259).
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace podtap {

// Length in bytes of the UTF-8 sequence that begins at text[at] (at < text.size()), 0 if there is no valid one (RFC
// 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t Utf8Length(std::string_view text, size_t at);

// Appends `text` as a JSON string with its quotes. Control characters (C0, DEL, C1) become escapes, so that a record
// shown on a terminal cannot steer it. A byte that is no part of valid UTF-8 becomes \u00XX, its ISO 8859-1 meaning.
void AppendJsonString(std::string_view text, std::string& out);

// Appends standard base64 with padding (RFC 4648 section 4), without quotes.
void AppendBase64(std::string_view bytes, std::string& out);

template <std::integral T>
void AppendNumber(T value, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
}

// Writes the members of one JSON object, in the order of the calls. Keys are our own and need no escaping.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  void String(std::string_view key, std::string_view value) {
    Key(key);
    AppendJsonString(value, out_);
  }
  void StringIfAny(std::string_view key, std::string_view value) {
    if (!value.empty()) String(key, value);
  }
  template <std::integral T>
  void Number(std::string_view key, T value) {
    Key(key);
    AppendNumber(value, out_);
  }
  void Bool(std::string_view key, bool value) {
    Key(key);
    out_ += value ? "true" : "false";
  }
  void Base64IfAny(std::string_view key, std::string_view bytes) {
    if (bytes.empty()) return;
    Key(key);
    out_ += '"';
    AppendBase64(bytes, out_);
    out_ += '"';
  }
  // Writes the key; the caller appends the value.
  void Key(std::string_view key) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_.append(key) += "\":";
  }
  void End() { out_ += '}'; }

 private:
  std::string& out_;
};

}  // namespace podtap
