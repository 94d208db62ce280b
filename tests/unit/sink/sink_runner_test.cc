// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/sink_runner.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>

#include "tests/unit/sink/sample_event.h"
#include "tests/unit/sink/sink_peers.h"

namespace podtap {
namespace {

using std::chrono::milliseconds;
using Kind = SinkAddress::Kind;

// Writes "<exchange> <body>\n", so that a test sees at once what arrived and whether it is whole.
class PlainEncoder : public Encoder {
 public:
  void Encode(const HttpEvent& event, bool without_bodies, std::string& out) const override {
    out += std::to_string(event.exchange) + ' ';
    out += event.request.headers.Get("padding");
    out += without_bodies ? "(bodies dropped)" : event.response.body;
    out += '\n';
  }
};

std::string Plain(uint64_t n, size_t body_bytes = 10) { return std::to_string(n) + ' ' + std::string(body_bytes, 'x'); }

std::vector<std::string> PlainLines(uint64_t first, uint64_t last, size_t body_bytes = 10) {
  std::vector<std::string> lines;
  for (uint64_t n = first; n <= last; ++n) lines.push_back(Plain(n, body_bytes));
  return lines;
}

class SinkRunnerTest : public testing::Test {
 protected:
  void Start(SinkRunner::Options options, Opener* opener = nullptr) {
    auto runner =
        SinkRunner::Start(options, std::make_unique<PlainEncoder>(), opener != nullptr ? *opener : *direct_, counters_);
    ASSERT_TRUE(runner) << runner.error().message;
    runner_ = *std::move(runner);
  }
  void Start(Kind kind, const std::string& path, Opener* opener = nullptr) {
    SinkRunner::Options options;
    options.address = {kind, path};
    Start(std::move(options), opener);
  }
  void Push(const std::vector<HttpEventPtr>& events) {
    runner_->Push(events);
    pushed_ += events.size();
  }
  uint64_t Get(Counter counter) const { return counters_.Get(counter); }
  bool EventuallyWritten(uint64_t n) {
    return Eventually([&] { return Get(Counter::kSinkEventsWritten) >= n; });
  }
  // Every event that was pushed has met exactly one end.
  void ExpectAllAccountedFor() const {
    EXPECT_EQ(pushed_, Get(Counter::kSinkEventsWritten) + Get(Counter::kSinkQueueFull) + Get(Counter::kSinkTooLarge) +
                           Get(Counter::kSinkWriteFailed) + Get(Counter::kSinkShutdown));
  }

