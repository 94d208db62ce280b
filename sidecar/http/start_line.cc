// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/start_line.h"

#include <array>

namespace podtap {
namespace {

constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view TrimRight(std::string_view text) {
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}
std::string_view TrimLeft(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  return text;
}

// "HTTP/" and digits, with a dot between them or none: HTTP/1.1, HTTP/1, HTTP/9.9.
bool IsVersion(std::string_view text) {
  constexpr std::string_view kName = "HTTP/";
  if (!text.starts_with(kName)) return false;
  text.remove_prefix(kName.size());
  if (text.empty() || text.size() > 5 || !IsDigit(text.front()) || !IsDigit(text.back())) return false;
  int dots = 0;
  for (const char c : text) {
    if (c == '.') {
      if (++dots > 1) return false;
    } else if (!IsDigit(c)) {
      return false;
    }
  }
  return true;
}

bool IsHttp1(std::string_view version) { return version == "HTTP/1.1" || version == "HTTP/1.0"; }

// Takes the line's CR off. False: there was more than one.
bool TakeCr(std::string_view& line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t before = line.size();
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line.size() == before;
}

bool HasControlOrBlank(std::string_view text) {
  for (const char c : text)
    if (IsControl(c) || IsBlank(c)) return true;
  return false;
}

}  // namespace

bool IsTokenChar(char c) { return kTokenChars[static_cast<unsigned char>(c)]; }

bool IsToken(std::string_view text) {
  for (const char c : text)
    if (!IsTokenChar(c)) return false;
  return !text.empty();
}

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

bool SplitRequestLine(std::string_view line, RequestLine& out) {
  out = {};
  const bool clean_end = TakeCr(line);
  const size_t whole = line.size();
  line = TrimRight(line);
  const size_t method_end = line.find_first_of(" \t");
  if (method_end == std::string_view::npos) return false;
  out.method = line.substr(0, method_end);
  if (!IsToken(out.method)) return false;
  const std::string_view rest = TrimLeft(line.substr(method_end));
  const size_t last_blank = rest.find_last_of(" \t");
  if (last_blank == std::string_view::npos) {
    // Two words: HTTP/0.9, which knows GET only. Other protocols have lines of two words, too: a path must follow.
    if (out.method != "GET" || rest.empty() || rest.front() != '/') return false;
    for (const char c : rest)
      if (IsControl(c)) return false;
    out.target = rest;
    return true;
  }
  out.version = rest.substr(last_blank + 1);
  if (!IsVersion(out.version)) return false;
  if (out.method == "PRI" && out.version == "HTTP/2.0") return false;  // HTTP/2's preface, RFC 9113 3.4
  out.target = TrimRight(rest.substr(0, last_blank));
  if (out.target.empty()) return false;
  // Exact: single spaces, nothing behind the version, no control characters.
  out.exact = clean_end && IsHttp1(out.version) && !HasControlOrBlank(out.target) &&
              out.method.size() + out.target.size() + out.version.size() + 2 == whole && line[method_end] == ' ' &&
              rest[last_blank] == ' ';
  return true;
}

bool SplitStatusLine(std::string_view line, StatusLine& out) {
  out = {};
  bool clean = TakeCr(line);
  const size_t version_end = line.find_first_of(" \t");
  if (version_end == std::string_view::npos) return false;
  out.version = line.substr(0, version_end);
  if (!IsVersion(out.version)) return false;
  const std::string_view rest = TrimLeft(line.substr(version_end));
  if (rest.size() < 3 || !IsDigit(rest[0]) || !IsDigit(rest[1]) || !IsDigit(rest[2])) return false;
  if (rest.size() > 3 && !IsBlank(rest[3])) return false;
  out.status = static_cast<uint16_t>((rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0'));
  if (out.status < 100) return false;
  out.reason = rest.size() > 4 ? rest.substr(4) : std::string_view();
  for (const char c : out.reason) clean = clean && !IsControl(c);
  out.exact = IsHttp1(out.version) && rest.size() >= 4 && rest[3] == ' ' && clean &&
              version_end + 1 + rest.size() == line.size() && line[version_end] == ' ';
  return true;
}

LineKind ClassifyLine(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    StatusLine status;
    return SplitStatusLine(line, status) ? LineKind::kResponse : LineKind::kNone;
  }
  RequestLine request;
  if (!SplitRequestLine(line, request)) return LineKind::kNone;
  return request.version.empty() ? LineKind::kRequest09 : LineKind::kRequest;
}

std::string_view WellKnownMethodIn(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
    if (method.ends_with(known)) return method.substr(method.size() - known.size());
  return {};
}

bool LineProbe::Feed(std::string_view bytes) {
  if (kind_ == MessageKind::kResponse) {
    constexpr std::string_view kStart = "HTTP/";
    for (const char c : bytes) {
      if (seen_ < kStart.size()) {
        if (c != kStart[seen_]) return false;
      } else if (seen_ == kStart.size() && !IsDigit(c)) {
        return false;
      }
      if (seen_ < 9) ++seen_;
      has_control_ = has_control_ || (IsControl(c) && c != '\r');
    }
    return true;
  }
  size_t i = 0;
  for (; in_method_ && i < bytes.size(); ++i) {
    if (seen_ != 0 && IsBlank(bytes[i])) {
      in_method_ = false;
    } else if (!IsTokenChar(bytes[i])) {
      return false;
    }
    seen_ = 1;
  }
  for (; i < bytes.size(); ++i) has_control_ = has_control_ || (IsControl(bytes[i]) && bytes[i] != '\r');
  return true;
}

}  // namespace podtap
