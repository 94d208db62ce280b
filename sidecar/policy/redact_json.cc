// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_json.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/percent.h"

namespace podtap {
namespace {

constexpr size_t kMaxDepth = 512;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void AppendUtf8(uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

// The characters that a string token without its quotes stands for. Surrogates stay as they are: names to compare with
// are what matters here.
std::string Unescape(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '\\' || i + 1 == token.size()) {
      out += token[i];
      continue;
    }
    switch (const char c = token[++i]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        uint32_t point = 0;
        for (size_t digit = 1; digit <= 4 && i + digit < token.size(); ++digit)
          point = point << 4 | static_cast<uint32_t>(std::max(HexDigit(token[i + digit]), 0));
        AppendUtf8(point, out);
        i += 4;
        break;
      }
      default:
        out += c;
    }
  }
  return out;
}

class Redactor {
 public:
  Redactor(const Names& names, const Mask& mask, std::string_view text, std::string& out)
      : names_(names), mask_(mask), text_(text), out_(out) {}

  JsonOutcome Run() {
    if (text_.starts_with("\xef\xbb\xbf")) Take(3);
    while (true) {
      while (at_ < text_.size() && IsSpace(text_[at_])) Take(1);
      if (at_ == text_.size())
        return open_.empty() && expect_ == Expect::kValue ? JsonOutcome::kWhole : JsonOutcome::kCut;
      const JsonOutcome outcome = Step();
      if (outcome != JsonOutcome::kWhole) return outcome;
    }
  }

 private:
  enum class Expect : uint8_t { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kCommaOrEnd };

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
    secret_ = hidden_at_ == kNowhere && names_.Has(Unescape(token));
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
      WriteMask(c == '"' ? Unescape(token.substr(1, token.size() - 2)) : std::string(token));
    else
      Write(token);
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
  void WriteMask(std::string_view value) {
    if (hidden_at_ == kNowhere) out_.append("\"").append(mask_(value)).append("\"");
  }

  static constexpr size_t kNowhere = SIZE_MAX;
  const Names& names_;
  const Mask& mask_;
  const std::string_view text_;
  std::string& out_;
  size_t at_ = 0;
  std::string open_;  // the brackets that are to come, innermost last
  Expect expect_ = Expect::kValue;
  bool secret_ = false;          // the next value is one
  size_t hidden_at_ = kNowhere;  // depth of the object or array that is left out
  size_t hidden_begin_ = 0;
};

}  // namespace

JsonOutcome RedactJson(const Names& names, const Mask& mask, std::string_view text, std::string& out) {
  return Redactor(names, mask, text, out).Run();
}

}  // namespace podtap
