// SPDX-License-Identifier: Apache-2.0
// The pieces of JSON text that encoders append to a buffer they own and use again: no allocation beyond the buffer's
// growth. Input may be any bytes; output is always valid UTF-8 and valid JSON (RFC 8259).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text_cursor.h"

namespace podtap {

// Appends `text` as a JSON string with its quotes. Control characters (C0, DEL, C1) become escapes, so that a record
// shown on a terminal cannot steer it. A byte that is no part of valid UTF-8 becomes \u00XX, its ISO 8859-1 meaning.
void AppendJsonString(std::string_view text, TextCursor& out);
void AppendJsonString(std::string_view text, std::string& out);

// Appends standard base64 with padding (RFC 4648 section 4), without quotes.
void AppendBase64(std::string_view bytes, TextCursor& out);
void AppendBase64(std::string_view bytes, std::string& out);

template <std::integral T>
void AppendNumber(T value, std::string& out) {
  TextCursor(out).Number(value);
}

// Writes the members of one JSON object, in the order of the calls. Keys are our own and need no escaping.
class JsonObject {
 public:
  explicit JsonObject(TextCursor& out) : out_(out) { out_ += '{'; }
  [[gnu::always_inline]] void String(std::string_view key, std::string_view value) {
    Key(key);
    AppendJsonString(value, out_);
  }
  [[gnu::always_inline]] void StringIfAny(std::string_view key, std::string_view value) {
    if (!value.empty()) String(key, value);
  }
  // A value that needs no escaping.
  [[gnu::always_inline]] void Word(std::string_view key, std::string_view value) {
    Key(key);
    out_ += '"';
    out_ += value;
    out_ += '"';
  }
  template <std::integral T>
  [[gnu::always_inline]] void Number(std::string_view key, T value) {
    Key(key);
    out_.Number(value);
  }
  [[gnu::always_inline]] void Bool(std::string_view key, bool value) {
    Key(key);
    if (value) {
      out_ += "true";
    } else {
      out_ += "false";
    }
  }
  void Base64IfAny(std::string_view key, std::string_view bytes) {
    if (bytes.empty()) return;
    Key(key);
    out_ += '"';
    AppendBase64(bytes, out_);
    out_ += '"';
  }
  // Writes the key; the caller appends the value. Inlined, as all keys are literals.
  [[gnu::always_inline]] void Key(std::string_view key) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  void End() { out_ += '}'; }

 private:
  TextCursor& out_;
};

}  // namespace podtap
