// SPDX-License-Identifier: Apache-2.0
// ConnectionGuess: what a connection speaks, from its first bytes in either direction, or, where the first bytes were
// not seen, from the first bytes of its next turns. Keeps at most kGuessWindow bytes per direction, and only while a
// start line is arriving in pieces; mid-stream also what may be HTTP/2 frames, until that is certain (Http2Sync). Owned
// by the SessionTable's entry until it is decided; then what was kept goes to the session. The PROXY header that a load
// balancer puts before a connection's first byte belongs to no protocol (proxy_preface.h).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory_budget.h"
#include "sidecar/http/http2_sync.h"
#include "sidecar/http/protocol_guess.h"
#include "sidecar/http/session.h"

namespace podtap {

class ConnectionGuess {
 public:
  // `mid_stream`: the next bytes may be anywhere in a message.
  ConnectionGuess(bool mid_stream, MemoryBudget& budget)
      : mid_stream_(mid_stream), budget_(budget), sides_{Side(budget), Side(budget)} {}
  ~ConnectionGuess();
  ConnectionGuess(const ConnectionGuess&) = delete;
  ConnectionGuess& operator=(const ConnectionGuess&) = delete;

  // kNeedMore: not decided. kOther: nothing that is known. The bytes that decide are not kept.
  Guess OnBytes(Direction direction, std::string_view data, uint64_t position, Timestamp at);
  // So many bytes, from the first, of what OnBytes() was given last were the end of a PROXY header.
  size_t preface_bytes() const { return preface_bytes_; }
  void OnGap(Direction direction, GapReason reason);
  void OnEnded(Direction direction) { sides_[IndexOf(direction)].ended = true; }
  void OnConflict(Direction direction) { sides_[IndexOf(direction)].conflict = true; }

  bool mid_stream() const { return mid_stream_; }
  // Bytes were lost; and of that direction, since the other one spoke.
  bool lost() const { return lost_; }
  bool just_lost(Direction direction) const { return sides_[IndexOf(direction)].just_lost; }
  bool ended(Direction direction) const { return sides_[IndexOf(direction)].ended; }
  bool conflict(Direction direction) const { return sides_[IndexOf(direction)].conflict; }
  // Earlier bytes of that direction that belong to what was decided; `in_turns`: the protocol has turns, so that its
  // messages begin with one.
  std::vector<Session::Rest> Take(Direction direction, bool in_turns);
  // After kHttp2Frames: the direction of the client as far as the frames tell.
  std::optional<Direction> Http2Client() const;
  // Lets go of what is kept; goes on at the next turn.
  void Forget();

 private:
  // Mid-stream, so many turns may begin with something else before it is given up.
  static constexpr int kPatience = 4;
  // And so many bytes of each direction are searched for a start line in their middle.
  static constexpr uint64_t kMaxSearched = 1 << 20;
  struct Side {
    explicit Side(MemoryBudget& budget) : frames(budget) {}
    Http2Sync frames;
    Session::Rest kept;
    bool skip = false;   // until this direction's next turn; `kept` is the last LF and what came after it
    bool begun = false;  // its first bytes are no PROXY header, or it is over
    bool just_lost = false;
    uint64_t searched = 0;
    bool ended = false;
    bool conflict = false;
  };
  void Drop(Side& side);
  Guess Keep(Side& side, std::string_view data, uint64_t position, Timestamp at);
  bool IsInPreface(Side& side, std::string_view data);
  Guess Look(Direction direction, std::string_view data, uint64_t position, Timestamp at);
  void KeepMeanwhile(Side& side, std::string_view data, uint64_t position, Timestamp at);
  Guess Search(Side& side, std::string_view data, uint64_t position, Timestamp at);

  bool mid_stream_;
  bool lost_ = false;
  size_t preface_bytes_ = 0;
  int strange_turns_ = 0;
  bool strange_turn_ = false;  // this turn is counted: a long body with holes is one turn
  MemoryBudget& budget_;
  std::optional<Direction> last_;
  std::array<Side, 2> sides_;
};

}  // namespace podtap
