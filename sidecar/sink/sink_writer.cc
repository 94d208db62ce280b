// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/sink_writer.h"

#include <glog/logging.h>
#include <poll.h>

#include <cerrno>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kBatchEvents = 1024;
constexpr unsigned kEventsPerPiece = 64;   // of work, base/courtesy.h
constexpr size_t kBatchBytes = 128 << 10;  // of events; encoded they become up to about twice that
constexpr std::chrono::seconds kRotateAgain(5);
constexpr std::chrono::seconds kSteady(1);  // a connection that lived this long is opened again without delay
constexpr int kDatagramTries = 10;          // of one datagram that the kernel has no memory for

}  // namespace

SinkWriter::SinkWriter(SinkAddress address, uint64_t file_max_bytes, std::unique_ptr<Encoder> encoder, Opener& opener,
                       SinkMailbox& mailbox, SinkCounters counters)
    : address_(std::move(address)),
      file_max_bytes_(file_max_bytes),
      encoder_(std::move(encoder)),
      opener_(opener),
      mailbox_(mailbox),
      counters_(counters),
      courtesy_(kEventsPerPiece) {}

void SinkWriter::OpenFirst() {
  auto fd = opener_.Open(address_);
  opened_at_ = Clock::now();
  if (fd) {
    descriptor_ = Descriptor(std::move(*fd));
    return;
  }
  NoteFailure(fd.error().message);
  retry_at_ = opened_at_ + open_backoff_.Next();
}

void SinkWriter::Run() {
  bool stopping = false;
  while (true) {
    const SinkMailbox::Orders orders = mailbox_.TakeOrders();
    if (orders.over) break;
    const bool stops_now = orders.stop && !std::exchange(stopping, true);
    if (orders.reopen) Close();
    if (stops_now || orders.reopen) retry_at_ = {};
    if (!descriptor_ && Clock::now() >= retry_at_) Open();
    // What cannot be written now stays in the queue, which knows what to drop.
    if (!descriptor_ || Clock::now() < retry_at_) {
      // A pipe whose reader has left does not come back: `podtap run ... | head` ends at once.
      if (stopping && (mailbox_.NothingLeft() || (is_stdout() && failing_))) break;
      BreakIfHungUp(mailbox_.Sleep(descriptor_.fd(), 0, retry_at_));
    } else if (!batch_.done() || LoadBatch()) {
      WriteSome();
    } else if (stopping) {
      break;
    } else {
      BreakIfHungUp(mailbox_.SleepIdle(descriptor_.fd()));
    }
  }
  Close();
  if (const size_t lost = mailbox_.End(); lost != 0)
    LOG(WARNING) << "sink " << address_.Text() << ": " << lost << " exchanges could not be written in time";
}

void SinkWriter::Open() {
  auto fd = opener_.Open(address_);
  if (mailbox_.Abandoned()) return;
  if (!fd) {
    NoteFailure(fd.error().message);
    retry_at_ = Clock::now() + open_backoff_.Next();
    return;
  }
  descriptor_ = Descriptor(std::move(*fd));
  opened_at_ = Clock::now();
  if (failing_) counters_.Add(Counter::kSinkReconnects);
}

// A record that stands half written is taken off a file again; on a stream its reader sees the end of file behind it.
void SinkWriter::Close() {
  if (descriptor_) descriptor_.CutTail(batch_.bytes_of_cut_record());
  descriptor_ = Descriptor();
  batch_.Rewind();
}

void SinkWriter::Break(int error) {
  Close();
  counters_.Add(Counter::kSinkWriteErrors);
  NoteFailure(ErrnoError("sink " + address_.Text() + " failed", error).error().message);
  const auto now = Clock::now();
  if (now - opened_at_ >= kSteady) {
    open_backoff_.Reset();
    retry_at_ = now;
  } else {
    retry_at_ = now + open_backoff_.Next();
  }
}

void SinkWriter::BreakIfHungUp(short revents) {
  if (descriptor_ && (revents & (POLLHUP | POLLERR)) != 0) Break(EPIPE);
}

void SinkWriter::Rotate() {
  const Status rotated = opener_.Rotate(address_);
  if (mailbox_.Abandoned()) return;
  if (!rotated) {
    rotate_at_ = Clock::now() + kRotateAgain;
    if (!std::exchange(rotation_failing_, true))
      LOG(WARNING) << "sink " << address_.Text() << " grows beyond its limit: " << rotated.error().message;
    return;
  }
  rotation_failing_ = false;
  Close();
  retry_at_ = {};
}

