// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/record_reader.h"

#include <gmock/gmock.h>

#include "sidecar/capture/feedback_slots.h"
#include "tests/unit/capture/fake_ring.h"

namespace podtap {
namespace {

std::optional<RecordView> Decode(const segment_record& record, std::string_view payload = {}) {
  static std::string bytes;
  bytes.assign(reinterpret_cast<const char*>(&record), sizeof(record));
  bytes += payload;
  return DecodeRecord(std::as_bytes(std::span(bytes)));
}

TEST(RecordReader, PayloadIsWhatTheHeaderSaysNotWhatTheRingReserved) {
  const auto view = Decode(FakeConnection().Record(kRecordSegment, kRecordIngress, 0, 3), "abcdefgh");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->payload.size(), 3u);
}

TEST(RecordReader, ShorterThanItSaysIsRefused) {
  EXPECT_FALSE(Decode(FakeConnection().Record(kRecordSegment, kRecordIngress, 0, 9), "abcdefgh"));
  EXPECT_FALSE(Decode(FakeConnection().Record(kRecordSegment, kRecordIngress, 0, 0xffffffff), "abcdefgh"));
  EXPECT_FALSE(DecodeRecord({}));
}

TEST(RecordReader, FieldsOutOfRangeAreRefused) {
  const segment_record good = FakeConnection().Record(kRecordSegment, kRecordIngress, 0, 0);
  ASSERT_TRUE(Decode(good));
  const auto refused = [&good](auto change) {
    segment_record bad = good;
    change(bad);
    return !Decode(bad);
  };
  EXPECT_TRUE(refused([](auto& r) { r.kind = 0; }));
  EXPECT_TRUE(refused([](auto& r) { r.kind = 5; }));
  EXPECT_TRUE(refused([](auto& r) { r.direction = 2; }));
  EXPECT_TRUE(refused([](auto& r) { r.connection.role = 3; }));
  EXPECT_TRUE(refused([](auto& r) { r.connection.cookie = 0; }));
  EXPECT_TRUE(refused([](auto& r) { r.position = PODTAP_POSITION_LIMIT; }));
  EXPECT_TRUE(refused([](auto& r) { r.received = ~0ULL; }));
  EXPECT_TRUE(refused([](auto& r) { r.acknowledged = ~0ULL; }));
  EXPECT_TRUE(refused([](auto& r) { r.skipped = ~0ULL; }));
  EXPECT_TRUE(refused([](auto& r) { r.position = r.skipped = PODTAP_POSITION_LIMIT / 2; }));
  EXPECT_TRUE(refused([](auto& r) { r.connection.slot = 1; }));
}

TEST(RecordReader, OnlySegmentsAndEarlyPayloadCarryBytes) {
  EXPECT_FALSE(Decode(FakeConnection().Record(kRecordOpened, kRecordIngress, 0, 1), "x"));
  EXPECT_FALSE(Decode(FakeConnection().Record(kRecordClosed, kRecordIngress, 0, 1), "x"));
  EXPECT_TRUE(Decode(FakeConnection().Record(kRecordEarly, kRecordIngress, 0, 1), "x"));
  EXPECT_FALSE(Decode(FakeConnection().Record(kRecordEarly, kRecordEgress, 0, 1), "x"));
}

TEST(RecordReader, IdentityBecomesAConnection) {
  segment_record record = FakeConnection().Record(kRecordSegment, kRecordIngress, 0, 0);
  record.connection.flags |= kRecordLoopback;
  record.connection.cgroup_id = 99;
  const Connection connection = ConnectionOf(record.connection);
  EXPECT_EQ(connection.id.value, 7u);
  EXPECT_EQ(connection.local.Text(), "10.0.0.0:80");
  EXPECT_EQ(connection.process.pid, 4711u);
  EXPECT_EQ(connection.cgroup_id, 99u);
  EXPECT_TRUE(connection.loopback);
}

TEST(WishWords, SayTheGenerationAndTheWish) {
  const Interest base{ConnectionId{1}, Direction::kIngress, Interest::Want::kEverything, 0, true};
  const auto words = [&base](Interest::Want want, uint64_t position, bool turn_rule) {
    Interest interest = base;
    interest.want = want;
    interest.position = position;
    interest.turn_rule = turn_rule;
    return WordsFor(interest, 0xabcd);
  };
  const uint64_t mark = 0xabcdULL << 48;
  EXPECT_EQ(words(Interest::Want::kEverything, 5, true), (WishWords{mark, mark}));
  EXPECT_EQ(words(Interest::Want::kEverything, 5, false), (WishWords{mark, mark | kWishNoTurnRule}));
  EXPECT_EQ(words(Interest::Want::kFromPosition, 5, true), (WishWords{mark | 5, mark}));
  EXPECT_EQ(words(Interest::Want::kTurnHeads, 5, true), (WishWords{mark, mark | kWishTurnHeads}));
  EXPECT_EQ(words(Interest::Want::kNothing, 5, true), (WishWords{mark | PODTAP_VALUE_MASK, mark}));
}

TEST(WishWords, APositionThatDoesNotFitNeverMeansSilence) {
  const Interest interest{ConnectionId{1}, Direction::kIngress, Interest::Want::kFromPosition, 1ULL << 50, true};
  EXPECT_EQ(WordsFor(interest, 1).skip_until, 1ULL << 48);
}

}  // namespace
}  // namespace podtap
