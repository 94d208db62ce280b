// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/stream_assembler.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "sidecar/stream/connection_state.h"
#include "sidecar/stream/forgotten_connections.h"
#include "sidecar/stream/recently_closed.h"

namespace podtap {
namespace {

// No position is ever at or above this: the ends of ranges cannot overflow.
constexpr uint64_t kPositionLimit = uint64_t{1} << 62;

bool Plausible(const Segment& segment) {
  return segment.connection != nullptr && segment.position < kPositionLimit && segment.skipped < kPositionLimit &&
         segment.received.value_or(0) < kPositionLimit && segment.acknowledged.value_or(0) < kPositionLimit;
}

}  // namespace

class StreamAssembler::Impl {
 public:
  Impl(Limits limits, MemoryBudget& budget, Counters& counters, StreamEventHandler& handler)
      : limits_(limits),
        budget_(budget),
        counters_(counters),
        pool_(budget),
        context_{pool_, counters, handler, limits.max_held_bytes, {}, {}, {}, 0},
        forgotten_(budget) {}
  ~Impl() {
    for (auto& [id, connection] : table_) Delete(connection);
  }

  void Add(const Segment& segment);
  void Open(const Connection& connection, bool from_first_byte, Timestamp at);
  void Close(const SocketClosed& close);
  void EndOfBatch();
  void Tick(Timestamp now);
  void RelieveHistory();
  void RelieveMemory();
  void CloseAll(CloseReason reason, Timestamp at);
  size_t connection_count() const { return table_.size(); }

 private:
  static constexpr size_t kConnectionCost = sizeof(ConnectionState) + 96;  // with table entry and piece lists

  ConnectionState* Find(ConnectionId id);
  ConnectionState& Make(const Connection& connection, bool from_first_byte, Timestamp at);
  void Delete(ConnectionState* connection);
  // Points the context at the connection.
  void Select(ConnectionState& connection, Timestamp at);
  void LearnIdentity(ConnectionState& connection, const Connection& seen, Timestamp at);
  // True if the segment belongs to a connection that has ended.
  bool IsStray(const Segment& segment);

  // Emits what may go, in the order in which the application can have seen it.
  void Pump(ConnectionState& connection);
  // After input: bounds, history and lists follow the new state.
  void Settle(ConnectionState& connection);
  // Whether something is there that only EndOfBatch() can decide.
  static bool IsWaiting(const ConnectionState& connection);
  // Makes holes gaps up to these positions, and emits what that sets free.
  void CloseHoles(ConnectionState& connection, uint64_t ingress_limit, uint64_t egress_limit);
  // Lets one piece out of turn. False if none is held up by the other direction.
  bool ForceOne(ConnectionState& connection);
  void TakeReset(ConnectionState& connection, const Segment& segment);
  // Emits the rest and Closed, and deletes. `received_is_final`: what was not accepted by now never was.
  void Finish(ConnectionState& connection, CloseReason reason, bool received_is_final, Timestamp at);

