// SPDX-License-Identifier: Apache-2.0
// The pipeline as a whole, from records to exchanges, without a kernel.
#include "sidecar/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/capture/packet_source.h"
#include "tests/unit/capture/fake_ring.h"

namespace podtap {
namespace {

constexpr std::string_view kRequest = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 204 No Content\r\n\r\n";

class PipelineTest : public testing::Test {
 protected:
  void Commit(record_direction direction, std::string_view payload, uint32_t flags = 0) {
    segment_record record = connection_.Record(kRecordSegment, direction, 0, payload.size());
    record.received = direction == kRecordEgress ? kRequest.size() : 0;
    std::string all(reinterpret_cast<const char*>(&record), sizeof(record));
    ring_.Commit(all.append(payload), flags);
  }
  // What the kernel does when it has written a record whole.
  void Finish(uint64_t position) {
    auto* header = reinterpret_cast<uint32_t*>(const_cast<std::byte*>(ring_.memory().ring) + position);
    __atomic_and_fetch(header, ~BPF_RINGBUF_BUSY_BIT, __ATOMIC_RELEASE);
  }

  Config config_;
  Counters counters_;
  FakeRing ring_;
  FakeConnection connection_;
  std::vector<HttpEventPtr> events_;
  PacketSource source_{ring_.memory(), counters_};
  Pipeline pipeline_{config_, source_, counters_, nullptr, [this](std::span<const HttpEventPtr> events) {
                       events_.insert(events_.end(), events.begin(), events.end());
                     }};
};

TEST_F(PipelineTest, AtTheEndRecordsBehindOneThatIsStillBeingWrittenAreReadToo) {
  const uint64_t request = ring_.producer();
  Commit(kRecordIngress, kRequest, BPF_RINGBUF_BUSY_BIT);
  Commit(kRecordEgress, kResponse);
  std::thread kernel([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Finish(request);
  });
  pipeline_.Finish(std::chrono::seconds(1));
  kernel.join();
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0]->target, "/a");
  EXPECT_EQ(events_[0]->status, 204);
  EXPECT_TRUE(events_[0]->complete);
}

TEST_F(PipelineTest, WhatWasCopiedBeforeTheModeChangedBelongsToTheModeOfThen) {
  std::atomic<uint32_t> mode{static_cast<uint32_t>(Mode::kIngress)};
  std::atomic<uint64_t> since{0};
  pipeline_.FollowMode(mode, since);
  Commit(kRecordIngress, kRequest);
  Commit(kRecordEgress, kResponse);
  // Both are older than this change, and read after it.
  since = UINT64_MAX / 2;
  mode = static_cast<uint32_t>(Mode::kEgress);
  EXPECT_EQ(pipeline_.UpdateMode(), static_cast<uint32_t>(Mode::kIngress));
  pipeline_.RunOnce(MonotonicNow());
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_TRUE(events_[0]->complete);
  since = 1;
  EXPECT_EQ(pipeline_.UpdateMode(), static_cast<uint32_t>(Mode::kEgress));
}

TEST_F(PipelineTest, ARecordThatIsNeverWrittenDoesNotKeepTheEndWaiting) {
  Commit(kRecordIngress, kRequest, BPF_RINGBUF_BUSY_BIT);
  const auto begin = std::chrono::steady_clock::now();
  pipeline_.Finish(std::chrono::seconds(1));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_TRUE(events_.empty());
}

}  // namespace
}  // namespace podtap
