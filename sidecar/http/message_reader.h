// SPDX-License-Identifier: Apache-2.0
// MessageReader: one direction of an HTTP/1 connection as a sequence of messages: finds heads and the ends of bodies,
// and after a hole the next start line. What messages mean is its handler's business (Http1Session). Owned by the
// session, one per direction. A head that is whole in one event is parsed where it lies; otherwise its bytes are
// collected, at most max_header_bytes of them, charged to the budget. Each byte is looked at a fixed number of times,
// however it arrives. RFC 9112 2.2 (parsing, empty lines before a start line), 6 (bodies).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/memory_budget.h"
#include "sidecar/http/body_framing.h"
#include "sidecar/http/head_scan.h"

namespace podtap {

class MessageReader {
 public:
  // Why a start line is believed to be one.
  enum class Found : uint8_t {
    kExact,      // it follows the message before it, or begins the stream
    kTurnStart,  // first bytes after bytes of the other direction
    kAfterGap,   // first bytes after a hole: its beginning may be torn off
    kMidData,    // after some line end in bytes that are not understood
  };
  struct Head {
    std::string_view text;  // start line, fields, empty line
    HeadShape shape;
    uint64_t bytes = 0;  // on the wire
    Timestamp start;     // first byte
    Found found = Found::kExact;
    bool turn = false;        // the first byte came after bytes of the other direction
    bool truncated = false;   // `text` holds what fits the limit, and all length fields
    bool incomplete = false;  // more of it will come, or never
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    // The length of the body that follows; nothing if this is no head after all.
    virtual std::optional<MessageLength> OnHead(MessageKind kind, const Head& head) = 0;
    virtual void OnBody(MessageKind kind, std::string_view data, std::optional<uint64_t> rest) = 0;
    virtual void OnEnd(MessageKind kind, Timestamp at) = 0;
    // The end of the message's body cannot be known: its chunks are broken.
    virtual void OnBroken(MessageKind kind) = 0;
    // Bytes where a message should begin are none. True: they are a body without a head, until close (HTTP/0.9).
    virtual bool OnNoMessage(MessageKind kind, Timestamp start) = 0;
  };

  MessageReader(MessageKind kind, size_t max_header_bytes, MemoryBudget& budget, Handler& handler);
  ~MessageReader();
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  // Whether the first byte of `data` comes after bytes of the other direction, and whether something could have been
  // missed in between.
  enum class Turn : uint8_t { kNo, kMaybeTorn, kYes };
  // Returns how many bytes were consumed: all, unless the handler called Stop() meanwhile.
  size_t Feed(std::string_view data, Timestamp at, Turn turn);
  void Stop() { stopped_ = true; }

  // Bytes are missing: what follows is searched for the next start line. Drops a head that was being read.
  void Lose();
  // Inside a body or chunk: goes over `n` bytes that are missing; returns how many of them belong to this body. Where
  // the body ends inside the hole the caller says so with AfterSkip().
  bool can_skip() const { return state_ == State::kBody && body_.state() == BodyFraming::State::kData; }
  uint64_t Skip(uint64_t n) { return body_.Skip(n); }
  // Ends the message if Skip() reached its end, and loses track if there was more in the hole.
  void AfterSkip(Timestamp at, uint64_t beyond);
  // The message being read has no body after all.
  void EndWithoutBody(Timestamp at) { EndMessage(at); }
  // FIN: a body until close ends. True if nothing is unfinished.
  bool End(Timestamp at);
  // The next message may be a body without a head.
  void ExpectRaw() { raw_possible_ = true; }

  // The head that is being read, as far as it is here (its start line is whole).
  std::optional<Head> PartialHead() const;
  // Keeps only what is needed to find the end of the message whose head is being read.
  void CutHead();

  bool in_head() const { return state_ == State::kHead || state_ == State::kLongHead; }
  bool in_body() const { return state_ == State::kBody; }
  bool in_start_line() const { return state_ == State::kLine || state_ == State::kLongLine; }
  bool between_messages() const { return state_ == State::kStart && found_ == Found::kExact; }
  bool exact() const { return found_ == Found::kExact; }
  Timestamp head_start() const { return start_; }
  const BodyFraming& body() const { return body_; }
  BodyFraming& body() { return body_; }

 private:
  enum class State : uint8_t {
    kStart,     // before a start line, empty lines are skipped
    kLine,      // in what may be a start line; its bytes so far are in buffer_
    kLongLine,  // in a start line longer than the limit
    kSkipLine,  // up to the next LF, nothing here is of interest
    kHead,      // behind the start line; the head so far is in buffer_
    kLongHead,  // the head is longer than the limit: only length fields are kept
    kBody,
  };

  size_t TakeStart(std::string_view data, Timestamp at);
  size_t TakeLine(std::string_view data, Timestamp at);
  size_t TakeLongLine(std::string_view data, Timestamp at);
  size_t TakeHead(std::string_view data, Timestamp at);
  size_t TakeLongHead(std::string_view data, Timestamp at);
  size_t TakeBody(std::string_view data, Timestamp at);
  bool AcceptLine(Timestamp at);
  void Reject(Timestamp at, bool line_ended);
  bool Deliver(std::string_view text, HeadShape shape, Timestamp at);
  void StartBody(const MessageLength& length, Timestamp at);
  void EndMessage(Timestamp at);
  void GoLong();
  void ClearBuffer();
  void ChargeBuffer();

  const MessageKind kind_;
  const size_t max_header_bytes_;
  MemoryBudget& budget_;
  Handler& handler_;

  State state_ = State::kStart;
  Found found_ = Found::kExact;
  bool stopped_ = false;
  bool turn_ = false;       // nothing of this turn was consumed yet
  bool head_turn_ = false;  // the current head began so
  bool truncated_ = false;
  bool raw_possible_ = false;
  LineProbe probe_;
  HeadScan scan_;
  Timestamp start_;
  uint64_t head_bytes_ = 0;
  uint32_t kept_length_lines_ = 0;
  std::string buffer_;
  std::string long_line_;  // kLongHead: the beginning of the current line; kLongLine: its end
  size_t charged_ = 0;
  BodyFraming body_;
};

}  // namespace podtap
