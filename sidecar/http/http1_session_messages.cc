// SPDX-License-Identifier: Apache-2.0
// The part of Http1Session that knows what heads and ends of messages mean.
#include <utility>

#include "sidecar/event/new_event.h"
#include "sidecar/http/http1_session.h"
#include "sidecar/http/tolerant_head.h"

namespace podtap {
namespace {

// 1xx responses kept per exchange.
constexpr size_t kMaxInformational = 64;

}  // namespace

Exchange Http1Session::NewExchange() {
  Exchange exchange;
  exchange.event = NewHttpEvent();
  return exchange;
}

std::optional<MessageLength> Http1Session::OnHead(MessageKind kind, const MessageReader::Head& head) {
  return kind == MessageKind::kRequest ? OnRequestHead(head) : OnResponseHead(head);
}

std::optional<MessageLength> Http1Session::OnRequestHead(const MessageReader::Head& head) {
  Exchange exchange = NewExchange();
  HttpEvent& event = *exchange.event;
  Http1Head parsed;
  if (!Parse(MessageKind::kRequest, head, event.request.headers, parsed)) return std::nullopt;
  // An HTTP/0.9 request is one line; if more follows, the reader cuts it off and asks again.
  if (parsed.version.empty() && head.text.find('\n') + 1 != head.text.size()) return std::nullopt;
  fruitless_turns_ = 0;
  context_.counters.Add(Counter::kRequestsParsed);
  const MessageLength length = LengthOf({.kind = MessageKind::kRequest,
                                         .version = parsed.version,
                                         .fields = parsed.has_length ? &event.request.headers : nullptr});
  if (queue_.discards(MessageKind::kRequest)) return length;

  event.method = parsed.method;
  event.target = parsed.target;
  event.version = parsed.version;
  event.tags = TagsOf(parsed, length, head);
  BeginMessage(exchange, MessageKind::kRequest, head);
  const bool trusted = head.found == MessageReader::Found::kExact || head.found == MessageReader::Found::kTurnStart;
  if (!trusted) DoubtMethod(event);
  exchange.method = KindOfMethod(event.method);
  exchange.may_upgrade = exchange.method == MethodKind::kConnect || parsed.has_upgrade;
  exchange.ChargeHeads(context_.budget);
  if (head.turn) EndResponseToHead();
  queue_.BeginRequest(std::move(exchange), head.turn);
  if (parsed.version.empty()) response_reader_.ExpectRaw();
  return length;
}

// A method torn by a hole, or with the end of a body before it, may still be a token.
void Http1Session::DoubtMethod(HttpEvent& event) {
  const size_t known = WellKnownMethodIn(event.method).size();
  if (known == event.method.size()) return;
  event.tags.Add(Tag::kHeadIncomplete);
  if (known == 0) return;
  event.request.header_bytes -= event.method.size() - known;
  event.method.erase(0, event.method.size() - known);
}

// A response to an unseen request may have been one to HEAD: if its body has not begun when the client takes its turn,
// it has none.
void Http1Session::EndResponseToHead() {
  const Exchange* response = queue_.response();
  if (response == nullptr || !queue_.answers_nothing() || !response_reader_.in_body()) return;
  const HttpMessage& message = response->event->response;
  if (message.body_bytes + message.missing_bytes == 0) response_reader_.EndWithoutBody(message.end);
}

std::optional<MessageLength> Http1Session::OnResponseHead(const MessageReader::Head& head) {
  // The request it answers is known only afterwards: until then in a list that changes places with the event's.
  thread_local HeaderList fields;
  fields.Clear();
  Http1Head parsed;
  if (!Parse(MessageKind::kResponse, head, fields, parsed)) return std::nullopt;
  fruitless_turns_ = 0;
  context_.counters.Add(Counter::kResponsesParsed);
  const bool known = head.found == MessageReader::Found::kExact || head.found == MessageReader::Found::kTurnStart;
  const bool abandoned = queue_.discards(MessageKind::kResponse);
  informational_ = parsed.status / 100 == 1 && parsed.status != 101;
  if (informational_) {
    const ExchangeQueue::Answered next = queue_.Peek();
    if (!abandoned && known && next.exchange != nullptr) AddInformational(*next.exchange, parsed.status);
    return MessageLength{};
  }
  Exchange* exchange = nullptr;
  if (!abandoned) {
    const ExchangeQueue::Answered answered = queue_.BeginResponse(known);
    answering_ = answered.method;
    exchange = answered.unrequested ? queue_.AddUnrequested(NewExchange()) : answered.exchange;
  }
  const MessageLength length = LengthOf({.kind = MessageKind::kResponse,
                                         .version = parsed.version,
                                         .status = parsed.status,
                                         .to_head = answering_ == MethodKind::kHead,
                                         .to_connect = answering_ == MethodKind::kConnect,
                                         .fields = parsed.has_length ? &fields : nullptr});
  switches_ = parsed.status == 101 || (answering_ == MethodKind::kConnect && parsed.status / 100 == 2);
  if (exchange == nullptr) return length;
  HttpEvent& event = *exchange->event;
  event.status = parsed.status;
  event.reason = parsed.reason;
  event.response_version = parsed.version;
  if (!event.request.seen) event.version = parsed.version;
  std::swap(event.response.headers, fields);
  event.tags.Merge(TagsOf(parsed, length, head));
  if (switches_) event.tags.Add(Tag::kUpgrade);
  BeginMessage(*exchange, MessageKind::kResponse, head);
  exchange->ChargeHeads(context_.budget);
  return length;
}

void Http1Session::AddInformational(Exchange& exchange, uint16_t status) {
  if (exchange.event->informational.size() < kMaxInformational) exchange.event->informational.push_back(status);
}

bool Http1Session::Parse(MessageKind kind, const MessageReader::Head& head, HeaderList& fields, Http1Head& parsed) {
  if (!head.incomplete) return ParseHead(kind, head.text, head.shape, fields, parsed);
  return ParseHeadTolerantly(kind, head.text, fields, parsed);
}

TagSet Http1Session::TagsOf(const Http1Head& parsed, const MessageLength& length, const MessageReader::Head& head) {
  TagSet tags = parsed.tags;
  tags.Merge(length.tags);
  // Beast refused it and nobody else found out why.
  if (!parsed.strict && tags.empty() && !head.incomplete) tags.Add(Tag::kMalformed);
  if (head.truncated) tags.Add(Tag::kHeadersTruncated);
  return tags;
}

void Http1Session::BeginMessage(Exchange& exchange, MessageKind kind, const MessageReader::Head& head) {
  HttpMessage& message = exchange.message(kind);
  message.seen = true;
  message.header_bytes = head.bytes;
  message.start = head.start;
  message.end = last_at_;
  if (std::exchange(conflict_[static_cast<size_t>(kind)], false)) exchange.event->tags.Add(Tag::kTcpConflict);
  exchange.OnHead(kind);
}

void Http1Session::OnBody(MessageKind kind, std::string_view data, std::optional<uint64_t> rest) {
  Exchange* x = exchange(kind);
  if (x != nullptr) x->OnBody(kind, data, rest, context_.limits.max_body_bytes, last_at_, context_.budget);
}

void Http1Session::FinishMessage(Exchange& exchange, MessageKind kind, Timestamp at) {
  HttpMessage& message = exchange.message(kind);
  BodyFraming& body = reader(kind).body();
  message.end = at;
  if (body.malformed()) exchange.event->tags.Add(Tag::kMalformed);
  if (body.trailers_truncated()) exchange.event->tags.Add(Tag::kHeadersTruncated);
  if (!body.trailers().empty()) {
    ParseFieldLines(body.trailers(), message.trailers, exchange.event->tags);
    body.ReleaseTrailers();
    exchange.ChargeHeads(context_.budget);
  }
}

void Http1Session::OnEnd(MessageKind kind, Timestamp at) {
  if (kind == MessageKind::kResponse && std::exchange(informational_, false)) return;
  Exchange* x = exchange(kind);
  if (x != nullptr) {
    FinishMessage(*x, kind, at);
    x->message(kind).finished = true;
  }
  EndMessage(kind);
}

// Nothing more of the message will come, whether it is whole or not.
void Http1Session::EndMessage(MessageKind kind) {
  const Exchange* x = exchange(kind);
  const bool may_upgrade = x != nullptr && x->may_upgrade;
  if (kind == MessageKind::kRequest) {
    const bool answered = x == nullptr || x->response_done;
    queue_.EndRequest();
    if (may_upgrade && !answered && !hand_over_) {
      waiting_ = true;
      request_reader_.Stop();
    }
    return;
  }
  queue_.EndResponse();
  if (std::exchange(switches_, false)) {
    hand_over_ = true;
    // The body of a request may be still on its way when the protocol changes, and others may wait behind it.
    queue_.ForEach([](Exchange& x) { x.event->tags.Add(x.request_done ? Tag::kUnanswered : Tag::kBodyIncomplete); });
    if (!queue_.empty()) queue_.Abandon({});
    response_reader_.Stop();
    request_reader_.Stop();
  }
  if (may_upgrade || queue_.empty()) StopWaiting();
}

void Http1Session::OnExchange(Exchange& exchange) {
  exchange.Conclude(context_.limits.max_body_bytes);
  exchange.event->connection = connection_;
  if (start_.joined_late) exchange.event->tags.Add(Tag::kJoinedLate);
  exchange.Release(context_.budget);
  // RFC 7540 3.2: the response to this request comes on stream 1. A copy, because what may not leave is taken out of
  // each on its way out: twice would show as another hash of the same secret.
  const HttpEvent& event = *exchange.event;
  if (event.status == 101 && EqualsIgnoreCase(event.response.headers.Get("upgrade"), "h2c"))
    to_http2_ = std::make_shared<HttpEvent>(event);
  context_.output.Emit(std::move(exchange.event));
}

}  // namespace podtap
