// SPDX-License-Identifier: Apache-2.0
// How connections end, and what comes after their end.
#include "tests/unit/stream/stream_fixture.h"

namespace podtap {
namespace {

using StreamEnd = StreamTest;

TEST_F(StreamEnd, HalfCloseLeavesTheOtherDirectionOpen) {
  Story s;
  s.Open().Ingress("GET").IngressFin().Egress("2").Egress("00");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin end\nout \"200\"\n");
  s.EgressFin();
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin end\nout \"200\"\nout end\nclosed finished\n");
}

TEST_F(StreamEnd, AFinWaitsForEverythingBeforeIt) {
  Story s;
  s.Open().Ingress("AA").LostIngress("BB").Ingress("CC").IngressFin();
  Tell(s);
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Count("in end"), 0U);
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"AA\"\nin gap lost 2\nin \"CC\"\nin end\n");
}

TEST_F(StreamEnd, AFinThatCarriesTheLastBytesEndsWhenTheyAreAccepted) {
  Story s;
  s.Open().Ingress("GET");
  s.items().back().fields.fin = true;
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\n");
  s.Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin end\nout \"200\"\n");
}

TEST_F(StreamEnd, ASourceMayCountTheFinAsOneMore) {
  Story s;
  s.Open().Ingress("GET").IngressFin().Egress("200");
  s.items().back().fields.received = 4;
  s.EgressFin();
  s.items().back().fields.received = 4;
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin end\nout \"200\"\nout end\nclosed finished\n");
}

TEST_F(StreamEnd, AFinOutsideTheStreamDoesNotEndIt) {
  Story s;
  s.Open().Ingress("AA");
  for (const int64_t offset : {5, 3, -1}) {
    s.Refused(Direction::kIngress, offset, "");
    s.items().back().fields.fin = true;
  }
  s.Ingress("BBBBBBBB").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Text(Direction::kIngress), "AABBBBBBBB");
  EXPECT_EQ(seen.Count("in end"), 0U);
  EXPECT_GE(seen.Count("conflict in"), 2U);
  s.Close();
  Tell(s);
  EXPECT_EQ(seen.Count("in end"), 1U);
  EXPECT_EQ(seen.Count("closed finished"), 1U);
}

TEST_F(StreamEnd, AForgedFinBeyondTheTrueOneDoesNotHideIt) {
  Story s;
  s.Open().Ingress("AA").Refused(Direction::kIngress, 100, "");
  s.items().back().fields.fin = true;
  s.IngressFin().News();
  Tell(s);
  EXPECT_EQ(seen.Count("in end"), 1U);
}

TEST_F(StreamEnd, BytesAfterTheEndAreNotPartOfTheStream) {
  Story s;
  s.Open().Ingress("GET").IngressFin().News().Refused(Direction::kIngress, 0, "more").Egress("200");
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin end\nconflict in\nout \"200\"\n");
}

TEST_F(StreamEnd, TheSocketsCloseEndsAConnectionAtTheSecondBatch) {
  Story s;
  s.Open().Ingress("GET").Egress("200").SocketCloses();
  Tell(s);
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Count("closed finished"), 0U);
  assembler->EndOfBatch();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\nclosed finished\n");
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(StreamEnd, RecordsThatStandAfterTheCloseInTheRingStillCount) {
  Story s;
  s.Open().Ingress("GET").Egress("200").SocketCloses();
  std::swap(s.items()[2], s.items()[3]);
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\nclosed finished\n");
}

TEST_F(StreamEnd, TheCloseTellsWhatWasAccepted) {
  Story s;
  s.Open().Ingress("GET /a").Ingress(" HTTP").SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a HTTP\"\nclosed finished\n");
  EXPECT_EQ(counters.Get(Counter::kTcpConflicts), 0U);
}

TEST_F(StreamEnd, TheCloseTellsWhatWasLost) {
  Story s;
  s.Open().Ingress("GET").LostIngress("12345").Egress("200").LostEgress("1234567").Acknowledged().SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nin gap lost 5\nout \"200\"\nout gap lost 7\nclosed finished\n");
}

TEST_F(StreamEnd, EgressBehindAHoleComesOutAtTheClose) {
  // Sent, never acknowledged: the peer was gone. We still saw what our side said.
  Story s;
  s.Open().Ingress("GET").Egress("200").LostEgress("12345").Egress("tail").SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Text(Direction::kEgress), "200?????tail");
}

TEST_F(StreamEnd, ACloseWithoutPositionsReleasesWhatIsInOrder) {
  Story s;
  s.Open().Ingress("GET /a").Refused(Direction::kIngress, 10, "beyond a hole").SocketCloses();
  s.items().back().fields.received.reset();
  s.items().back().fields.acknowledged.reset();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nclosed finished\n");
}

TEST_F(StreamEnd, AResetEndsBothDirections) {
  Story s;
  s.Open().Ingress("GET /a").Egress("200 and a lo").IngressReset();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nout \"200 and a lo\"\nclosed reset\n");
}

TEST_F(StreamEnd, OurOwnResetIsAlwaysBelieved) {
  Story s;
  s.Open().Ingress("GET /a").EgressReset().SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nclosed reset\n");
}

TEST_F(StreamEnd, AResetInsideTheWindowButNotAtItsEdgeIsRefused) {
  // RFC 5961: the kernel answers it with a challenge ACK and goes on.
  Story s;
  s.Open().Ingress("GET /a").IngressReset(10).Egress("200").Ingress("GET /b").Egress("200 b");
  Tell(s);
  for (int i = 0; i < 4; ++i) assembler->EndOfBatch();
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /aGET /b");
  EXPECT_EQ(seen.Count("closed reset"), 0U);
  EXPECT_EQ(seen.Count("conflict in"), 1U);
}

