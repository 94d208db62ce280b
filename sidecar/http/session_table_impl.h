// SPDX-License-Identifier: Apache-2.0
// The inside of the SessionTable, shared by its two source files: session_table.cc routes events, follows modes, emits
// and relieves memory; session_table_protocol.cc finds out what a connection speaks and changes its session.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sidecar/http/connection_guess.h"
#include "sidecar/http/event_filter.h"
#include "sidecar/http/session_table.h"

namespace podtap {

class SessionTable::Impl final : public SessionOutput {
 public:
  Impl(Options options, MemoryBudget& budget, Counters& counters, HttpEventHandler& events, InterestHandler& interests)
      : limits_(options.limits),
        mode_(options.mode),
        container_of_(std::move(options.container_of)),
        budget_(budget),
        counters_(counters),
        events_(events),
        interests_(interests) {
    SetPolicy(std::move(options.ignore_user_agents), std::move(options.redact_headers), std::move(options.policy));
  }
  ~Impl() override {
    for (size_t i = 0; i < table_.size(); ++i) budget_.Release(kEntryCost);
  }

  void OnStreamEvent(const StreamEvent& event);
  void Tick(Timestamp now);
  void RelieveMemory();
  void SetMode(Mode mode);
  void SetPolicy(std::vector<std::string> ignore_user_agents, std::vector<std::string> redact_headers,
                 PolicySettings policy) {
    filter_.emplace(std::move(ignore_user_agents), std::move(redact_headers), container_of_);
    policy_.emplace(std::move(policy), counters_);
  }
  void SetWallClock(WallClock clock) { clock_ = clock; }
  size_t session_count() const { return table_.size(); }

  // SessionOutput, for the session of current_.
  void Emit(std::shared_ptr<HttpEvent> event) override;
  void Want(const Interest& interest) override { interests_.OnInterest(interest); }

 private:
  // One connection. Either it is being guessed, or it has a session, or nothing of it is wanted.
  struct Entry {
    Connection connection;
    std::unique_ptr<ConnectionGuess> guess;
    std::unique_ptr<Session> session;
    bool joined_late = false;
    bool other_role = false;   // its role is not wanted; SetMode() may change that
    bool never_again = false;  // TLS
    uint32_t protocols = 0;    // counted already: bits by Guess
    uint64_t exchanges = 0;
    uint64_t joined_as = 0;  // HttpEvent::joined_as
    std::array<Interest::Want, 2> wanted{};
  };
  // What an entry costs besides its session.
  static constexpr size_t kEntryCost = sizeof(Entry) + 64;
  // Changes of protocol inside one another, all within what one end said in one go. Hostile beyond this: the rest is
  // not read.
  static constexpr int kMaxHandOvers = 16;

  void Open(const StreamEvent& event, const Opened& opened);
  void Identify(Entry& entry, const Connection& connection);
  void OnUnknown(Entry& entry, const StreamEvent& event);
  void OnGuess(Entry& entry, Guess guess, Direction direction, Timestamp at);
  void StartSession(Entry& entry, Guess guess, Direction client, Timestamp at);
  std::unique_ptr<Session> MakeSession(Entry& entry, Guess guess, SessionStart start);
  std::optional<Direction> ClientOf(const Entry& entry, Guess guess, Direction direction) const;
  void StartGuessing(Entry& entry, bool mid_stream);
  void HandOver(Entry& entry);
  void Deliver(Entry& entry, const StreamEvent& event);
  void Replay(Entry& entry, Direction direction, const Session::Rest& rest);
  void Mute(Entry& entry);
  void CountProtocol(Entry& entry, Guess guess, Counter counter);
  void WantBoth(Entry& entry, Interest::Want want);
  Entry* Find(ConnectionId id);
  std::vector<Entry*> ByAge();

  const HttpLimits limits_;
  Mode mode_;
  const EventFilter::ContainerOf container_of_;
  std::optional<EventFilter> filter_;  // always there; replaced as a whole
  std::optional<Policy> policy_;
  MemoryBudget& budget_;
  Counters& counters_;
  HttpEventHandler& events_;
  InterestHandler& interests_;
  WallClock clock_;
  std::unordered_map<ConnectionId, Entry> table_;
  uint64_t joined_late_ = 0;  // connections
  Entry* current_ = nullptr;  // whose session is running, and the last one found
  size_t hopeless_at_ = 0;    // memory that could not be relieved
  int hand_overs_ = 0;        // inside each other
};

}  // namespace podtap
