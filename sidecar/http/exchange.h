// SPDX-License-Identifier: Apache-2.0
// Exchange: an HttpEvent in the making, with what its session must remember until it is emitted. Owned by the
// session (HTTP/1: by its ExchangeQueue); everything it holds is charged to the memory budget until Release().
#pragma once

#include <memory>
#include <utility>

#include "base/memory_budget.h"
#include "sidecar/http/body_capture.h"
#include "sidecar/http/grpc_tracker.h"
#include "sidecar/http/start_line.h"

namespace podtap {

// What of a request decides how its response is read.
enum class MethodKind : uint8_t { kOther, kHead, kConnect };
MethodKind KindOfMethod(std::string_view method);  // methods are case-sensitive, RFC 9110 9.1

struct Exchange {
  std::shared_ptr<HttpEvent> event;
  BodyCapture request_body;
  BodyCapture response_body;
  std::unique_ptr<GrpcTracker> grpc;  // where it may be a call
  size_t charged = 0;                 // heads and the event itself
  MethodKind method = MethodKind::kOther;
  bool may_upgrade = false;    // CONNECT, or a request with Upgrade: what follows it depends on the response
  bool request_done = false;   // nothing more of the request will come
  bool response_done = false;  // nothing more of the response will come

  HttpMessage& message(MessageKind kind) { return kind == MessageKind::kRequest ? event->request : event->response; }
  BodyCapture& body(MessageKind kind) { return kind == MessageKind::kRequest ? request_body : response_body; }
  bool done() const { return request_done && response_done; }
  bool done(MessageKind kind) const { return kind == MessageKind::kRequest ? request_done : response_done; }

  // The head of a message is in the event.
  void OnHead(MessageKind kind);
  // The next bytes of its body, see BodyCapture.
  void OnBody(MessageKind kind, std::string_view data, std::optional<uint64_t> rest, size_t limit, Timestamp at,
              MemoryBudget& budget);
  void OnHole(MessageKind kind, uint64_t n, bool lost, size_t limit, Timestamp at);
  // An unknown part of a message is hidden, its head perhaps among it.
  void OnLoss(MessageKind kind);
  // Whether bytes of the body that come next still matter.
  bool wants_body(MessageKind kind, size_t limit) {
    return (kind == MessageKind::kRequest ? request_body : response_body).keeps_more(message(kind), limit);
  }
  // Charges what the heads hold now.
  void ChargeHeads(MemoryBudget& budget);
  void Release(MemoryBudget& budget);
  size_t CutBodies(MemoryBudget& budget);  // adds the tag; returns bytes freed
  // Moves the response to an exchange of its own and leaves the request alone.
  Exchange TakeResponse(MemoryBudget& budget);
  // Works out `complete`, the tags that follow from sizes, and the gRPC call. To be called once, before it is emitted.
  void Conclude(size_t max_body_bytes);
};

}  // namespace podtap
