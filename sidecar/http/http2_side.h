// SPDX-License-Identifier: Apache-2.0
// Http2Side: one direction of an HTTP/2 connection, read into what its streams are told: header blocks, data, resets.
// It joins the frame reader, header decompression and, where the beginning was not seen or something was lost, the
// search for the next frame. It knows padding, priority, CONTINUATION and holes; it does not know streams. RFC 9113
// sections 4, 6, 10.5 (a header block of any number of CONTINUATION frames costs no more memory than the header limit,
// which is charged to the budget while it lasts).
//
// A hole inside the payload of one frame costs that frame at most: of DATA some bytes, of a header block its fields and
// the compression table. Any other hole loses the frames: the next ones are looked for at the starts of segments. So it
// is after what can be no frame, because what was found may have been none; but endpoints do not go on after that, and
// looking again costs more than such bytes do: after kMaxBroken times only a hole starts it again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sidecar/http/hpack_decoder.h"
#include "sidecar/http/http2_frames.h"
#include "sidecar/http/http2_head.h"
#include "sidecar/http/http2_sync.h"
#include "sidecar/http/session.h"

namespace podtap {

class Http2Side final : private Http2FrameReader::Handler, private HpackDecoder::Handler {
 public:
  static constexpr int kMaxBroken = 16;

  class Handler {
   public:
    virtual ~Handler() = default;
    // A header block is complete, or as complete as it will be. `head` may be moved from.
    virtual void OnHeaders(MessageKind kind, uint32_t stream, Http2Head& head, Timestamp start, bool end_stream) = 0;
    virtual void OnPushPromise(uint32_t stream, uint32_t promised, Http2Head& head, Timestamp start) = 0;
    // The next bytes of a body; `rest` more follow in this frame.
    virtual void OnData(MessageKind kind, uint32_t stream, std::string_view data, uint64_t rest) = 0;
    virtual void OnDataHole(MessageKind kind, uint32_t stream, uint64_t n, GapReason reason) = 0;
    virtual void OnEndStream(MessageKind kind, uint32_t stream) = 0;
    virtual void OnReset(MessageKind kind, uint32_t stream, uint32_t error) = 0;
    virtual void OnGoaway(MessageKind kind, uint32_t last_stream) = 0;
    // The sender of this direction lets the other one use a table of this size.
    virtual void OnTableSize(MessageKind kind, uint32_t bytes) = 0;
    // Frames may be hidden from here on; and: they were found again.
    virtual void OnLost(MessageKind kind) = 0;
    virtual void OnFound(MessageKind kind) = 0;
  };

  // `in_view`: the next byte is the first of the connection in this direction.
  Http2Side(MessageKind kind, bool in_view, const SessionContext& context, Handler& handler);
  ~Http2Side() override;
  Http2Side(const Http2Side&) = delete;
  Http2Side& operator=(const Http2Side&) = delete;

  void Feed(std::string_view data, uint64_t position, Timestamp at);
  // `missing` is absent for an unknown number of bytes.
  void OnGap(std::optional<uint64_t> missing, GapReason reason, Timestamp at);
  // The other side saw the connection's beginning: the table here is empty, wherever the next frame is.
  void TrustTable() { hpack_.Trust(); }
  void AllowTable(uint32_t bytes) { hpack_.Allow(bytes); }
  // Lets go of what is kept while frames are looked for.
  void Forget() { sync_.Reset(); }
  // Lets go of all that can be done without: of the compression table, too, and of the fields of a block that has not
  // ended. Counted if there was a table.
  void ForgetAll();

  bool searching() const { return searching_; }
  // Bytes looked at in vain since the frames were lost.
  uint64_t searched() const { return searched_; }
  // Position behind the DATA frame that is being read, and how far it is; 0 outside of one.
  uint64_t data_rest() const {
    return reader_.in_payload() && frame_.type == Http2Frame::kData ? reader_.remaining() : 0;
  }
  // The preface was seen (requests only).
  bool preface_seen() const { return preface_seen_; }

 private:
  // Http2FrameReader::Handler
  void OnFrame(const Http2FrameHeader& header) override;
  void OnPayload(std::string_view piece) override;
  void OnFrameEnd() override;
  // HpackDecoder::Handler
  void OnField(std::string_view name, std::string_view value) override;
  void OnLongField() override { head_.AddLong(HpackCutter::kLongest); }
  void OnRestart() override;

  void Parse(std::string_view data, Timestamp at);
  void Search(std::string_view data, uint64_t position, Timestamp at);
  void OnContent(std::string_view piece);
  void OnSmall(std::string_view piece);
  void OnFragment(std::string_view piece);
  void EndBlock();
  void BreakBlock();
  void ChargeHead();
  void LoseFrames(bool table_too, Counter why);
  bool has_block() const { return block_stream_ != 0; }

  const MessageKind kind_;
  const SessionContext context_;
  Handler& handler_;
  Http2FrameReader reader_;
  HpackDecoder hpack_;
  Http2Sync sync_;
  bool searching_ = false;
  uint64_t searched_ = 0;
  int broken_ = 0;  // times that what was read were no frames, since the last hole
  size_t preface_left_ = 0;
  bool preface_seen_ = false;
  Timestamp at_;

  // The frame that is being read.
  Http2FrameHeader frame_;
  size_t prefix_need_ = 0;  // bytes before the content: pad length, priority or promised stream
  size_t prefix_have_ = 0;
  std::array<char, 8> prefix_{};
  uint64_t content_left_ = 0;
  std::array<char, 8> small_{};  // of RST_STREAM, GOAWAY, and the current setting
  size_t small_have_ = 0;

  // The header block that is being read.
  uint32_t block_stream_ = 0;
  uint32_t promised_ = 0;
  bool is_promise_ = false;
  bool block_ends_stream_ = false;
  bool block_good_ = false;  // decodable so far
  Timestamp block_start_;
  Http2Head head_;
  size_t head_charged_ = 0;
};

}  // namespace podtap
