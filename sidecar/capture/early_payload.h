// SPDX-License-Identifier: Apache-2.0
// EarlyPayload: payload that came with the packet that completes a handshake (TCP Fast Open, RFC 7413;
// TCP_DEFER_ACCEPT; a lost bare ACK). The kernel program sees it with the listening socket, before the connection
// exists, so it waits here for any later record of its connection.
//
// It belongs to a connection when the remote end is the same and its sequence number lies near what that connection's
// kernel has received; when the local end differs (address translation inside the pod) it must be exactly the start of
// the stream.
//
// Whoever can reach a listening port can put something here: count, bytes, and entries per remote end are bounded (the
// oldest goes first) and everything expires by event time. Not thread-safe. Allocates once or twice per entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "sidecar/capture/record_reader.h"
#include "sidecar/capture/source.h"

namespace podtap {

class EarlyPayload {
 public:
  struct Limits {
    size_t max_entries = 4096;
    size_t max_bytes = 4 << 20;
    size_t max_entries_per_remote = 64;
    uint64_t expire_after_ns = 30'000'000'000;
  };
  EarlyPayload(Limits limits, Counters& counters);

  // `record` is of kind kRecordEarly. A copy of what waits already is dropped.
  void Add(const RecordView& record);
  bool empty() const { return index_.empty(); }
  // Hands what belongs to `record`'s connection over as segments of `connection`. `record` is of another kind.
  void Join(const segment_record& record, const Connection& connection, SegmentHandler& handler);
  // Drops what has waited for too long at `now`.
  void Expire(Timestamp now);
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Endpoint remote, local;
    Timestamp at;
    uint32_t sequence = 0;
    bool fin = false;
    bool waiting = false;
    std::vector<std::byte> data;
  };
  struct Hash {
    size_t seed;
    size_t operator()(const Endpoint& endpoint) const;
  };

  void Drop(uint64_t id);  // no longer waiting; keeps its place in line until it comes to the front
  void DropOldest();

  Limits limits_;
  Counters& counters_;
  std::deque<Entry> entries_;  // in order of arrival; entries_[0] has number first_id_
  uint64_t first_id_ = 0;
  size_t bytes_ = 0;
  std::unordered_multimap<Endpoint, uint64_t, Hash> index_;  // by remote end, those that wait
};

}  // namespace podtap
