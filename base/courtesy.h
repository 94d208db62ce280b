// SPDX-License-Identifier: Apache-2.0
// Courtesy: podtap runs on the CPUs of the application it watches. A thread that has slept is favoured by the scheduler
// and may then keep its CPU for milliseconds; a server and its clients, who wait for each other, all stand still
// meanwhile. So long work is done in pieces of about 0.1 ms, and between two pieces whoever else wants the CPU gets it,
// unless podtap is behind: then exactness is worth more. One thread.
#pragma once

#include <sched.h>

namespace podtap {

class Courtesy {
 public:
  // A piece of work is so many steps.
  explicit Courtesy(unsigned steps) : steps_(steps) {}

  // One step is done. `behind`: work has piled up, so go on.
  void Step(bool behind) {
    if (++done_ < steps_) return;
    done_ = 0;
    if (!behind) sched_yield();
  }

 private:
  const unsigned steps_;
  unsigned done_ = 0;
};

}  // namespace podtap
