// SPDX-License-Identifier: Apache-2.0
// SinkMailbox: what a SinkRunner's callers and its thread share: the queue, the orders (stop, reopen), and the account
// of every event that was pushed: each one ends as exactly one of written, dropped or lost in the counters. Callers
// never wait for anything but the lock, which is never held during a system call that can block.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <vector>

#include "base/bounded_queue.h"
#include "base/counters.h"
#include "base/unique_fd.h"
#include "sidecar/event/http_event.h"

namespace podtap {

class SinkMailbox {
 public:
  using Clock = std::chrono::steady_clock;

  SinkMailbox(size_t max_events, size_t max_bytes, Counters& counters);
  bool usable() const { return static_cast<bool>(wake_); }

  // For callers.
  void Push(std::span<const HttpEventPtr> events);
  void AskReopen();
  // Asks the thread to end, and waits until it has or `timeout` and a grace are over. False: it did not; from now on it
  // finds itself abandoned. Only the first call does anything.
  enum class Stopped : uint8_t { kEnded, kAbandoned, kBefore };
  Stopped Stop(std::chrono::milliseconds timeout);

  // For the thread.
  struct Orders {
    bool stop;    // write what is left, then end
    bool over;    // end now: the deadline has passed, or nobody waits any more
    bool reopen;  // told once
  };
  Orders TakeOrders();
  bool Abandoned();
  bool NothingLeft();
  // Moves a batch of the oldest events to `out`; they are in flight until resolved.
  void Take(size_t max_events, size_t max_bytes, std::vector<HttpEventPtr>& out);
  // `n` events in flight have met their end.
  void Resolve(size_t n, Counter counter);
  // Sleeps until `until`, an order, the deadline of a stop, or what poll() says of `fd` (-1: none); returns its
  // revents.
  short Sleep(int fd, short events, Clock::time_point until);
  // The same without end, until events are pushed too. Returns at once if there is something to do.
  short SleepIdle(int fd);
  // The thread's last word: counts what is left as lost and lets Stop() return. Returns how many.
  size_t End();

 private:
  void Wake();
  short Poll(int fd, short events, Clock::time_point until);

  Counters& counters_;
  const UniqueFd wake_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  BoundedQueue<HttpEventPtr> queue_;
  size_t in_flight_ = 0;
  bool idle_ = false;  // the thread sleeps until somebody wakes it
  bool stop_ = false;
  bool reopen_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
  Clock::time_point deadline_ = Clock::time_point::max();
};

}  // namespace podtap
