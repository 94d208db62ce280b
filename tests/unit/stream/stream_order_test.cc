// SPDX-License-Identifier: Apache-2.0
// Order: within a direction, between the directions, and what happens at holes.
#include <algorithm>
#include <numeric>

#include "tests/unit/stream/stream_fixture.h"

namespace podtap {
namespace {

using StreamOrder = StreamTest;

TEST_F(StreamOrder, ASmallExchangeComesOutAsItHappened) {
  Story s;
  s.Open().Ingress("GET /a").Egress("200 a").Ingress("GET /b").Egress("200 b").Close();
  Tell(s);
  EXPECT_EQ(seen.Log(),
            "opened\n"
            "in \"GET /a\"\n"
            "out \"200 a\"\n"
            "in \"GET /b\"\n"
            "out \"200 b\"\n"
            "in end\n"
            "out end\n"
            "closed finished\n");
  EXPECT_EQ(assembler->connection_count(), 0U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(StreamOrder, NothingDependsOnTheOpenHint) {
  Story s;
  s.Ingress("GET").Egress("200").Close();
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\nin end\nout end\nclosed finished\n");
}

TEST_F(StreamOrder, AnOpenHintThatComesAfterTheFirstSegmentSaysNothingNew) {
  Story s;
  s.Open().Ingress("GET").Egress("200");
  std::swap(s.items()[0], s.items()[1]);
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\n");
}

TEST_F(StreamOrder, IngressIsHeldUntilTheKernelHasAcceptedIt) {
  Story s;
  s.Open().Ingress("GET ");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "");
  s.Ingress("/");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET ");
  s.News();
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /");
}

TEST_F(StreamOrder, BytesCarryTheTimeAndPositionOfTheirOwnSegment) {
  Story s;
  s.Open().Ingress("GET");
  const Timestamp arrived = s.now();
  s.Later(1'000'000'000).Egress("200");
  Tell(s);
  const StreamEvent& request = seen.events().at(1);
  EXPECT_EQ(request.at, arrived);
  EXPECT_EQ(std::get<Bytes>(request.what).position, 0U);
  EXPECT_EQ(seen.events().at(2).at, s.now());
}

TEST_F(StreamOrder, WithoutTheKernelsWordBytesGoOutAtOnce) {
  Story s;
  s.WithoutKernelWord().Ingress("GET");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\n");
  s.Egress("200").IngressFin().EgressFin();
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\nin end\nout end\nclosed finished\n");
}

TEST_F(StreamOrder, EgressGoesOutAtOnce) {
  Story s;
  s.Open().Egress("220 ready");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nout \"220 ready\"\n");
}

TEST_F(StreamOrder, EveryPermutationOfIngressSegmentsGivesTheSameBytes) {
  // Six packets in any order; the kernel's rcv_nxt moves as its own reassembly would move it.
  const std::string text = "GET /index.html HTTP/1.1\r\n\r\n";
  std::vector<size_t> order(6);
  std::iota(order.begin(), order.end(), 0);
  do {
    StreamRecorder permuted;
    MemoryBudget memory(1 << 20);
    StreamAssembler streams({}, memory, counters, permuted);
    std::vector<bool> arrived(6);
    size_t accepted = 0;
    const auto connection = StoryConnection();
    for (const size_t i : order) {
      Segment segment{
          .connection = &connection, .position = i * 5, .received = std::min<size_t>(accepted * 5, text.size())};
      const auto data = BytesOf(std::string_view(text).substr(i * 5, 5));
      segment.data = data;
      streams.Add(segment);
      arrived[i] = true;
      while (accepted < 6 && arrived[accepted]) ++accepted;
    }
    Segment news{.connection = &connection, .direction = Direction::kEgress, .received = text.size()};
    streams.Add(news);
    ASSERT_EQ(permuted.Text(Direction::kIngress), text);
    ASSERT_EQ(permuted.Count("conflict in"), 0U);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(StreamOrder, EveryPermutationOfASmallExchangesRecordsGivesTheSameBytes) {
  // The records of one exchange stand in the ring in any order, all within one batch.
  Story s;
  s.Ingress("GET ").Ingress("/ HT").Ingress("TP").Egress("HTTP/1").Egress(".1 200").Acknowledged().Close();
  std::vector<size_t> order(s.items().size());
  std::iota(order.begin(), order.end(), 0);
  size_t told = 0;
  do {
    StreamRecorder permuted;
    Recording shuffled;
    for (const size_t i : order) shuffled.push_back(s.items()[i]);
    podtap::Tell(shuffled, permuted);
    ASSERT_EQ(permuted.Text(Direction::kIngress), "GET / HTTP");
    ASSERT_EQ(permuted.Text(Direction::kEgress), "HTTP/1.1 200");
    ASSERT_EQ(permuted.Count("closed finished"), 1U);
    ASSERT_EQ(permuted.Count("opened"), 1U);
    ASSERT_EQ(permuted.Count("in end"), 1U);
    ASSERT_EQ(permuted.Count("out end"), 1U);
    // The request comes before the response whatever the ring said.
    const std::string log = permuted.Log();
    ASSERT_LT(log.find("in \"GET / HTTP\""), log.find("out \"HTTP/1")) << log;
    ++told;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(told, 40320U);
}

TEST_F(StreamOrder, OneBytePerSegment) {
  Story s;
  const std::string request = "POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
  const std::string response = Ok(std::string(1000, 'z'));
  s.Open().Ingress(request, 1).Egress(response, 1).Close();
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), request);
  EXPECT_EQ(seen.Text(Direction::kEgress), response);
  EXPECT_EQ(counters.Get(Counter::kSegmentsOutOfOrder), 0U);
}

TEST_F(StreamOrder, EgressRetransmissionsAreSeenOnce) {
  Story s;
  s.Open().Egress("0123456789");
  s.Refused(Direction::kEgress, -10, "01234567").Refused(Direction::kEgress, -4, "6789AB");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kEgress), "0123456789AB");
  EXPECT_EQ(counters.Get(Counter::kSegmentsDuplicate), 1U);
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
}

TEST_F(StreamOrder, EgressOutOfOrderWaitsAndOverlapsAreCut) {
  Story s;
  s.Open();
  s.Refused(Direction::kEgress, 4, "4567")
      .Refused(Direction::kEgress, 10, "ab")
      .Refused(Direction::kEgress, 2, "23456789ab");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kEgress), "");
  s.Refused(Direction::kEgress, 0, "012");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kEgress), "0123456789ab");
  EXPECT_EQ(counters.Get(Counter::kSegmentsOutOfOrder), 3U);
}