  TemporaryFolder folder_;
  Counters counters_;
  std::unique_ptr<Opener> direct_ = MakeDirectOpener();
  std::unique_ptr<SinkRunner> runner_;
  uint64_t pushed_ = 0;
};

TEST_F(SinkRunnerTest, ExchangesArriveOnAStreamSocketInOrder) {
  UnixServer server(folder_ / "s", SOCK_STREAM);
  ASSERT_TRUE(server.ok());
  Start(Kind::kUnixStream, folder_ / "s");
  Reader collector = server.Accept();
  Push(Series(1, 3));
  Push(Series(4, 5000));
  EXPECT_EQ(collector.Lines(5000), PlainLines(1, 5000));
  runner_->Shutdown(milliseconds(5000));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 5000u);
  EXPECT_GE(Get(Counter::kSinkQueueMax), 3u);
  EXPECT_EQ(Get(Counter::kSinkReconnects), 0u);
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, ASocketThatIsNotThereYetIsWaitedFor) {
  Start(Kind::kUnixStream, folder_ / "late");
  Push(Series(1, 4));
  UnixServer server(folder_ / "late", SOCK_STREAM);
  Reader collector = server.Accept();
  EXPECT_EQ(collector.Lines(4), PlainLines(1, 4));
  runner_->Shutdown(milliseconds(5000));
  EXPECT_EQ(Get(Counter::kSinkReconnects), 1u);
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, AFullQueueDropsTheOldestAndCountsThem) {
  SinkRunner::Options options;
  options.address = {Kind::kUnixStream, folder_ / "late"};
  options.max_queue_events = 10;
  Start(options);
  Push(Series(1, 8));
  Push(Series(9, 25));
  EXPECT_EQ(Get(Counter::kSinkQueueFull), 15u);
  EXPECT_EQ(Get(Counter::kSinkQueueMax), 10u);
  UnixServer server(folder_ / "late", SOCK_STREAM);
  Reader collector = server.Accept();
  EXPECT_EQ(collector.Lines(10), PlainLines(16, 25));
  runner_->Shutdown(milliseconds(5000));
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, AQueueOfTooManyBytesLetsGoOfTheOldestBodiesButOfNoSmallOnes) {
  SinkRunner::Options options;
  options.address = {Kind::kUnixStream, folder_ / "late"};
  options.max_queue_bytes = 1 << 20;
  Start(options);
  Push(Series(1, 10, 100));
  Push(Series(11, 30, 300'000));  // three fit
  EXPECT_EQ(Get(Counter::kSinkQueueFull), 0u);
  EXPECT_EQ(Get(Counter::kSinkBodiesDropped), 17u);
  UnixServer server(folder_ / "late", SOCK_STREAM);
  Reader collector = server.Accept();
  std::vector<std::string> wanted = PlainLines(1, 10, 100);
  for (const std::string& line : PlainLines(11, 27, 0)) wanted.push_back(line);
  for (const std::string& line : PlainLines(28, 30, 300'000)) wanted.push_back(line);
  EXPECT_EQ(collector.Lines(30), wanted);
  runner_->Shutdown(milliseconds(5000));
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, HeadsAloneAreBoundedByBytesToo) {
  SinkRunner::Options options;
  options.address = {Kind::kUnixStream, folder_ / "late"};
  options.max_queue_bytes = 100'000;
  Start(options);
  Push(Series(1, 1000));
  const uint64_t dropped = Get(Counter::kSinkQueueFull);
  EXPECT_GT(dropped, 500u);
  EXPECT_LT(dropped, 990u);
  UnixServer server(folder_ / "late", SOCK_STREAM);
  Reader collector = server.Accept();
  EXPECT_EQ(collector.Lines(1000 - dropped), PlainLines(dropped + 1, 1000));
}

TEST_F(SinkRunnerTest, ARecordThatABrokenConnectionCutIsWrittenAgainFromItsStart) {
  UnixServer server(folder_ / "s", SOCK_STREAM);
  Start(Kind::kUnixStream, folder_ / "s");
  constexpr size_t kLarge = 3'000'000;  // more than the socket holds, so the writer stands inside the second record
  {
    Reader first = server.Accept();
    Push({NumberedEvent(1), NumberedEvent(2, kLarge), NumberedEvent(3)});
    EXPECT_TRUE(first.AtLeast(100'000).starts_with(Plain(1) + "\n2 xxx"));
    EXPECT_TRUE(EventuallyWritten(1));
  }
  Reader second = server.Accept();
  EXPECT_EQ(second.Line(), Plain(2, kLarge));
  EXPECT_EQ(second.Line(), Plain(3));
  runner_->Shutdown(milliseconds(5000));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 3u);
  EXPECT_EQ(Get(Counter::kSinkReconnects), 1u);
  EXPECT_GE(Get(Counter::kSinkWriteErrors), 1u);
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, ACollectorThatRestartsWhileNothingHappensIsFoundAgain) {
  auto server = std::make_unique<UnixServer>(folder_ / "s", SOCK_STREAM);
  Start(Kind::kUnixStream, folder_ / "s");
  {
    Reader first = server->Accept();
  }
  server.reset();
  server = std::make_unique<UnixServer>(folder_ / "s", SOCK_STREAM);
  Reader second = server->Accept();  // without any exchange
  Push(Series(1, 2));
  EXPECT_EQ(second.Lines(2), PlainLines(1, 2));
}

TEST_F(SinkRunnerTest, ACollectorThatNeverReadsHoldsUpNeitherPushNorShutdown) {
  UnixServer server(folder_ / "s", SOCK_STREAM);
  SinkRunner::Options options;
  options.address = {Kind::kUnixStream, folder_ / "s"};
  options.max_queue_bytes = 64 << 10;
  Start(options);
  Reader collector = server.Accept();
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) Push(Series(1, 20, 10'000));
  runner_->Shutdown(milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  // More than the queue and the socket hold: what did not fit was dropped while pushing, or is left at the end.
  EXPECT_GT(Get(Counter::kSinkQueueFull) + Get(Counter::kSinkShutdown), 0u);
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, ABlockingPipeThatNobodyReadsHoldsUpNeitherPushNorShutdown) {
  HandedOut opener;
  Reader reader = opener.GivePipe(0);
  Start(Kind::kStdout, "", &opener);
  Push(Series(1, 100, 10'000));
  EXPECT_FALSE(reader.AtLeast(1).empty());
  runner_->Shutdown(milliseconds(50));
  EXPECT_GT(Get(Counter::kSinkShutdown), 0u);
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, ABlockingPipeThatIsReadGetsEverything) {
  HandedOut opener;
  Reader reader = opener.GivePipe(0);
  Start(Kind::kStdout, "", &opener);
  Push(Series(1, 100, 10'000));
  EXPECT_EQ(reader.Lines(100), PlainLines(1, 100, 10'000));
}

TEST_F(SinkRunnerTest, APipeWhoseReaderLeftIsNoReasonToDie) {
  HandedOut opener;
  auto first = std::make_unique<Reader>(opener.GivePipe(O_NONBLOCK));
  Start(Kind::kStdout, "", &opener);
  Push(Series(1, 1));
  EXPECT_EQ(first->Line(), Plain(1));
  first.reset();  // the next write is EPIPE, and SIGPIPE if nobody took care
  Reader second = opener.GivePipe(O_NONBLOCK);
  Push(Series(2, 3));
  EXPECT_EQ(second.Lines(2), PlainLines(2, 3));
}

TEST_F(SinkRunnerTest, AnOpenerThatHangsHoldsUpNeitherPushNorShutdown) {
  // The encoder dies with the runner's last share, which the thread holds.
  struct Watched : PlainEncoder {
    explicit Watched(std::atomic<bool>& gone) : gone_(gone) {}
    ~Watched() override { gone_ = true; }
    std::atomic<bool>& gone_;
  };
  std::atomic<bool> gone{false};
  HandedOut opener;
  auto runner =
      SinkRunner::Start({.address = {Kind::kUnixStream, "x"}}, std::make_unique<Watched>(gone), opener, counters_);
  ASSERT_TRUE(runner);
  opener.SetStuck(true);
  ASSERT_TRUE(opener.WaitForOpens(2));
  runner_ = *std::move(runner);
  Push(Series(1, 7));
  runner_->Shutdown(milliseconds(50));
  EXPECT_EQ(Get(Counter::kSinkShutdown), 7u);
  ExpectAllAccountedFor();
  runner_.reset();
  EXPECT_FALSE(gone);
  Reader late = opener.GivePipe(0);
  opener.SetStuck(false);
  EXPECT_TRUE(Eventually([&] { return gone.load(); }));
  EXPECT_EQ(late.Line(), "");  // nothing was written after the end
  EXPECT_EQ(Get(Counter::kSinkShutdown), 7u);
}

TEST_F(SinkRunnerTest, WhatIsPushedAfterShutdownIsCountedAsLost) {
  Start(Kind::kFile, folder_ / "f");
  runner_->Shutdown(milliseconds(1000));
  Push(Series(1, 3));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(Get(Counter::kSinkShutdown), 3u);
  EXPECT_EQ(FileText(folder_ / "f"), "");
}

TEST_F(SinkRunnerTest, ShutdownWritesWhatIsQueued) {
  Start(Kind::kFile, folder_ / "f");
  Push(Series(1, 5000));
  runner_->Shutdown(milliseconds(kPatienceMs));
  EXPECT_EQ(Lines(FileText(folder_ / "f")), PlainLines(1, 5000));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 5000u);
}

TEST_F(SinkRunnerTest, ManyThreadsMayPush) {
  UnixServer server(folder_ / "s", SOCK_STREAM);
  Start(Kind::kUnixStream, folder_ / "s");
  Reader collector = server.Accept();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t n = 0; n < 50; ++n) runner_->Push(Series(t * 1000 + n, t * 1000 + n));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::string> lines = collector.Lines(200);
  std::vector<std::string> expected;
  for (uint64_t t = 0; t < 4; ++t)
    for (uint64_t n = 0; n < 50; ++n) expected.push_back(Plain(t * 1000 + n));
  std::sort(lines.begin(), lines.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(lines, expected);
}

TEST_F(SinkRunnerTest, AFileThatCannotBeOpenedYetGetsWhatWaited) {
  Start(Kind::kFile, folder_ / "later/f");
  Push(Series(0, 4));
  std::filesystem::create_directory(folder_ / "later");
  ASSERT_TRUE(EventuallyWritten(5));
  EXPECT_EQ(Lines(FileText(folder_ / "later/f")), PlainLines(0, 4));
  ExpectAllAccountedFor();
}

TEST_F(SinkRunnerTest, WhatCannotBeOpenedIsNamedWithWhatToDoAboutIt) {
  const auto refusal = [&](Kind kind, const std::string& path) {
    const auto opened = direct_->Open({kind, path});
    return opened ? std::string("opened") : opened.error().message;
  };
  const std::string file = folder_ / "file";
  std::ofstream(file) << "x";
  const std::string folder = folder_ / "";
  EXPECT_EQ(refusal(Kind::kFile, folder_ / "no/f"), "cannot write to sink file:" + (folder_ / "no/f") +
                                                        ": No such file or directory; make its folder, or name another "
                                                        "file");
  EXPECT_NE(refusal(Kind::kFile, folder).find("Is a directory; name a file in it"), std::string::npos);
  EXPECT_NE(refusal(Kind::kFile, file + "/f").find("a part of its path is no folder"), std::string::npos);
  EXPECT_NE(refusal(Kind::kUnixStream, folder_ / "s").find("start its reader"), std::string::npos);
  EXPECT_NE(refusal(Kind::kUnixStream, std::string(200, 'x')).find("at most 107 bytes"), std::string::npos);
  UnixServer datagrams(folder_ / "d", SOCK_DGRAM);
  EXPECT_NE(refusal(Kind::kUnixStream, folder_ / "d").find("unix-dgram: for datagrams"), std::string::npos);
  ASSERT_EQ(mkfifo((folder_ / "p").c_str(), 0600), 0);
  EXPECT_NE(refusal(Kind::kFile, folder_ / "p").find("nobody reads this pipe; start its reader first"),
            std::string::npos);
}

}  // namespace
}  // namespace podtap
