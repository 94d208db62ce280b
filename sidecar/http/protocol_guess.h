// SPDX-License-Identifier: Apache-2.0
// ProtocolGuess: what the first bytes of a direction, or of a turn, are the beginning of. Pure; called by the
// SessionTable with everything seen so far, which may be one byte. HTTP is asked first and strictly (a whole start line
// where it fits the window), so that text protocols that look a little like it (SMTP, FTP, Redis, RTSP) are not taken
// for broken HTTP. RFC 9112 2.2 (empty lines before a request), RFC 8446 5.1 (TLS records), RFC 9113 3.4 (the HTTP/2
// preface).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace podtap {

enum class Guess : uint8_t {
  kNeedMore,
  kHttp1Request,
  kHttp1Response,
  kTls,
  kHttp2,        // the client's preface
  kHttp2Server,  // SETTINGS, which a server may send before it has heard anything
  kHttp2Frames,  // frames in the middle of a connection (ConnectionGuess only)
  kOther,
};

// No start line needs to be seen beyond this many bytes: a longer one counts if its method and target look right.
inline constexpr size_t kGuessWindow = 1024;
// A turn is looked at through this many bytes when the connection is not HTTP (Interest kTurnHeads).
inline constexpr size_t kTurnHeadBytes = 16;

Guess GuessProtocol(std::string_view first_bytes);

// The same for the first bytes of a turn of which the rest was left out: a well-known method and the beginning of a
// path or URI count as a request although its line is torn.
bool LooksLikeTornRequest(std::string_view turn_head);

// Looks for a whole start line after some line end, in the middle of what is not understood. kOther if there is none.
Guess FindStartLine(std::string_view data);

}  // namespace podtap
