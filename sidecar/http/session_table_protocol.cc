// SPDX-License-Identifier: Apache-2.0
// The part of the SessionTable that finds out what a connection speaks and changes its session.
#include <utility>

#include "sidecar/http/http1_session.h"
#include "sidecar/http/opaque_session.h"
#include "sidecar/http/session_table_impl.h"

namespace podtap {
namespace {

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
    OnGuess(entry, found, bytes->direction, event.at);
    if (entry.session != nullptr) Deliver(entry, event);
  }
}

void SessionTable::Impl::OnGuess(Entry& entry, Guess guess, Direction direction, Timestamp at) {
  const bool request = guess == Guess::kHttp1Request;
  if (request || guess == Guess::kHttp1Response) {
    const Direction client = request ? direction : Opposite(direction);
    if (entry.connection.role == Role::kUnknown) {
      entry.connection.role = RoleOf(client);
      if (!Wants(mode_, entry.connection.role)) {
        counters_.Add(Counter::kEventsOtherRole);
        return Mute(entry);
      }
    }
    // A server that sends requests is not HTTP as we know it.
    if (RoleOf(client) == entry.connection.role) return StartHttp1(entry, client, at);
  }
  if (guess == Guess::kTls || guess == Guess::kHttp2) {
    if (guess == Guess::kTls) CountProtocol(entry, guess, Counter::kConnectionsTls);
    if (guess == Guess::kHttp2) CountProtocol(entry, guess, Counter::kConnectionsHttp2);
    entry.guess.reset();
    entry.never_again = true;
    return WantBoth(entry, Interest::Want::kNothing);
  }
  CountProtocol(entry, Guess::kOther, Counter::kConnectionsOther);
  entry.guess.reset();
  const Role role = entry.connection.role;
  entry.session =
      std::make_unique<OpaqueSession>(role == Role::kUnknown ? std::nullopt : std::optional(ClientOf(role)));
  WantBoth(entry, Interest::Want::kTurnHeads);
}

void SessionTable::Impl::StartHttp1(Entry& entry, Direction client, Timestamp at) {
  CountProtocol(entry, Guess::kHttp1Request, Counter::kConnectionsHttp1);
  const std::unique_ptr<ConnectionGuess> guess = std::move(entry.guess);
  Http1Session::Start start{.mid_stream = guess->mid_stream(),
                            .joined_late = entry.joined_late,
                            .request_lost = guess->just_lost(client),
                            .why = {}};
  if (guess->lost()) start.why.Add(Tag::kLost);
  const SessionContext context{limits_, budget_, counters_, *this};
  entry.session = std::make_unique<Http1Session>(entry.connection, client, start, context);
  // What came before, oldest first as far as it matters: the client's turn is never before the server's here.
  for (const Direction direction : {Opposite(client), client}) {
    Replay(entry, direction, guess->Take(direction));
    if (entry.session != nullptr && guess->conflict(direction))
      Deliver(entry, {.connection = entry.connection.id, .at = at, .what = Conflict{direction}});
    if (entry.session != nullptr && guess->ended(direction))
      Deliver(entry, {.connection = entry.connection.id, .at = at, .what = Ended{direction}});
  }
}

void SessionTable::Impl::HandOver(Entry& entry) {
  const std::unique_ptr<Session> old = std::move(entry.session);
  // What follows a whole exchange begins with its first byte; after another protocol it may be anywhere.
  const bool from_first_byte = old->HandsOverCleanly();
  StartGuessing(entry, !from_first_byte);
  const Direction client = ClientOf(entry.connection.role);  // requests come before responses
  for (const Direction direction : {client, Opposite(client)}) Replay(entry, direction, old->TakeRest(direction));
}

void SessionTable::Impl::CountProtocol(Entry& entry, Guess guess, Counter counter) {
  const uint32_t bit = 1U << static_cast<unsigned>(guess);
  if ((entry.protocols & bit) != 0) return;
  entry.protocols |= bit;
  counters_.Add(counter);
}

}  // namespace podtap
