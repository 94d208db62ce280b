// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/exchange.h"

#include "sidecar/event/new_event.h"

namespace podtap {
namespace {

bool WholeMessage(const HttpMessage& message) {
  return message.seen && message.finished && message.missing_bytes == 0 && message.unknown_fields == 0;
}

}  // namespace

MethodKind KindOfMethod(std::string_view method) {
  if (method == "HEAD") return MethodKind::kHead;
  return method == "CONNECT" ? MethodKind::kConnect : MethodKind::kOther;
}

void Exchange::OnHead(MessageKind kind) {
  const HttpMessage& head = message(kind);
  if (grpc == nullptr && GrpcTracker::Suspects(head)) {
    grpc = std::make_unique<GrpcTracker>();
    // A request whose body went by unwatched.
    if (kind == MessageKind::kResponse && event->request.body_bytes != 0) grpc->OnLoss(MessageKind::kRequest);
  }
  if (grpc != nullptr) grpc->OnHead(kind, head);
}

void Exchange::OnBody(MessageKind kind, std::string_view data, std::optional<uint64_t> rest, size_t limit, Timestamp at,
                      MemoryBudget& budget) {
  body(kind).Append(message(kind), data, rest, limit, budget);
  if (grpc == nullptr) return;
  const size_t before = grpc->memory();
  grpc->OnBody(kind, data, at);
  budget.Charge(grpc->memory() - before);
  charged += grpc->memory() - before;
}

void Exchange::OnHole(MessageKind kind, uint64_t n, bool lost, size_t limit, Timestamp at) {
  body(kind).Skip(message(kind), n, lost, limit);
  if (grpc != nullptr) grpc->OnHole(kind, n, at);
}

void Exchange::OnLoss(MessageKind kind) {
  body(kind).Close();
  if (grpc != nullptr) grpc->OnLoss(kind);
}

void Exchange::ChargeHeads(MemoryBudget& budget) {
  const size_t now = sizeof(HttpEvent) + sizeof(Exchange) + event->target.capacity() + event->method.capacity() +
                     event->reason.capacity() + event->request.headers.memory() + event->request.trailers.memory() +
                     event->response.headers.memory() + event->response.trailers.memory() + event->scheme.capacity() +
                     event->authority.capacity() + event->protocol.capacity() +
                     event->informational.capacity() * sizeof(uint16_t) +
                     (grpc != nullptr ? sizeof(*grpc) + grpc->memory() : 0);
  budget.Release(charged);
  budget.Charge(now);
  charged = now;
}

void Exchange::Release(MemoryBudget& budget) {
  request_body.Release(budget);
  response_body.Release(budget);
  budget.Release(charged);
  charged = 0;
}

size_t Exchange::CutBodies(MemoryBudget& budget) {
  const size_t freed = request_body.Cut(event->request, budget) + response_body.Cut(event->response, budget);
  if (freed != 0) event->tags.Add(Tag::kTruncatedMemory);
  return freed;
}

Exchange Exchange::TakeResponse(MemoryBudget& budget) {
  Exchange other;
  other.event = NewHttpEvent();
  HttpEvent& to = *other.event;
  to.connection = event->connection;
  std::swap(to.response, event->response);
  std::swap(to.status, event->status);
  to.reason.swap(event->reason);
  to.response_version.swap(event->response_version);
  to.version = to.response_version;
  to.informational.swap(event->informational);
  to.tags = event->tags;
  std::swap(other.response_body, response_body);
  if (grpc != nullptr) other.grpc = std::make_unique<GrpcTracker>(*grpc);
  other.request_done = true;
  other.response_done = response_done;
  response_done = false;
  other.ChargeHeads(budget);
  ChargeHeads(budget);
  return other;
}

void Exchange::Conclude(size_t max_body_bytes) {
  HttpEvent& e = *event;
  if (e.request.body_bytes > max_body_bytes || e.response.body_bytes > max_body_bytes) e.tags.Add(Tag::kTruncated);
  if (e.request.missing_bytes + e.response.missing_bytes != 0) e.tags.Add(Tag::kLost);
  if (grpc != nullptr) e.grpc = grpc->Describe(e);
  e.complete = WholeMessage(e.request) && WholeMessage(e.response) && !e.tags.Has(Tag::kHeadIncomplete);
}

}  // namespace podtap
