// SPDX-License-Identifier: Apache-2.0
// HTTP/2 frames (RFC 9113 sections 4 and 6): the header of nine bytes, what makes one believable, and a reader that
// cuts one direction into frames. The reader keeps nothing but a header that arrives in pieces; payload is passed on as
// it comes, so a frame of any length costs no memory. Frames of unknown types are frames like others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sidecar/http/start_line.h"

namespace podtap {

enum class Http2Frame : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
  kAltSvc = 10,            // RFC 7838
  kOrigin = 12,            // RFC 8336
  kPriorityUpdate = 0x10,  // RFC 9218
};

inline constexpr uint8_t kHttp2EndStream = 0x1;  // DATA, HEADERS
inline constexpr uint8_t kHttp2Ack = 0x1;        // SETTINGS, PING
inline constexpr uint8_t kHttp2EndHeaders = 0x4;
inline constexpr uint8_t kHttp2Padded = 0x8;
inline constexpr uint8_t kHttp2HasPriority = 0x20;

inline constexpr size_t kHttp2HeaderBytes = 9;
// What a client sends first (RFC 9113 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Http2FrameHeader {
  uint32_t length = 0;  // of the payload
  Http2Frame type = Http2Frame::kData;
  uint8_t flags = 0;
  uint32_t stream = 0;
  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

uint32_t ReadBig32(const char* four_bytes);
Http2FrameHeader ReadHttp2FrameHeader(const char* nine_bytes);

// Whether both ends go on after a frame of this kind: of those of RFC 9113 it has the length and the stream that its
// type wants. A PRIORITY frame of another length is an error of its stream only (6.3), and whoever does not know an
// extension's frames ignores them, whatever they hold (5.5); but longer ones than anybody sends are no frames.
bool IsWellFormed(const Http2FrameHeader& header);
// The same, strictly: known types only, flags and the reserved bit as senders set them, and stream ids that `sender`
// (absent: either) may use. For finding frames among other bytes.
bool IsBelievable(const char* nine_bytes, std::optional<MessageKind> sender);

class Http2FrameReader {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnFrame(const Http2FrameHeader& header) = 0;
    virtual void OnPayload(std::string_view piece) = 0;
    virtual void OnFrameEnd() = 0;
  };
  explicit Http2FrameReader(Handler& handler) : handler_(handler) {}

  // False: these are no frames (any more). What was read before is handed over.
  bool Feed(std::string_view data);
  // `n` bytes of the payload, at most remaining(), are not there.
  void Skip(uint64_t n);
  void Reset();

  bool in_payload() const { return in_payload_; }
  uint64_t remaining() const { return remaining_; }

 private:
  void End();

  Handler& handler_;
  std::array<char, kHttp2HeaderBytes> header_{};
  size_t have_ = 0;  // bytes of header_
  bool in_payload_ = false;
  uint64_t remaining_ = 0;
};

}  // namespace podtap
