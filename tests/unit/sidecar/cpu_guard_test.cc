// SPDX-License-Identifier: Apache-2.0
#include "sidecar/cpu_guard.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace podtap {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class CpuGuardTest : public testing::Test, private StreamEventHandler, private InterestHandler {
 protected:
  void OnStreamEvent(const StreamEvent& event) override { ++passed_[event.connection.value]; }
  void OnInterest(const Interest& interest) override { interests_.push_back(interest); }

  void Open(uint64_t id) { guard_.OnStreamEvent({{id}, {}, Opened{}}); }
  void Say(uint64_t id) { guard_.OnStreamEvent({{id}, {}, Bytes{Direction::kIngress, {}, 0}}); }
  void Close(uint64_t id) { guard_.OnStreamEvent({{id}, {}, Closed{CloseReason::kFinished}}); }
  // One second in which the process used `percent` of a CPU.
  void Second(uint64_t percent) {
    now_.ns += kSecond;
    cpu_ns_ += percent * kSecond / 100;
    guard_.Update(now_, cpu_ns_);
  }

  std::map<uint64_t, int> passed_;
  std::vector<Interest> interests_;
  Counters counters_;
  CpuGuard guard_{20, counters_, *this, *this};
  Timestamp now_{kSecond};
  uint64_t cpu_ns_ = 0;
};

TEST_F(CpuGuardTest, BelowTheLimitEverythingPasses) {
  for (int i = 0; i < 10; ++i) Second(19);
  for (uint64_t id = 1; id <= 1000; ++id) Open(id);
  EXPECT_EQ(passed_.size(), 1000u);
  EXPECT_EQ(counters_.Get(Counter::kConnectionsShed), 0u);
}

TEST_F(CpuGuardTest, AboveItAFairShareOfNewConnectionsIsLeftOutWhole) {
  Second(0);
  Second(40);  // twice the limit: half of the connections
  EXPECT_EQ(guard_.shed_share(), 128u);
  for (uint64_t id = 1; id <= 10000; ++id) Open(id), Say(id), Close(id);
  EXPECT_NEAR(static_cast<double>(passed_.size()), 5000, 300);
  for (const auto& [id, events] : passed_) EXPECT_EQ(events, 3) << "connection " << id << " in part";
  EXPECT_EQ(counters_.Get(Counter::kConnectionsShed), 10000 - passed_.size());
  EXPECT_EQ(interests_.size(), 2 * (10000 - passed_.size()));
}

TEST_F(CpuGuardTest, AConnectionThatWasTakenStays) {
  Open(1);
  Second(0);
  for (int i = 0; i < 20; ++i) Second(1000);
  Say(1);
  EXPECT_EQ(passed_[1], 2);
}

TEST_F(CpuGuardTest, WithLoadFarAboveTheLimitHardlyAnythingIsTakenAndItComesBackLater) {
  Second(0);
  for (int i = 0; i < 20; ++i) Second(1000);
  EXPECT_GE(guard_.shed_share(), 255u);
  for (int i = 0; i < 40; ++i) Second(1);
  EXPECT_EQ(guard_.shed_share(), 0u);
}

}  // namespace
}  // namespace podtap
