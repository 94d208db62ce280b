// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/connection_guess.h"

#include <utility>

#include "sidecar/http/proxy_preface.h"

namespace podtap {

ConnectionGuess::~ConnectionGuess() {
  for (Side& side : sides_) Drop(side);
}

void ConnectionGuess::Drop(Side& side) {
  budget_.Release(side.kept.bytes.size());
  const Session::Rest old = std::move(side.kept);  // with its buffer
  side.kept = {};
}

Guess ConnectionGuess::Keep(Side& side, std::string_view data, uint64_t position, Timestamp at) {
  if (side.kept.bytes.empty()) side.kept = {{}, position, at};
  side.kept.bytes.append(data);
  budget_.Charge(data.size());
  return Guess::kNeedMore;
}

// `data` ends within a PROXY header, or with one. What may still be one is kept with what came before.
bool ConnectionGuess::IsInPreface(Side& side, std::string_view data) {
  const size_t before = side.kept.bytes.size();
  const std::string joined = before == 0 ? std::string() : side.kept.bytes + std::string(data);
  const std::optional<size_t> preface = ProxyPrefaceBytes(before == 0 ? data : std::string_view(joined));
  if (!preface) return true;
  side.begun = true;
  if (*preface == 0) return false;
  Drop(side);
  preface_bytes_ = *preface - before;
  return preface_bytes_ == data.size();
}

Guess ConnectionGuess::OnBytes(Direction direction, std::string_view data, uint64_t position, Timestamp at) {
  preface_bytes_ = 0;
  Side& side = sides_[IndexOf(direction)];
  if (data.empty()) return Guess::kNeedMore;
  if (!mid_stream_ && !side.begun) {
    if (IsInPreface(side, data)) return side.begun ? Guess::kNeedMore : Keep(side, data, position, at);
    data.remove_prefix(preface_bytes_);
    position += preface_bytes_;
  }
  return Look(direction, data, position, at);
}

Guess ConnectionGuess::Look(Direction direction, std::string_view data, uint64_t position, Timestamp at) {
  Side& side = sides_[IndexOf(direction)];
  sides_[IndexOf(Opposite(direction))].just_lost = false;
  if (last_ != direction) {
    last_ = direction;
    strange_turn_ = false;
    if (mid_stream_) {
      Drop(side);
      side.skip = false;
    }
  }
  if (mid_stream_ && (side.kept.bytes.empty() || side.skip || !side.frames.empty())) {
    const Http2Sync::Found frames = side.frames.Feed(data, position, at, std::nullopt);
    if (frames == Http2Sync::Found::kYes) {
      side.frames.DropLast();
      return Guess::kHttp2Frames;
    }
    if (frames == Http2Sync::Found::kMaybe) {
      KeepMeanwhile(side, data, position, at);
      return Guess::kNeedMore;
    }
  }
  if (side.skip) {
    const Guess found = Search(side, data, position, at);
    return found == Guess::kOther ? Guess::kNeedMore : found;
  }
  std::string& kept = side.kept.bytes;
  Guess guess = Guess::kNeedMore;
  if (kept.empty()) {
    guess = GuessProtocol(data.substr(0, 2 * kGuessWindow));
  } else {
    std::string joined = kept;
    joined.append(data.substr(0, kGuessWindow));
    guess = GuessProtocol(joined);
  }
  if (guess == Guess::kNeedMore) return Keep(side, data, position, at);
  if (mid_stream_ && guess == Guess::kHttp2Server) guess = Guess::kOther;  // one frame proves nothing here
  if (guess != Guess::kOther || !mid_stream_) return guess;
  Drop(side);
  if (const Guess found = Search(side, data, position, at); found != Guess::kOther) return found;
  side.skip = true;
  if (!std::exchange(strange_turn_, true)) ++strange_turns_;
  return strange_turns_ < kPatience ? Guess::kNeedMore : Guess::kOther;
}

void ConnectionGuess::OnGap(Direction direction, GapReason reason) {
  Side& side = sides_[IndexOf(direction)];
  mid_stream_ = true;
  if (reason == GapReason::kLost) lost_ = side.just_lost = true;
  last_ = direction;
  Drop(side);
  side.frames.Reset();
  side.skip = false;
}

// Bytes that may be frames may as well be the beginning of a line: the frames before them prove little.
void ConnectionGuess::KeepMeanwhile(Side& side, std::string_view data, uint64_t position, Timestamp at) {
  if (side.skip || side.kept.bytes.size() + data.size() > kGuessWindow) {
    Drop(side);
    side.skip = true;
    return;
  }
  Keep(side, data, position, at);
}

Guess ConnectionGuess::Search(Side& side, std::string_view data, uint64_t position, Timestamp at) {
  if (side.searched >= kMaxSearched) return Guess::kOther;
  side.searched += data.size();
  const std::string joined = side.kept.bytes.empty() ? std::string() : side.kept.bytes + std::string(data);
  const std::string_view text = joined.empty() ? data : std::string_view(joined);
  if (const Guess found = FindStartLine(text); found != Guess::kOther) return found;
  Drop(side);
  const size_t last_lf = text.rfind('\n');
  if (last_lf == std::string_view::npos || text.size() - last_lf > kGuessWindow) return Guess::kOther;
  side.kept = {std::string(text.substr(last_lf)), position + data.size() - (text.size() - last_lf), at};
  budget_.Charge(side.kept.bytes.size());
  return Guess::kOther;
}

std::vector<Session::Rest> ConnectionGuess::Take(Direction direction, bool in_turns) {
  Side& side = sides_[IndexOf(direction)];
  if (!side.frames.empty() && (!in_turns || side.kept.bytes.empty())) return side.frames.Take();
  budget_.Release(side.kept.bytes.size());
  if (side.kept.bytes.empty()) return {};
  return {std::exchange(side.kept, {})};
}

std::optional<Direction> ConnectionGuess::Http2Client() const {
  for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
    const auto sender = sides_[IndexOf(direction)].frames.Sender();
    if (sender) return *sender == MessageKind::kRequest ? direction : Opposite(direction);
  }
  return std::nullopt;
}

void ConnectionGuess::Forget() {
  mid_stream_ = true;
  for (Side& side : sides_) {
    side.skip = side.skip || !side.kept.bytes.empty();
    Drop(side);
    side.frames.Reset();
  }
}

}  // namespace podtap
