// SPDX-License-Identifier: Apache-2.0
// Two versions of one range, and segments that the kernel does not accept. Ingress only carries the accepted version.
#include "tests/unit/stream/stream_fixture.h"

namespace podtap {
namespace {

using StreamConflict = StreamTest;

TEST_F(StreamConflict, ACopyWithTheSameBytesIsADuplicate) {
  Story s;
  s.Open().Ingress("GET /a").Refused(Direction::kIngress, -6, "GET /a").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nout \"200\"\n");
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
  EXPECT_EQ(counters.Get(Counter::kSegmentsDuplicate), 1U);
}

TEST_F(StreamConflict, OfTwoVersionsTheAcceptedOneStays) {
  // The kernel has accepted the first when the second comes: `received` says so.
  Story s;
  s.Open().Ingress("GET /a").Refused(Direction::kIngress, -6, "GET /X").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nconflict in\nout \"200\"\n");
}

TEST_F(StreamConflict, AVersionRefusedInOrderGivesWayToTheNext) {
  // A bad checksum: the packet program sees it, the kernel drops it, the peer sends something else in its place.
  Story s;
  s.Open().Refused(Direction::kIngress, 0, "GET /forged HTTP/1.1").Ingress("GET /a").Ingress(" HTTP/1.1").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /a HTTP/1.1");
  EXPECT_GE(counters.Get(Counter::kTcpConflicts), 1U);
}

TEST_F(StreamConflict, AVersionRefusedInOrderGivesWayToSegmentsOutOfOrderToo) {
  Story s;
  s.Open().Refused(Direction::kIngress, 0, "forged forged").Refused(Direction::kIngress, 4, "/a HTTP").Ingress("GET ");
  Tell(s);
  s.Refused(Direction::kIngress, 0, "");
  s.items().back().fields.received = 11;
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /a HTTP");
  EXPECT_EQ(seen.Count("conflict in"), 2U);
}

TEST_F(StreamConflict, OutOfOrderTheFirstVersionStaysUnlessTheSecondStartsEarlier) {
  // As Linux' own out-of-order queue decides.
  Story s;
  s.Open().Refused(Direction::kIngress, 4, "bbbb").Refused(Direction::kIngress, 6, "XXXX");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
  s.Refused(Direction::kIngress, 2, "YYYY");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 2U);
  s.Ingress("aa");
  Tell(s);
  s.Refused(Direction::kIngress, 0, "");
  s.items().back().fields.received = 10;
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "aaYYYYbbXX");
}

TEST_F(StreamConflict, OutOfOrderTheLongerOfTwoThatStartTogetherStays) {
  Story s;
  s.Open()
      .Refused(Direction::kIngress, 2, "bb")
      .Refused(Direction::kIngress, 2, "CCCC")
      .Refused(Direction::kIngress, 2, "dd");
  s.Ingress("aa");
  Tell(s);
  s.Refused(Direction::kIngress, 0, "");
  s.items().back().fields.received = 6;
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "aaCCCC");
  EXPECT_EQ(seen.Count("conflict in"), 2U);
}

TEST_F(StreamConflict, InOrderReplacesWhatWasHeldOutOfOrder) {
  Story s;
  s.Open().Refused(Direction::kIngress, 3, "forged").Ingress("GET / HTTP").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET / HTTP");
  EXPECT_EQ(seen.Count("conflict in"), 1U);
}

TEST_F(StreamConflict, ALaterCopyIsComparedWithWhatWentOutInThisTurn) {
  Story s;
  s.Open().Ingress("GET /a\r\n").Ingress("Host: x\r\n").Ingress("Cookie: y\r\n");
  s.Refused(Direction::kIngress, -28, "GET /");
  Tell(s);
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
  s.Refused(Direction::kIngress, -20, "HOST:").Ingress("\r\n").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /a\r\nHost: x\r\nCookie: y\r\n\r\n");
}

