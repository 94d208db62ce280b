// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/sink_mailbox.h"

#include <glog/logging.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace podtap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGrace{300};  // for the thread to end, after the time that Stop() gave it

// Leaving out less than this would not help.
constexpr size_t kSmallBodies = 1024;

// About what an event that waits costs.
size_t BytesOf(const HttpEvent& event) {
  const auto of = [](const HttpMessage& m) {
    return m.headers.memory() + m.trailers.memory() + m.body.capacity() + (m.wire_body ? m.wire_body->size() : 0);
  };
  return sizeof(HttpEvent) + event.target.capacity() + of(event.request) + of(event.response);
}

}  // namespace

SinkMailbox::SinkMailbox(std::string name, size_t max_events, size_t max_bytes, SinkCounters counters, int threads)
    : name_(std::move(name)),
      counters_(counters),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      threads_(threads),
      queue_(max_events, max_bytes),
      max_events_(max_events),
      max_bytes_(max_bytes) {}

bool SinkMailbox::Busy() const {
  constexpr Clock::duration kPatience = milliseconds(250);
  if (!half_full_.load(std::memory_order_relaxed)) return false;
  const auto now = Clock::now().time_since_epoch().count();
  return now - progress_.load(std::memory_order_relaxed) < kPatience.count();
}

void SinkMailbox::NoteQueue() {
  const bool half_full = queue_.size() > max_events_ / 2 || queue_.bytes() > max_bytes_ / 2;
  half_full_.store(half_full, std::memory_order_relaxed);
}

void SinkMailbox::Push(std::span<const HttpEventPtr> events) {
  if (events.empty()) return;
  std::vector<HttpEventPtr> dropped, with_bodies;  // destroyed after the lock is gone
  bool wake = false, overflows = false;
  const auto leave_bodies_out = [&](HttpEventPtr& event, size_t bytes) {
    if (event->request.body.size() + event->response.body.size() < kSmallBodies) return bytes;
    with_bodies.push_back(std::exchange(event, WithoutBodies(*event)));
    return BytesOf(*event);
  };
  {
    const std::lock_guard lock(mutex_);
    if (stop_) {
      counters_.Add(Counter::kSinkShutdown, events.size());
      return;
    }
    const bool was_empty = queue_.empty();
    if (was_empty) first_at_ = Clock::now();
    for (const HttpEventPtr& event : events) queue_.Push(event, BytesOf(*event), dropped, leave_bodies_out);
    NoteQueue();
    counters_.Max(Counter::kSinkQueueMax, queue_.size());
    counters_.SetQueue(queue_.size(), queue_.bytes());
    wake = std::exchange(idle_, false);
    if (was_empty || queue_.size() >= enough_events_ || queue_.bytes() >= enough_bytes_) batch_ready_.notify_all();
    overflows = !dropped.empty() && lately_dropped_ == 0;
    lately_dropped_ += dropped.size();
  }
  // One line when the queue begins to overflow, one when it has room again; none per event.
  if (overflows) LOG(WARNING) << "sink " << name_ << ": its queue is full, the oldest exchanges are dropped";
  if (!with_bodies.empty()) counters_.Add(Counter::kSinkBodiesDropped, with_bodies.size());
  if (!dropped.empty()) counters_.Add(Counter::kSinkQueueFull, dropped.size());
  if (wake) Wake();
}

size_t SinkMailbox::NoteTaken() {
  counters_.SetQueue(queue_.size(), queue_.bytes());
  NoteQueue();
  return queue_.empty() ? std::exchange(lately_dropped_, 0) : 0;
}

void SinkMailbox::LogRoomAgain(size_t dropped) const {
  if (dropped == 0) return;
  LOG(INFO) << "sink " << name_ << ": its queue has room again; " << dropped << " exchanges were dropped";
}

void SinkMailbox::AskReopen() {
  {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
  }
  Wake();
}

void SinkMailbox::AskStop(Clock::time_point deadline) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(stop_, true)) return;
  deadline_ = deadline;
  batch_ready_.notify_all();
  Wake();
}

SinkMailbox::Stopped SinkMailbox::AwaitEnd() {
  std::unique_lock lock(mutex_);
  if (std::exchange(awaited_, true)) return Stopped::kBefore;
  if (ended_changed_.wait_until(lock, deadline_ + kGrace, [this] { return ended_; })) return Stopped::kEnded;
  abandoned_ = true;
  batch_ready_.notify_all();
  left_behind_ = in_flight_ + queue_.size();
  counters_.Add(Counter::kSinkShutdown, left_behind_);
  queue_.Clear();
  return Stopped::kAbandoned;
}