TEST_F(StreamOrder, PositionsBeyond32BitsAreOrdinary) {
  Story s;
  const uint64_t wrap = uint64_t{1} << 32;
  s.OpenedBefore(wrap - 6, 3 * wrap - 3);
  s.Ingress("before", 2).Ingress(" after", 1).Egress("response over the wrap", 4).Close();
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "before after");
  EXPECT_EQ(seen.Text(Direction::kEgress), "response over the wrap");
}

TEST_F(StreamOrder, AHoleThatTheKernelWillNotFillBecomesAGapAtTheSecondBatch) {
  Story s;
  s.Open().Ingress("AAA").LostIngress("lost!").Ingress("BBB").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"AAA\"\n");  // the response waits for the hole before it
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"AAA\"\n");
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"AAA\"\nin gap lost 5\nin \"BBB\"\nout \"200\"\n");
  EXPECT_EQ(counters.Get(Counter::kGapsLost), 1U);
  EXPECT_EQ(counters.Get(Counter::kGapBytes), 5U);
}

TEST_F(StreamOrder, ARecordThatAnotherCpuWroteALittleLaterIsNotLost) {
  Story s;
  s.Open().Ingress("AAA").Ingress("late").Egress("200");
  std::swap(s.items()[2], s.items()[3]);  // the response's record covers bytes whose record comes after it
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"AAAlate\"\nout \"200\"\n");
  TwoBatches();
  EXPECT_EQ(counters.Get(Counter::kGapsLost), 0U);
}

TEST_F(StreamOrder, ARecordThatIsLateByOneBatchIsNotLost) {
  Story s;
  s.Open().Ingress("AAA").Ingress("late").EndOfBatch().Egress("200");
  std::swap(s.items()[2], s.items()[4]);
  Tell(s);
  assembler->EndOfBatch();
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"AAAlate\"\nout \"200\"\n");
}

TEST_F(StreamOrder, AHoleAboveWhatTheKernelAcceptedWaitsForEver) {
  Story s;
  s.Open().Ingress("AAA").Refused(Direction::kIngress, 3, "DDD").News();
  Tell(s);
  for (int i = 0; i < 100; ++i) assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"AAA\"\n");
  s.Ingress("CCC");
  Tell(s);
  s.Refused(Direction::kIngress, 3, "");
  s.items().back().fields.received = 9;  // the kernel had the rest in its own queue
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "AAACCCDDD");
  EXPECT_EQ(counters.Get(Counter::kGapsLost), 0U);
}

TEST_F(StreamOrder, AnEgressHoleWaitsUntilItIsAcknowledged) {
  Story s;
  s.Open().Egress("AAA").LostEgress("12345").Egress("BBB");
  Tell(s);
  for (int i = 0; i < 100; ++i) assembler->EndOfBatch();
  EXPECT_EQ(seen.Text(Direction::kEgress), "AAA");  // it may be sent again
  s.Acknowledged().Ingress("GET");
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Text(Direction::kEgress), "AAA?????BBB");
}

