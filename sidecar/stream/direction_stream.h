// SPDX-License-Identifier: Apache-2.0
// DirectionStream: one direction of one connection put in order. The StreamAssembler owns two per connection, feeds
// them and decides between them; this type knows positions, held pieces, holes, conflicts and the end of its own
// direction.
//
// State: everything below next() was emitted, as bytes or as a gap. known() is what the kernel vouched for (ingress:
// accepted, egress: acknowledged). Held pieces are sorted, do not overlap, and end above next().
//
// Two versions of a range (Conflict is emitted either way):
//  * Below known() the version that was here when known() moved stays: the kernel has already chosen.
//  * A segment that is in order for the kernel (its position is not above its own `received`) replaces what is held:
//  had the
//    kernel accepted the first version in order, `received` would have passed it. (It may still sit in the socket's
//    backlog, which no packet program can see; then the first one wins in the kernel. That needs a sender who sends
//    both versions within the time of one system call.)
//  * Out of order, Linux keeps the segment that starts earlier; of two that start together the longer; else the first
//    (tcp_data_queue_ofo). The same here, as far as held pieces are still apart.
//  * Egress: the first version stays. Skipped bytes give way to a copy that has them.
// Bytes already emitted are remembered up to kHistoryBytes until the other direction speaks, to compare copies with.
//
// Bounds: at most kMaxPieces pieces and Context::max_held_bytes bytes per direction; ingress that starts more than
// max_held_bytes above what the kernel accepted is not held: it is lost if the kernel takes it nevertheless, and a
// Conflict if it never does, at once where no window reaches so far.
// Beyond a bound, in this order: what is next goes out unconfirmed; a hole that the kernel will not fill becomes a gap;
// ingress drops the highest piece, which the kernel accepted last if at all; egress makes its first hole a gap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/counters.h"
#include "sidecar/stream/piece_pool.h"
#include "sidecar/stream/segment.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

class DirectionStream {
 public:
  static constexpr size_t kMaxPieces = 4096;
  static constexpr uint64_t kHistoryBytes = 64 << 10;
  static constexpr uint64_t kNowhere = UINT64_MAX;  // above every position

  // What a call needs besides the stream itself: shared by all connections, pointed at one before each use.
  struct Context {
    PiecePool& pool;
    Counters& counters;
    StreamEventHandler& handler;
    size_t max_held_bytes;
    ConnectionId connection;
    Timestamp now;                // of events that have no time of their own
    std::vector<Piece*> scratch;  // reused
    uint64_t history_bytes = 0;   // of all connections

    template <typename T>
    void Emit(Timestamp at, T what) {
      handler.OnStreamEvent(StreamEvent{connection, at, std::move(what)});
    }
  };

  DirectionStream(Direction direction, bool from_first_byte)
      : direction_(direction), started_(from_first_byte), joined_late_(!from_first_byte) {}

  // A direction of a connection that was joined late begins here. No effect once it has begun.
  void StartAt(uint64_t position) {
    if (started_) return;
    started_ = true;
    next_ = aged_ = position;
    if (known_ < position) known_ = position;
  }
  // The kernel vouches for everything below.
  void Learn(uint64_t known) {
    if (known > known_) known_ = known;
  }
  // Takes the segment's range and FIN. `final`: needs no confirmation. `barrier`: position that `peer` has to reach
  // before. In order and final, it goes out at once without a copy.
  void Add(const Segment& segment, bool final, uint64_t barrier, const DirectionStream& peer, Context& context);

  // What stands at next(), ready to go: how far it reaches and what `peer` has to reach first. Nothing ready: end ==
  // next().
  struct Ready {
    uint64_t end;
    uint64_t barrier;
  };
  Ready ReadyFront(bool unconfirmed_too = false) const {
    if (Empty() || Front().position > next_) return {next_, 0};
    const Piece& piece = Front();
    const uint64_t end = piece.final || unconfirmed_too ? piece.end() : std::min(piece.end(), known_);
    return {std::max(end, next_), piece.barrier};
  }
  // Emits from next() up to `end`, which lies within the front piece.
  void EmitFront(uint64_t end, Context& context);
  // Emits Ended if the FIN is due. `force`: whether or not the kernel accepted it and the peer got there.
  bool TryEnd(const DirectionStream& peer, bool force, Context& context) {
    return fin_ && next_ >= *fin_ && DecideFin(peer, force, context);
  }