size_t SinkMailbox::left_behind() {
  const std::lock_guard lock(mutex_);
  return left_behind_;
}

SinkMailbox::Orders SinkMailbox::TakeOrders() {
  const std::lock_guard lock(mutex_);
  return {stop_, abandoned_ || (stop_ && Clock::now() >= deadline_), std::exchange(reopen_, false)};
}

bool SinkMailbox::Abandoned() {
  const std::lock_guard lock(mutex_);
  return abandoned_;
}

bool SinkMailbox::Over() {
  const std::lock_guard lock(mutex_);
  return abandoned_ || (stop_ && Clock::now() >= deadline_);
}

bool SinkMailbox::NothingLeft() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && in_flight_ == 0;
}

void SinkMailbox::Take(size_t max_events, size_t max_bytes, std::vector<HttpEventPtr>& out) {
  size_t dropped;
  {
    const std::lock_guard lock(mutex_);
    const size_t before = out.size();
    queue_.Take(max_events, max_bytes, out);
    in_flight_ += out.size() - before;
    dropped = NoteTaken();
  }
  LogRoomAgain(dropped);
}

bool SinkMailbox::WaitForBatch(size_t max_events, size_t max_bytes, milliseconds max_age,
                               std::vector<HttpEventPtr>& out) {
  std::unique_lock lock(mutex_);
  enough_events_ = max_events;
  enough_bytes_ = max_bytes;
  while (!stop_) {
    if (queue_.size() >= max_events || queue_.bytes() >= max_bytes) break;
    if (queue_.empty()) {
      batch_ready_.wait(lock);
    } else if (Clock::now() >= first_at_ + max_age) {
      break;
    } else {
      batch_ready_.wait_until(lock, first_at_ + max_age);
    }
  }
  if (abandoned_ || queue_.empty() || (stop_ && Clock::now() >= deadline_)) return false;
  const size_t before = out.size();
  queue_.Take(max_events, max_bytes, out);
  in_flight_ += out.size() - before;
  first_at_ = Clock::now();
  const size_t dropped = NoteTaken();
  lock.unlock();
  LogRoomAgain(dropped);
  return true;
}

void SinkMailbox::Pause(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  const bool stopped_before = stop_;
  while (!abandoned_ && stop_ == stopped_before && Clock::now() < std::min(until, deadline_))
    batch_ready_.wait_until(lock, std::min(until, deadline_));
}

void SinkMailbox::PauseUnlessStopping(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  while (!abandoned_ && !stop_ && Clock::now() < until) batch_ready_.wait_until(lock, until);
}

bool SinkMailbox::Crowded() {
  const std::lock_guard lock(mutex_);
  return queue_.crowded();
}

void SinkMailbox::Resolve(size_t n, Counter counter) {
  if (n == 0) return;
  const std::lock_guard lock(mutex_);
  if (abandoned_) return;
  in_flight_ -= n;
  progress_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  counters_.Add(counter, n);
}

short SinkMailbox::Sleep(int fd, short events, Clock::time_point until) {
  {
    const std::lock_guard lock(mutex_);
    until = std::min(until, deadline_);
  }
  return Poll(fd, events, until);
}

short SinkMailbox::SleepIdle(int fd) {
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty() || stop_ || reopen_) return 0;
    idle_ = true;
  }
  const short revents = Poll(fd, 0, Clock::time_point::max());
  const std::lock_guard lock(mutex_);
  idle_ = false;
  return revents;
}

size_t SinkMailbox::End() {
  const std::lock_guard lock(mutex_);
  if (abandoned_ || --threads_ > 0) return 0;
  const size_t left = left_behind_ = in_flight_ + queue_.size();
  counters_.Add(Counter::kSinkShutdown, left);
  queue_.Clear();
  in_flight_ = 0;
  ended_ = true;
  ended_changed_.notify_all();
  return left;
}

void SinkMailbox::Wake() {
  const uint64_t one = 1;
  while (write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

short SinkMailbox::Poll(int fd, short events, Clock::time_point until) {
  int timeout = -1;
  if (until != Clock::time_point::max()) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    timeout = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  }
  pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {fd, events, 0}};
  if (poll(fds, 2, timeout) < 0) return 0;
  uint64_t count;
  while (fds[0].revents != 0 && read(wake_.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
  }
  return fds[1].revents;
}

}  // namespace podtap
