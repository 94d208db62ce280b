// SPDX-License-Identifier: Apache-2.0
// Http1Session: both directions of one HTTP/1.0 or 1.1 connection (and HTTP/0.9 requests). It joins three small
// machines: two MessageReaders that cut the directions into messages, and the ExchangeQueue that says which response
// answers which request; what it adds is what messages mean: 1xx, CONNECT and Upgrade, early responses, holes, ends,
// and times. Made by the SessionTable once the client's direction is known. RFC 9112, RFC 9110 section 15.2
// (1xx), 9.3.6 (CONNECT), 7.8 (Upgrade).
//
// After CONNECT and requests with Upgrade the client's further bytes wait (at most kMaxWaiting) until the response says
// what they are. A body of known length that passes the body limit is not asked for any more (Interest kFromPosition).
#pragma once

#include <array>
#include <string>
#include <utility>

#include "sidecar/http/exchange_queue.h"
#include "sidecar/http/http1_head.h"
#include "sidecar/http/message_reader.h"
#include "sidecar/http/session.h"

namespace podtap {

class Http1Session final : public Session, private MessageReader::Handler, private ExchangeQueue::Handler {
 public:
  // Both directions silent for so long: pairs made in doubt are believed.
  static constexpr uint64_t kSettleNs = 1'000'000'000;
  // What is left of a body must be worth the message that skips it.
  static constexpr uint64_t kSmallestSkip = 65536;
  static constexpr size_t kMaxWaiting = 65536;
  // Bytes that pass uncopied at our wish are announced at least this often (bpf/packet_capture.bpf.c: each second).
  static constexpr uint64_t kAnnouncedWithinNs = 2'000'000'000;

  // `connection` is kept by reference, may change and outlives the session.
  Http1Session(const Connection& connection, SessionStart start, const SessionContext& context);
  ~Http1Session() override;

  Next OnEvent(const StreamEvent& event) override;
  void OnTick(Timestamp now) override;
  size_t CutBodies() override;
  void Abandon(Tag why) override;
  Timestamp oldest() const override;
  Leftover HandOver() override;

 private:
  // MessageReader::Handler
  std::optional<MessageLength> OnHead(MessageKind kind, const MessageReader::Head& head) override;
  void OnBody(MessageKind kind, std::string_view data, std::optional<uint64_t> rest) override;
  void OnEnd(MessageKind kind, Timestamp at) override;
  void OnBroken(MessageKind kind) override;
  bool OnNoMessage(MessageKind kind, Timestamp start) override;
  // ExchangeQueue::Handler
  void OnExchange(Exchange& exchange) override;

  void OnBytes(Direction direction, std::string_view data, uint64_t position, Timestamp at);
  void OnGap(const Gap& gap, Timestamp at);
  void OnConflict(Direction direction);
  void OnEnded(MessageKind kind, TagSet why, Timestamp at);
  void OnClosed(CloseReason reason, Timestamp at);

  std::optional<MessageLength> OnRequestHead(const MessageReader::Head& head);
  std::optional<MessageLength> OnResponseHead(const MessageReader::Head& head);
  static bool Parse(MessageKind kind, const MessageReader::Head& head, HeaderList& fields, Http1Head& parsed);
  static TagSet TagsOf(const Http1Head& parsed, const MessageLength& length, const MessageReader::Head& head);
  static void AddInformational(Exchange& exchange, uint16_t status);
  static void DoubtMethod(HttpEvent& event);
  void EndResponseToHead();
  void BeginMessage(Exchange& exchange, MessageKind kind, const MessageReader::Head& head);
  void FinishMessage(Exchange& exchange, MessageKind kind, Timestamp at);
  void EndMessage(MessageKind kind);

  void GapInBody(MessageKind kind, uint64_t missing, GapReason reason, Timestamp at);
  // The message that is being read, if any, ends here, incomplete, and gets these tags.
  void BreakMessage(MessageKind kind, TagSet why, uint64_t missing);
  void LoseTrack(MessageKind kind, TagSet why, bool bytes_between);
  void AskToSkip(Direction direction, uint64_t position);
  void KeepWaiting(std::string_view data, uint64_t position, Timestamp at);
  void Resume();
  Rest TakeRest(Direction direction);
  void StopWaiting() {
    if (std::exchange(waiting_, false)) response_reader_.Stop();
  }

  MessageReader& reader(MessageKind kind) { return kind == MessageKind::kRequest ? request_reader_ : response_reader_; }
  Exchange* exchange(MessageKind kind) { return kind == MessageKind::kRequest ? queue_.request() : queue_.response(); }
  MessageKind KindOf(Direction direction) const {
    return direction == client_ ? MessageKind::kRequest : MessageKind::kResponse;
  }
  static Exchange NewExchange();

  const Connection& connection_;
  const Direction client_;
  const SessionStart start_;
  const SessionContext context_;
  MessageReader request_reader_;
  MessageReader response_reader_;
  ExchangeQueue queue_;

  Timestamp last_at_;                          // of the last byte
  std::optional<Direction> last_active_;       // direction of the last bytes or hole
  bool informational_ = false;                 // the response being read is a 1xx
  bool switches_ = false;                      // after the response being read the protocol changes
  MethodKind answering_ = MethodKind::kOther;  // the method that the response being read answers
  bool hand_over_ = false;
  std::shared_ptr<const HttpEvent> to_http2_;  // the exchange that switched to it
  bool waiting_ = false;                       // for the response to CONNECT or Upgrade
  uint64_t waiting_dropped_ = 0;
  uint32_t fruitless_turns_ = 0;          // since a head was read
  std::array<bool, 2> ended_{};           // by MessageKind, as the next two
  std::array<bool, 2> heard_{};           // anything at all
  std::array<bool, 2> conflict_{};        // before the next message of that direction
  std::array<uint64_t, 2> skip_asked_{};  // by Direction, as rest_: up to this position
  std::array<Rest, 2> rest_;
};

}  // namespace podtap
