// SPDX-License-Identifier: Apache-2.0
// The part of Http2Session that knows what header blocks mean.
#include <algorithm>
#include <utility>

#include "sidecar/http/http2_session.h"

namespace podtap {
namespace {

constexpr std::string_view kVersion = "HTTP/2";
constexpr size_t kMaxInformational = 64;  // 1xx responses kept per exchange

void TagHead(const Http2Head& head, TagSet& tags) {
  if (!head.whole()) tags.Add(Tag::kHeadersUnknown);
  if (head.truncated) tags.Add(Tag::kHeadersTruncated);
  if (head.malformed) tags.Add(Tag::kMalformed);
  if (head.ambiguous_length) tags.Add(Tag::kAmbiguousLength);
}

// Trailers have no pseudo-header fields; those of a head are in the static table, by their names at least.
bool LooksLikeTrailers(MessageKind kind, const Http2Head& head) {
  if (kind == MessageKind::kResponse) return !head.status && head.whole();
  return !head.undecodable && head.method.empty() && head.scheme.empty() && head.path.empty() && head.authority.empty();
}

}  // namespace

void Http2Session::OnHeaders(MessageKind kind, uint32_t id, Http2Head& head, Timestamp start, bool end_stream) {
  const bool request = kind == MessageKind::kRequest;
  latest_[static_cast<size_t>(kind)] = id;
  Stream* stream = Find(id);
  if (stream == nullptr) stream = request ? BeginRequest(id, head) : BeginResponse(id, head);
  if (stream == nullptr || stream->exchange.done(kind)) return;
  stream->last = at_;
  HttpEvent& event = *stream->exchange.event;
  // A head whose status was unknown was an interim one if another status follows, or what cannot be trailers, because
  // those end the stream (RFC 9113 8.1).
  const bool head_again = !request && event.status == 0 && (head.status || !end_stream);
  const bool seen = stream->exchange.message(kind).seen;
  const bool head_hidden = !seen && lossy_ && end_stream && LooksLikeTrailers(kind, head);
  if (head_hidden) {
    stream->lost[static_cast<size_t>(kind)] = true;
    stream->exchange.OnLoss(kind);
  }
  if (head_hidden || (seen && !head_again)) {
    TakeTrailers(*stream, kind, head);
  } else if (request) {
    TakeRequestHead(*stream, head, start);
  } else if (head.status && *head.status / 100 == 1 && !end_stream) {
    context_.counters.Add(Counter::kResponsesParsed);
    if (event.informational.size() < kMaxInformational) event.informational.push_back(*head.status);
  } else {
    TakeResponseHead(*stream, head, start);
  }
  stream->exchange.ChargeHeads(context_.budget);
  if (end_stream) EndMessage(streams_.find(id), kind);
}

// A client opens streams with odd ids that grow. Anything else belongs to a stream that is over, or to one from before
// the capture of which only the end is seen. What was taken for a frame after a loss may have had any id: then a method
// makes a request of what looks like an earlier one.
Http2Session::Stream* Http2Session::BeginRequest(uint32_t id, const Http2Head& head) {
  if (id % 2 == 0) {
    context_.counters.Add(Counter::kRequestErrors);
    return nullptr;
  }
  if (id <= highest_request_ && (!lossy_ || !head.has_method || IsClosed(id))) return nullptr;
  highest_request_ = std::max(highest_request_, id);
  if (lossy_ && LooksLikeTrailers(MessageKind::kRequest, head)) return nullptr;
  return NewStream(id);
}

Http2Session::Stream* Http2Session::BeginResponse(uint32_t id, const Http2Head& head) {
  if (IsClosed(id)) return nullptr;
  if (LooksLikeTrailers(MessageKind::kResponse, head)) {
    if (!lossy_) context_.counters.Add(Counter::kResponseErrors);
    return nullptr;
  }
  if (!lossy_) context_.counters.Add(Counter::kResponseErrors);  // an answer to a stream that was never opened
  return NewStream(id);
}

void Http2Session::TakeHead(Stream& stream, MessageKind kind, Http2Head& head, Timestamp start) {
  HttpMessage& message = stream.exchange.message(kind);
  message.seen = true;
  message.header_bytes = head.wire_bytes;
  message.unknown_fields = head.unknown_fields;
  stream.length[static_cast<size_t>(kind)] = head.length;
  std::swap(message.headers, head.fields);  // the buffers of an event from before serve the next head
  message.start = start;
  message.end = at_;
  HttpEvent& event = *stream.exchange.event;
  TagHead(head, event.tags);
  if (std::exchange(conflict_[static_cast<size_t>(kind)], false)) event.tags.Add(Tag::kTcpConflict);
  stream.exchange.OnHead(kind);
}

void Http2Session::TakeRequestHead(Stream& stream, Http2Head& head, Timestamp start) {
  context_.counters.Add(Counter::kRequestsParsed);
  HttpEvent& event = *stream.exchange.event;
  event.version = kVersion;
  event.method.swap(head.method);
  event.scheme.swap(head.scheme);
  event.authority.swap(head.authority);
  event.protocol.swap(head.protocol);
  event.target.swap(head.path);
  stream.exchange.method = KindOfMethod(event.method);
  // CONNECT has no path (RFC 9113 8.5), but an extended one has (RFC 8441 4).
  const bool connect = stream.exchange.method == MethodKind::kConnect && event.protocol.empty();
  if (connect && event.target.empty()) event.target = event.authority;
  if (head.whole() && !head.truncated && (event.method.empty() || event.target.empty())) head.malformed = true;
  TakeHead(stream, MessageKind::kRequest, head, start);
}

void Http2Session::TakeResponseHead(Stream& stream, Http2Head& head, Timestamp start) {
  context_.counters.Add(Counter::kResponsesParsed);
  HttpEvent& event = *stream.exchange.event;
  event.response_version = kVersion;
  if (!event.request.seen) event.version = kVersion;
  event.status = head.status.value_or(0);
  if (!head.status && head.whole()) head.malformed = true;
  if (stream.exchange.method == MethodKind::kConnect && event.status / 100 == 2) event.tags.Add(Tag::kUpgrade);
  TakeHead(stream, MessageKind::kResponse, head, start);
}

void Http2Session::TakeTrailers(Stream& stream, MessageKind kind, Http2Head& head) {
  HttpMessage& message = stream.exchange.message(kind);
  message.end = at_;
  message.unknown_fields += head.unknown_fields;
  if (message.trailers.empty()) std::swap(message.trailers, head.fields);
  // RFC 9113 8.1: no pseudo-header fields in trailers.
  head.malformed = head.malformed || head.has_method || head.status;
  TagHead(head, stream.exchange.event->tags);
}

// RFC 9113 8.4: a request that the server makes up, sent on the stream of the request that caused it.
void Http2Session::OnPushPromise(uint32_t /*id*/, uint32_t promised, Http2Head& head, Timestamp start) {
  if (promised % 2 != 0 || promised <= highest_promise_) {
    context_.counters.Add(Counter::kResponseErrors);
    return;
  }
  highest_promise_ = promised;
  Stream& stream = *NewStream(promised);
  TakeRequestHead(stream, head, start);
  HttpEvent& event = *stream.exchange.event;
  event.tags.Add(Tag::kPushed);
  event.request.finished = stream.exchange.request_done = true;
  stream.exchange.ChargeHeads(context_.budget);
}

// RFC 7540 3.2: the request that asked for HTTP/2 in HTTP/1.1 is stream 1, and complete.
void Http2Session::TakeUpgrade(const HttpEvent& upgraded) {
  Stream& stream = *NewStream(1);
  highest_request_ = 1;
  server_side_.AllowTable(HpackDecoder::kLargestTable);  // HTTP2-Settings may have said so
  HttpEvent& event = *stream.exchange.event;
  event.method = upgraded.method;
  event.target = upgraded.target;
  event.version = kVersion;
  event.request = upgraded.request;
  const std::string body = std::exchange(event.request.body, {});
  const uint64_t body_bytes = std::exchange(event.request.body_bytes, 0);
  stream.exchange.method = KindOfMethod(event.method);
  stream.exchange.request_done = true;
  stream.exchange.OnHead(MessageKind::kRequest);
  stream.exchange.OnBody(MessageKind::kRequest, body, 0, context_.limits.max_body_bytes, event.request.end,
                         context_.budget);
  event.request.body_bytes = body_bytes;
  stream.exchange.ChargeHeads(context_.budget);
}

}  // namespace podtap
