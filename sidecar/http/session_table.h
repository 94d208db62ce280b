// SPDX-License-Identifier: Apache-2.0
// SessionTable: routes stream events to the session of their connection. It guesses the protocol from the first bytes
// (http/protocol_guess), keeps connections that are not HTTP reduced to the first 16 bytes of each turn so that HTTP
// after a late join, STARTTLS or a CONNECT is found again, decides the role of old sockets by the direction of the
// first request line, filters by mode and user agent, and cuts the oldest bodies when memory runs short. One thread.
// Emits to the HttpEventHandler; interests go to the InterestHandler.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sidecar/http/session.h"
#include "sidecar/policy/policy.h"

namespace podtap {

enum class Mode : uint8_t { kIngress = 0, kEgress = 1, kAll = 2, kOff = 3 };
// Whether exchanges of that role are wanted.
constexpr bool Wants(Mode mode, Role role) {
  return mode == Mode::kAll || (mode == Mode::kIngress && role != Role::kOpened) ||
         (mode == Mode::kEgress && role != Role::kAccepted);
}

class SessionTable : public StreamEventHandler {
 public:
  struct Options {
    HttpLimits limits;
    Mode mode = Mode::kIngress;
    std::vector<std::string> ignore_user_agents;  // prefixes
    std::vector<std::string> redact_headers;  // names; their values become "***" before anything else sees the event
    PolicySettings policy;                    // what else may leave
    // Container id of a cgroup id, empty if unknown. May be null.
    std::function<std::string(uint64_t cgroup_id)> container_of;
  };

  SessionTable(Options options, MemoryBudget& budget, Counters& counters, HttpEventHandler& events,
               InterestHandler& interests);
  ~SessionTable() override;

  void OnStreamEvent(const StreamEvent& event) override;
  // Emits exchanges that were unfinished for too long. Call once per batch or second.
  void Tick(Timestamp now);
  // If the budget is over: cuts bodies, oldest exchange first, until it is well below; where that is not enough, emits
  // the oldest exchanges as they are (tag forgotten).
  void RelieveMemory();
  void SetMode(Mode mode);
  // What may leave, from the next exchange on.
  void SetPolicy(std::vector<std::string> ignore_user_agents, std::vector<std::string> redact_headers,
                 PolicySettings policy);
  // The wall clock used for events; measured again by the owner.
  void SetWallClock(WallClock clock);
  size_t session_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap
