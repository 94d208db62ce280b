// SPDX-License-Identifier: Apache-2.0
// SinkMailbox: what a SinkRunner's callers and its thread share: the queue, the orders (stop, reopen), and the account
// of every event that was pushed: each one ends as exactly one of written, dropped or lost in the counters. Callers
// never wait for anything but the lock, which is never held during a system call that can block. Several threads may
// serve one mailbox: they take batches with WaitForBatch() and rest with Pause().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "base/unique_fd.h"
#include "sidecar/event/http_event.h"
#include "sidecar/sink/sink_counters.h"

namespace podtap {

class SinkMailbox {
 public:
  using Clock = std::chrono::steady_clock;

  // `name`: of the sink, for the log.
  SinkMailbox(std::string name, size_t max_events, size_t max_bytes, SinkCounters counters, int threads = 1);
  bool usable() const { return static_cast<bool>(wake_); }

  // For callers.
  void Push(std::span<const HttpEventPtr> events);
  // Whether the queue is more than half full while the thread gets events away: in a moment there will be more room. A
  // sink that takes nothing is not worth waiting for. Does not lock.
  bool Busy() const;
  void AskReopen();
  // Asks the threads to write what is left until `deadline`, and to end. Only the first call does anything.
  void AskStop(Clock::time_point deadline);
  // Waits until they have ended or the deadline and a grace are over; then they find themselves abandoned. Only the
  // first call does anything.
  enum class Stopped : uint8_t { kEnded, kAbandoned, kBefore };
  Stopped AwaitEnd();
  // After that: events that could not be delivered in time.
  size_t left_behind();

  // For the thread.
  struct Orders {
    bool stop;    // write what is left, then end
    bool over;    // end now: the deadline has passed, or nobody waits any more
    bool reopen;  // told once
  };
  Orders TakeOrders();
  bool Abandoned();
  // Whether the deadline of a stop has passed, or nobody waits any more.
  bool Over();
  bool NothingLeft();
  // Moves a batch of the oldest events to `out`; they are in flight until resolved.
  void Take(size_t max_events, size_t max_bytes, std::vector<HttpEventPtr>& out);
  // The same, but waits until `max_events` or `max_bytes` are there, the oldest has waited for `max_age`, or the end
  // was asked for. False: the end has come and nothing is left.
  bool WaitForBatch(size_t max_events, size_t max_bytes, std::chrono::milliseconds max_age,
                    std::vector<HttpEventPtr>& out);
  // Rests until `until`, the deadline of a stop or being abandoned; ends early when the end is asked for.
  void Pause(Clock::time_point until);
  // Rests until `until` or until the end is asked for; not at all if it was.
  void PauseUnlessStopping(Clock::time_point until);
  // Events pile up.
  bool Crowded();
  // `n` events in flight have met their end.
  void Resolve(size_t n, Counter counter);
  // Sleeps until `until`, an order, the deadline of a stop, or what poll() says of `fd` (-1: none); returns its
  // revents.
  short Sleep(int fd, short events, Clock::time_point until);
  // The same without end, until events are pushed too. Returns at once if there is something to do.
  short SleepIdle(int fd);
  // A thread's last word. The last thread's counts what is left as lost and lets AwaitEnd() return. Returns how many.
  size_t End();

 private:
  void Wake();
  void NoteQueue();
  short Poll(int fd, short events, Clock::time_point until);

  // The caller holds the lock. Returns how many were dropped while the queue overflowed, if that is over now.
  size_t NoteTaken();
  void LogRoomAgain(size_t dropped) const;

  const std::string name_;
  SinkCounters counters_;
  const UniqueFd wake_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  std::condition_variable batch_ready_;                        // of WaitForBatch() and Pause()
  size_t enough_events_ = SIZE_MAX, enough_bytes_ = SIZE_MAX;  // what those who wait for a batch wait for
  Clock::time_point first_at_{};                               // about when the oldest event came; for WaitForBatch()
  size_t lately_dropped_ = 0;                                  // since the queue began to overflow
  int threads_;
  BoundedQueue<HttpEventPtr> queue_;
  const size_t max_events_;
  const size_t max_bytes_;
  std::atomic<bool> half_full_ = false;
  std::atomic<Clock::rep> progress_ = 0;  // when events were last resolved
  size_t in_flight_ = 0;
  bool idle_ = false;  // the thread sleeps until somebody wakes it
  bool stop_ = false;
  bool reopen_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
  bool awaited_ = false;
  size_t left_behind_ = 0;
  Clock::time_point deadline_ = Clock::time_point::max();
};

}  // namespace podtap
