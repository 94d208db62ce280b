// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http1_session.h"

#include <algorithm>
#include <utility>

namespace podtap {
namespace {

// So many turns without a head: this is no HTTP/1 (any more).
constexpr uint32_t kFruitlessTurns = 16;
constexpr uint32_t kArrivingTurns = 8 * kFruitlessTurns;

std::string_view Text(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace

Http1Session::Http1Session(const Connection& connection, SessionStart start, const SessionContext& context)
    : connection_(connection),
      client_(start.client),
      start_(std::move(start)),
      context_(context),
      request_reader_(MessageKind::kRequest, context.limits.max_header_bytes, context.budget, *this),
      response_reader_(MessageKind::kResponse, context.limits.max_header_bytes, context.budget, *this),
      queue_(context.limits.max_pending_exchanges, context.budget, context.counters, *this) {
  context_.budget.Charge(sizeof(*this));
  if (!start_.mid_stream) return;
  queue_.JoinLate(start_.why);
  if (start_.request_lost) queue_.LoseRequests(start_.why, false);
  request_reader_.Lose();
  response_reader_.Lose();
}

Http1Session::~Http1Session() { context_.budget.Release(sizeof(*this) + rest_[IndexOf(client_)].bytes.size()); }

Session::Next Http1Session::OnEvent(const StreamEvent& event) {
  if (const auto* bytes = std::get_if<Bytes>(&event.what)) {
    OnBytes(bytes->direction, Text(bytes->data), bytes->position, event.at);
  } else if (const auto* gap = std::get_if<Gap>(&event.what)) {
    OnGap(*gap, event.at);
    last_at_ = std::max(last_at_, event.at);  // its bytes passed
  } else if (const auto* conflict = std::get_if<Conflict>(&event.what)) {
    OnConflict(conflict->direction);
  } else if (const auto* ended = std::get_if<Ended>(&event.what)) {
    OnEnded(KindOf(ended->direction), {}, event.at);
  } else if (const auto* closed = std::get_if<Closed>(&event.what)) {
    OnClosed(closed->reason, event.at);
    return Next::kContinue;
  }
  Resume();
  // A head that is arriving in pieces is understood so far; of a line that never ends this is not believed for ever.
  const bool arriving =
      request_reader_.in_head() || response_reader_.in_head() ||
      (fruitless_turns_ <= kArrivingTurns && (request_reader_.in_start_line() || response_reader_.in_start_line()));
  const bool not_understood = fruitless_turns_ > kFruitlessTurns && queue_.empty() && !arriving;
  return hand_over_ || not_understood ? Next::kHandOver : Next::kContinue;
}

void Http1Session::OnBytes(Direction direction, std::string_view data, uint64_t position, Timestamp at) {
  const MessageKind kind = KindOf(direction);
  if (data.empty() || ended_[static_cast<size_t>(kind)]) return;
  const std::optional<Direction> last_active = std::exchange(last_active_, direction);
  const bool turn = last_active != direction;
  if (turn) ++fruitless_turns_;
  last_at_ = std::max(last_at_, at);
  heard_[static_cast<size_t>(kind)] = true;
  if (kind == MessageKind::kRequest && waiting_) {
    KeepWaiting(data, position, at);
    return;
  }
  const auto reader_turn = !turn         ? MessageReader::Turn::kNo
                           : last_active ? MessageReader::Turn::kYes
                                         : MessageReader::Turn::kMaybeTorn;
  size_t used = reader(kind).Feed(data, at, reader_turn);
  if (kind == MessageKind::kRequest) {
    if (used < data.size()) KeepWaiting(data.substr(used), position + used, at);
  } else {
    Resume();  // before the next response is looked at: it may answer what waited
    while (used < data.size() && !hand_over_) {
      used += response_reader_.Feed(data.substr(used), at, MessageReader::Turn::kNo);
      Resume();
    }
    if (used < data.size()) rest_[IndexOf(direction)] = {std::string(data.substr(used)), position + used, at};
  }
  if (reader(kind).in_body()) AskToSkip(direction, position + data.size());
}

// The client's bytes behind a CONNECT or an Upgrade, until the response says what they are.
void Http1Session::KeepWaiting(std::string_view data, uint64_t position, Timestamp at) {
  Rest& rest = rest_[IndexOf(client_)];
  if (rest.bytes.empty()) {
    rest.position = position;
    rest.at = at;
  }
  const size_t kept = std::min(data.size(), kMaxWaiting - rest.bytes.size());
  rest.bytes.append(data.substr(0, kept));
  context_.budget.Charge(kept);
  waiting_dropped_ += data.size() - kept;
}

// The connection stayed HTTP/1: what waited is read as such.
void Http1Session::Resume() {
  while (!waiting_ && !hand_over_ && !rest_[IndexOf(client_)].bytes.empty()) {
    const Rest rest = TakeRest(client_);
    const size_t used = request_reader_.Feed(rest.bytes, rest.at, MessageReader::Turn::kNo);
    if (used < rest.bytes.size()) {
      KeepWaiting(std::string_view(rest.bytes).substr(used), rest.position + used, rest.at);
    } else if (waiting_dropped_ != 0) {
      OnGap(Gap{client_, GapReason::kSkipped, std::exchange(waiting_dropped_, 0)}, rest.at);
    }
  }
}

Session::Leftover Http1Session::HandOver() {
  Leftover left;
  for (const Direction direction : {Direction::kIngress, Direction::kEgress})
    left.rest[IndexOf(direction)] = TakeRest(direction);
  left.clean = hand_over_ && waiting_dropped_ == 0;
  left.to_http2 = std::move(to_http2_);
  return left;
}

Session::Rest Http1Session::TakeRest(Direction direction) {
  Rest rest = std::exchange(rest_[IndexOf(direction)], {});
  if (direction == client_) context_.budget.Release(rest.bytes.size());
  return rest;
}

// The rest of a body or chunk past the limit need not be copied, where its end is known.
void Http1Session::AskToSkip(Direction direction, uint64_t position) {
  const MessageKind kind = KindOf(direction);
  const auto remaining = reader(kind).body().known_remaining();
  if (!remaining || *remaining < kSmallestSkip) return;
  Exchange* x = exchange(kind);
  if (x != nullptr && (x->wants_body(kind, context_.limits.max_body_bytes) || x->grpc != nullptr)) return;
  const uint64_t end = position + *remaining;
  uint64_t& asked = skip_asked_[IndexOf(direction)];
  if (end <= asked || end < position) return;
  asked = end;
  context_.output.Want(
      {.connection = connection_.id, .direction = direction, .want = Interest::Want::kFromPosition, .position = end});
}

}  // namespace podtap
