// SPDX-License-Identifier: Apache-2.0
// Start lines of HTTP/1: what is one, and its parts. Used by the protocol guess (is this HTTP?), by the message reader
// (is this the next message?) and by the tolerant head parser. Nothing is copied: parts are views into the given line.
// RFC 9112 section 3 (request-line), section 4 (status-line).
#pragma once

#include <cstdint>
#include <string_view>

namespace podtap {

enum class MessageKind : uint8_t { kRequest, kResponse };

enum class LineKind : uint8_t {
  kNone,
  kRequest,    // method SP target SP HTTP/x.y, of any HTTP version but HTTP/2's preface
  kRequest09,  // GET SP /target: HTTP/0.9, nothing follows
  kResponse,   // HTTP/x.y SP status
};

bool IsTokenChar(char c);             // RFC 9110 5.6.2
bool IsToken(std::string_view text);  // one or more of them
// A control character that no part of a head may hold (everything below SP but HTAB, and DEL).
bool IsControl(char c);

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view version;  // empty: HTTP/0.9
  bool exact = false;        // as the grammar of RFC 9112 wants it, version 1.0 or 1.1
};
struct StatusLine {
  std::string_view version;
  uint16_t status = 0;
  std::string_view reason;
  bool exact = false;
};

// `line` without its LF; a CR at its end is allowed. False if it is not such a line, however broken.
bool SplitRequestLine(std::string_view line, RequestLine& out);
bool SplitStatusLine(std::string_view line, StatusLine& out);
LineKind ClassifyLine(std::string_view line);

// The method that everybody knows (RFC 9110 9, and PATCH) which `method` is, or ends with; empty if none. None of them
// ends another registered method's name but PATCH, so a name torn by a hole is not taken for them.
std::string_view WellKnownMethodIn(std::string_view method);

// Follows the bytes of a line that is still arriving, each byte once, and says as early as possible that it cannot be a
// start line of the wanted kind.
class LineProbe {
 public:
  explicit LineProbe(MessageKind kind) : kind_(kind) {}
  void Reset() { seen_ = 0, in_method_ = true, has_control_ = false; }
  // `bytes` without LF. False: this is no start line.
  bool Feed(std::string_view bytes);
  // Whether a line that is too long to be kept whole is still believable: method and target, no control characters.
  bool plausible() const { return !has_control_ && (kind_ == MessageKind::kResponse ? seen_ >= 9 : !in_method_); }

 private:
  MessageKind kind_;
  uint32_t seen_ = 0;  // stops counting at 9
  bool in_method_ = true;
  bool has_control_ = false;
};

}  // namespace podtap
