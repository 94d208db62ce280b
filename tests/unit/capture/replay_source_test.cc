// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/replay_source.h"

#include <gtest/gtest.h>

#include "tests/support/stream_story.h"

namespace podtap {
namespace {

// Hands what the source says to an assembler, as the pipeline does.
class Feed : public SegmentHandler {
 public:
  void OnOpen(const Connection& connection, bool from_first_byte, Timestamp at) override {
    assembler.Open(connection, from_first_byte, at);
  }
  void OnSegment(const Segment& segment) override { assembler.Add(segment); }
  void OnClose(const SocketClosed& close) override { assembler.Close(close); }

  StreamRecorder seen;
  MemoryBudget budget{1 << 20};
  Counters counters;
  StreamAssembler assembler{{}, budget, counters, seen};
};

TEST(ReplaySource, PlaysWhatATextSays) {
  const auto recording = ParseRecording(R"(
# one exchange
open    7 accepted 10.0.0.1:80 [2001:db8::7]:40000 at=1000 pid=42 comm=nginx cgroup=9
segment 7 in  at=2000 pos=0 received=0 ack=0 "GET / HTTP/1.1\r\n\r\n"
segment 7 out at=3000 pos=0 received=18 ack=0 skipped=10 "\x48TTP \"1\"\t\\\0"   # a comment
batch
segment 7 in  at=4000 pos=18 received=18 ack=19 fin
segment 7 out at=5000 pos=20 received=18 ack=20 fin
close   7 at=6000 received=18 ack=20
)");
  ASSERT_TRUE(recording) << recording.error().message;
  ReplaySource source(*recording);
  Feed feed;
  EXPECT_EQ(source.Poll(feed, 100), 3U);  // up to the end of the batch
  EXPECT_FALSE(source.at_end());
  EXPECT_EQ(feed.seen.Text(Direction::kIngress), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(feed.seen.Text(Direction::kEgress), std::string("HTTP \"1\"\t\\\0----------", 21));
  const auto& opened = std::get<Opened>(feed.seen.events().front().what);
  EXPECT_EQ(opened.connection.local.Text(), "10.0.0.1:80");
  EXPECT_EQ(opened.connection.remote.Text(), "[2001:db8::7]:40000");
  EXPECT_EQ(opened.connection.process.pid, 42U);
  EXPECT_EQ(opened.connection.process.CommText(), "nginx");
  EXPECT_EQ(opened.connection.cgroup_id, 9U);
  EXPECT_EQ(source.Poll(feed, 2), 2U);
  EXPECT_EQ(source.Poll(feed, 2), 1U);
  EXPECT_TRUE(source.at_end());
  EXPECT_EQ(source.Poll(feed, 2), 0U);
  EXPECT_EQ(source.wakeup_fd(), -1);
}

TEST(ReplaySource, IdentityMayBecomeKnownLater) {
  const auto recording = ParseRecording(
      "open 7 unknown 10.0.0.1:80 10.0.0.7:4 late\n"
      "segment 7 out pos=100 \"200\"\n"
      "identify 7 accepted 10.0.0.1:80 10.0.0.7:4 late loopback\n"
      "segment 7 out pos=103 reset");
  ASSERT_TRUE(recording) << recording.error().message;
  ReplaySource source(*recording);
  Feed feed;
  source.Poll(feed, 100);
  feed.assembler.EndOfBatch();
  feed.assembler.EndOfBatch();
  EXPECT_EQ(feed.seen.Log(), "opened late\nout gap joined_late\nout \"200\"\nidentified\nclosed reset\n");
}

TEST(ReplaySource, AStoryCanBeReplayed) {
  Story story;
  story.Open().Ingress("GET /").Egress("200").Close();
  ReplaySource source(story.items());
  Feed feed;
  EXPECT_EQ(source.Poll(feed, 1000), 6U);
  EXPECT_EQ(feed.seen.Log(), "opened\nin \"GET /\"\nout \"200\"\nin end\nout end\nclosed finished\n");
}

TEST(ReplaySource, KeepsTheInterestsItWasTold) {
  ReplaySource source({});
  source.Apply(Interest{.connection = {7}, .direction = Direction::kEgress, .want = Interest::Want::kNothing});
  ASSERT_EQ(source.interests().size(), 1U);
  EXPECT_EQ(source.interests()[0].want, Interest::Want::kNothing);
}

TEST(ReplaySource, ALineThatIsNotUnderstoodIsNamed) {
  const char* const bad[] = {
      "nonsense",
      "open",
      "open x accepted 10.0.0.1:80 10.0.0.2:81",
      "open 1 server 10.0.0.1:80 10.0.0.2:81",
      "open 1 accepted 10.0.0.1 10.0.0.2:81",
      "open 1 accepted 10.0.0.1:99999 10.0.0.2:81",
      "open 1 accepted [::g]:1 10.0.0.2:81",
      "open 1 accepted 10.0.0.1:80 10.0.0.2:81 comm=averyveryverylongname",
      "open 1 accepted 10.0.0.1:80 10.0.0.2:81 pid=-1",
      "segment 2 in",  // never opened
      "batch now",
  };
  for (const char* line : bad) {
    const auto recording = ParseRecording(std::string("# first\n") + line + "\n");
    ASSERT_FALSE(recording) << line;
    EXPECT_NE(recording.error().message.find("line 2"), std::string::npos);
  }
  const char* const bad_segments[] = {
      "segment 1 up",        "segment 1 in pos=x",   "segment 1 in \"\\q\"", "segment 1 in \"\\x4\"",
      "segment 1 in what",   "segment 1 in color=1", "close 1 pos",          "segment 1",
      "segment 1 in \"\\x4", "segment 1 in \"\\",    "segment 1 in \"no end"};
  for (const char* line : bad_segments) {
    EXPECT_FALSE(ParseRecording(std::string("identify 1 accepted 10.0.0.1:80 10.0.0.2:81\n") + line)) << line;
  }
}

}  // namespace
}  // namespace podtap
