// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/protocol_guess.h"

#include <algorithm>

#include "sidecar/http/http2_frames.h"
#include "sidecar/http/start_line.h"

namespace podtap {
namespace {

// The preface's first line; it fits a turn head.
constexpr std::string_view kPrefaceLine = kHttp2Preface.substr(0, 16);
static_assert(kPrefaceLine.ends_with("HTTP/2.0\r\n") && kPrefaceLine.size() <= kTurnHeadBytes);
constexpr size_t kMaxEmptyLines = 64;  // bytes of line ends before a request
constexpr size_t kTlsHeaderBytes = 5;
constexpr unsigned kTlsMaxRecord = 16384 + 2048;  // TLS 1.2 ciphertext, RFC 5246 6.2.3

unsigned ByteAt(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

// A record header: type 20..23, version 3.0..3.4, a length that is allowed.
Guess GuessTls(std::string_view bytes) {
  if (ByteAt(bytes, 0) < 0x14 || ByteAt(bytes, 0) > 0x17) return Guess::kOther;
  if (bytes.size() > 1 && ByteAt(bytes, 1) != 3) return Guess::kOther;
  if (bytes.size() > 2 && ByteAt(bytes, 2) > 4) return Guess::kOther;
  if (bytes.size() < kTlsHeaderBytes) return Guess::kNeedMore;
  const unsigned length = ByteAt(bytes, 3) << 8 | ByteAt(bytes, 4);
  return length <= kTlsMaxRecord ? Guess::kTls : Guess::kOther;
}

bool IsTargetStart(std::string_view target) {
  return target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://") ||
         target.starts_with("* ");
}

// SETTINGS on stream 0, no ACK, of a believable length.
Guess GuessHttp2Server(std::string_view bytes) {
  constexpr unsigned kMaxSettings = 64 * 6;
  if (bytes[0] != 0) return Guess::kOther;
  if (bytes.size() > 2 && ((ByteAt(bytes, 1) << 8 | ByteAt(bytes, 2)) > kMaxSettings)) return Guess::kOther;
  if (bytes.size() > 3 && ByteAt(bytes, 3) != static_cast<unsigned>(Http2Frame::kSettings)) return Guess::kOther;
  if (bytes.size() > 4 && bytes[4] != 0) return Guess::kOther;
  if (bytes.size() < kHttp2HeaderBytes) return Guess::kNeedMore;
  return IsBelievable(bytes.data(), MessageKind::kResponse) ? Guess::kHttp2Server : Guess::kOther;
}

// The part of a request line that is there, when its end is beyond the window.
bool IsLongRequestLine(std::string_view line) {
  const size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || !IsToken(line.substr(0, method_end))) return false;
  // After a method that everybody knows the target may be anything: what is wrong with it is the reader's to say.
  const bool well_known = WellKnownMethodIn(line.substr(0, method_end)).size() == method_end;
  if (!well_known && !IsTargetStart(line.substr(method_end + 1))) return false;
  return std::none_of(line.begin(), line.end(), IsControl);
}

}  // namespace

Guess GuessProtocol(std::string_view bytes) {
  if (bytes.empty()) return Guess::kNeedMore;
  if (const Guess tls = GuessTls(bytes); tls != Guess::kOther) return tls;
  if (const Guess http2 = GuessHttp2Server(bytes); http2 != Guess::kOther) return http2;

  const size_t start = bytes.find_first_not_of("\r\n");
  if (std::min(start, bytes.size()) > kMaxEmptyLines) return Guess::kOther;
  if (start == std::string_view::npos) return Guess::kNeedMore;
  const bool clean_start = start == 0;
  bytes.remove_prefix(start);

  const size_t common = std::min(bytes.size(), kPrefaceLine.size());
  if (clean_start && bytes.substr(0, common) == kPrefaceLine.substr(0, common))
    return common == kPrefaceLine.size() ? Guess::kHttp2 : Guess::kNeedMore;

  const bool maybe_response = bytes.starts_with("HTTP/");
  LineProbe probe(maybe_response ? MessageKind::kResponse : MessageKind::kRequest);
  const size_t line_end = bytes.substr(0, kGuessWindow).find('\n');
  if (line_end == std::string_view::npos) {
    if (!probe.Feed(bytes.substr(0, kGuessWindow))) return Guess::kOther;
    if (bytes.size() < kGuessWindow) return Guess::kNeedMore;
    if (maybe_response) return Guess::kHttp1Response;
    return IsLongRequestLine(bytes.substr(0, kGuessWindow)) ? Guess::kHttp1Request : Guess::kOther;
  }
  switch (ClassifyLine(bytes.substr(0, line_end))) {
    case LineKind::kRequest:
    case LineKind::kRequest09:
      return Guess::kHttp1Request;
    case LineKind::kResponse:
      return Guess::kHttp1Response;
    case LineKind::kNone:
      break;
  }
  return Guess::kOther;
}

bool LooksLikeTornRequest(std::string_view turn_head) {
  turn_head.remove_prefix(std::min(turn_head.find_first_not_of("\r\n"), turn_head.size()));
  const size_t method_end = turn_head.find(' ');
  if (method_end == 0 || method_end == std::string_view::npos) return false;
  if (WellKnownMethodIn(turn_head.substr(0, method_end)).size() != method_end) return false;
  const std::string_view target = turn_head.substr(method_end + 1);
  if (target.find('\n') != std::string_view::npos) return false;  // the line is whole: GuessProtocol knows better
  return target.starts_with('/') || target.starts_with("http") || target.starts_with('*') ||
         (turn_head.starts_with("CONNECT") && !target.empty());
}

Guess FindStartLine(std::string_view data) {
  for (size_t lf = data.find('\n'); lf != std::string_view::npos;) {
    const size_t end = data.find('\n', lf + 1);
    if (end == std::string_view::npos) break;
    const LineKind line = ClassifyLine(data.substr(lf + 1, end - lf - 1));
    if (line == LineKind::kResponse) return Guess::kHttp1Response;
    if (line == LineKind::kRequest) return Guess::kHttp1Request;
    lf = end;
  }
  return Guess::kOther;
}

}  // namespace podtap
