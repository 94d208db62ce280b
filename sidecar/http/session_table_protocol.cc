// SPDX-License-Identifier: Apache-2.0
// The part of the SessionTable that finds out what a connection speaks and changes its session.
#include <utility>

#include "sidecar/http/http1_session.h"
#include "sidecar/http/http2_session.h"
#include "sidecar/http/opaque_session.h"
#include "sidecar/http/session_table_impl.h"

namespace podtap {
namespace {

// Linux gives clients ports from here on (ip_local_port_range).
constexpr uint16_t kEphemeral = 32768;

Direction ClientOf(Role role) { return role == Role::kOpened ? Direction::kEgress : Direction::kIngress; }
Role RoleOf(Direction client) { return client == Direction::kIngress ? Role::kAccepted : Role::kOpened; }

}  // namespace

void SessionTable::Impl::StartGuessing(Entry& entry, bool mid_stream) {
  entry.session.reset();
  entry.guess = std::make_unique<ConnectionGuess>(mid_stream, budget_);
  WantBoth(entry, Interest::Want::kEverything);
}

void SessionTable::Impl::OnUnknown(Entry& entry, const StreamEvent& event) {
  ConnectionGuess& guess = *entry.guess;
  if (const auto* gap = std::get_if<Gap>(&event.what)) {
    if (gap->reason == GapReason::kJoinedLate) entry.joined_late = true;
    guess.OnGap(gap->direction, gap->reason);
  } else if (const auto* ended = std::get_if<Ended>(&event.what)) {
    guess.OnEnded(ended->direction);
  } else if (const auto* conflict = std::get_if<Conflict>(&event.what)) {
    guess.OnConflict(conflict->direction);
  } else if (const auto* bytes = std::get_if<Bytes>(&event.what)) {
    const std::string_view data(reinterpret_cast<const char*>(bytes->data.data()), bytes->data.size());
    const Guess found = guess.OnBytes(bytes->direction, data, bytes->position, event.at);
    if (found == Guess::kNeedMore) return;
    Bytes rest = *bytes;
    rest.data = rest.data.subspan(guess.preface_bytes());
    rest.position += guess.preface_bytes();
    OnGuess(entry, found, bytes->direction, event.at);
    if (entry.session != nullptr) Deliver(entry, {.connection = event.connection, .at = event.at, .what = rest});
  }
}

// The direction that requests come from, if `guess` is something with requests.
std::optional<Direction> SessionTable::Impl::ClientOf(const Entry& entry, Guess guess, Direction direction) const {
  switch (guess) {
    case Guess::kHttp1Request:
    case Guess::kHttp2:
      return direction;
    case Guess::kHttp1Response:
    case Guess::kHttp2Server:
      return Opposite(direction);
    case Guess::kHttp2Frames: {
      const Connection& connection = entry.connection;
      if (connection.role != Role::kUnknown) return podtap::ClientOf(connection.role);
      if (const auto client = entry.guess->Http2Client()) return client;
      // Neither frames nor the kernel tell. Nobody listens on the local port, so this end is the client, unless the
      // ports speak for a listener that has gone.
      const bool to_listener = connection.local.port < kEphemeral && connection.remote.port >= kEphemeral;
      return to_listener ? Direction::kIngress : Direction::kEgress;
    }
    default:
      return std::nullopt;
  }
}

// Every protocol that is understood has its line here.
std::unique_ptr<Session> SessionTable::Impl::MakeSession(Entry& entry, Guess guess, SessionStart start) {
  const SessionContext context{limits_, budget_, counters_, *this};
  if (guess == Guess::kHttp1Request || guess == Guess::kHttp1Response) {
    CountProtocol(entry, Guess::kHttp1Request, Counter::kConnectionsHttp1);
    return std::make_unique<Http1Session>(entry.connection, std::move(start), context);
  }
  CountProtocol(entry, Guess::kHttp2, Counter::kConnectionsHttp2);
  return std::make_unique<Http2Session>(entry.connection, std::move(start), context);
}

void SessionTable::Impl::OnGuess(Entry& entry, Guess guess, Direction direction, Timestamp at) {
  if (const auto client = ClientOf(entry, guess, direction)) {
    if (entry.connection.role == Role::kUnknown) {
      entry.connection.role = RoleOf(*client);
      if (!Wants(mode_, entry.connection.role)) {
        counters_.Add(Counter::kEventsOtherRole);
        return Mute(entry);
      }
    }
    // A server that sends requests is not HTTP as we know it.
    if (RoleOf(*client) == entry.connection.role) return StartSession(entry, guess, *client, at);
  }
  entry.never_again = guess == Guess::kTls;
  CountProtocol(entry, entry.never_again ? Guess::kTls : Guess::kOther,
                entry.never_again ? Counter::kConnectionsTls : Counter::kConnectionsOther);
  entry.guess.reset();
  if (entry.never_again) return WantBoth(entry, Interest::Want::kNothing);
  const Role role = entry.connection.role;
  entry.session =
      std::make_unique<OpaqueSession>(role == Role::kUnknown ? std::nullopt : std::optional(podtap::ClientOf(role)));
  WantBoth(entry, Interest::Want::kTurnHeads);
}

void SessionTable::Impl::StartSession(Entry& entry, Guess found, Direction client, Timestamp at) {
  const std::unique_ptr<ConnectionGuess> guess = std::move(entry.guess);
  SessionStart start{.client = client,
                     .mid_stream = guess->mid_stream(),
                     .joined_late = entry.joined_late,
                     .request_lost = guess->just_lost(client),
                     .why = {},
                     .upgraded = nullptr};
  if (guess->lost()) start.why.Add(Tag::kLost);
  entry.session = MakeSession(entry, found, std::move(start));
  // What came before, oldest first as far as it matters: the client's turn is never before the server's here. HTTP/2
  // pairs by stream id, and reads requests first.
  const bool http1 = found == Guess::kHttp1Request || found == Guess::kHttp1Response;
  const Direction first = http1 ? Opposite(client) : client;
  for (const Direction direction : {first, Opposite(first)}) {
    for (const Session::Rest& rest : guess->Take(direction, http1)) Replay(entry, direction, rest);
    if (entry.session != nullptr && guess->conflict(direction))
      Deliver(entry, {.connection = entry.connection.id, .at = at, .what = Conflict{direction}});
    if (entry.session != nullptr && guess->ended(direction))
      Deliver(entry, {.connection = entry.connection.id, .at = at, .what = Ended{direction}});
  }
}

void SessionTable::Impl::HandOver(Entry& entry) {
  const std::unique_ptr<Session> old = std::move(entry.session);
  Session::Leftover left = old->HandOver();
  const Direction client = podtap::ClientOf(entry.connection.role);  // requests come before responses
  if (left.clean && left.to_http2 != nullptr) {
    entry.session = MakeSession(entry, Guess::kHttp2,
                                {.client = client,
                                 .mid_stream = false,
                                 .joined_late = entry.joined_late,
                                 .request_lost = false,
                                 .why = {},
                                 .upgraded = std::move(left.to_http2)});
  } else {
    // What follows a whole exchange begins with its first byte; after another protocol it may be anywhere.
    StartGuessing(entry, !left.clean);
  }
  if (hand_overs_ >= kMaxHandOvers) {
    StartGuessing(entry, true);
    for (const Direction direction : {client, Opposite(client)})
      if (!left.rest[IndexOf(direction)].bytes.empty())
        counters_.Add(direction == client ? Counter::kRequestErrors : Counter::kResponseErrors);
    return;
  }
  ++hand_overs_;
  for (const Direction direction : {client, Opposite(client)}) Replay(entry, direction, left.rest[IndexOf(direction)]);
  --hand_overs_;
}

void SessionTable::Impl::CountProtocol(Entry& entry, Guess guess, Counter counter) {
  const uint32_t bit = 1U << static_cast<unsigned>(guess);
  if ((entry.protocols & bit) != 0) return;
  entry.protocols |= bit;
  counters_.Add(counter);
}

}  // namespace podtap
