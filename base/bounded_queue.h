// SPDX-License-Identifier: Apache-2.0
// BoundedQueue: first in, first out, bounded by items and by bytes (as the caller reckons them). When its bytes are
// full it first makes items smaller, oldest first, each once; when that is not enough, or it holds too many items, it
// lets go of the oldest, never of the newest: what just happened is worth most. So a few large items never push out
// many small ones. Not thread-safe; the owner holds its lock, and gets what was dropped handed back so that it can be
// destroyed after the lock is gone.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace podtap {

template <typename T>
class BoundedQueue {
 public:
  BoundedQueue(size_t max_items, size_t max_bytes) : max_items_(max_items), max_bytes_(max_bytes) {}

  // Appends `item`; then, until the limits hold, calls `shrink(T&, size_t bytes)`, which returns the item's new bytes,
  // and moves the oldest into `dropped`. The newest item always stays, even when it alone is larger than the limit.
  template <typename Shrink>
  void Push(T item, size_t bytes, std::vector<T>& dropped, Shrink shrink) {
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    while (items_.size() > 1 && items_.size() > max_items_) dropped.push_back(Pop());
    while (bytes_ > max_bytes_ && shrunk_ < items_.size()) {
      auto& [large, its_bytes] = items_[shrunk_++];
      bytes_ -= its_bytes;
      its_bytes = shrink(large, its_bytes);
      bytes_ += its_bytes;
    }
    while (items_.size() > 1 && bytes_ > max_bytes_) dropped.push_back(Pop());
  }
  void Push(T item, size_t bytes, std::vector<T>& dropped) {
    Push(std::move(item), bytes, dropped, [](T&, size_t its_bytes) { return its_bytes; });
  }

  // Moves the oldest items behind those of `out`, until `max_items` or `max_bytes` is reached; at least one if there is
  // one.
  void Take(size_t max_items, size_t max_bytes, std::vector<T>& out) {
    const size_t before = bytes_;
    for (size_t n = 0; n < max_items && !items_.empty() && (n == 0 || before - bytes_ < max_bytes); ++n)
      out.push_back(Pop());
  }

  size_t size() const { return items_.size(); }
  size_t bytes() const { return bytes_; }
  bool empty() const { return items_.empty(); }
  // More than an eighth of one of its limits waits: whoever takes items out is behind.
  bool crowded() const { return items_.size() > max_items_ / 8 || bytes_ > max_bytes_ / 8; }
  void Clear() {
    items_.clear();
    bytes_ = shrunk_ = 0;
  }

 private:
  T Pop() {
    auto [item, bytes] = std::move(items_.front());
    items_.pop_front();
    if (shrunk_ > 0) --shrunk_;
    bytes_ -= bytes;
    return std::move(item);
  }

  size_t max_items_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  size_t shrunk_ = 0;  // so many of the oldest are as small as they get
  std::deque<std::pair<T, size_t>> items_;
};

}  // namespace podtap
