// SPDX-License-Identifier: Apache-2.0
// OtlpSink: a sink that sends exchanges as spans to an OTLP/HTTP endpoint. Two threads take batches from one bounded
// queue, so that two requests are in flight. A batch goes when it has enough spans or bytes, or when its oldest has
// waited long enough.
//
//   200                    done; what a partial success rejects is counted (rejected) and not sent again
//   429, 502, 503, 504     tried again after what Retry-After asks for, or a jittered exponential back-off
//   no connection, no answer in time, connection lost      tried again likewise, with the name resolved anew
//   anything else          given up and counted (refused)
//
// What cannot be sent for `max_retry_ms` is given up and counted (write_failed). When the queue is full its oldest go.
// One line in the log per change of state.
#pragma once

#include <memory>
#include <span>

#include "sidecar/sink/http_url.h"
#include "sidecar/sink/otlp_encoder.h"
#include "sidecar/sink/otlp_options.h"
#include "sidecar/sink/sink.h"
#include "sidecar/sink/sink_counters.h"

namespace podtap {

class OtlpSink final : public Sink {
 public:
  struct Options {
    SinkAddress address;
    OtlpSettings settings;
    Identity identity;
    FileReader read;                     // may be slow; may be called from both threads
    std::function<void(int)> on_socket;  // called with each new socket before it connects
    size_t max_queue_events = 65536;
    size_t max_queue_bytes = 16 << 20;
  };
  static Result<std::unique_ptr<OtlpSink>> Start(Options options, SinkCounters counters);
  ~OtlpSink() override;

  void Push(std::span<const HttpEventPtr> events) override;
  bool Busy() const override;
  void AskStop(Clock::time_point deadline) override;
  size_t AwaitStop() override;

 private:
  OtlpSink();
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the threads
};

}  // namespace podtap
