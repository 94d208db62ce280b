// SPDX-License-Identifier: Apache-2.0
// The part of Http1Session that runs when bytes are missing, a connection ends, time runs out, or memory is short.
#include <utility>

#include "sidecar/http/http1_head.h"
#include "sidecar/http/http1_session.h"

namespace podtap {
namespace {

TagSet WhyOf(GapReason reason) {
  TagSet tags;
  tags.Add(reason == GapReason::kJoinedLate ? Tag::kJoinedLate : Tag::kLost);
  return tags;
}

}  // namespace

bool Http1Session::OnNoMessage(MessageKind kind, Timestamp start) {
  if (kind == MessageKind::kResponse) {
    const Exchange* next = queue_.Peek().exchange;
    if (next != nullptr && next->event->tags.Has(Tag::kHttp09)) {
      Exchange* exchange = queue_.BeginResponse(true).exchange;
      answering_ = MethodKind::kOther;
      MessageReader::Head head;
      head.start = start;
      BeginMessage(*exchange, kind, head);
      return true;
    }
  }
  context_.counters.Add(kind == MessageKind::kRequest ? Counter::kRequestErrors : Counter::kResponseErrors);
  LoseTrack(kind, {}, false);
  return false;
}

// The chunks of a body are broken: where it ends, nobody knows.
void Http1Session::OnBroken(MessageKind kind) {
  context_.counters.Add(kind == MessageKind::kRequest ? Counter::kRequestErrors : Counter::kResponseErrors);
  if (Exchange* x = exchange(kind); x != nullptr) FinishMessage(*x, kind, last_at_);
  EndMessage(kind);
  LoseTrack(kind, {}, false);
}

void Http1Session::LoseTrack(MessageKind kind, TagSet why, bool bytes_between) {
  if (kind == MessageKind::kRequest) {
    queue_.LoseRequests(why, bytes_between);
  } else {
    queue_.LoseResponses(why);
    StopWaiting();
  }
}

void Http1Session::BreakMessage(MessageKind kind, TagSet why, uint64_t missing) {
  MessageReader& r = reader(kind);
  if (const auto head = r.PartialHead(); head && !queue_.discards(kind)) {
    // The head as far as it came; its length does not matter any more.
    if (!OnHead(kind, *head)) return;
    if (kind == MessageKind::kResponse && std::exchange(informational_, false)) return;
    why.Add(Tag::kHeadIncomplete);
  } else if (!r.in_head() && !r.in_body()) {
    return;
  }
  switches_ = false;
  if (Exchange* x = exchange(kind); x != nullptr) {
    x->event->tags.Merge(why);
    x->message(kind).missing_bytes += missing;
    if (r.in_body()) FinishMessage(*x, kind, last_at_);
  }
  EndMessage(kind);
}

void Http1Session::OnGap(const Gap& gap, Timestamp at) {
  const MessageKind kind = KindOf(gap.direction);
  MessageReader& r = reader(kind);
  if (gap.missing && *gap.missing == 0) return;
  // What went before a late join is known to be unknown.
  if (gap.reason == GapReason::kJoinedLate && !heard_[static_cast<size_t>(kind)] && start_.mid_stream) return;
  if (kind == MessageKind::kRequest && waiting_) {
    waiting_ = false;
    Resume();
  }
  last_active_ = gap.direction;
  if (r.can_skip() && gap.missing) return GapInBody(kind, *gap.missing, gap.reason, at);
  const TagSet why = WhyOf(gap.reason);
  const bool between = r.between_messages() && gap.missing.value_or(3) > 2;  // an empty line hides nothing
  BreakMessage(kind, why, gap.missing.value_or(0));
  LoseTrack(kind, why, between);
  r.Lose();
}

void Http1Session::GapInBody(MessageKind kind, uint64_t missing, GapReason reason, Timestamp at) {
  MessageReader& r = reader(kind);
  const uint64_t covered = r.Skip(missing);
  if (Exchange* x = exchange(kind); x != nullptr)
    x->OnHole(kind, covered, reason == GapReason::kLost, context_.limits.max_body_bytes, at);
  const TagSet why = WhyOf(reason);
  if (r.body().state() == BodyFraming::State::kBroken) {
    BreakMessage(kind, why, 0);
    LoseTrack(kind, why, false);
    r.Lose();
    return;
  }
  r.AfterSkip(at, missing - covered);
  if (missing != covered) LoseTrack(kind, why, missing - covered > 2);
}

void Http1Session::OnConflict(Direction direction) {
  const MessageKind kind = KindOf(direction);
  Exchange* x = exchange(kind);
  if (x == nullptr && !reader(kind).in_head() && !reader(kind).in_start_line())
    queue_.ForEach([&x](Exchange& exchange) { x = &exchange; });  // the last that waits
  if (x != nullptr) {
    x->event->tags.Add(Tag::kTcpConflict);
  } else {
    conflict_[static_cast<size_t>(kind)] = true;
  }
}

// ---- ends

void Http1Session::OnEnded(MessageKind kind, TagSet why, Timestamp at) {
  if (std::exchange(ended_[static_cast<size_t>(kind)], true)) return;
  MessageReader& r = reader(kind);
  if (!r.End(at)) {
    if (r.in_start_line())
      context_.counters.Add(kind == MessageKind::kRequest ? Counter::kRequestErrors : Counter::kResponseErrors);
    TagSet tags = why;
    if (r.in_body()) tags.Add(Tag::kBodyIncomplete);
    BreakMessage(kind, tags, 0);
    r.Lose();
  }
  if (kind != MessageKind::kResponse || hand_over_) return;
  why.Add(Tag::kUnanswered);
  if (std::exchange(waiting_, false)) Resume();
  queue_.EndResponses(why);
}

void Http1Session::OnClosed(CloseReason reason, Timestamp at) {
  TagSet why;
  if (reason == CloseReason::kReset) why.Add(Tag::kReset);
  if (reason == CloseReason::kForgotten) why.Add(Tag::kForgotten);
  if (reason == CloseReason::kShutdown) why.Add(Tag::kShutdown);
  if (std::exchange(waiting_, false)) Resume();
  const bool finished = reason == CloseReason::kFinished;
  const bool connection_ended = finished || reason == CloseReason::kReset;
  for (const MessageKind kind : {MessageKind::kRequest, MessageKind::kResponse}) {
    if (finished) {
      OnEnded(kind, why, at);
      continue;
    }
    if (ended_[static_cast<size_t>(kind)]) continue;
    TagSet tags = why;
    if (connection_ended && reader(kind).in_body()) tags.Add(Tag::kBodyIncomplete);
    BreakMessage(kind, tags, 0);
    reader(kind).Lose();
  }
  if (connection_ended) why.Add(Tag::kUnanswered);
  queue_.EndResponses(why);
  queue_.Abandon(why);
}

// ---- time and memory

Timestamp Http1Session::oldest() const {
  Timestamp oldest = queue_.oldest();
  for (const MessageReader* r : {&request_reader_, &response_reader_}) {
    if (!r->in_head() && !r->in_start_line()) continue;
    if (!oldest || r->head_start() < oldest) oldest = r->head_start();
  }
  return oldest;
}

void Http1Session::OnTick(Timestamp now) {
  const uint64_t silent = NanosecondsBetween(last_at_, now);
  if (silent >= kSettleNs) queue_.Settle();
  const bool unfinished = queue_.unfinished() || request_reader_.in_head() || response_reader_.in_head();
  const bool skipping = (request_reader_.in_body() && skip_asked_[IndexOf(client_)] != 0) ||
                        (response_reader_.in_body() && skip_asked_[IndexOf(Opposite(client_))] != 0);
  const uint64_t patience = context_.limits.idle_timeout_ns + (skipping ? kAnnouncedWithinNs : 0);
  if (unfinished && silent >= patience) Abandon(Tag::kTimeout);
}

void Http1Session::Abandon(Tag why) {
  TagSet tags;
  tags.Add(why);
  for (const MessageKind kind : {MessageKind::kRequest, MessageKind::kResponse}) {
    MessageReader& r = reader(kind);
    const auto head = r.PartialHead();
    if (!head || queue_.discards(kind)) continue;
    if (OnHead(kind, *head) && !std::exchange(informational_, false)) {
      switches_ = false;
      if (Exchange* x = exchange(kind); x != nullptr) x->event->tags.Add(Tag::kHeadIncomplete);
    }
    r.CutHead();
  }
  queue_.Abandon(tags);
}

size_t Http1Session::CutBodies() {
  size_t freed = 0;
  queue_.ForEach([&](Exchange& exchange) {
    if (const size_t n = exchange.CutBodies(context_.budget); n != 0) {
      context_.counters.Add(Counter::kBodiesCutByMemory);
      freed += n;
    }
  });
  return freed;
}

}  // namespace podtap
