// SPDX-License-Identifier: Apache-2.0
// Backoff: the delays between attempts at something that fails: 100 ms, then twice as long each time up to 4 s, each
// with up to a quarter more by chance, so that many sidecars do not knock in step. Never above 5 s.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace podtap {

class Backoff {
 public:
  std::chrono::milliseconds Next() {
    using std::chrono::milliseconds;
    delay_ = std::clamp(delay_ * 2, milliseconds(100), milliseconds(4000));
    return delay_ + milliseconds(std::uniform_int_distribution<int64_t>(0, delay_.count() / 4)(random_));
  }
  void Reset() { delay_ = std::chrono::milliseconds(0); }

 private:
  std::chrono::milliseconds delay_{0};
  std::minstd_rand random_{static_cast<uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
};

}  // namespace podtap