TEST_F(StreamOrder, ALostRecordAtTheEndOfATurnIsAGapToo) {
  Story s;
  s.Open().Ingress("GET").LostIngress("/").Egress("200").LostEgress("body").Acknowledged().News();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin gap lost 1\nout \"200\"\nout gap lost 4\n");
}

TEST_F(StreamOrder, DataThatComesLateForAGapIsADuplicate) {
  Story s;
  s.Open().Ingress("AAA").LostIngress("lost").Ingress("BBB").News();
  Tell(s);
  TwoBatches();
  s.Refused(Direction::kIngress, -7, "lost");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "AAA????BBB");
  EXPECT_EQ(counters.Get(Counter::kSegmentsDuplicate), 1U);
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
}

TEST_F(StreamOrder, AResponseWhoseRequestIsCompleteDoesNotWaitForTheNextRequest) {
  // While the response waits for a hole, a further request arrives and is accepted: it still comes after the response.
  Story s;
  s.Open().Ingress("AA").LostIngress("BB").Egress("200 one").Ingress("CC").Egress("200 two");
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"AA\"\nin gap lost 2\nout \"200 one\"\nin \"CC\"\nout \"200 two\"\n");
}

TEST_F(StreamOrder, AResponseComesInTheMiddleOfASegmentThatWasAcceptedInTwoParts) {
  Story s;
  s.Open().Ingress("AA").LostIngress("BB").Refused(Direction::kIngress, 0, "CCDD").Egress("200");
  s.items().back().fields.received = 6;
  s.News();
  s.items().back().fields.received = 8;
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"AA\"\nin gap lost 2\nin \"CC\"\nout \"200\"\nin \"DD\"\n");
}

TEST_F(StreamOrder, ALostResponseBecomesAGapBeforeTheNextRequest) {
  Story s;
  s.Open().Ingress("GET /1").LostEgress("200 one").Acknowledged().News().Ingress("GET /2").Egress("200 two");
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /1\"\nout gap lost 7\nin \"GET /2\"\nout \"200 two\"\n");
}

TEST_F(StreamOrder, RecordsThatContradictEachOtherDoNotWaitForEver) {
  // Each says that the other came first.
  Story s;
  s.Open().Refused(Direction::kIngress, 0, "in").Refused(Direction::kEgress, 0, "out");
  s.items()[1].fields.acknowledged = 3;
  s.items()[2].fields.received = 2;
  Tell(s);
  for (int i = 0; i < 4; ++i) assembler->EndOfBatch();
  EXPECT_EQ(seen.Text(Direction::kIngress), "in");
  EXPECT_EQ(seen.Text(Direction::kEgress), "out");
}

TEST_F(StreamOrder, SkippedBytesAreAGapOfTheirOwn) {
  Story s;
  s.Open().Ingress("GET").EgressSkipped("200 head", 1000000).EgressSkipped("", 500).Egress("200 next");
  s.IngressSkipped("PUT", 70000).IngressSkipped("", 10000).Ingress("GET").News();
  Tell(s);
  EXPECT_EQ(seen.Log(),
            "opened\n"
            "in \"GET\"\n"
            "out \"200 head\"\n"
            "out gap skipped 1000000\n"
            "out gap skipped 500\n"
            "out \"200 next\"\n"
            "in \"PUT\"\n"
            "in gap skipped 70000\n"
            "in gap skipped 10000\n"
            "in \"GET\"\n");
  EXPECT_EQ(counters.Get(Counter::kGapsSkipped), 4U);
}

TEST_F(StreamOrder, SkippedRangesThatWaitTogetherBecomeOneGap) {
  Story s;
  s.Open().Egress("a").LostEgress("b").EgressSkipped("c", 10).EgressSkipped("", 20).EgressSkipped("", 30).Egress("d");
  Tell(s);
  s.Acknowledged().News();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nout \"a\"\nout gap lost 1\nout \"c\"\nout gap skipped 60\nout \"d\"\n");
}

TEST_F(StreamOrder, ACopyThatHasTheSkippedBytesReplacesAnAnnouncementThatStillWaits) {
  Story s;
  s.Open().Egress("a").LostEgress("b").EgressSkipped("", 6).Egress("z");
  s.Refused(Direction::kEgress, -5, "CD");  // of the six the second and third... sent again, copied this time
  s.Acknowledged().News();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Text(Direction::kEgress), "a?--CD--z");
}

