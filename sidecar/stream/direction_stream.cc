// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/direction_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace podtap {
namespace {

// RFC 7323 section 2.3: no window is larger.
constexpr uint64_t kLargestWindow = uint64_t{65535} << 14;

// From this many held pieces on, neighbours share a piece although that costs the exact time of the later one.
constexpr size_t kShareFrom = 16;

}  // namespace

void DirectionStream::Add(const Segment& segment, bool final, uint64_t barrier, const DirectionStream& peer,
                          Context& context) {
  const Range range{.position = segment.position,
                    .data = segment.data,
                    .skipped = segment.skipped,
                    .at = segment.at,
                    .barrier = barrier,
                    .final = final,
                    .in_order = !segment.received || segment.position <= *segment.received,
                    .starts_at = segment.position};
  const uint64_t end = range.end();
  if (end > range.position) AddRange(range, peer, context);
  if (segment.fin) AddFin(end, range, context);
}

void DirectionStream::AddRange(Range range, const DirectionStream& peer, Context& context) {
  if (ended_ && range.end() > next_) return EmitConflict(context);  // nothing comes after the end
  if (range.position < next_) {
    if (DiffersFromDelivered(range.position, range.data)) EmitConflict(context);
    if (range.end() <= next_) return context.counters.Add(Counter::kSegmentsDuplicate);
    const uint64_t cut = next_ - range.position;
    if (cut > range.data.size()) range.skipped -= cut - range.data.size();
    range.data = range.data.subspan(std::min<uint64_t>(cut, range.data.size()));
    range.position = next_;
  }
  if (range.final && Empty() && range.position == next_ && peer.Reached(range.barrier)) {
    return EmitDirectly(range, context);
  }
  const uint64_t accepted = std::max(known_, next_);
  if (!range.final && range.position > accepted && range.position - accepted > context.max_held_bytes) {
    if (range.position - accepted > kLargestWindow) return EmitConflict(context);
    // If the kernel took it, `received` will pass it, and what was not held is lost; if it never does, it was refused.
    not_held_end_ = std::max(not_held_end_, range.end());
    return context.counters.Add(Counter::kSegmentsOutOfOrder);
  }
  if (range.position != next_ && (Empty() || Front().position > next_ || pieces_.back()->end() != range.position)) {
    context.counters.Add(Counter::kSegmentsOutOfOrder);
  }
  if (!range.data.empty()) InsertData(range, context);
  if (range.skipped > 0) {
    range.position += range.data.size();
    range.data = {};
    InsertSkipped(range, context);
  }
}

void DirectionStream::AddFin(uint64_t position, const Range& range, Context& context) {
  if (ended_) {
    if (position != next_) EmitConflict(context);
    return;
  }
  if (position < next_) return EmitConflict(context);  // the stream went on after it
  if (fin_ && *fin_ != position) {
    EmitConflict(context);
    if (*fin_ < position) return;  // the nearer one is looked at first, and dropped if the stream goes on
  }
  fin_ = position;
  fin_final_ = range.final;
  fin_in_order_ = range.in_order;
  fin_barrier_ = range.barrier;
  fin_at_ = range.at;
}

void DirectionStream::EmitDirectly(const Range& range, Context& context) {
  if (!range.data.empty()) {
    EmitBytes(range.at, range.data, context);
    next_ += range.data.size();
  }
  if (range.skipped > 0) {
    EmitGap(GapReason::kSkipped, range.skipped, range.at, context);
    next_ += range.skipped;
  }
}

