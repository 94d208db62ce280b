// SPDX-License-Identifier: Apache-2.0
// SinkWriter: what a SinkRunner's thread does: takes events from the mailbox, encodes them in batches into one buffer,
// and gets them into the sink, which it opens again when it breaks. One thread; after each call that can take long
// (opener, write) it asks whether it was abandoned meanwhile, and then touches nothing but itself.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/courtesy.h"
#include "sidecar/sink/backoff.h"
#include "sidecar/sink/descriptor.h"
#include "sidecar/sink/record_batch.h"
#include "sidecar/sink/sink.h"
#include "sidecar/sink/sink_mailbox.h"

namespace podtap {

class SinkWriter {
 public:
  SinkWriter(SinkAddress address, uint64_t file_max_bytes, std::unique_ptr<Encoder> encoder, Opener& opener,
             SinkMailbox& mailbox, SinkCounters counters);

  // Before Run(), by the thread that starts the sink. What cannot be opened now is tried again by Run().
  void OpenFirst();
  // Until the mailbox says stop.
  void Run();

 private:
  using Clock = SinkMailbox::Clock;

  bool is_file() const { return address_.kind == SinkAddress::Kind::kFile; }
  bool is_stdout() const { return address_.kind == SinkAddress::Kind::kStdout; }
  bool is_datagram() const { return address_.kind == SinkAddress::Kind::kUnixDatagram; }
  bool is_socket() const { return address_.is_socket(); }

  void Open();
  void Close();
  void Break(int error);
  void BreakIfHungUp(short revents);
  void Rotate();
  bool LoadBatch();
  std::string_view NextBytes();
  void WriteSome();
  void OnWritten(size_t bytes);
  void OnTooLarge();
  void OnNoRoom(int error);
  void FinishRecord(Counter counter);
  void NoteFailure(const std::string& message);
  void NoteSuccess();

  const SinkAddress address_;
  const uint64_t file_max_bytes_;
  const std::unique_ptr<Encoder> encoder_;
  Opener& opener_;
  SinkMailbox& mailbox_;
  SinkCounters counters_;
  Courtesy courtesy_;

  Descriptor descriptor_;
  RecordBatch batch_;
  std::vector<HttpEventPtr> batch_events_;  // of datagrams, which may have to be encoded again
  std::string smaller_;                     // the current datagram without bodies
  int datagram_tries_ = 0;
  Backoff open_backoff_, no_room_backoff_;
  Clock::time_point retry_at_{};   // nothing is opened or written before
  Clock::time_point rotate_at_{};  // no rotation before
  Clock::time_point opened_at_{};
  bool failing_ = false;
  bool rotation_failing_ = false;
};

}  // namespace podtap
