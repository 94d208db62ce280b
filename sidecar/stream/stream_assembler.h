// SPDX-License-Identifier: Apache-2.0
// StreamAssembler: segments in any order become ordered stream events. It holds the connection table: a connection is
// made by the first segment that names it and goes when both directions ended, on reset, on close, or when it is
// forgotten. The pipeline calls it; one thread. It calls the handler from inside every function; the handler must not
// call back.
//
// Rules (RFC 9293 section 3.4 for sequence space; positions are already 64-bit)
//  * Ingress bytes are held until the kernel's `received` passes them, so what comes out is what the application can
//  read: of
//    two versions of a range the accepted one, of a refused segment nothing. The last bytes of a turn are confirmed by
//    the next record of the connection (as a rule the response). Where no record says anything for
//    Limits::release_after_ns, what is held without a hole before it is taken for accepted. Sources that give no
//    `received` are not held.
//  * Egress bytes come from the kernel itself and go out at once.
//  * A record's bytes go out after the bytes of the other direction that were received (acknowledged) when it was
//  written: a
//    request comes before its response.
//  * A hole below `received` (ingress) or `acknowledged` (egress) will not be filled: Gap{kLost}. A hole above waits.
//  No timer
//    guesses. What comes later for a gap is a duplicate.
//  * `skipped` ranges become Gap{kSkipped}.
//  * A second copy of a range with other bytes (as far as the first is still held, see direction_stream.h), a segment
//  beyond
//    every window, a held range that the final `received` never reached, bytes after the end: Conflict.
//  * A FIN counts when everything before it went out and `received` reached it; one that the stream went past is a
//  Conflict.
//  * An ingress RST is believed when it stands exactly at `received` (RFC 5961 section 3.2), or when the socket's close
//  agrees.
//  * After Closed nothing opens the connection again (recently_closed.h), except egress bytes after a RST: then it was
//  refused. A connection that speaks after it was forgotten, or after such a RST, is joined late.
//
// When is a hole final? The record of a segment takes its place in the queue before the kernel accepts the segment, so
// a record whose `received` covers a range normally comes after the record of that range, and a hole that it shows is a
// record that was lost. But a source may take the place in the queue first and read `received` a moment later, while
// another CPU does both: then the covering record stands a few places before the covered one. At that moment the
// covered record has its place already, so it comes within the records that are in the queue when the covering one can
// be read. Therefore the pipeline calls EndOfBatch() when it has read what was there (or a few thousand records of it),
// and a hole is final at the second EndOfBatch() after the record that showed it: everything that was in the queue at
// that time was read in between. The same holds for SocketClosed and RST: the connection closes at the second
// EndOfBatch(). No clock is involved, and with a batch every 10 ms a gap is 10 to 20 ms late. Until then the
// connection's later bytes wait, in order.
//
// Memory: pieces, and a fixed sum per connection, are charged to the budget. Bounds per direction in
// direction_stream.h. Cost: in order, a segment costs a table look-up and for ingress one copy; no allocation once the
// pools are warm.
#pragma once

#include <cstddef>
#include <memory>

#include "base/counters.h"
#include "base/memory_budget.h"
#include "sidecar/stream/segment.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

class StreamAssembler {
 public:
  struct Limits {
    size_t max_connections = 65536;                // beyond it the longest silent one is forgotten
    size_t max_held_bytes = 4 << 20;               // per connection and direction
    uint64_t forget_after_ns = 3'600'000'000'000;  // silent this long: its close was missed
    uint64_t release_after_ns = 2'000'000'000;     // silent this long: what was received in order is taken for accepted
    // Another reader went before and took records with it: a connection whose opening was not seen and that does not
    // begin now is joined late.
    bool resumed = false;
  };

  StreamAssembler(Limits limits, MemoryBudget& budget, Counters& counters, StreamEventHandler& handler);
  ~StreamAssembler();
  StreamAssembler(const StreamAssembler&) = delete;
  StreamAssembler& operator=(const StreamAssembler&) = delete;

  void Add(const Segment& segment);
  // The connection exists and carries nothing yet (optional hint).
  void Open(const Connection& connection, bool from_first_byte, Timestamp at);
  void Close(const SocketClosed& close);
  // The source was read to the end of what was there, or a good part of it. See above.
  void EndOfBatch();
  // Event time moved on: forgets what has been silent for too long. Cheap; call once per batch or second.
  void Tick(Timestamp now);
  // While the budget is over: forgets copies of what was emitted, those kept longest first, until a little room is
  // there. No exchange suffers; a further copy that differs is not noticed.
  void RelieveHistory();
  // Gives up held bytes, those of the connection that holds longest first, until the budget is no longer over or
  // nothing is held. What is next goes out, what is behind a hole becomes part of a gap.
  void RelieveMemory();
  // Releases what is held and emits Closed for every connection, in order of their opening.
  void CloseAll(CloseReason reason, Timestamp at);
  size_t connection_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap
