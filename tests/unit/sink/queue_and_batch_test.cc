// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bounded_queue.h"
#include "sidecar/sink/backoff.h"
#include "sidecar/sink/record_batch.h"

namespace podtap {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BoundedQueue, DropsTheOldestBeyondItsNumber) {
  BoundedQueue<int> queue(3, 1000);
  std::vector<int> dropped;
  for (int i = 1; i <= 5; ++i) queue.Push(i, 1, dropped);
  EXPECT_THAT(dropped, ElementsAre(1, 2));
  std::vector<int> out;
  queue.Take(10, 1000, out);
  EXPECT_THAT(out, ElementsAre(3, 4, 5));
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_TRUE(queue.empty());
}

TEST(BoundedQueue, DropsTheOldestBeyondItsBytesButKeepsTheNewestAlways) {
  BoundedQueue<int> queue(100, 10);
  std::vector<int> dropped;
  queue.Push(1, 4, dropped);
  queue.Push(2, 4, dropped);
  EXPECT_THAT(dropped, IsEmpty());
  queue.Push(3, 4, dropped);
  EXPECT_THAT(dropped, ElementsAre(1));
  queue.Push(4, 50, dropped);
  EXPECT_THAT(dropped, ElementsAre(1, 2, 3));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.bytes(), 50u);
}

TEST(BoundedQueue, MakesTheOldestSmallerBeforeItDropsAny) {
  BoundedQueue<int> queue(100, 100);
  std::vector<int> dropped, shrunk, out;
  const auto shrink = [&](int& item, size_t) {
    shrunk.push_back(item);
    return size_t{10};
  };
  for (int i = 1; i <= 4; ++i) queue.Push(i, 40, dropped, shrink);
  EXPECT_THAT(shrunk, ElementsAre(1, 2));
  EXPECT_THAT(dropped, IsEmpty());
  EXPECT_EQ(queue.bytes(), 100u);
  // What was taken out is forgotten; each item shrinks once.
  queue.Take(1, 1000, out);
  for (int i = 5; i <= 11; ++i) queue.Push(i, 40, dropped, shrink);
  EXPECT_THAT(shrunk, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(dropped, IsEmpty());
  EXPECT_EQ(queue.bytes(), 100u);
  queue.Push(12, 5, dropped, shrink);
  EXPECT_THAT(dropped, ElementsAre(2));
}

TEST(BoundedQueue, TakesUntilANumberOrBytesAreReachedAndAtLeastOne) {
  BoundedQueue<int> queue(100, 1000);
  std::vector<int> dropped, out;
  for (int i = 1; i <= 6; ++i) queue.Push(i, 10, dropped);
  queue.Take(2, 1000, out);
  EXPECT_THAT(out, ElementsAre(1, 2));
  queue.Take(100, 15, out);
  EXPECT_THAT(out, ElementsAre(1, 2, 3, 4));
  queue.Take(100, 0, out);
  EXPECT_THAT(out, ElementsAre(1, 2, 3, 4, 5));
}

RecordBatch BatchOf(std::initializer_list<const char*> records) {
  RecordBatch batch;
  for (const char* record : records) {
    batch.buffer() += record;
    batch.EndRecord();
  }
  return batch;
}

TEST(RecordBatch, KnowsWhichRecordsAreWritten) {
  RecordBatch batch = BatchOf({"aaa\n", "bbbb\n", "c\n"});
  EXPECT_EQ(batch.Advance(3), 0u);
  EXPECT_TRUE(batch.inside_record());
  EXPECT_EQ(batch.Advance(1), 1u);
  EXPECT_FALSE(batch.inside_record());
  EXPECT_EQ(batch.Advance(7), 2u);
  EXPECT_TRUE(batch.done());
}

TEST(RecordBatch, RewindsToTheStartOfTheRecordThatWasCut) {
  RecordBatch batch = BatchOf({"aaa\n", "bbbb\n", "c\n"});
  batch.Advance(6);
  EXPECT_EQ(batch.bytes_of_cut_record(), 2u);
  EXPECT_EQ(batch.rest_of_record(), "bb\n");
  batch.Rewind();
  EXPECT_EQ(batch.rest(), "bbbb\nc\n");
  EXPECT_EQ(batch.finished(), 1u);
}

TEST(RecordBatch, TellsTheWholeRecordsThatFit) {
  RecordBatch batch = BatchOf({"aaa\n", "bbbb\n", "c\n"});
  EXPECT_EQ(batch.records_within(3), "");
  EXPECT_EQ(batch.records_within(4), "aaa\n");
  EXPECT_EQ(batch.records_within(10), "aaa\nbbbb\n");
  EXPECT_EQ(batch.records_within(SIZE_MAX), "aaa\nbbbb\nc\n");
  batch.SkipRecord();
  EXPECT_EQ(batch.records_within(6), "bbbb\n");
  EXPECT_EQ(batch.records_within(SIZE_MAX), "bbbb\nc\n");
}

TEST(RecordBatch, IsEmptyAfterClear) {
  RecordBatch batch = BatchOf({"aaa\n"});
  batch.Clear();
  EXPECT_TRUE(batch.done());
  EXPECT_EQ(batch.rest(), "");
  EXPECT_EQ(batch.rest_of_record(), "");
  EXPECT_EQ(batch.records_within(100), "");
}

TEST(Backoff, GrowsFromATenthOfASecondToFiveSeconds) {
  Backoff backoff;
  auto before = backoff.Next();
  EXPECT_GE(before.count(), 100);
  EXPECT_LE(before.count(), 125);
  for (int i = 0; i < 20; ++i) {
    const auto delay = backoff.Next();
    EXPECT_LE(delay.count(), 5000);
    if (i < 5) {
      EXPECT_GT(delay, before);
    }
    before = delay;
  }
  EXPECT_GE(before.count(), 4000);
  backoff.Reset();
  EXPECT_LE(backoff.Next().count(), 125);
}

}  // namespace
}  // namespace podtap