TEST_F(StreamEnd, AResetThatTheSocketsCloseConfirmsWasOne) {
  // The bytes before it were still in the socket's backlog when the reset came by.
  Story s;
  s.Open().Ingress("GET /a").IngressReset().SocketCloses();
  s.items()[2].fields.received = 0;
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /a\"\nclosed reset\n");
}

TEST_F(StreamEnd, NothingOpensAFinishedConnectionAgain) {
  Story s;
  s.Open().Ingress("GET").Egress("200").Close();
  s.Refused(Direction::kEgress, 0, "");  // the FIN sent again
  s.items().back().fields.fin = true;
  s.Refused(Direction::kIngress, -3, "GET").Refused(Direction::kEgress, -3, "200").IngressReset();
  s.Open().SocketCloses();
  Tell(s);
  TwoBatches();
  EXPECT_EQ(seen.Count("opened"), 1U);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET\"\nout \"200\"\nin end\nout end\nclosed finished\n");
  EXPECT_EQ(assembler->connection_count(), 0U);
}

TEST_F(StreamEnd, AfterARefusedResetTheConnectionIsFoundAgain) {
  Story s;
  s.Open().Ingress("GET").Egress("200").IngressReset();
  Tell(s);
  TwoBatches();
  ASSERT_EQ(seen.Count("closed reset"), 1U);
  s.Refused(Direction::kIngress, -3, "GET");
  Tell(s);
  EXPECT_EQ(seen.Count("opened"), 1U);
  s.Egress("the socket still sends");
  Tell(s);
  EXPECT_EQ(seen.Count("opened late"), 1U) << "what went before is no loss";
  TwoBatches();
  EXPECT_EQ(counters.Get(Counter::kGapsLost), 0U);
}

TEST_F(StreamEnd, AfterAResetAndTheSocketsCloseNothingIsFound) {
  Story s;
  s.Open().Ingress("GET").Egress("200").IngressReset();
  Tell(s);
  TwoBatches();
  s.SocketCloses().Egress("not possible");
  Tell(s);
  EXPECT_EQ(seen.Count("opened"), 1U);
}

TEST_F(StreamEnd, TheMemoryOfClosedConnectionsIsBoundedAndKeepsTheLastOnes) {
  for (uint64_t cookie = 1; cookie <= 20000; ++cookie) {
    Story s(StoryConnection(cookie));
    s.Ingress("GET").Egress("200").Close();
    Tell(s);
  }
  EXPECT_EQ(seen.Count("opened"), 20000U);
  for (uint64_t cookie = 19800; cookie <= 20000; ++cookie) {
    Story s(StoryConnection(cookie));
    s.IngressFin();
    Tell(s);
  }
  EXPECT_EQ(seen.Count("opened"), 20000U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(StreamEnd, AtShutdownEveryConnectionClosesInTheOrderOfItsOpening) {
  Story a(StoryConnection(5));
  Story b(StoryConnection(3));
  Story c(StoryConnection(9));
  a.Ingress("GET /a");
  b.Ingress("GET /b").LostEgress("xxxx").Egress("tail");
  c.Ingress("GET /c").Refused(Direction::kIngress, 7, "never in order");
  Tell(a);
  Tell(b);
  Tell(c);
  assembler->CloseAll(CloseReason::kShutdown, Timestamp{5'000'000'000});
  std::vector<uint64_t> closed;
  for (const StreamEvent& event : seen.events()) {
    if (std::holds_alternative<Closed>(event.what)) closed.push_back(event.connection.value);
  }
  EXPECT_EQ(closed, (std::vector<uint64_t>{5, 3, 9}));
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /bGET /cGET /a");
  EXPECT_EQ(seen.Text(Direction::kEgress), "????tail");
  EXPECT_EQ(seen.Count("closed shutdown"), 3U);
  EXPECT_EQ(assembler->connection_count(), 0U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(StreamEnd, AQuietConnectionsRequestIsTakenForAcceptedAfterAWhile) {
  Story s;
  s.Open().Ingress("GET /slow");
  Tell(s);
  assembler->Tick(Timestamp{s.now().ns + 1'000'000'000});
  EXPECT_EQ(seen.Text(Direction::kIngress), "");
  assembler->Tick(Timestamp{s.now().ns + 3'000'000'000});
  EXPECT_EQ(seen.Text(Direction::kIngress), "GET /slow");
  s.Egress("200").Close();
  Tell(s);
  EXPECT_EQ(seen.Log(), "opened\nin \"GET /slow\"\nout \"200\"\nin end\nout end\nclosed finished\n");
}

TEST_F(StreamEnd, AQuietConnectionKeepsWaitingAtAHole) {
  Story s;
  s.Open().Refused(Direction::kIngress, 4, "behind a hole");
  Tell(s);
  assembler->Tick(Timestamp{s.now().ns + 100'000'000'000});
  EXPECT_EQ(seen.Log(), "opened\n");
}

TEST_F(StreamEnd, SilenceForAnHourMeansThatTheCloseWasMissed) {
  Story old(StoryConnection(1));
  old.Ingress("GET").Egress("200");
  Tell(old);
  Story young(StoryConnection(2));
  young.Later(1'800'000'000'000).Ingress("GET").Egress("200");
  Tell(young);
  assembler->Tick(Timestamp{old.now().ns + 3'600'000'000'001});
  EXPECT_EQ(assembler->connection_count(), 1U);
  EXPECT_EQ(seen.Count("closed forgotten"), 1U);
  EXPECT_EQ(counters.Get(Counter::kConnectionsForgotten), 1U);
  EXPECT_EQ(seen.events().back().connection.value, 1U);
}

}  // namespace
}  // namespace podtap
