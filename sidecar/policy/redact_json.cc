// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_json.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sidecar/policy/json_string.h"
#include "sidecar/policy/look.h"

namespace podtap {
namespace {

constexpr size_t kMaxDepth = 512;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Texts inside texts: JSON in a string of JSON, and so on.
constexpr int kMaxTexts = 4;

class Redactor {
 public:
  Redactor(const Names& names, const Mask& mask, std::string_view text, std::string& out, int texts)
      : names_(names), mask_(mask), text_(text), out_(out), texts_(texts) {}

  JsonOutcome Run() {
    if (text_.starts_with("\xef\xbb\xbf")) Take(3);
    while (true) {
      while (at_ < text_.size() && (IsSpace(text_[at_]) || IsSeparator(text_[at_]))) Take(1);
      if (at_ == text_.size())
        return open_.empty() && expect_ == Expect::kValue ? JsonOutcome::kWhole : JsonOutcome::kCut;
      const JsonOutcome outcome = Step();
      if (outcome != JsonOutcome::kWhole) return outcome;
    }
  }

 private:
  enum class Expect : uint8_t { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kCommaOrEnd };

  // What application/json-seq puts before each text (RFC 7464).
  bool IsSeparator(char c) const { return c == '\x1e' && open_.empty(); }

  // One token.
  JsonOutcome Step() {
    const char c = text_[at_];
    switch (expect_) {
      case Expect::kColon:
        if (c != ':') return JsonOutcome::kBroken;
        Take(1);
        expect_ = Expect::kValue;
        return JsonOutcome::kWhole;
      case Expect::kCommaOrEnd:
        if (c == open_.back()) return Close();
        if (c != ',') return JsonOutcome::kBroken;
        Take(1);
        expect_ = open_.back() == '}' ? Expect::kKey : Expect::kValue;
        return JsonOutcome::kWhole;
      case Expect::kKeyOrEnd:
        if (c == '}') return Close();
        [[fallthrough]];
      case Expect::kKey:
        return Key();
      case Expect::kValueOrEnd:
        if (c == ']') return Close();
        [[fallthrough]];
      case Expect::kValue:
        return Value();
    }
    return JsonOutcome::kBroken;
  }

  JsonOutcome Key() {
    const size_t begin = at_;
    const JsonOutcome outcome = SkipString();
    if (outcome != JsonOutcome::kWhole) return outcome;
    const std::string_view token = text_.substr(begin + 1, at_ - begin - 2);
    secret_ = hidden_at_ == kNowhere && names_.Has(UnescapeJson(token));
    Write(text_.substr(begin, at_ - begin));
    expect_ = Expect::kColon;
    return JsonOutcome::kWhole;
  }

  JsonOutcome Value() {
    const char c = text_[at_];
    const size_t begin = at_;
    const bool secret = std::exchange(secret_, false);
    if (c == '{' || c == '[') {
      if (open_.size() == kMaxDepth) return JsonOutcome::kBroken;
      if (secret) hidden_at_ = open_.size(), hidden_begin_ = begin;
      Take(1);
      open_.push_back(c == '{' ? '}' : ']');
      expect_ = c == '{' ? Expect::kKeyOrEnd : Expect::kValueOrEnd;
      return JsonOutcome::kWhole;
    }
    const JsonOutcome outcome = c == '"' ? SkipString() : SkipWord();
    if (outcome != JsonOutcome::kWhole) return outcome;
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (secret)
      WriteMask(c == '"' ? UnescapeJson(token.substr(1, token.size() - 2)) : std::string(token));
    else if (c != '"')
      Write(token);
    else if (!WriteString(token))
      return JsonOutcome::kBroken;
    AfterValue();
    return JsonOutcome::kWhole;
  }

  JsonOutcome Close() {
    Take(1);
    open_.pop_back();
    if (hidden_at_ == open_.size()) {
      hidden_at_ = kNowhere;
      WriteMask(text_.substr(hidden_begin_, at_ - hidden_begin_));
    }
    AfterValue();
    return JsonOutcome::kWhole;
  }

