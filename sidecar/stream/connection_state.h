// SPDX-License-Identifier: Apache-2.0
// ConnectionState: what the StreamAssembler keeps about one connection: its identity, its two directions, and its
// places in the assembler's lists. Removing it from the table takes it out of the lists by itself.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <optional>

#include "sidecar/stream/connection.h"
#include "sidecar/stream/direction_stream.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

template <typename Tag>
using AutoListHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
struct BySilence;  // all connections, longest silent first
struct Holding;    // those that hold bytes, longest holding first
struct Waiting;    // those that EndOfBatch() has to look at

struct ConnectionState : AutoListHook<BySilence>, AutoListHook<Holding>, AutoListHook<Waiting> {
  ConnectionState(const Connection& connection, bool from_first_byte)
      : identity(connection),
        ingress(Direction::kIngress, from_first_byte),
        egress(Direction::kEgress, from_first_byte) {}

  DirectionStream& stream(Direction direction) { return direction == Direction::kIngress ? ingress : egress; }
  bool holds_memory() const { return ingress.holds_memory() || egress.holds_memory(); }

  // Takes over what `seen` knows better. Returns whether that was anything.
  bool Learn(const Connection& seen);

  Connection identity;
  DirectionStream ingress;
  DirectionStream egress;
  Timestamp last_seen;
  Timestamp holding_since;
  uint64_t opened_as = 0;  // order of opening

  // The socket's close or a believed RST arrived; Closed follows at the second EndOfBatch().
  struct Closing {
    CloseReason reason;
    bool socket_closed;      // false: so far only a RST says so
    bool received_is_final;  // what `received` never reached was refused
    bool seen_by_batch = false;
  };
  std::optional<Closing> closing;
  std::optional<uint64_t> doubtful_reset;  // position of an ingress RST that was not at `received`

  // Positions at the previous EndOfBatch(): no progress since then although everything is known means that the two
  // directions wait for each other (only possible if records contradict each other).
  uint64_t batch_ingress_next = 0;
  uint64_t batch_egress_next = 0;
};

template <typename Tag>
using ConnectionList = boost::intrusive::list<ConnectionState, boost::intrusive::base_hook<AutoListHook<Tag>>,
                                              boost::intrusive::constant_time_size<false>>;

inline bool ConnectionState::Learn(const Connection& seen) {
  bool learned = false;
  const auto better = [&learned](auto& known, const auto& now, bool is_better) {
    if (!is_better) return;
    known = now;
    learned = true;
  };
  better(identity.role, seen.role, identity.role == Role::kUnknown && seen.role != Role::kUnknown);
  better(identity.loopback, seen.loopback, !identity.loopback && seen.loopback);
  better(identity.process, seen.process,
         (identity.process.pid == 0 && seen.process.pid != 0) ||
             (identity.process.comm[0] == 0 && seen.process.comm[0] != 0 && identity.process.pid == seen.process.pid));
  better(identity.cgroup_id, seen.cgroup_id, identity.cgroup_id == 0 && seen.cgroup_id != 0);
  return learned;
}

}  // namespace podtap
