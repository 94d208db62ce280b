// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/packet_source.h"

#include <gmock/gmock.h>

#include "tests/unit/capture/fake_ring.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PacketSourceTest : public ::testing::Test {
 protected:
  void Read() { source.Poll(script, 1000); }
  FakeRing ring;
  Counters counters;
  PacketSource source{ring.memory(), counters};
  Script script;
  FakeConnection c;
};

TEST_F(PacketSourceTest, SaysWhatTheRecordsSay) {
  ring.Commit(c.Record(kRecordOpened, kRecordIngress, 0, 0));
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 3), "GET");
  segment_record answer = c.Record(kRecordSegment, kRecordEgress, 0, 2, 3);
  answer.flags = kRecordFin;
  answer.skipped = 100;
  ring.Commit(answer, "OK");
  ring.Commit(c.Record(kRecordClosed, kRecordIngress, 3, 0, 3));
  EXPECT_EQ(source.Poll(script, 1000), 4u);
  EXPECT_THAT(script.lines,
              ElementsAre("open 7", "in 0 \"GET\"", "out 0 \"OK\" skipped 100 fin", "close 7 received 3"));
  EXPECT_EQ(script.last.local.Text(), "10.0.0.0:80");
  EXPECT_EQ(script.last.remote.Text(), "10.0.0.9:50000");
  EXPECT_EQ(script.last.process.CommText(), "server");
  EXPECT_EQ(script.last.role, Role::kAccepted);
  EXPECT_EQ(counters.Get(Counter::kControlRecordsRead), 2u);
  EXPECT_EQ(counters.Get(Counter::kDataRecordsRead), 2u);
  EXPECT_EQ(counters.Get(Counter::kPayloadBytesRead), 5u);
  EXPECT_EQ(ring.consumer(), ring.producer());
}

TEST_F(PacketSourceTest, IngressResetCountsOnlyWhereTheKernelObeysIt) {
  segment_record reset = c.Record(kRecordSegment, kRecordIngress, 5, 0, 5);
  reset.flags = kRecordRst;
  ring.Commit(reset);
  reset.sequence += 1;
  ring.Commit(reset);
  reset.direction = kRecordEgress;
  ring.Commit(reset);
  segment_record closed = c.Record(kRecordClosed, kRecordIngress, 5, 0, 5);
  closed.flags = kRecordRst;
  ring.Commit(closed);
  closed.flags = kRecordNoPositions;
  ring.Commit(closed);
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 5 \"\" reset", "in 5 \"\"", "out 5 \"\" reset", "in 5 \"\" reset",
                                        "close 7 received 5", "close 7"));
}

TEST_F(PacketSourceTest, EarlyPayloadIsJoinedToTheOpenedRecord) {
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 5), "early");
  Read();
  EXPECT_THAT(script.lines, IsEmpty());
  EXPECT_EQ(source.early_bytes(), 5u);
  ring.Commit(c.Record(kRecordOpened, kRecordIngress, 0, 0));
  Read();
  EXPECT_THAT(script.lines, ElementsAre("open 7", "in 0 \"early\""));
  EXPECT_EQ(script.last.id.value, 7u);
  EXPECT_EQ(source.early_bytes(), 0u);
}

TEST_F(PacketSourceTest, EarlyPayloadIsJoinedToAnyLaterRecordWhenOpenedWasLost) {
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 10, 5), "world");
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 10), "hello, my ");
  ring.Commit(c.Record(kRecordSegment, kRecordEgress, 0, 2, 15), "ok");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 0 \"hello, my \"", "in 10 \"world\"", "out 0 \"ok\""));
}

TEST_F(PacketSourceTest, EarlyPayloadOfAnotherConnectionStaysWhereItIs) {
  FakeConnection other = c;
  other.remote_port = 50001;
  FakeConnection same_ends_long_ago = c;
  same_ends_long_ago.start = c.start + 0x40000000;
  FakeConnection client = c;
  client.role = kRecordRoleOpened;
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 5), "early");
  ring.Commit(other.Record(kRecordSegment, kRecordIngress, 0, 1), "x");
  ring.Commit(same_ends_long_ago.Record(kRecordSegment, kRecordIngress, 0, 1), "y");
  ring.Commit(client.Record(kRecordSegment, kRecordIngress, 0, 1), "z");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 0 \"x\"", "in 0 \"y\"", "in 0 \"z\""));
  EXPECT_EQ(source.early_bytes(), 5u);
}

