// SPDX-License-Identifier: Apache-2.0
// SinkRunner: one sink at work: a bounded queue, an encoder, a descriptor and the thread that joins them. Push() never
// blocks; when the queue is full the oldest event is dropped and counted. A sink that fails is opened again with
// back-off (100 ms to 5 s, with jitter); events wait in the queue meanwhile. Records are written whole or, on a stream
// that broke inside one, again from their start on the next connection: a reader never sees half a record that is not
// the last thing before end of file. What the kernel took for a peer that then disappeared without reading it is not
// written again: such loss cannot be seen from here.
//
// By kind of sink:
//   stream socket, pipe  one write per batch, as large as the kernel takes it; waits with poll() for a slow reader
//   datagram socket      one record each; one that does not fit is sent again without bodies (tag bodies_dropped),
//                        and if it still does not fit it is counted as lost (too_large)
//   file                 appended; a full disk is tried again; rotated once at file_max_bytes (PATH becomes PATH.1),
//                        so that both together never exceed twice that size unless one record alone does
// The log gets one line when a sink begins to fail and one when it takes exchanges again, none per event.
#pragma once

#include <chrono>
#include <memory>
#include <span>

#include "sidecar/sink/sink.h"
#include "sidecar/sink/sink_counters.h"

namespace podtap {

class SinkRunner final : public Sink {
 public:
  struct Options {
    SinkAddress address;
    size_t max_queue_events = 65536;
    size_t max_queue_bytes = 16 << 20;  // bodies and headers of waiting events, about
    uint64_t file_max_bytes = 0;        // 0 = never rotate
  };

  // Opens the sink once before it returns; what cannot be opened now is tried again later (that a file can be written
  // at all was found out before, by the attacher). After that only the runner's thread calls `opener`, which may be
  // slow and may fail. `opener` and `counters` outlive the runner (see Shutdown for the one exception). An error: no
  // eventfd.
  static Result<std::unique_ptr<SinkRunner>> Start(const Options& options, std::unique_ptr<Encoder> encoder,
                                                   Opener& opener, SinkCounters counters);
  ~SinkRunner() override;  // Shutdown(0) if nobody did
  SinkRunner(const SinkRunner&) = delete;
  SinkRunner& operator=(const SinkRunner&) = delete;

  // One batch; takes a share of each event. Thread-safe, wakes the thread at most once.
  void Push(std::span<const HttpEventPtr> events) override;
  bool Busy() const override;
  // Closes and opens the file again (SIGHUP). Async: done by the thread before the next write.
  void Reopen() override;
  // Writes what is queued, for at most `timeout`, and ends the thread; what is left is counted as lost (reason
  // shutdown), as is what is pushed later. A thread that is stuck inside the kernel or inside `opener` (a dead network
  // file system) is left behind 100 ms later: it touches nothing of ours any more, but an opener that it is inside of
  // must stay. Once only.
  void Shutdown(std::chrono::milliseconds timeout);
  // Its two halves.
  void AskStop(Clock::time_point deadline) override;
  size_t AwaitStop() override;

 private:
  SinkRunner();
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the thread
};

}  // namespace podtap