  const Limits limits_;
  MemoryBudget& budget_;
  Counters& counters_;
  PiecePool pool_;
  DirectionStream::Context context_;
  boost::unordered_flat_map<uint64_t, ConnectionState*> table_;
  ConnectionState* last_found_ = nullptr;
  uint64_t opened_ = 0;
  RecentlyClosed recently_closed_;
  ForgottenConnections forgotten_;
  ConnectionList<BySilence> by_silence_;
  ConnectionList<Holding> holding_;
  ConnectionList<Waiting> waiting_;
};

ConnectionState* StreamAssembler::Impl::Find(ConnectionId id) {
  if (last_found_ != nullptr && last_found_->identity.id == id) return last_found_;
  const auto at = table_.find(id.value);
  if (at == table_.end()) return nullptr;
  return last_found_ = at->second;
}

ConnectionState& StreamAssembler::Impl::Make(const Connection& connection, bool from_first_byte, Timestamp at) {
  while (!by_silence_.empty() && table_.size() >= limits_.max_connections) {
    counters_.Add(Counter::kConnectionsForgotten);
    Finish(by_silence_.front(), CloseReason::kForgotten, false, at);
  }
  auto* made = new ConnectionState(connection, from_first_byte);
  budget_.Charge(kConnectionCost);
  made->opened_as = opened_++;
  made->last_seen = at;
  table_.emplace(connection.id.value, made);
  by_silence_.push_back(*made);
  last_found_ = made;
  counters_.Add(Counter::kConnectionsOpened);
  Select(*made, at);
  context_.Emit(at, Opened{connection, from_first_byte});
  return *made;
}

void StreamAssembler::Impl::Delete(ConnectionState* connection) {
  Select(*connection, connection->last_seen);
  connection->ingress.Drop(false, context_);
  connection->ingress.ForgetHistory(context_);
  connection->egress.Drop(false, context_);
  if (last_found_ == connection) last_found_ = nullptr;
  budget_.Release(kConnectionCost);
  delete connection;
}

void StreamAssembler::Impl::Select(ConnectionState& connection, Timestamp at) {
  if (at > connection.last_seen) connection.last_seen = at;
  context_.connection = connection.identity.id;
  context_.now = connection.last_seen;
}

void StreamAssembler::Impl::LearnIdentity(ConnectionState& connection, const Connection& seen, Timestamp at) {
  if (connection.Learn(seen)) context_.Emit(at, Identified{connection.identity});
}

bool StreamAssembler::Impl::IsStray(const Segment& segment) {
  RecentlyClosed::Entry* closed = recently_closed_.Find(segment.connection->id);
  if (closed == nullptr) return false;
  if (segment.direction == Direction::kIngress || segment.data.empty() ||
      segment.position + segment.data.size() <= closed->egress_end) {
    return true;
  }
  *closed = {};
  forgotten_.Add(segment.connection->id);
  return false;
}

void StreamAssembler::Impl::Add(const Segment& segment) {
  if (!Plausible(segment)) return counters_.Add(Counter::kRecordsInvalid);
  ConnectionState* found = Find(segment.connection->id);
  if (found == nullptr) {
    if (IsStray(segment)) return counters_.Add(Counter::kSegmentsDuplicate);
    const bool followed_before = forgotten_.Take(segment.connection->id, segment.position);
    const bool may_be_whole = !followed_before && (!limits_.resumed || segment.position == 0);
    found = &Make(*segment.connection, segment.from_first_byte && may_be_whole, segment.at);
  }
  ConnectionState& connection = *found;
  Select(connection, segment.at);
  if (&connection != &by_silence_.back())
    by_silence_.splice(by_silence_.end(), by_silence_, by_silence_.iterator_to(connection));
  LearnIdentity(connection, *segment.connection, segment.at);

  DirectionStream& ingress = connection.ingress;
  DirectionStream& egress = connection.egress;
  const bool is_ingress = segment.direction == Direction::kIngress;
  DirectionStream& stream = is_ingress ? ingress : egress;
  const DirectionStream& peer = is_ingress ? egress : ingress;
  const bool final = !is_ingress || !segment.received;
  if (segment.received) ingress.StartAt(*segment.received), ingress.Learn(*segment.received);
  if (segment.acknowledged) egress.Learn(*segment.acknowledged);
  if (!stream.started()) stream.StartAt(is_ingress ? segment.position : std::max(segment.position, egress.known()));

  const uint64_t egress_next = egress.next();
  if (!ingress.idle() || !egress.idle()) Pump(connection);
  const uint64_t next = stream.next();
  // A copy of what had passed before says nothing about the order in which it passed.
  const bool passed_before = segment.position < (is_ingress ? segment.received : segment.acknowledged).value_or(0);
  const uint64_t barrier = passed_before ? 0 : (is_ingress ? segment.acknowledged : segment.received).value_or(0);
  stream.Add(segment, final, barrier, peer, context_);
  if (connection.doubtful_reset && stream.next() > next) {
    connection.doubtful_reset.reset();  // the connection goes on: the kernel refused it
    counters_.Add(Counter::kTcpConflicts);
    context_.Emit(context_.now, Conflict{Direction::kIngress});
  }
  if (segment.reset) TakeReset(connection, segment);
  if (!ingress.idle() || !egress.idle()) Pump(connection);
  if (egress.next() != egress_next) ingress.ForgetHistory(context_);
  if (ingress.ended() && egress.ended()) {
    return Finish(connection, CloseReason::kFinished, true, context_.now);
  }
  Settle(connection);
}

void StreamAssembler::Impl::TakeReset(ConnectionState& connection, const Segment& segment) {
  if (connection.closing) return;
  if (segment.direction == Direction::kIngress && segment.received && *segment.received != segment.position) {
    connection.doubtful_reset = segment.position;
    return;
  }
  connection.closing = {.reason = CloseReason::kReset,
                        .socket_closed = false,
                        .received_is_final = segment.direction == Direction::kIngress && segment.received.has_value()};
}

void StreamAssembler::Impl::Open(const Connection& connection, bool from_first_byte, Timestamp at) {
  ConnectionState* found = Find(connection.id);
  if (found == nullptr) {
    if (recently_closed_.Find(connection.id) == nullptr) Make(connection, from_first_byte, at);
    return;
  }
  Select(*found, at);
  LearnIdentity(*found, connection, at);
}

void StreamAssembler::Impl::Close(const SocketClosed& close) {
  if (close.connection == nullptr || close.received.value_or(0) >= kPositionLimit ||
      close.acknowledged.value_or(0) >= kPositionLimit) {
    return counters_.Add(Counter::kRecordsInvalid);
  }
  ConnectionState* found = Find(close.connection->id);
  if (found == nullptr) {
    (void)forgotten_.Take(close.connection->id, 0);
    // Closed after a RST: now it is certain.
    if (auto* closed = recently_closed_.Find(close.connection->id)) closed->egress_end = UINT64_MAX;
    return;
  }
  ConnectionState& connection = *found;
  Select(connection, close.at);
  LearnIdentity(connection, *close.connection, close.at);
  if (close.received) connection.ingress.StartAt(*close.received), connection.ingress.Learn(*close.received);
  if (close.acknowledged) connection.egress.Learn(*close.acknowledged);
  const bool was_reset = (connection.closing && connection.closing->reason == CloseReason::kReset) ||
                         (connection.doubtful_reset && connection.doubtful_reset == close.received);
  const bool seen_by_batch = connection.closing && connection.closing->seen_by_batch;
  connection.closing = {.reason = was_reset ? CloseReason::kReset : CloseReason::kFinished,
                        .socket_closed = true,
                        .received_is_final = close.received.has_value(),
                        .seen_by_batch = seen_by_batch};
  Pump(connection);
  if (connection.ingress.ended() && connection.egress.ended()) {
    return Finish(connection, connection.closing->reason, true, context_.now);
  }
  Settle(connection);
}

void StreamAssembler::Impl::Pump(ConnectionState& connection) {
  DirectionStream& ingress = connection.ingress;
  DirectionStream& egress = connection.egress;
  for (;;) {
    const DirectionStream::Ready out = egress.ReadyFront();
    const bool out_ready = out.end > egress.next();
    if (out_ready && ingress.Reached(out.barrier)) {
      egress.EmitFront(out.end, context_);
      continue;
    }
    // What was received after the response was written comes after it.
    const DirectionStream::Ready in = ingress.ReadyFront();
    const uint64_t in_end = out_ready ? std::min(in.end, out.barrier) : in.end;
    if (in_end > ingress.next() && egress.Reached(in.barrier)) {
      ingress.EmitFront(in_end, context_);
      continue;
    }
    if (ingress.TryEnd(egress, false, context_) || egress.TryEnd(ingress, false, context_)) continue;
    return;
  }
}

bool StreamAssembler::Impl::IsWaiting(const ConnectionState& connection) {
  const auto stuck = [](const DirectionStream& stream) {
    return stream.HoleEnd(stream.known()) > stream.next() || stream.ReadyFront().end > stream.next();
  };
  return connection.closing.has_value() || stuck(connection.ingress) || stuck(connection.egress);
}

void StreamAssembler::Impl::Settle(ConnectionState& connection) {
  connection.ingress.EnforceBounds(context_);
  connection.egress.EnforceBounds(context_);
  AutoListHook<Waiting>& waiting = connection;
  if (IsWaiting(connection)) {
    if (!waiting.is_linked()) waiting_.push_back(connection);
  } else if (waiting.is_linked()) {
    waiting.unlink();
  }
  AutoListHook<Holding>& holding = connection;
  if (connection.holds_memory()) {
    if (!holding.is_linked()) {
      connection.holding_since = connection.last_seen;
      holding_.push_back(connection);
    }
  } else if (holding.is_linked()) {
    holding.unlink();
  }
}

void StreamAssembler::Impl::CloseHoles(ConnectionState& connection, uint64_t ingress_limit, uint64_t egress_limit) {
  do {
    Pump(connection);
  } while (connection.ingress.CloseHole(ingress_limit, context_) ||
           connection.egress.CloseHole(egress_limit, context_));
}

bool StreamAssembler::Impl::ForceOne(ConnectionState& connection) {
  for (DirectionStream* stream : {&connection.ingress, &connection.egress}) {
    const DirectionStream::Ready ready = stream->ReadyFront();
    if (ready.end == stream->next()) continue;
    stream->EmitFront(ready.end, context_);
    return true;
  }
  return false;
}

void StreamAssembler::Impl::EndOfBatch() {
  if (waiting_.empty()) return;
  ConnectionList<Waiting> now;
  now.swap(waiting_);
  while (!now.empty()) {
    ConnectionState& connection = now.front();
    now.pop_front();
    Select(connection, connection.last_seen);
    DirectionStream& ingress = connection.ingress;
    DirectionStream& egress = connection.egress;
    CloseHoles(connection, ingress.aged(), egress.aged());
    if (ingress.next() == connection.batch_ingress_next && egress.next() == connection.batch_egress_next &&
        ingress.HoleEnd(ingress.known()) == ingress.next() && egress.HoleEnd(egress.known()) == egress.next()) {
      while (ForceOne(connection)) Pump(connection);
    }
    ingress.Age();
    egress.Age();
    connection.batch_ingress_next = ingress.next();
    connection.batch_egress_next = egress.next();
    if (ingress.ended() && egress.ended()) {
      Finish(connection, connection.closing ? connection.closing->reason : CloseReason::kFinished, true, context_.now);
      continue;
    }
    if (connection.closing) {
      if (connection.closing->seen_by_batch) {
        Finish(connection, connection.closing->reason, connection.closing->received_is_final, context_.now);
        continue;
      }
      connection.closing->seen_by_batch = true;
    }
    Settle(connection);
  }
}

void StreamAssembler::Impl::Tick(Timestamp now) {
  const auto before = [now](uint64_t age) { return Timestamp{now.ns > age ? now.ns - age : 0}; };
  const Timestamp forgotten = before(limits_.forget_after_ns);
  while (!by_silence_.empty() && by_silence_.front().last_seen < forgotten) {
    counters_.Add(Counter::kConnectionsForgotten);
    Finish(by_silence_.front(), CloseReason::kForgotten, false, by_silence_.front().last_seen);
  }
  // Each connection that holds something is looked at once per `release_after`.
  const Timestamp silent = before(limits_.release_after_ns);
  while (!holding_.empty() && holding_.front().holding_since < silent) {
    ConnectionState& connection = holding_.front();
    holding_.pop_front();
    Select(connection, connection.last_seen);
    if (connection.last_seen < silent) {
      DirectionStream& ingress = connection.ingress;
      for (auto ready = ingress.ReadyFront(true); ready.end > ingress.next(); ready = ingress.ReadyFront(true)) {
        ingress.EmitFront(ready.end, context_);
      }
      ingress.ForgetHistory(context_);
      ingress.TryEnd(connection.egress, true, context_);
      Pump(connection);
      if (ingress.ended() && connection.egress.ended()) {
        Finish(connection, CloseReason::kFinished, true, context_.now);
        continue;
      }
    }
    Settle(connection);
    connection.holding_since = now;
  }
}

void StreamAssembler::Impl::RelieveHistory() {
  if (!budget_.over() || context_.history_bytes == 0) return;
  const size_t target = budget_.limit() - budget_.limit() / 16;
  for (auto next = holding_.begin(); next != holding_.end() && budget_.used() > target;) {
    ConnectionState& connection = *next++;  // may leave the list
    Select(connection, connection.last_seen);
    connection.ingress.ForgetHistory(context_);
    connection.egress.ForgetHistory(context_);
    Settle(connection);
  }
}

void StreamAssembler::Impl::RelieveMemory() {
  while (budget_.over() && !holding_.empty()) {
    ConnectionState& connection = holding_.front();
    Select(connection, connection.last_seen);
    connection.ingress.LetGo(context_);
    connection.egress.LetGo(context_);
    Pump(connection);
    if (connection.ingress.ended() && connection.egress.ended()) {
      Finish(connection, CloseReason::kFinished, true, context_.now);
      continue;
    }
    Settle(connection);
  }
}

void StreamAssembler::Impl::CloseAll(CloseReason reason, Timestamp at) {
  std::vector<ConnectionState*> all;
  all.reserve(table_.size());
  for (const auto& [id, connection] : table_) all.push_back(connection);
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->opened_as < b->opened_as; });
  for (ConnectionState* connection : all) {
    if (connection->closing) {
      Finish(*connection, connection->closing->reason, connection->closing->received_is_final, at);
    } else {
      Finish(*connection, reason, false, at);
    }
  }
}

void StreamAssembler::Impl::Finish(ConnectionState& connection, CloseReason reason, bool received_is_final,
                                   Timestamp at) {
  Select(connection, at);
  DirectionStream& ingress = connection.ingress;
  DirectionStream& egress = connection.egress;
  const auto hole_limit = [&] { return ingress.front_is_final() ? DirectionStream::kNowhere : ingress.known(); };
  do {
    Pump(connection);
  } while (ingress.CloseHole(hole_limit(), context_) || egress.CloseHole(DirectionStream::kNowhere, context_) ||
           ForceOne(connection));
  if (!received_is_final) {
    for (auto ready = ingress.ReadyFront(true); ready.end > ingress.next(); ready = ingress.ReadyFront(true)) {
      ingress.EmitFront(ready.end, context_);
    }
    ingress.TryEnd(egress, true, context_);
  }
  ingress.Drop(received_is_final, context_);
  ingress.TryEnd(egress, false, context_);
  egress.TryEnd(ingress, true, context_);
  context_.Emit(context_.now, Closed{reason});
  if (reason == CloseReason::kForgotten) {
    forgotten_.Add(connection.identity.id);
  } else {
    const bool doubtful = connection.closing && !connection.closing->socket_closed;
    recently_closed_.Add({connection.identity.id, doubtful ? egress.next() : UINT64_MAX});
  }
  table_.erase(connection.identity.id.value);
  Delete(&connection);
}

StreamAssembler::StreamAssembler(Limits limits, MemoryBudget& budget, Counters& counters, StreamEventHandler& handler)
    : impl_(std::make_unique<Impl>(limits, budget, counters, handler)) {}
StreamAssembler::~StreamAssembler() = default;
void StreamAssembler::Add(const Segment& segment) { impl_->Add(segment); }
void StreamAssembler::Open(const Connection& connection, bool from_first_byte, Timestamp at) {
  impl_->Open(connection, from_first_byte, at);
}
void StreamAssembler::Close(const SocketClosed& close) { impl_->Close(close); }
void StreamAssembler::EndOfBatch() { impl_->EndOfBatch(); }
void StreamAssembler::Tick(Timestamp now) { impl_->Tick(now); }
void StreamAssembler::RelieveHistory() { impl_->RelieveHistory(); }
void StreamAssembler::RelieveMemory() { impl_->RelieveMemory(); }
void StreamAssembler::CloseAll(CloseReason reason, Timestamp at) { impl_->CloseAll(reason, at); }
size_t StreamAssembler::connection_count() const { return impl_->connection_count(); }

}  // namespace podtap
