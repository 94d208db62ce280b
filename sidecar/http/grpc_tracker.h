// SPDX-License-Identifier: Apache-2.0
// GrpcTracker: what gRPC adds to an exchange: it counts the messages in both bodies by their prefixes of five bytes,
// and finds status and message in trailers. Fed with the bodies as they pass, keeps no message. gRPC-Web has its
// trailers in the last message of the response body and may be base64 as a whole (application/grpc-web-text). Owned by
// an Exchange. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, PROTOCOL-WEB.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "sidecar/event/http_event.h"
#include "sidecar/http/start_line.h"

namespace podtap {

class GrpcTracker {
 public:
  // Whether a head makes the exchange worth tracking: its Content-Type is gRPC's, or could be (fields are unknown).
  static bool Suspects(const HttpMessage& head);

  // A head was read: its Content-Type says how its body is coded.
  void OnHead(MessageKind kind, const HttpMessage& head);
  void OnBody(MessageKind kind, std::string_view data, Timestamp at);
  // `n` bytes of the body are not here.
  void OnHole(MessageKind kind, uint64_t n, Timestamp at);
  // An unknown number of bytes is not here.
  void OnLoss(MessageKind kind) { sides_[static_cast<size_t>(kind)].exact = false; }

  // Bytes of the body that belong to a message whose prefix was seen, from here on.
  uint64_t message_rest(MessageKind kind) const {
    const Side& side = sides_[static_cast<size_t>(kind)];
    return side.foreign ? UINT64_MAX : side.rest;
  }
  size_t memory() const { return web_trailers_.capacity(); }
  // The call as far as it is known; nothing if this is no gRPC after all.
  std::optional<GrpcCall> Describe(const HttpEvent& event) const;

 private:
  static constexpr size_t kPrefixBytes = 5;
  static constexpr size_t kMaxTrailers = 8192;  // of gRPC-Web, kept
  struct Side {
    bool exact = true;
    bool foreign = false;  // of another Content-Type: there are no messages in it
    bool text = false;     // base64
    uint32_t bits = 0;     // of base64
    int sextets = 0;
    size_t have = 0;
    std::array<char, kPrefixBytes> prefix{};
    uint64_t rest = 0;  // of the message
    bool trailers = false;
    uint64_t count = 0;
    Timestamp first, last;
  };
  void Read(MessageKind kind, std::string_view data, Timestamp at);
  void ReadBase64(MessageKind kind, std::string_view data, Timestamp at);
  void EndMessage(Side& side, Timestamp at);

  std::array<Side, 2> sides_;  // by MessageKind
  bool is_grpc_ = false;
  bool web_ = false;
  bool compressed_ = false;
  std::string web_trailers_;
};

}  // namespace podtap
