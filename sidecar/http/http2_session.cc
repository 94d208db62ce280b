// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_session.h"

#include <algorithm>
#include <utility>

#include "sidecar/event/new_event.h"

namespace podtap {
namespace {

constexpr size_t kRememberClosed = 1024;

std::string_view Text(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace

Http2Session::Http2Session(const Connection& connection, SessionStart start, const SessionContext& context)
    : connection_(connection),
      start_(std::move(start)),
      context_(context),
      client_side_(MessageKind::kRequest, !start_.mid_stream, context, *this),
      server_side_(MessageKind::kResponse, !start_.mid_stream, context, *this),
      lossy_(start_.mid_stream) {
  context_.budget.Charge(sizeof(*this));
  for (const Direction direction : {Direction::kIngress, Direction::kEgress})
    Ask(direction, Interest::Want::kEverything);
  if (start_.upgraded != nullptr) TakeUpgrade(*start_.upgraded);
}

Http2Session::~Http2Session() {
  for (auto& [id, stream] : streams_) stream.exchange.Release(context_.budget);
  context_.budget.Release(sizeof(*this) + closed_early_.size() * sizeof(uint32_t));
}

Session::Next Http2Session::OnEvent(const StreamEvent& event) {
  at_ = std::max(at_, event.at);
  if (const auto* bytes = std::get_if<Bytes>(&event.what)) {
    const MessageKind kind = KindOf(bytes->direction);
    if (ended_[static_cast<size_t>(kind)]) return Next::kContinue;
    data_stream_ = 0;
    side(kind).Feed(Text(bytes->data), bytes->position, event.at);
    if (data_stream_ != 0) AskToSkip(kind, bytes->position + bytes->data.size());
  } else if (const auto* gap = std::get_if<Gap>(&event.what)) {
    side(KindOf(gap->direction)).OnGap(gap->missing, gap->reason, event.at);
  } else if (const auto* conflict = std::get_if<Conflict>(&event.what)) {
    OnConflict(KindOf(conflict->direction));
  } else if (const auto* ended = std::get_if<Ended>(&event.what)) {
    OnEnded(KindOf(ended->direction));
  } else if (const auto* closed = std::get_if<Closed>(&event.what)) {
    OnClosed(closed->reason);
    return Next::kContinue;
  }
  const bool not_understood = client_side_.searching() && server_side_.searching() && streams_.empty() &&
                              client_side_.searched() + server_side_.searched() > kMaxSearched;
  return not_understood ? Next::kHandOver : Next::kContinue;
}

void Http2Session::Ask(Direction direction, Interest::Want want, uint64_t position) {
  context_.output.Want(
      {.connection = connection_.id, .direction = direction, .want = want, .position = position, .turn_rule = false});
}

// The rest of a long DATA frame past the body limit need not be copied: its end is known.
void Http2Session::AskToSkip(MessageKind kind, uint64_t position) {
  uint64_t rest = side(kind).data_rest();
  Stream* stream = rest < kSmallestSkip ? nullptr : Find(data_stream_);
  if (rest < kSmallestSkip || (stream != nullptr && stream->exchange.wants_body(kind, context_.limits.max_body_bytes)))
    return;
  // gRPC's messages are counted by their prefixes: only what lies inside one can go.
  if (stream != nullptr && stream->exchange.grpc != nullptr)
    rest = std::min(rest, stream->exchange.grpc->message_rest(kind));
  if (rest < kSmallestSkip) return;
  const Direction direction = kind == MessageKind::kRequest ? start_.client : Opposite(start_.client);
  uint64_t& asked = skip_asked_[IndexOf(direction)];
  if (position + rest <= asked) return;
  asked = position + rest;
  Ask(direction, Interest::Want::kFromPosition, asked);
}

// ---- streams

Http2Session::Stream* Http2Session::Find(uint32_t id) {
  const auto at = streams_.find(id);
  return at == streams_.end() ? nullptr : &at->second;
}

// Whether a stream that is not open was open before.
bool Http2Session::IsClosed(uint32_t id) const {
  if (!lossy_) return id <= (id % 2 == 1 ? highest_request_ : highest_promise_);
  return std::find(closed_early_.begin(), closed_early_.end(), id) != closed_early_.end();
}

Http2Session::Stream* Http2Session::NewStream(uint32_t id) {
  while (streams_.size() >= std::max<size_t>(context_.limits.max_streams, 1))
    FinishEarly(streams_.begin(), Tag::kForgotten);
  Stream& stream = streams_[id];
  stream.exchange.event = NewHttpEvent();
  stream.exchange.event->http2 = Http2Stream{.id = id, .request_error = std::nullopt, .response_error = std::nullopt};
  stream.last = stream.interim = at_;
  stream.hidden = server_side_.searching();
  return &stream;
}

bool Http2Session::IsDone(const Stream& stream) const {
  const Exchange& exchange = stream.exchange;
  if (!exchange.response_done) return false;
  if (exchange.request_done || stream.lost[static_cast<size_t>(MessageKind::kRequest)]) return true;
  // A response alone: its request may still be among the bytes in which frames are looked for.
  return !exchange.event->request.seen && !client_side_.searching();
}

void Http2Session::EndMessage(Streams::iterator at, MessageKind kind) {
  Stream& stream = at->second;
  Exchange& exchange = stream.exchange;
  HttpMessage& message = exchange.message(kind);
  message.finished = message.seen;
  CheckLength(stream, kind);
  message.end = std::max(message.end, at_);
  bool& done = kind == MessageKind::kRequest ? exchange.request_done : exchange.response_done;
  if (kind == MessageKind::kResponse && !exchange.request_done && exchange.event->request.seen &&
      !stream.lost[static_cast<size_t>(MessageKind::kRequest)])
    exchange.event->tags.Add(Tag::kEarlyResponse);
  done = true;
  if (IsDone(stream)) Finish(at);
}

// RFC 9113 8.1.1: Content-Length says how much DATA there is, but for responses that may have none.
void Http2Session::CheckLength(Stream& stream, MessageKind kind) {
  Exchange& exchange = stream.exchange;
  const std::optional<uint64_t> announced = stream.length[static_cast<size_t>(kind)];
  const uint64_t bytes = exchange.message(kind).body_bytes;
  if (!announced || *announced == bytes || stream.lost[static_cast<size_t>(kind)]) return;
  const bool may_have_none =
      kind == MessageKind::kResponse &&
      (exchange.method == MethodKind::kHead || exchange.event->method.empty() || exchange.event->status == 304);
  if (!may_have_none || bytes != 0) exchange.event->tags.Add(Tag::kAmbiguousLength);
}

void Http2Session::Finish(Streams::iterator at) {
  Stream& stream = at->second;
  Exchange& exchange = stream.exchange;
  HttpEvent& event = *exchange.event;
  if (!event.request.seen && !event.response.seen) {  // nothing but news of a stream nobody saw
    exchange.Release(context_.budget);
    streams_.erase(at);
    return;
  }
  if (!event.request.seen) event.tags.Add(Tag::kUnrequested);
  exchange.Conclude(context_.limits.max_body_bytes);
  for (const bool lost : stream.lost) {
    if (!lost) continue;
    event.complete = false;
    event.tags.Add(Tag::kLost);
  }
  // Its end was seen, its head was not.
  if (!event.response.seen && exchange.response_done && !event.tags.Has(Tag::kUnanswered)) event.tags.Add(Tag::kLost);
  if (event.tags.Has(Tag::kHeadersUnknown)) event.complete = false;
  event.connection = connection_;
  if (start_.joined_late) event.tags.Add(Tag::kJoinedLate);
  exchange.Release(context_.budget);
  std::shared_ptr<HttpEvent> emitted = std::move(exchange.event);
  streams_.erase(at);
  context_.output.Emit(std::move(emitted));
}

void Http2Session::FinishEarly(Streams::iterator at, Tag why) {
  const uint32_t id = at->first;
  if (closed_early_.size() < kRememberClosed) {
    closed_early_.push_back(id);
    context_.budget.Charge(sizeof(id));
  } else {
    closed_early_[next_closed_++ % kRememberClosed] = id;
  }
  at->second.exchange.event->tags.Add(why);
  Finish(at);
}

// ---- data and ends of streams

void Http2Session::OnData(MessageKind kind, uint32_t id, std::string_view data, uint64_t rest) {
  data_stream_ = latest_[static_cast<size_t>(kind)] = id;
  Stream* stream = Find(id);
  // What comes after the end of a message is an error (RFC 9113 5.1), and no part of it.
  if (stream == nullptr || stream->exchange.done(kind)) return;
  stream->last = at_;
  HttpMessage& message = stream->exchange.message(kind);
  message.end = at_;
  if (!message.seen) stream->exchange.OnLoss(kind);  // its head is hidden, and who knows how much of the body
  stream->exchange.OnBody(kind, data, rest, context_.limits.max_body_bytes, at_, context_.budget);
}

void Http2Session::OnDataHole(MessageKind kind, uint32_t id, uint64_t n, GapReason reason) {
  Stream* stream = Find(id);
  if (stream == nullptr || stream->exchange.done(kind)) return;
  stream->last = at_;
  stream->exchange.OnHole(kind, n, reason == GapReason::kLost, context_.limits.max_body_bytes, at_);
}

void Http2Session::OnEndStream(MessageKind kind, uint32_t id) {
  const auto at = streams_.find(id);
  if (at != streams_.end() && !at->second.exchange.done(kind)) EndMessage(at, kind);
}

void Http2Session::OnReset(MessageKind kind, uint32_t id, uint32_t error) {
  const auto at = streams_.find(id);
  if (at == streams_.end()) return;
  Http2Stream& http2 = *at->second.exchange.event->http2;
  (kind == MessageKind::kRequest ? http2.request_error : http2.response_error) = error;
  at->second.exchange.message(kind).end = at_;
  FinishEarly(at, Tag::kReset);
}

// Streams above `last_stream`, which only goes down, that the receiver had opened will not be answered.
void Http2Session::OnGoaway(MessageKind kind, uint32_t last_stream) {
  const uint32_t odd = kind == MessageKind::kResponse ? 1 : 0;
  uint32_t& lowest = goaway_[static_cast<size_t>(kind)];
  if (last_stream >= lowest) return;
  const auto end = streams_.upper_bound(std::exchange(lowest, last_stream));
  for (auto at = streams_.upper_bound(last_stream); at != end;) {
    const auto next = std::next(at);
    if (at->first % 2 == odd && !at->second.exchange.event->response.seen) FinishEarly(at, Tag::kUnanswered);
    at = next;
  }
}

void Http2Session::OnTableSize(MessageKind kind, uint32_t bytes) {
  side(kind == MessageKind::kRequest ? MessageKind::kResponse : MessageKind::kRequest).AllowTable(bytes);
}

}  // namespace podtap