TEST_F(PacketSourceTest, EarlyPayloadWithATranslatedLocalEndJoinsAtTheStartOnly) {
  FakeConnection outside = c;
  outside.local_port = 8080;
  ring.Commit(outside.Record(kRecordEarly, kRecordIngress, 0, 5), "start");
  ring.Commit(outside.Record(kRecordEarly, kRecordIngress, 50, 5), "later");
  ring.Commit(c.Record(kRecordOpened, kRecordIngress, 0, 0));
  Read();
  EXPECT_THAT(script.lines, ElementsAre("open 7", "in 0 \"start\""));
}

TEST_F(PacketSourceTest, RepeatedEarlyPayloadIsKeptOnce) {
  for (int i = 0; i < 3; ++i) ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 5), "early");
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 5, 1, 5), "!");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 0 \"early\"", "in 5 \"!\""));
}

TEST_F(PacketSourceTest, EarlyPayloadOfALateConnectionKeepsItsPlaceBeforeRcvNxt) {
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 5), "early");
  segment_record late = c.Record(kRecordSegment, kRecordIngress, PODTAP_LATE_POSITION, 3, PODTAP_LATE_POSITION);
  late.connection.flags = 0;
  late.sequence = late.received_sequence = c.start + 5;
  ring.Commit(late, "now");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 4294967291 \"early\"", "in 4294967296 \"now\""));
}

TEST_F(PacketSourceTest, UnjoinedEarlyPayloadExpiresByEventTime) {
  ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 5), "early");
  FakeConnection other = c;
  other.remote_port = 1;
  segment_record later = other.Record(kRecordSegment, kRecordIngress, 0, 1);
  later.time_ns += 31'000'000'000;
  ring.Commit(later, "x");
  Read();
  EXPECT_EQ(source.early_bytes(), 0u);
  EXPECT_EQ(counters.Get(Counter::kEarlyExpired), 1u);
}

TEST_F(PacketSourceTest, EarlyPayloadOfManySendersIsBounded) {
  const std::string payload(1000, 'e');
  for (int i = 0; i < 20000; ++i) {
    c.remote_port = static_cast<uint16_t>(i);
    c.start += 7919;
    ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, payload.size()), payload);
    Read();
    ASSERT_LE(source.early_bytes(), 4u << 20);
  }
  EXPECT_GE(counters.Get(Counter::kEarlyExpired), 20000u - 4096);
}

TEST_F(PacketSourceTest, EarlyPayloadOfOneSenderIsBounded) {
  for (int i = 0; i < 1000; ++i) {
    c.start += 5'000'000;
    ring.Commit(c.Record(kRecordEarly, kRecordIngress, 0, 1), "e");
    Read();
  }
  EXPECT_EQ(source.early_bytes(), 64u);
}

TEST_F(PacketSourceTest, WishesGoToTheSlotOfTheirConnection) {
  c.slot = 3;
  c.generation = 0x1234;
  source.Apply({ConnectionId{7}, Direction::kEgress, Interest::Want::kNothing});
  EXPECT_EQ(ring.slot(3).skip_until[1], 0u) << "not known yet";
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "x");
  Read();
  source.Apply({ConnectionId{7}, Direction::kEgress, Interest::Want::kFromPosition, 1000});
  EXPECT_EQ(ring.slot(3).skip_until[1], 0x1234'0000'0000'03e8u);
  EXPECT_EQ(ring.slot(3).wishes[1], 0x1234'0000'0000'0000u);
  EXPECT_EQ(ring.slot(3).skip_until[0], 0u);
  ring.Commit(c.Record(kRecordClosed, kRecordIngress, 1, 0, 1));
  Read();
  source.Apply({ConnectionId{7}, Direction::kIngress, Interest::Want::kNothing});
  EXPECT_EQ(ring.slot(3).skip_until[0], 0u) << "the slot may have another owner by now";
}

TEST_F(PacketSourceTest, ANewOwnerOfASlotReplacesTheOldOne) {
  c.slot = 2;
  c.generation = 9;
  FakeConnection next = c;
  next.cookie = 8;
  next.generation = 10;
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "x");
  ring.Commit(next.Record(kRecordSegment, kRecordIngress, 0, 1), "y");
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 1, 1), "late record of the old owner");
  Read();
  source.Apply({ConnectionId{7}, Direction::kIngress, Interest::Want::kNothing});
  EXPECT_EQ(ring.slot(2).skip_until[0], 0u);
  source.Apply({ConnectionId{8}, Direction::kIngress, Interest::Want::kTurnHeads, 0, false});
  EXPECT_EQ(ring.slot(2).wishes[0], 10ULL << 48 | kWishTurnHeads | kWishNoTurnRule);
}

