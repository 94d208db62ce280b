// SPDX-License-Identifier: Apache-2.0
// The part of Http2Session that runs when frames are missing, a connection ends, time runs out, or memory is short.
#include <algorithm>
#include <utility>

#include "sidecar/http/http2_session.h"

namespace podtap {

// Whether the response, or its end, may be among what is hidden.
bool Http2Session::MayHaveBeenAnswered(const Stream& stream) {
  return stream.lost[static_cast<size_t>(MessageKind::kResponse)] ||
         (stream.hidden && !stream.exchange.event->response.seen);
}

// Any message of this direction that is not over may go on, or end, in what is hidden.
void Http2Session::OnLost(MessageKind kind) {
  lossy_ = true;
  for (auto at = streams_.begin(); at != streams_.end();) {
    const auto next = std::next(at);
    Stream& stream = at->second;
    Exchange& exchange = stream.exchange;
    if (!exchange.done(kind)) {
      stream.lost[static_cast<size_t>(kind)] = true;
      // (A body whose head is still to come may begin behind what is lost.)
      if (exchange.message(kind).seen) exchange.OnLoss(kind);
      if (IsDone(stream)) Finish(at);
    }
    at = next;
  }
}

void Http2Session::OnFound(MessageKind kind) {
  if (kind != MessageKind::kRequest) return;
  if (client_side_.preface_seen()) server_side_.TrustTable();
  // Responses that waited for their requests.
  for (auto at = streams_.begin(); at != streams_.end();) {
    const auto next = std::next(at);
    if (IsDone(at->second)) Finish(at);
    at = next;
  }
}

void Http2Session::OnConflict(MessageKind kind) {
  Stream* stream = Find(latest_[static_cast<size_t>(kind)]);
  if (stream == nullptr && !streams_.empty()) stream = &streams_.rbegin()->second;
  if (stream != nullptr) {
    stream->exchange.event->tags.Add(Tag::kTcpConflict);
  } else {
    conflict_[static_cast<size_t>(kind)] = true;
  }
}

// ---- ends

void Http2Session::OnEnded(MessageKind kind) {
  if (std::exchange(ended_[static_cast<size_t>(kind)], true)) return;
  side(kind).Forget();
  for (auto at = streams_.begin(); at != streams_.end();) {
    const auto next = std::next(at);
    Exchange& exchange = at->second.exchange;
    HttpEvent& event = *exchange.event;
    bool& done = kind == MessageKind::kRequest ? exchange.request_done : exchange.response_done;
    if (!done) {
      done = true;
      const bool seen = exchange.message(kind).seen;
      const Tag none = MayHaveBeenAnswered(at->second) ? Tag::kLost : Tag::kUnanswered;
      if (seen || kind == MessageKind::kResponse) event.tags.Add(seen ? Tag::kBodyIncomplete : none);
    }
    // No answer can come, whatever the client still says.
    if (kind == MessageKind::kResponse || IsDone(at->second)) Finish(at);
    at = next;
  }
}

void Http2Session::OnClosed(CloseReason reason) {
  TagSet why;
  if (reason == CloseReason::kReset) why.Add(Tag::kReset);
  if (reason == CloseReason::kForgotten) why.Add(Tag::kForgotten);
  if (reason == CloseReason::kShutdown) why.Add(Tag::kShutdown);
  FinishAll(why, reason == CloseReason::kFinished || reason == CloseReason::kReset);
}

void Http2Session::FinishAll(TagSet why, bool connection_ended) {
  while (!streams_.empty()) {
    const auto at = streams_.begin();
    Exchange& exchange = at->second.exchange;
    HttpEvent& event = *exchange.event;
    if (!exchange.request_done || !exchange.response_done) event.tags.Merge(why);
    if (connection_ended && !exchange.response_done)
      event.tags.Add(event.response.seen               ? Tag::kBodyIncomplete
                     : MayHaveBeenAnswered(at->second) ? Tag::kLost
                                                       : Tag::kUnanswered);
    if (connection_ended && !exchange.request_done && event.request.seen) event.tags.Add(Tag::kBodyIncomplete);
    Finish(at);
  }
}

// ---- time and memory

Timestamp Http2Session::oldest() const {
  if (streams_.empty()) return {};
  const Stream& first = streams_.begin()->second;
  const Timestamp at = first.exchange.event->at();
  return at ? at : first.last;
}

void Http2Session::OnTick(Timestamp now) {
  const uint64_t timeout = context_.limits.idle_timeout_ns;
  const uint64_t interval = context_.limits.stream_interval_ns;
  for (auto at = streams_.begin(); at != streams_.end();) {
    const auto next = std::next(at);
    Stream& stream = at->second;
    const uint64_t silent = NanosecondsBetween(stream.last, now);
    const bool end_hidden = MayHaveBeenAnswered(stream);
    if (silent >= timeout || (end_hidden && silent >= kLossPatienceNs)) {
      FinishEarly(at, end_hidden ? Tag::kLost : Tag::kTimeout);
    } else if (interval != 0 && NanosecondsBetween(stream.interim, now) >= interval) {
      EmitInterim(stream, now);
    }
    at = next;
  }
}

void Http2Session::EmitInterim(Stream& stream, Timestamp now) {
  stream.interim = now;
  const HttpEvent& so_far = *stream.exchange.event;
  if (!so_far.request.seen && !so_far.response.seen) return;
  // All but the bodies: each record would repeat them.
  auto event = std::make_shared<HttpEvent>();
  const auto copy = [](const HttpMessage& from, HttpMessage& to) {
    to = {.seen = from.seen,
          .headers = from.headers,
          .trailers = from.trailers,
          .body = {},
          .header_bytes = from.header_bytes,
          .body_bytes = from.body_bytes,
          .missing_bytes = from.missing_bytes,
          .unknown_fields = from.unknown_fields,
          .finished = from.finished,
          .start = from.start,
          .end = from.end};
  };
  copy(so_far.request, event->request);
  copy(so_far.response, event->response);
  event->connection = connection_;
  event->method = so_far.method;
  event->target = so_far.target;
  event->version = so_far.version;
  event->scheme = so_far.scheme;
  event->authority = so_far.authority;
  event->protocol = so_far.protocol;
  event->status = so_far.status;
  event->response_version = so_far.response_version;
  event->informational = so_far.informational;
  event->http2 = so_far.http2;
  if (stream.exchange.grpc != nullptr) event->grpc = stream.exchange.grpc->Describe(so_far);
  event->tags = so_far.tags;
  event->tags.Add(Tag::kInterim);
  if (start_.joined_late) event->tags.Add(Tag::kJoinedLate);
  event->complete = false;
  context_.output.Emit(std::move(event));
}

void Http2Session::Abandon(Tag why) {
  while (!streams_.empty()) FinishEarly(streams_.begin(), why);
  client_side_.ForgetAll();
  server_side_.ForgetAll();
}

size_t Http2Session::CutBodies() {
  size_t freed = 0;
  for (auto& [id, stream] : streams_) {
    const size_t n = stream.exchange.CutBodies(context_.budget);
    if (n != 0) context_.counters.Add(Counter::kBodiesCutByMemory);
    freed += n;
  }
  return freed;
}

}  // namespace podtap