void DirectionStream::InsertData(const Range& range, Context& context) {
  const uint64_t end = range.position + range.data.size();
  context.scratch.clear();
  if (Empty() || range.position >= pieces_.back()->end()) {
    MakePieces(range, range.position, end, Empty() ? nullptr : pieces_.back(), context);
    if (pieces_.capacity() == 0) pieces_.reserve(4);
    pieces_.insert(pieces_.end(), context.scratch.begin(), context.scratch.end());
    return;
  }
  size_t i = static_cast<size_t>(
      std::upper_bound(pieces_.begin() + static_cast<ptrdiff_t>(head_), pieces_.end(), range.position,
                       [](uint64_t position, const Piece* p) { return position < p->end(); }) -
      pieces_.begin());
  uint64_t cursor = range.position;  // everything of the range below is settled
  Piece* previous = i > head_ ? pieces_[i - 1] : nullptr;
  bool conflict = false;
  bool brought_nothing = true;
  while (i < pieces_.size() && pieces_[i]->position < end) {
    Piece& piece = *pieces_[i];
    if (cursor < piece.position) {
      MakePieces(range, cursor, piece.position, previous, context);
      brought_nothing = false;
    }
    if (!piece.skipped) {
      conflict |= Reconcile(piece, range);
      cursor = std::max(cursor, piece.end());
      previous = &piece;
      ++i;
      continue;
    }
    // Bytes for a range that was announced as left out: they take its place.
    brought_nothing = false;
    const uint64_t from = std::max(cursor, piece.position);
    const uint64_t to = std::min(end, piece.end());
    const uint64_t piece_end = piece.end();
    MakePieces(range, from, to, nullptr, context);
    cursor = to;
    previous = nullptr;
    if (piece.position < from) {
      piece.length = from - piece.position;
      if (to < piece_end) MakeSkippedPiece(range, to, piece_end, nullptr, context);
      ++i;
    } else if (to < piece_end) {
      piece.position = to;
      piece.length = piece_end - to;
      ++i;
    } else {
      context.pool.Give(&piece);
      pieces_.erase(pieces_.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  if (cursor < end) {
    MakePieces(range, cursor, end, previous, context);
    brought_nothing = false;
  }
  if (brought_nothing) context.counters.Add(Counter::kSegmentsDuplicate);
  InsertScratch(context);
  if (conflict) EmitConflict(context);
}

void DirectionStream::InsertSkipped(const Range& range, Context& context) {
  const uint64_t end = range.position + range.skipped;
  context.scratch.clear();
  if (Empty() || range.position >= pieces_.back()->end()) {
    MakeSkippedPiece(range, range.position, end, Empty() ? nullptr : pieces_.back(), context);
    pieces_.insert(pieces_.end(), context.scratch.begin(), context.scratch.end());
    return;
  }
  uint64_t cursor = range.position;
  Piece* previous = nullptr;
  for (size_t i = head_; i < pieces_.size() && pieces_[i]->position < end; ++i) {
    Piece& piece = *pieces_[i];
    if (piece.end() <= cursor) {
      previous = &piece;
      continue;
    }
    if (cursor < piece.position) MakeSkippedPiece(range, cursor, piece.position, previous, context);
    cursor = std::max(cursor, piece.end());
    previous = &piece;
  }
  if (cursor < end) MakeSkippedPiece(range, cursor, end, previous, context);
  InsertScratch(context);
}

void DirectionStream::MakePieces(const Range& range, uint64_t begin, uint64_t end, Piece* previous, Context& context) {
  while (begin < end) {
    const std::byte* from = range.data.data() + (begin - range.position);
    uint64_t n = end - begin;
    if (previous != nullptr && previous->end() == begin && previous->spare() > 0 && previous->final == range.final &&
        previous->in_order == range.in_order && previous->barrier == range.barrier &&
        (previous->at == range.at || Count() >= kShareFrom)) {
      n = std::min(n, previous->spare());
      std::memcpy(previous->bytes() + previous->length, from, n);
      previous->length += n;
    } else {
      Piece* piece = context.pool.Take(n);
      n = std::min<uint64_t>(n, piece->capacity);
      piece->position = begin;
      piece->length = n;
      piece->barrier = range.barrier;
      piece->at = range.at;
      piece->in_order = range.in_order;
      piece->final = range.final;
      std::memcpy(piece->bytes(), from, n);
      context.scratch.push_back(piece);
      previous = piece;
    }
    held_bytes_ += n;
    begin += n;
  }
}

void DirectionStream::MakeSkippedPiece(const Range& range, uint64_t begin, uint64_t end, Piece* previous,
                                       Context& context) {
  if (previous != nullptr && previous->skipped && previous->end() == begin && previous->final == range.final &&
      previous->barrier == range.barrier) {
    previous->length += end - begin;
    return;
  }
  Piece* piece = context.pool.Take(0);
  piece->position = begin;
  piece->length = end - begin;
  piece->barrier = range.barrier;
  piece->at = range.at;
  piece->final = range.final;
  piece->skipped = true;
  context.scratch.push_back(piece);
}

void DirectionStream::InsertScratch(Context& context) {
  if (context.scratch.empty()) return;
  const auto by_position = [](const Piece* a, const Piece* b) { return a->position < b->position; };
  if (context.scratch.size() == 1) {
    const auto at = std::upper_bound(pieces_.begin() + static_cast<ptrdiff_t>(head_), pieces_.end(), context.scratch[0],
                                     by_position);
    pieces_.insert(at, context.scratch[0]);
    return;
  }
  pieces_.insert(pieces_.end(), context.scratch.begin(), context.scratch.end());
  std::sort(pieces_.begin() + static_cast<ptrdiff_t>(head_), pieces_.end(), by_position);
}

bool DirectionStream::Reconcile(Piece& piece, const Range& range) {
  const uint64_t from = std::max(piece.position, range.position);
  const uint64_t to = std::min(piece.end(), range.position + range.data.size());
  if (from >= to) return false;
  // The earlier of two copies knows the order; without a barrier it was no first copy.
  if (range.barrier > 0 && from == piece.position && to == piece.end()) {
    piece.barrier = piece.barrier == 0 ? range.barrier : std::min(piece.barrier, range.barrier);
  }
  std::byte* held = piece.bytes() + (from - piece.position);
  const std::byte* seen = range.data.data() + (from - range.position);
  if (std::memcmp(held, seen, to - from) == 0) return false;
  const bool replaces = range.in_order || piece.in_order || range.starts_at < piece.position ||
                        (range.starts_at == piece.position && range.position + range.data.size() > piece.end());
  if (!piece.final && replaces) {
    const uint64_t open = std::max(from, known_);  // below, the kernel has chosen
    if (open < to) std::memcpy(held + (open - from), seen + (open - from), to - open);
  }
  return true;
}

bool DirectionStream::DiffersFromDelivered(uint64_t position, std::span<const std::byte> data) const {
  const auto differs = [&](const Piece& piece) {
    const uint64_t from = std::max(piece.position, position);
    const uint64_t to = std::min({piece.end(), position + data.size(), next_});
    return !piece.skipped && from < to &&
           std::memcmp(piece.bytes() + (from - piece.position), data.data() + (from - position), to - from) != 0;
  };
  for (const Piece* piece = history_head_; piece != nullptr; piece = piece->next) {
    if (differs(*piece)) return true;
  }
  return !Empty() && differs(Front());
}

void DirectionStream::EmitFront(uint64_t end, Context& context) {
  Piece* piece = pieces_[head_];
  const uint64_t from = next_;
  if (!piece->skipped) {
    EmitBytes(piece->at, {piece->bytes() + (from - piece->position), end - from}, context);
    next_ = end;
    if (piece->end() > end) return;
    held_bytes_ -= piece->length;
    PopFront();
    Retire(piece, context);
    return;
  }
  // Neighbours that were skipped too become one gap.
  const Timestamp at = piece->at;
  const bool final = piece->final;
  const uint64_t barrier = piece->barrier;
  for (next_ = end; piece->end() == next_;) {
    PopFront();
    context.pool.Give(piece);
    if (Empty() || !Front().skipped || Front().position != next_ || Front().final != final ||
        Front().barrier > barrier || (!final && Front().end() > known_)) {
      break;
    }
    piece = pieces_[head_];
    next_ = piece->end();
  }
  EmitGap(GapReason::kSkipped, next_ - from, at, context);
}

bool DirectionStream::DecideFin(const DirectionStream& peer, bool force, Context& context) {
  if (next_ > *fin_ || known_ > *fin_ + 1) {  // the stream went on: the kernel refused this FIN
    fin_.reset();
    EmitConflict(context);
    return false;
  }
  if (!force) {
    if (!fin_final_ && known_ < *fin_) return false;
    // Bytes or FIN: not decided yet, unless both were in order, for then the kernel refused the bytes.
    const bool bytes_instead = !Empty() && Front().position <= next_;
    if (bytes_instead && !fin_final_ && !(fin_in_order_ && Front().in_order)) return false;
    if (!peer.Reached(fin_barrier_)) return false;
  }
  ended_ = true;
  fin_.reset();
  AnnounceLateJoin(fin_at_, context);
  context.Emit(fin_at_, Ended{direction_});
  Drop(true, context);
  return true;
}

bool DirectionStream::CloseHole(uint64_t limit, Context& context) {
  const uint64_t end = HoleEnd(limit);
  if (end == next_) return false;
  EmitGap(GapReason::kLost, end - next_, context.now, context);
  next_ = end;
  return true;
}

void DirectionStream::Shrink(Context& context) {
  if (Count() > kMaxPieces) {
    Compact(context);
    while (Count() > kMaxPieces / 2) ShedOne(context);
  }
  while (held_bytes_ > context.max_held_bytes) ShedOne(context);
}

void DirectionStream::LetGo(Context& context) {
  while (!Empty()) ShedOne(context);
  ForgetHistory(context);
}

void DirectionStream::ShedOne(Context& context) {
  const Ready ready = ReadyFront(true);
  if (ready.end > next_) return EmitFront(ready.end, context);
  if (CloseHole(front_is_final() ? kNowhere : known_, context)) return;
  Piece* highest = pieces_.back();
  pieces_.pop_back();
  if (!highest->skipped) held_bytes_ -= highest->length;
  context.pool.Give(highest);
  if (Empty()) pieces_.clear(), head_ = 0;
}

void DirectionStream::Drop(bool refused, Context& context) {
  const bool any = !Empty() || not_held_end_ > std::max(known_, next_);
  for (size_t i = head_; i < pieces_.size(); ++i) context.pool.Give(pieces_[i]);
  pieces_.clear();
  head_ = 0;
  held_bytes_ = 0;
  if (any && refused) EmitConflict(context);
}

void DirectionStream::ForgetHistory(Context& context) {
  while (history_head_ != nullptr) context.pool.Give(std::exchange(history_head_, history_head_->next));
  history_tail_ = nullptr;
  context.history_bytes -= std::exchange(history_bytes_, 0);
}

void DirectionStream::Retire(Piece* piece, Context& context) {
  if (piece->final) return context.pool.Give(piece);
  if (history_tail_ != nullptr && history_tail_->end() != piece->position) ForgetHistory(context);
  history_bytes_ += piece->length;
  context.history_bytes += piece->length;
  if (history_tail_ != nullptr && history_tail_->spare() >= piece->length) {
    std::memcpy(history_tail_->bytes() + history_tail_->length, piece->bytes(), piece->length);
    history_tail_->length += piece->length;
    context.pool.Give(piece);
  } else {
    piece->next = nullptr;
    (history_tail_ != nullptr ? history_tail_->next : history_head_) = piece;
    history_tail_ = piece;
  }
  while (history_head_ != history_tail_ && history_bytes_ - history_head_->length >= kHistoryBytes) {
    history_bytes_ -= history_head_->length;
    context.history_bytes -= history_head_->length;
    context.pool.Give(std::exchange(history_head_, history_head_->next));
  }
}

void DirectionStream::PopFront() {
  if (++head_ == pieces_.size()) {
    head_ = 0;
    pieces_.clear();
    if (pieces_.capacity() > 64) pieces_.shrink_to_fit();
  } else if (head_ >= 64 && head_ > pieces_.size() / 2) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

// Moves neighbours together into fuller, and where it pays larger, pieces.
void DirectionStream::Compact(Context& context) {
  size_t kept = head_;
  for (size_t i = head_ + 1; i < pieces_.size(); ++i) {
    Piece* piece = pieces_[i];
    Piece* last = pieces_[kept];
    const bool adjacent = last->end() == piece->position && last->skipped == piece->skipped &&
                          last->final == piece->final && last->in_order == piece->in_order;
    if (adjacent && piece->skipped) {
      last->length += piece->length;
      last->barrier = std::max(last->barrier, piece->barrier);
      context.pool.Give(piece);
      continue;
    }
    if (adjacent && last->spare() < piece->length && last->capacity < PiecePool::kMaxPieceBytes) {
      Piece* larger = context.pool.Take(last->length + piece->length);
      larger->position = last->position;
      larger->barrier = last->barrier;
      larger->at = last->at;
      larger->in_order = last->in_order;
      larger->final = last->final;
      larger->length = std::min<uint64_t>(last->length, larger->capacity);
      std::memcpy(larger->bytes(), last->bytes(), larger->length);
      context.pool.Give(last);
      pieces_[kept] = last = larger;
    }
    if (adjacent && last->spare() >= piece->length) {
      std::memcpy(last->bytes() + last->length, piece->bytes(), piece->length);
      last->length += piece->length;
      last->barrier = std::max(last->barrier, piece->barrier);
      context.pool.Give(piece);
      continue;
    }
    pieces_[++kept] = piece;
  }
  pieces_.resize(kept + 1);
}

void DirectionStream::AnnounceLateJoin(Timestamp at, Context& context) {
  if (!joined_late_) return;
  joined_late_ = false;
  context.counters.Add(Counter::kGapsJoinedLate);
  context.Emit(at, Gap{direction_, GapReason::kJoinedLate, std::nullopt});
}

void DirectionStream::EmitBytes(Timestamp at, std::span<const std::byte> data, Context& context) {
  AnnounceLateJoin(at, context);
  context.Emit(at, Bytes{direction_, data, next_});
}

void DirectionStream::EmitGap(GapReason reason, uint64_t missing, Timestamp at, Context& context) {
  AnnounceLateJoin(at, context);
  context.counters.Add(reason == GapReason::kLost ? Counter::kGapsLost : Counter::kGapsSkipped);
  context.counters.Add(Counter::kGapBytes, missing);
  context.Emit(at, Gap{direction_, reason, missing});
}

void DirectionStream::EmitConflict(Context& context) {
  context.counters.Add(Counter::kTcpConflicts);
  context.Emit(context.now, Conflict{direction_});
}

}  // namespace podtap