TEST_F(StreamOrder, ACopyOfSkippedBytesThatComesTooLateIsADuplicate) {
  Story s;
  s.Open().EgressSkipped("ab", 4).Refused(Direction::kEgress, -4, "cdef");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nout \"ab\"\nout gap skipped 4\n");
  EXPECT_EQ(counters.Get(Counter::kSegmentsDuplicate), 1U);
}

TEST_F(StreamOrder, AConnectionJoinedLateSaysSoInEachDirection) {
  Story s;
  s.OpenedBefore().Open().Ingress("half a request\r\n").Egress("200").Close();
  Tell(s);
  EXPECT_EQ(seen.Log(),
            "opened late\n"
            "in gap joined_late\n"
            "in \"half a request\r\n\"\n"
            "out gap joined_late\n"
            "out \"200\"\n"
            "in end\n"
            "out end\n"
            "closed finished\n");
  EXPECT_EQ(counters.Get(Counter::kGapsJoinedLate), 2U);
}

TEST_F(StreamOrder, JoinedLateWithAResponseFirst) {
  Story s;
  s.OpenedBefore(5000, 9000).Egress("rest of a response").Ingress("GET /next").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(),
            "opened late\n"
            "out gap joined_late\n"
            "out \"rest of a response\"\n"
            "in gap joined_late\n"
            "in \"GET /next\"\n"
            "out \"200\"\n");
}

TEST_F(StreamOrder, JoinedLateOutOfOrderWaitsForWhatTheKernelStillExpects) {
  Story s;
  s.OpenedBefore(5000, 9000).Refused(Direction::kIngress, 4, "5678").Ingress("1234");
  Tell(s);
  s.Refused(Direction::kIngress, 0, "");
  s.items().back().fields.received = 5008;
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "12345678");
}

TEST_F(StreamOrder, AConnectionWhoseFirstRecordsWereLostHasAHoleAtItsStart) {
  Story s;
  s.Open()
      .Forget()
      .LostIngress("GET /lost HTTP/1.1")
      .LostEgress("200")
      .Acknowledged()
      .Ingress("GET /b")
      .Egress("200 b");
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin gap lost 18\nout gap lost 3\nin \"GET /b\"\nout \"200 b\"\n");
}

TEST_F(StreamOrder, WhatIsKnownBetterLaterIsSaidOnce) {
  Connection connection = StoryConnection();
  connection.role = Role::kUnknown;
  Story s(connection);
  s.Open().Ingress("GET");
  Tell(s);
  s.connection().role = Role::kAccepted;
  s.connection().process.pid = 4711;
  s.connection().process.comm = {'n', 'g', 'i', 'n', 'x'};
  s.connection().cgroup_id = 99;
  s.Egress("200").Egress("more");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nidentified\nin \"GET\"\nout \"200more\"\n");
  const auto& identified = std::get<Identified>(seen.events()[1].what);
  EXPECT_EQ(identified.connection.role, Role::kAccepted);
  EXPECT_EQ(identified.connection.process.CommText(), "nginx");
  EXPECT_EQ(identified.connection.cgroup_id, 99U);
  // Records that know less change nothing.
  s.connection() = connection;
  s.connection().loopback = true;
  s.Egress("x");
  Tell(s);
  EXPECT_EQ(seen.Count("identified"), 2U);
  const auto& again = std::get<Identified>(seen.events()[seen.events().size() - 2].what);
  EXPECT_TRUE(again.connection.loopback);
  EXPECT_EQ(again.connection.role, Role::kAccepted);
}

TEST_F(StreamOrder, ConnectionsDoNotMix) {
  Story a(StoryConnection(1));
  Story b(StoryConnection(2));
  a.Ingress("GET /a").Egress("a");
  b.Ingress("GET /b").Egress("b");
  Recording mixed;
  for (size_t i = 0; i < 2; ++i) mixed.push_back(a.items()[i]), mixed.push_back(b.items()[i]);
  Play(mixed, *assembler);
  EXPECT_EQ(seen.Log(), "opened\nopened\nin \"GET /a\"\nout \"a\"\nin \"GET /b\"\nout \"b\"\n");
  EXPECT_EQ(assembler->connection_count(), 2U);
}

TEST_F(StreamOrder, RecordsThatMakeNoSenseAreRefusedAndCounted) {
  const Connection connection = StoryConnection();
  assembler->Add(Segment{});
  assembler->Add(Segment{.connection = &connection, .position = UINT64_MAX});
  assembler->Add(Segment{.connection = &connection, .skipped = UINT64_MAX});
  assembler->Add(Segment{.connection = &connection, .received = UINT64_MAX});
  assembler->Close(SocketClosed{});
  EXPECT_EQ(seen.Log(), "");
  EXPECT_EQ(counters.Get(Counter::kRecordsInvalid), 5U);
}

}  // namespace
}  // namespace podtap