TEST_F(StreamConflict, ACopyThatOverlapsOldAndNewBytesIsCutAndCompared) {
  Story s;
  s.Open().Ingress("AAAA").News();
  s.Refused(Direction::kIngress, -2, "AxBB").News();
  s.items()[3].fields.received = 6;
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "AAAABB");
  EXPECT_EQ(seen.Count("conflict in"), 1U);
}

TEST_F(StreamConflict, WhatIsRememberedOfATurnIsBounded) {
  Story s;
  s.Open();
  for (int i = 0; i < 64; ++i) s.Ingress(std::string(8000, 'a'));
  s.News();
  Tell(s);
  EXPECT_LT(budget.used(), 100000U);
  s.Refused(Direction::kIngress, -4000, "b");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
  s.Egress("200");
  Tell(s);
  EXPECT_LT(budget.used(), 2000U);
}

TEST_F(StreamConflict, ASegmentBeyondEveryWindowIsRefused) {
  Story s;
  const size_t before = budget.used();
  s.Open().Ingress("GET ").Refused(Direction::kIngress, 1 << 30, "forged").Ingress("/a").Egress("200").Close();
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /a");
  EXPECT_EQ(seen.Count("conflict in"), 1U);
  EXPECT_EQ(seen.Count("closed finished"), 1U);
  EXPECT_EQ(counters.Get(Counter::kGapsLost), 0U);
  EXPECT_EQ(budget.used(), before);
}

TEST_F(StreamConflict, ASegmentThatIsFarAheadButWithinALargeWindowIsNoConflict) {
  const std::string bulk(6 << 20, 'x');
  Story s;
  s.Open().Ingress("GET ").Refused(Direction::kIngress, 6 << 20, "tail").Ingress(bulk, 60000);
  s.LostIngress("tail").Ingress("next").Egress("200").Close();  // the kernel had kept the tail all the time
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Count("conflict in"), 0U);
  EXPECT_EQ(seen.Count("in gap lost 4"), 1U);
}

TEST_F(StreamConflict, ASegmentFarAheadThatTheKernelNeverTakesIsAConflictAtTheClose) {
  Story s;
  s.Open().Ingress("GET ").Refused(Direction::kIngress, 5 << 20, "forged").Ingress("/a").Egress("200").SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nout \"200\"\nconflict in\nclosed finished\n");
}

TEST_F(StreamConflict, AnotherVersionOfWhatWasDeliveredLongBeforeTheResponseIsTold) {
  const std::string upload(60000, 'a');
  Story s;
  s.Open().Ingress(upload, 1400).News();
  Tell(s);
  s.Refused(Direction::kIngress, -60000, "bbbb");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
  s.Refused(Direction::kIngress, -60000, "aaaa");
  Tell(s);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
}

TEST_F(StreamConflict, ARangeThatTheKernelNeverReachedIsAConflictAtTheClose) {
  Story s;
  s.Open().Ingress("GET ").Refused(Direction::kIngress, 1000, "outside").Ingress("/a").Egress("200").SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nout \"200\"\nconflict in\nclosed finished\n");
}

TEST_F(StreamConflict, ASegmentRefusedInOrderAtTheEndIsNeverEmitted) {
  Story s;
  s.Open().Ingress("GET /a").Egress("200").Refused(Direction::kIngress, 0, "too late").SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nout \"200\"\nconflict in\nclosed finished\n");
}

TEST_F(StreamConflict, EgressKeepsTheFirstVersionAndSaysSo) {
  Story s;
  s.Open().Refused(Direction::kEgress, 4, "body").Refused(Direction::kEgress, 4, "BODY").Egress("head");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kEgress), "headbody");
  EXPECT_EQ(seen.Count("conflict out"), 1U);
}

TEST_F(StreamConflict, ALateCopyOfConfirmedBytesCannotReplaceThem) {
  // The first version is held (its hole is not filled yet) although the kernel has accepted it.
  Story s;
  s.Open().LostIngress("AA").Ingress("bbbb").News().Refused(Direction::kIngress, -4, "XXXX");
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Text(Direction::kIngress), "??bbbb");
  EXPECT_EQ(seen.Count("conflict in"), 1U);
}

}  // namespace
}  // namespace podtap
