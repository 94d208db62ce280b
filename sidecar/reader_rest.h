// SPDX-License-Identifier: Apache-2.0
// How long the reader of the ring rests between two looks. The kernel does not wake it per record: it looks every 10 ms
// while there is traffic. After some looks that found nothing it asks to be woken by the next record, and sleeps.
//
// The kernel reads that wish before it makes a record, so a record may be on its way that did not see it and wakes
// nobody. Hence, once the wish stands: one more look, a short rest, another look, and only then the sleep; and none
// while a record is still being written. What is delayed further than the short rest waits at most for kAsleepMs.
// Called by the worker's loop only.
#pragma once

#include <cstddef>

namespace podtap {

class ReaderRest {
 public:
  static constexpr int kBusyMs = 10;
  static constexpr int kAsleepMs = 1000;
  static constexpr int kEmptyLooks = 10;  // before the wish

  struct Next {
    bool wish = false;  // ask to be woken by the next record, before the rest
    int rest_ms = 0;
  };

  // After a look that took `records` and left `backlog` bytes in the ring.
  Next After(size_t records, size_t backlog) {
    if (records > 0 || backlog > 0) {
      empty_looks_ = 0;
      return {false, kBusyMs};
    }
    switch (++empty_looks_ - kEmptyLooks) {
      case 0:
        return {true, 0};
      case 1:
        return {false, kBusyMs};
      case 2:
        empty_looks_ = kEmptyLooks - 1;  // the kernel may have granted the wish: it is made again before the next sleep
        return {false, kAsleepMs};
      default:
        return {false, kBusyMs};
    }
  }

 private:
  int empty_looks_ = 0;
};

}  // namespace podtap