  void AfterValue() { expect_ = open_.empty() ? Expect::kValue : Expect::kCommaOrEnd; }

  JsonOutcome SkipString() {
    if (text_[at_] != '"') return JsonOutcome::kBroken;
    for (size_t i = at_ + 1; i < text_.size(); ++i) {
      const auto c = static_cast<uint8_t>(text_[i]);
      if (c == '"') {
        // What is no escape of JSON's could be read in more than one way.
        if (!IsWellEscaped(text_.substr(at_ + 1, i - at_ - 1))) return JsonOutcome::kBroken;
        at_ = i + 1;
        return JsonOutcome::kWhole;
      }
      if (c < 0x20) return JsonOutcome::kBroken;
      if (c == '\\') ++i;
    }
    return JsonOutcome::kCutInside;
  }

  // A number or true, false, null.
  JsonOutcome SkipWord() {
    static constexpr std::string_view kWordCharacters = "+-.0123456789Eaeflnrstu";
    const size_t end = std::min(text_.find_first_not_of(kWordCharacters, at_), text_.size());
    if (end == at_) return JsonOutcome::kBroken;
    const bool number = text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9');
    const std::string_view word = text_.substr(at_, end - at_);
    // A number that is all there is ends with the text; inside something it was cut.
    if (end == text_.size() && !open_.empty()) return JsonOutcome::kCutInside;
    if (!number && word != "true" && word != "false" && word != "null") return JsonOutcome::kBroken;
    at_ = end;
    return JsonOutcome::kWhole;
  }

  void Take(size_t bytes) {
    Write(text_.substr(at_, bytes));
    at_ += bytes;
  }
  void Write(std::string_view token) {
    if (hidden_at_ == kNowhere) out_ += token;
  }
  // A string, quotes included. It may hold JSON itself. False: that could not be understood.
  bool WriteString(std::string_view token) {
    const std::string_view inside = token.substr(1, token.size() - 2);
    // A key inside needs quotes.
    if (hidden_at_ != kNowhere || inside.find_first_of("\\'") == std::string_view::npos) {
      Write(token);
      return true;
    }
    const std::string plain = UnescapeJson(inside);
    std::string redacted;
    if (!RedactEmbedded(names_, mask_, plain, redacted, texts_ + 1)) return false;
    if (redacted == plain) {
      Write(token);
      return true;
    }
    out_ += '"';
    AppendEscaped(redacted, out_);
    out_ += '"';
    return true;
  }
  void WriteMask(std::string_view value) {
    if (hidden_at_ == kNowhere) out_.append("\"").append(mask_(value)).append("\"");
  }

  static constexpr size_t kNowhere = SIZE_MAX;
  const Names& names_;
  const Mask& mask_;
  const std::string_view text_;
  std::string& out_;
  const int texts_;
  size_t at_ = 0;
  std::string open_;  // the brackets that are to come, innermost last
  Expect expect_ = Expect::kValue;
  bool secret_ = false;          // the next value is one
  size_t hidden_at_ = kNowhere;  // depth of the object or array that is left out
  size_t hidden_begin_ = 0;
};

}  // namespace

JsonOutcome RedactJson(const Names& names, const Mask& mask, std::string_view text, std::string& out) {
  return Redactor(names, mask, text, out, 1).Run();
}

bool RedactEmbedded(const Names& names, const Mask& mask, std::string_view text, std::string& out, int texts) {
  if (texts <= kMaxTexts && LooksLikeJson(text)) {
    const size_t before = out.size();
    if (Redactor(names, mask, text, out, texts).Run() == JsonOutcome::kWhole) return true;
    out.resize(before);
  }
  if (MentionsKey(names, text)) return false;
  out += text;
  return true;
}

}  // namespace podtap