bool SinkWriter::LoadBatch() {
  batch_.Clear();
  batch_events_.clear();
  mailbox_.Take(kBatchEvents, kBatchBytes, batch_events_);
  const bool behind = mailbox_.Crowded();
  for (const HttpEventPtr& event : batch_events_) {
    encoder_->Encode(*event, false, batch_.buffer());
    batch_.EndRecord();
    courtesy_.Step(behind);
  }
  if (!is_datagram()) batch_events_.clear();
  return !batch_.done();
}

// What the next write is to carry; empty after a rotation, which goes on with the new file.
std::string_view SinkWriter::NextBytes() {
  if (is_datagram()) return smaller_.empty() ? batch_.rest_of_record() : std::string_view(smaller_);
  if (!is_file() || file_max_bytes_ == 0 || !descriptor_.is_regular_file()) return batch_.rest();
  if (batch_.inside_record()) return batch_.rest_of_record();
  const uint64_t size = descriptor_.FileSize();
  const std::string_view fitting = batch_.records_within(size < file_max_bytes_ ? file_max_bytes_ - size : 0);
  if (!fitting.empty()) return fitting;
  if (size == 0 || Clock::now() < rotate_at_) return batch_.rest_of_record();
  Rotate();
  return {};
}

void SinkWriter::WriteSome() {
  const std::string_view bytes = NextBytes();
  if (bytes.empty()) return;
  const Descriptor::Attempt attempt = descriptor_.Write(bytes);
  if (mailbox_.Abandoned()) return;
  switch (attempt.outcome) {
    case Descriptor::Outcome::kWrote:
      OnWritten(attempt.bytes);
      return;
    case Descriptor::Outcome::kWait:
      mailbox_.Sleep(descriptor_.fd(), POLLOUT, Clock::time_point::max());
      return;
    case Descriptor::Outcome::kNoRoom:
      OnNoRoom(attempt.error);
      return;
    case Descriptor::Outcome::kTooLarge:
      if (is_datagram()) {
        OnTooLarge();
        return;
      }
      [[fallthrough]];
    case Descriptor::Outcome::kBroken:
      Break(attempt.error);
      return;
  }
}

void SinkWriter::OnWritten(size_t bytes) {
  if (is_datagram()) {
    FinishRecord(Counter::kSinkEventsWritten);
    NoteSuccess();
    return;
  }
  const size_t finished = batch_.Advance(bytes);
  mailbox_.Resolve(finished, Counter::kSinkEventsWritten);
  if (finished != 0) NoteSuccess();
}

void SinkWriter::OnTooLarge() {
  const HttpEvent& event = *batch_events_[batch_.finished()];
  const bool has_bodies = !event.request.body.empty() || !event.response.body.empty();
  if (smaller_.empty() && has_bodies) {
    encoder_->Encode(event, true, smaller_);
    counters_.Add(Counter::kSinkBodiesDropped);
  } else {
    FinishRecord(Counter::kSinkTooLarge);
  }
}

void SinkWriter::OnNoRoom(int error) {
  counters_.Add(Counter::kSinkWriteErrors);
  if (is_datagram() && ++datagram_tries_ == kDatagramTries) {
    FinishRecord(Counter::kSinkWriteFailed);
    return;
  }
  NoteFailure(ErrnoError("sink " + address_.Text() + " failed", error).error().message);
  retry_at_ = Clock::now() + no_room_backoff_.Next();
}

void SinkWriter::FinishRecord(Counter counter) {
  batch_.SkipRecord();
  smaller_.clear();
  datagram_tries_ = 0;
  mailbox_.Resolve(1, counter);
}

void SinkWriter::NoteFailure(const std::string& message) {
  if (std::exchange(failing_, true)) return;
  counters_.SetFailing(true);
  LOG(WARNING) << message << "; exchanges wait in a bounded queue, and it is tried again";
}

void SinkWriter::NoteSuccess() {
  no_room_backoff_.Reset();
  if (!std::exchange(failing_, false)) return;
  counters_.SetFailing(false);
  LOG(INFO) << "sink " << address_.Text() << " takes exchanges now";
}

}  // namespace podtap
