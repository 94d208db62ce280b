// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/exchange_queue.h"

#include <utility>

namespace podtap {

ExchangeQueue::~ExchangeQueue() {
  ForEach([this](Exchange& exchange) { exchange.Release(budget_); });
}

void ExchangeQueue::JoinLate(TagSet tags) {
  lost_tags_ = tags;
  sync_ = Sync::kUnsure;
  turn_possible_ = true;
  joined_late_ = true;
}

// ---- the queue itself

Exchange ExchangeQueue::PopFront() {
  Exchange front = std::move(items_[first_++]);
  if (first_ == items_.size()) {
    items_.clear();
    first_ = 0;
  } else if (first_ >= 64 && first_ * 2 >= items_.size()) {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return front;
}

Exchange* ExchangeQueue::request() {
  if (request_at_ == At::kQueue) return &items_.back();
  return request_at_ == At::kLoose ? &loose_request_ : nullptr;
}

Exchange* ExchangeQueue::response() {
  if (response_at_ == At::kQueue) return &item(sync_ == Sync::kDoubt ? answered_ : 0);
  return response_at_ == At::kLoose ? &loose_response_ : nullptr;
}

bool ExchangeQueue::unfinished() const {
  if (loose_request_.event || loose_response_.event) return true;
  return count() > (sync_ == Sync::kDoubt ? answered_ : 0);
}

Timestamp ExchangeQueue::oldest() const {
  Timestamp oldest;
  const auto look = [&oldest](const Exchange& exchange) {
    if (!exchange.event) return;
    const Timestamp at = exchange.event->at();
    if (!oldest || at < oldest) oldest = at;
  };
  if (!items_empty()) look(item(0));
  look(loose_request_);
  look(loose_response_);
  return oldest;
}

// ---- messages in order

bool ExchangeQueue::MayResynchronise(bool turn) const {
  const bool in_flight = keeps_in_flight_ || seems_to_keep_in_flight_;
  return turn && turn_possible_ && !in_flight && items_empty() && late_.empty() && response_at_ == At::kNone;
}

void ExchangeQueue::BeginRequest(Exchange exchange, bool turn) {
  if (responses_over_) {
    loose_request_ = std::move(exchange);
    request_at_ = At::kLoose;
    return;
  }
  if (sync_ == Sync::kDoubt && count() != 0) {
    if (answered_ == count()) {
      StopDoubting();  // a turn: everything was answered before this request began
    } else if (answered_ != 0 || response_at_ != At::kNone || count() >= max_pending_) {
      keeps_in_flight_ = true;
      Split();
    }
  }
  if (sync_ == Sync::kUnsure && MayResynchronise(turn)) {
    sync_ = Sync::kDoubt;
    answered_ = 0;
  }
  if (sync_ != Sync::kUnsure && count() >= max_pending_) {
    TagSet tags;
    tags.Add(Tag::kForgotten);
    AbandonFront(tags);
  }
  if (sync_ == Sync::kUnsure) {
    loose_request_ = std::move(exchange);
    request_at_ = At::kLoose;
    return;
  }
  if (sync_ == Sync::kDoubt) {
    if (!joined_late_) exchange.event->tags.Add(Tag::kResynchronised);
  } else if (items_empty() && late_.empty()) {
    answering_ = false;
  } else if (answering_) {
    keeps_in_flight_ = true;
  }
  items_.push_back(std::move(exchange));
  request_at_ = At::kQueue;
}

void ExchangeQueue::EndRequest() {
  const At at = std::exchange(request_at_, At::kNone);
  if (at == At::kQueue) {
    items_.back().request_done = true;
    EmitDone();
  } else if (at == At::kLoose) {
    loose_request_.request_done = true;
    EmitHalf(std::exchange(loose_request_, {}));
  }
}

ExchangeQueue::Answered ExchangeQueue::Peek() const {
  if (sync_ == Sync::kDoubt) {
    if (answered_ == count()) return {};
    const Exchange& next = item(answered_);
    return {.exchange = const_cast<Exchange*>(&next), .method = next.method};
  }
  if (late_first_ < late_.size()) return {.method = late_[late_first_].method};
  if (items_empty() || item(0).response_done) return {};
  const Exchange& next = item(0);
  return {.exchange = const_cast<Exchange*>(&next), .method = next.method};
}

ExchangeQueue::Answered ExchangeQueue::BeginResponse(bool known) {
  answering_ = true;
  if (sync_ == Sync::kDoubt && (!known || answered_ == count())) Split();  // a response too many
  if (known || sync_ == Sync::kCertain) {
    if (late_first_ < late_.size() && sync_ != Sync::kDoubt) {
      response_at_ = At::kDiscard;
      return {.method = TakeLate()};
    }
    if (const Answered next = Peek(); next.exchange != nullptr) {
      response_at_ = At::kQueue;
      if (!next.exchange->request_done) next.exchange->event->tags.Add(Tag::kEarlyResponse);
      return next;
    }
  }
  return {.unrequested = true};
}

Exchange* ExchangeQueue::AddUnrequested(Exchange exchange) {
  loose_response_ = std::move(exchange);
  loose_response_.request_done = true;
  response_at_ = At::kLoose;
  return &loose_response_;
}

void ExchangeQueue::EndResponse() {
  if (sync_ == Sync::kUnsure) turn_possible_ = true;
  const At at = response_at_;
  if (at == At::kQueue) {
    response()->response_done = true;
    if (sync_ == Sync::kDoubt) ++answered_;
  }
  response_at_ = At::kNone;
  if (at == At::kQueue) {
    EmitDone();
  } else if (at == At::kLoose) {
    loose_response_.response_done = true;
    EmitHalf(std::exchange(loose_response_, {}));
  }
}

void ExchangeQueue::EmitDone() {
  if (sync_ == Sync::kDoubt) return;
  while (!items_empty() && item(0).done()) {
    Exchange front = PopFront();
    handler_.OnExchange(front);
  }
}

void ExchangeQueue::StopDoubting() {
  while (!items_empty()) {
    Exchange front = PopFront();
    handler_.OnExchange(front);
  }
  answered_ = 0;
  sync_ = Sync::kCertain;
  answering_ = false;
  joined_late_ = false;
  lost_tags_ = {};
}

void ExchangeQueue::Settle() {
  if (settling() && answered_ == count() && request_at_ == At::kNone && response_at_ == At::kNone) StopDoubting();
}

}  // namespace podtap