  // Whether everything below `position` is out.
  bool Reached(uint64_t position) const { return next_ >= position || ended_ || !started_; }
  // End of the hole at next() as far as it lies below `limit`; next() if there is none.
  uint64_t HoleEnd(uint64_t limit) const {
    if (!started_ || ended_) return next_;
    if (!Empty()) {
      limit = std::min(limit, Front().position);
    } else {
      limit = std::min(limit, known_);
      if (fin_ && known_ <= *fin_ + 1) limit = std::min(limit, *fin_);  // a source may count the FIN as one
    }
    return std::max(limit, next_);
  }
  // Emits the hole at next(), as far as it lies below `limit`, as lost. False if there is none.
  bool CloseHole(uint64_t limit, Context& context);
  // Remembers what is known now; CloseHole(aged()) later concerns only holes that are at least that old.
  void Age() { aged_ = known_; }

  // Brings the held pieces below the bounds.
  void EnforceBounds(Context& context) {
    if (Count() > kMaxPieces || held_bytes_ > context.max_held_bytes) Shrink(context);
  }
  // Lets go of all held pieces as if the bounds were zero.
  void LetGo(Context& context);
  // Copies of what was emitted: nothing is lost but the comparison with further copies.
  void ForgetHistory(Context& context);
  // Drops what is still held. Counts as a conflict if the kernel has `refused` it.
  void Drop(bool refused, Context& context);

  uint64_t next() const { return next_; }
  uint64_t known() const { return known_; }
  uint64_t aged() const { return aged_; }
  bool started() const { return started_; }
  bool ended() const { return ended_; }
  // Neither pieces nor a FIN wait.
  bool idle() const { return Empty() && !fin_; }
  bool holds_memory() const { return !Empty() || history_head_ != nullptr; }
  // The first held piece needs no confirmation, so that only a lost record can stand before it.
  bool front_is_final() const { return !Empty() && Front().final; }

 private:
  bool Empty() const { return head_ == pieces_.size(); }
  size_t Count() const { return pieces_.size() - head_; }
  const Piece& Front() const { return *pieces_[head_]; }
  void PopFront();

  // One version of one range, on its way in.
  struct Range {
    uint64_t position;
    std::span<const std::byte> data;
    uint64_t skipped;
    Timestamp at;
    uint64_t barrier;
    bool final;
    bool in_order;       // for the kernel
    uint64_t starts_at;  // before anything was cut off
    uint64_t end() const { return position + data.size() + skipped; }
  };
  void AddRange(Range range, const DirectionStream& peer, Context& context);
  void AddFin(uint64_t position, const Range& range, Context& context);
  void EmitDirectly(const Range& range, Context& context);
  void InsertData(const Range& range, Context& context);
  void InsertSkipped(const Range& range, Context& context);
  // Makes pieces of [begin, end) of the range, after `previous` (may be null), into context.scratch.
  void MakePieces(const Range& range, uint64_t begin, uint64_t end, Piece* previous, Context& context);
  void MakeSkippedPiece(const Range& range, uint64_t begin, uint64_t end, Piece* previous, Context& context);
  void InsertScratch(Context& context);
  // Compares, and lets the better version stay. Returns whether they differ.
  bool Reconcile(Piece& piece, const Range& range);
  bool DiffersFromDelivered(uint64_t position, std::span<const std::byte> data) const;

  void AnnounceLateJoin(Timestamp at, Context& context);
  void EmitBytes(Timestamp at, std::span<const std::byte> data, Context& context);
  void EmitGap(GapReason reason, uint64_t missing, Timestamp at, Context& context);
  void EmitConflict(Context& context);
  // Keeps the delivered piece for comparison, or frees it.
  void Retire(Piece* piece, Context& context);
  bool DecideFin(const DirectionStream& peer, bool force, Context& context);
  void Shrink(Context& context);
  void Compact(Context& context);
  void ShedOne(Context& context);

  // Sorted by position; the first head_ entries are gone.
  std::vector<Piece*> pieces_;
  size_t head_ = 0;
  uint64_t held_bytes_ = 0;

  uint64_t next_ = 0;
  uint64_t known_ = 0;
  uint64_t aged_ = 0;
  uint64_t not_held_end_ = 0;  // of ingress that was too far ahead to be held

  // Delivered pieces, oldest first.
  Piece* history_head_ = nullptr;
  Piece* history_tail_ = nullptr;
  uint64_t history_bytes_ = 0;

  std::optional<uint64_t> fin_;
  uint64_t fin_barrier_ = 0;
  Timestamp fin_at_;
  bool fin_final_ = false;
  bool fin_in_order_ = false;

  Direction direction_;
  bool started_;
  bool joined_late_;  // and not said yet
  bool ended_ = false;
};

}  // namespace podtap
