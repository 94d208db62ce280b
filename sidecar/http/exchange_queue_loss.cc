// SPDX-License-Identifier: Apache-2.0
// The part of ExchangeQueue that runs when something was lost, given up, or ended.
#include <utility>

#include "sidecar/http/exchange_queue.h"

namespace podtap {
namespace {

constexpr size_t kMaxLateRuns = 1024;

}  // namespace

// One message of an exchange whose other message is unknown.
void ExchangeQueue::EmitHalf(Exchange exchange) {
  HttpEvent& event = *exchange.event;
  if (event.request.seen && !event.response.seen && responses_over_) {
    event.tags.Merge(lost_tags_);
  } else if (sync_ != Sync::kCertain) {
    event.tags.Merge(lost_tags_);
    // What answers a request from before the join is simply unrequested.
    if (!joined_late_ || event.request.seen) event.tags.Add(Tag::kUnpaired);
  }
  if (!event.request.seen) event.tags.Add(Tag::kUnrequested);
  handler_.OnExchange(exchange);
}

// Pairs made in doubt were wrong, or cannot be confirmed any more: their messages are emitted alone.
void ExchangeQueue::Split() {
  const bool response_in_queue = response_at_ == At::kQueue;
  sync_ = Sync::kUnsure;
  turn_possible_ = true;
  for (size_t i = 0, n = count(); i < n; ++i) {
    Exchange exchange = PopFront();
    const bool answering = i == answered_ && response_in_queue;
    if (i < answered_ || answering) {
      Exchange response = exchange.TakeResponse(budget_);
      if (answering) {
        loose_response_ = std::move(response);
        response_at_ = At::kLoose;
      } else {
        EmitHalf(std::move(response));
      }
    }
    if (exchange.request_done) {
      EmitHalf(std::move(exchange));
    } else {
      loose_request_ = std::move(exchange);
      request_at_ = At::kLoose;
    }
  }
  answered_ = 0;
}

// Requests whose responses can no longer be told apart.
void ExchangeQueue::FlushUnpaired() {
  for (size_t i = 0, n = count(); i < n; ++i) {
    Exchange exchange = PopFront();
    if (exchange.response_done) {  // answered early; the request is still being sent
      items_.push_back(std::move(exchange));
    } else if (exchange.request_done) {
      EmitHalf(std::move(exchange));
    } else {
      loose_request_ = std::move(exchange);
      request_at_ = At::kLoose;
    }
  }
}

void ExchangeQueue::LoseRequests(TagSet tags, bool bytes_between) {
  if (sync_ == Sync::kDoubt) {
    if (count() != 0 && answered_ == count() && response_at_ == At::kNone && request_at_ == At::kNone)
      StopDoubting();  // the lost bytes belong to the next turn
    else
      Split();
  }
  // Requests were sent while others waited for their responses, unless those turn out to be lost, too.
  if (bytes_between && sync_ == Sync::kCertain && !items_empty()) seems_to_keep_in_flight_ = true;
  sync_ = Sync::kUnsure;
  turn_possible_ = false;
  joined_late_ = false;
  lost_tags_.Merge(tags);
}

void ExchangeQueue::LoseResponses(TagSet tags) {
  if (sync_ == Sync::kDoubt) Split();
  sync_ = Sync::kUnsure;
  turn_possible_ = true;
  joined_late_ = false;
  seems_to_keep_in_flight_ = false;
  lost_tags_.Merge(tags);
  late_.clear();
  late_first_ = 0;
  FlushUnpaired();
}

void ExchangeQueue::EndResponses(TagSet tags) {
  if (sync_ == Sync::kDoubt) {
    // Every request that was seen got its response, or the last ones never will: nothing disproved the pairs.
    sync_ = Sync::kCertain;
    answered_ = 0;
    EmitDone();
  }
  responses_over_ = true;
  lost_tags_ = tags;
  late_.clear();
  late_first_ = 0;
  FlushUnpaired();
}

// All that came before in the queue is gone: late answers come before those of the queue.
void ExchangeQueue::AddLate(MethodKind method) {
  if (late_.size() > late_first_ && late_.back().method == method) {
    ++late_.back().count;
  } else if (late_.size() - late_first_ >= kMaxLateRuns) {
    keeps_in_flight_ = true;
    LoseResponses({});
  } else {
    late_.push_back({method, 1});
  }
}

MethodKind ExchangeQueue::TakeLate() {
  counters_.Add(Counter::kLateResponses);
  LateRun& run = late_[late_first_];
  const MethodKind method = run.method;
  if (--run.count == 0 && ++late_first_ == late_.size()) {
    late_.clear();
    late_first_ = 0;
  }
  return method;
}

// The oldest exchange is emitted as it is.
void ExchangeQueue::AbandonFront(TagSet tags) {
  const bool answering = response_at_ == At::kQueue;
  const bool sending = count() == 1 && request_at_ == At::kQueue;
  Exchange front = PopFront();
  if (answering) {
    response_at_ = At::kDiscard;
  } else if (!front.response_done) {
    AddLate(front.method);
  }
  if (sending) request_at_ = At::kDiscard;
  front.event->tags.Merge(tags);
  handler_.OnExchange(front);
}

void ExchangeQueue::Abandon(TagSet tags) {
  if (sync_ == Sync::kDoubt) {
    if (answered_ == count()) {
      StopDoubting();
    } else {
      Split();
    }
  }
  while (!items_empty()) AbandonFront(tags);
  for (const MessageKind kind : {MessageKind::kRequest, MessageKind::kResponse}) {
    Exchange& loose = kind == MessageKind::kRequest ? loose_request_ : loose_response_;
    At& at = kind == MessageKind::kRequest ? request_at_ : response_at_;
    if (!loose.event) continue;
    at = At::kDiscard;
    loose.event->tags.Merge(tags);
    EmitHalf(std::exchange(loose, {}));
  }
}

}  // namespace podtap
