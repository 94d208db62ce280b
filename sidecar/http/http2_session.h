// SPDX-License-Identifier: Apache-2.0
// Http2Session: both directions of one HTTP/2 connection. Two Http2Sides cut the directions into header blocks and
// data; this joins them by stream id into exchanges, one per stream, whatever way it ends: both messages, RST_STREAM,
// GOAWAY, the connection. RFC 9113 (8.1: messages, 8.4: push, 8.5: CONNECT), RFC 8441 (extended CONNECT), RFC 7540 3.2
// (a request with Upgrade: h2c is stream 1). Priorities are ignored.
//
// Streams are bounded by max_streams; beyond it the oldest is emitted (tag `forgotten`). After a loss a message whose
// end may have been hidden is not waited for longer than kLossPatienceNs. There are no turns: the session tells the
// source so (Interest.turn_rule).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sidecar/http/exchange.h"
#include "sidecar/http/http2_side.h"
#include "sidecar/http/session.h"

namespace podtap {

class Http2Session final : public Session, private Http2Side::Handler {
 public:
  // What is left of a DATA frame must be worth the message that skips it.
  static constexpr uint64_t kSmallestSkip = 65536;
  static constexpr uint64_t kLossPatienceNs = 30'000'000'000;
  // Bytes of each direction in which no frame was found: this is not HTTP/2 (any more).
  static constexpr uint64_t kMaxSearched = 4 << 20;

  // `connection` is kept by reference, may change and outlives the session.
  Http2Session(const Connection& connection, SessionStart start, const SessionContext& context);
  ~Http2Session() override;

  Next OnEvent(const StreamEvent& event) override;
  void OnTick(Timestamp now) override;
  size_t CutBodies() override;
  void Abandon(Tag why) override;
  Timestamp oldest() const override;

 private:
  struct Stream {
    Exchange exchange;
    std::array<bool, 2> lost{};                     // by MessageKind: some of this message may be hidden
    std::array<std::optional<uint64_t>, 2> length;  // likewise: of its body, as its head announced it
    bool hidden = false;  // began while the other direction's frames were not found: its response may be past
    Timestamp last;       // of the last frame
    Timestamp interim;    // of the last interim event, or when it began
  };
  using Streams = std::map<uint32_t, Stream>;  // client's ids grow: the oldest first

  // Http2Side::Handler
  void OnHeaders(MessageKind kind, uint32_t id, Http2Head& head, Timestamp start, bool end_stream) override;
  void OnPushPromise(uint32_t id, uint32_t promised, Http2Head& head, Timestamp start) override;
  void OnData(MessageKind kind, uint32_t id, std::string_view data, uint64_t rest) override;
  void OnDataHole(MessageKind kind, uint32_t id, uint64_t n, GapReason reason) override;
  void OnEndStream(MessageKind kind, uint32_t id) override;
  void OnReset(MessageKind kind, uint32_t id, uint32_t error) override;
  void OnGoaway(MessageKind kind, uint32_t last_stream) override;
  void OnTableSize(MessageKind kind, uint32_t bytes) override;
  void OnLost(MessageKind kind) override;
  void OnFound(MessageKind kind) override;

  // Heads (http2_session_messages.cc).
  Stream* BeginRequest(uint32_t id, const Http2Head& head);
  Stream* BeginResponse(uint32_t id, const Http2Head& head);
  void TakeRequestHead(Stream& stream, Http2Head& head, Timestamp start);
  void TakeResponseHead(Stream& stream, Http2Head& head, Timestamp start);
  void TakeTrailers(Stream& stream, MessageKind kind, Http2Head& head);
  void TakeHead(Stream& stream, MessageKind kind, Http2Head& head, Timestamp start);
  Stream* NewStream(uint32_t id);
  void TakeUpgrade(const HttpEvent& upgraded);

  Stream* Find(uint32_t id);
  bool IsClosed(uint32_t id) const;
  void EndMessage(Streams::iterator at, MessageKind kind);
  // Whether nothing more of the stream is worth waiting for.
  bool IsDone(const Stream& stream) const;
  static bool MayHaveBeenAnswered(const Stream& stream);
  void Finish(Streams::iterator at);
  void FinishEarly(Streams::iterator at, Tag why);
  void FinishAll(TagSet why, bool connection_ended);
  void CheckLength(Stream& stream, MessageKind kind);
  void EmitInterim(Stream& stream, Timestamp now);
  void OnEnded(MessageKind kind);
  void OnConflict(MessageKind kind);
  void OnClosed(CloseReason reason);
  void Ask(Direction direction, Interest::Want want, uint64_t position = 0);
  void AskToSkip(MessageKind kind, uint64_t position);

  Http2Side& side(MessageKind kind) { return kind == MessageKind::kRequest ? client_side_ : server_side_; }
  MessageKind KindOf(Direction direction) const {
    return direction == start_.client ? MessageKind::kRequest : MessageKind::kResponse;
  }

  const Connection& connection_;
  const SessionStart start_;
  const SessionContext context_;
  Http2Side client_side_;
  Http2Side server_side_;
  Streams streams_;
  uint32_t highest_request_ = 0;  // ids used so far
  uint32_t highest_promise_ = 0;
  bool lossy_ = false;                  // frames may have been hidden: ids that were never seen may be in use
  std::vector<uint32_t> closed_early_;  // the last kRememberClosed streams that ended before their messages did
  size_t next_closed_ = 0;
  Timestamp at_;                                            // of the event that is being handled
  std::array<uint32_t, 2> goaway_{UINT32_MAX, UINT32_MAX};  // by MessageKind: the lowest last stream so far
  uint32_t data_stream_ = 0;                                // of the DATA frame that was last read in this event
  std::array<bool, 2> ended_{};                             // by MessageKind
  std::array<uint32_t, 2> latest_{};                        // likewise, the stream whose head or body was read last
  std::array<bool, 2> conflict_{};                          // likewise, before the next message
  std::array<uint64_t, 2> skip_asked_{};
};

}  // namespace podtap
