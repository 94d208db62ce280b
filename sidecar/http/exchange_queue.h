// SPDX-License-Identifier: Apache-2.0
// ExchangeQueue: which response belongs to which request. HTTP/1 pairs by order (RFC 9112 9.3), so pairing is exact as
// long as no message is hidden. When an unknown number of messages is hidden by a hole, a pair is never guessed:
//
//  kCertain  Requests wait in order; the next response answers the first of them.
//  kUnsure   Something was hidden. Requests from before a hole in the requests still get their responses, in order;
//  every
//            other message is emitted alone (tag `unpaired`).
//  kDoubt    A request began at a turn: after responses, with nothing left to answer as far as anybody can see. Pairs
//  are made
//            again but held back until the next turn, a pause, or the connection's end confirms them (tag
//            `resynchronised`). A response too many disproves them: then their halves are emitted alone.
//
// A client that was seen to send a request while earlier ones of the same batch were already being answered keeps
// requests in flight at all times: for it a turn proves nothing, and it stays kUnsure.
//
// Exchanges given up before their answer (idle timeout, limits) are remembered by their method only; their late answers
// are swallowed and counted. Owned by one Http1Session; bounded by max_pending_exchanges.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/counters.h"
#include "sidecar/http/exchange.h"

namespace podtap {

class ExchangeQueue {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // This exchange is over. The handler concludes, emits and releases it.
    virtual void OnExchange(Exchange& exchange) = 0;
  };
  struct Answered {                // what a response answers
    Exchange* exchange = nullptr;  // nullptr: nothing that is still to be emitted
    MethodKind method = MethodKind::kOther;
    bool unrequested = false;  // no request waits for it
  };

  ExchangeQueue(size_t max_pending, MemoryBudget& budget, Counters& counters, Handler& handler)
      : max_pending_(max_pending == 0 ? 1 : max_pending), budget_(budget), counters_(counters), handler_(handler) {}
  ~ExchangeQueue();

  // Nothing is known of what went before. `tags` go to what cannot be paired because of it.
  void JoinLate(TagSet tags);

  // A request's head was read; it becomes request(). `turn`: its first byte came after bytes of the other direction.
  void BeginRequest(Exchange exchange, bool turn);
  // Nothing more of the current request will come. May emit.
  void EndRequest();
  // What the next response answers, without taking it. Never a new exchange.
  Answered Peek() const;
  // A final response begins; what it answers becomes response(). `known`: its start is certain (not found in the middle
  // of something). Where no request waits for it, AddUnrequested() must follow.
  Answered BeginResponse(bool known);
  Exchange* AddUnrequested(Exchange exchange);
  // Nothing more of the current response will come. May emit.
  void EndResponse();

  Exchange* request();   // being read; nullptr between requests, and if it is not wanted any more
  Exchange* response();  // likewise

  // An unknown number of requests, or responses, is hidden from here on. `tags` go to what is emitted alone because of
  // it. The current message of that direction must have been ended before. `bytes_between`: the hidden bytes lie
  // between messages.
  void LoseRequests(TagSet tags, bool bytes_between);
  void LoseResponses(TagSet tags);
  // No response will come any more; what waits is emitted with `tags`.
  void EndResponses(TagSet tags);
  // Emits everything as it is, finally; late answers will be swallowed.
  void Abandon(TagSet tags);
  // Both directions have been silent for a while.
  void Settle();
  bool settling() const { return sync_ == Sync::kDoubt && !items_empty(); }
  // The response being read belongs to no request that is known.
  bool answers_nothing() const { return response_at_ == At::kLoose; }
  // The message being read was abandoned: only its end matters.
  bool discards(MessageKind kind) const {
    return (kind == MessageKind::kRequest ? request_at_ : response_at_) == At::kDiscard;
  }

  // An exchange that is not over. Held pairs count.
  bool empty() const { return items_empty() && !loose_request_.event && !loose_response_.event; }
  bool unfinished() const;
  template <typename F>
  void ForEach(F f) {
    for (size_t i = 0; i < count(); ++i) f(item(i));
    if (loose_request_.event) f(loose_request_);
    if (loose_response_.event) f(loose_response_);
  }
  Timestamp oldest() const;

 private:
  enum class Sync : uint8_t { kCertain, kUnsure, kDoubt };
  enum class At : uint8_t { kNone, kQueue, kLoose, kDiscard };
  struct LateRun {
    MethodKind method;
    uint32_t count;
  };

  size_t count() const { return items_.size() - first_; }
  bool items_empty() const { return count() == 0; }
  Exchange& item(size_t i) { return items_[first_ + i]; }
  const Exchange& item(size_t i) const { return items_[first_ + i]; }
  Exchange PopFront();
  void EmitDone();
  void EmitHalf(Exchange exchange);
  void Split();
  void FlushUnpaired();
  void AbandonFront(TagSet tags);
  void AddLate(MethodKind method);
  void StopDoubting();
  bool MayResynchronise(bool turn) const;
  MethodKind TakeLate();

  size_t max_pending_;
  MemoryBudget& budget_;
  Counters& counters_;
  Handler& handler_;

  std::vector<Exchange> items_;  // a queue: items_[first_] is the oldest
  size_t first_ = 0;
  size_t answered_ = 0;        // kDoubt: so many items from the front have their response
  std::vector<LateRun> late_;  // answers to swallow before the first item's
  size_t late_first_ = 0;
  Exchange loose_request_;   // being read, can never be paired
  Exchange loose_response_;  // likewise

  Sync sync_ = Sync::kCertain;
  At request_at_ = At::kNone;
  At response_at_ = At::kNone;
  bool keeps_in_flight_ = false;  // the client sends requests while earlier ones are being answered
  // Requests were lost while earlier ones waited, as far as could be seen: the answers may just have been lost with
  // them.
  bool seems_to_keep_in_flight_ = false;
  bool answering_ = false;      // a response began since the queue was last empty
  bool turn_possible_ = false;  // kUnsure: a response was seen, or lost, since requests were lost
  bool responses_over_ = false;
  bool joined_late_ = false;  // kUnsure because of that, nothing lost since
  TagSet lost_tags_;
};

}  // namespace podtap