TEST_F(PacketSourceTest, RecordsThatMakeNoSenseAreCountedAndPassedOver) {
  segment_record bad = c.Record(kRecordSegment, kRecordIngress, 0, 100);
  ring.Commit(bad, "short");
  ring.Commit("tiny");
  bad = c.Record(kRecordSegment, kRecordIngress, 1ULL << 63, 0);
  ring.Commit(bad);
  bad = c.Record(kRecordSegment, kRecordIngress, 0, 0);
  bad.kind = 9;
  ring.Commit(bad);
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 2), "ok");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 0 \"ok\""));
  EXPECT_EQ(counters.Get(Counter::kRecordsInvalid), 4u);
}

TEST_F(PacketSourceTest, StopsAtARecordThatIsStillBeingWritten) {
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "a");
  const uint64_t before = ring.producer();
  ring.Commit(std::string(50, 'b'), BPF_RINGBUF_BUSY_BIT);
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 1, 1), "c");
  Read();
  EXPECT_THAT(script.lines, ElementsAre("in 0 \"a\""));
  EXPECT_EQ(ring.consumer(), before);
}

TEST_F(PacketSourceTest, DiscardedRecordsArePassedOver) {
  ring.Commit(std::string(500, 'd'), BPF_RINGBUF_DISCARD_BIT);
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "a");
  EXPECT_EQ(source.Poll(script, 1000), 1u);
}

TEST_F(PacketSourceTest, ReadsAsManyRecordsAsAsked) {
  for (uint64_t i = 0; i < 5; ++i) ring.Commit(c.Record(kRecordSegment, kRecordIngress, i, 1), "a");
  EXPECT_EQ(source.Poll(script, 2), 2u);
  EXPECT_EQ(source.Poll(script, 2), 2u);
  EXPECT_GT(source.backlog(), 0u);
  EXPECT_EQ(source.Poll(script, 2), 1u);
  EXPECT_EQ(source.backlog(), 0u);
}

TEST_F(PacketSourceTest, FollowsTheRingAroundItsEndManyTimes) {
  const std::string payload(3001, 'p');
  for (uint64_t i = 0; i < 200; ++i) {
    ring.Commit(c.Record(kRecordSegment, kRecordIngress, i * payload.size(), payload.size()), payload);
    ASSERT_EQ(source.Poll(script, 10), 1u);
    ASSERT_EQ(script.lines.back(), "in " + std::to_string(i * payload.size()) + " \"" + payload + "\"");
  }
}

TEST_F(PacketSourceTest, ANewReaderBeginsWithTheRecordInTheOldOnesHands) {
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "a");
  const uint64_t second = ring.producer();
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 1, 1), "b");
  ring.slot(1).skip_until[0] = 5;
  ring.page().reading_position = second;
  PacketSource next(ring.memory(), counters);
  EXPECT_EQ(ring.slot(1).skip_until[0], 0u) << "the wishes of the old reader are wiped";
  next.Poll(script, 10);
  EXPECT_THAT(script.lines, ElementsAre("in 1 \"b\""));
  EXPECT_EQ(ring.page().reading_position, PODTAP_NOT_READING);
}

TEST_F(PacketSourceTest, AReaderThatReadNothingLeavesNobodyElsesTrace) {
  for (int i = 0; i < 2; ++i) ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "a");
  ring.page().reading_position = ring.producer() / 2;  // the first reader died with the second record
  {
    const PacketSource second(ring.memory(), counters);
  }
  EXPECT_EQ(ring.page().reading_position, PODTAP_NOT_READING) << "or the record is blamed for the second's end, too";
  EXPECT_EQ(ring.consumer(), ring.producer() / 2) << "a third reader does not read the first record again";
}

TEST_F(PacketSourceTest, AReadingPositionOutsideOfWhatWaitsIsNotBelieved) {
  ring.Commit(c.Record(kRecordSegment, kRecordIngress, 0, 1), "a");
  for (const uint64_t wrong : {ring.producer() + 8, uint64_t{3}, uint64_t{1} << 60}) {
    ring.page().reading_position = wrong;
    PacketSource next(ring.memory(), counters);
    EXPECT_EQ(next.backlog(), ring.producer());
  }
}

TEST_F(PacketSourceTest, KernelCountersAreSummedOverCpus) {
  ring.counter(0, kRingFullRecords) = 2;
  ring.counter(1, kRingFullRecords) = 40;
  EXPECT_EQ(KernelCounter(ring.memory(), kRingFullRecords), 42u);
  EXPECT_EQ(InfoOf(kRingFullRecords).label, "reason=\"ring_full\"");
}

}  // namespace
}  // namespace podtap
