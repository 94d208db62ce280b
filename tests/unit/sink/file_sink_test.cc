// SPDX-License-Identifier: Apache-2.0
// A SinkRunner and its file: appending, rotation, reopening, a full disk; and what the opener refuses to open.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sidecar/sink/sink_runner.h"
#include "tests/unit/sink/sample_event.h"
#include "tests/unit/sink/sink_peers.h"

namespace podtap {
namespace {

using std::chrono::milliseconds;
using Kind = SinkAddress::Kind;

// "<exchange> <body>\n"
class PlainEncoder : public Encoder {
 public:
  void Encode(const HttpEvent& event, bool, std::string& out) const override {
    out += std::to_string(event.exchange) + ' ' + event.response.body + '\n';
  }
};

std::vector<std::string> Records(uint64_t first, uint64_t last, size_t body_bytes) {
  std::vector<std::string> lines;
  for (uint64_t n = first; n <= last; ++n) lines.push_back(std::to_string(n) + ' ' + std::string(body_bytes, 'x'));
  return lines;
}

class FileSink : public testing::Test {
 protected:
  void Start(uint64_t file_max_bytes = 0) {
    auto runner = SinkRunner::Start({.address = {Kind::kFile, path_}, .file_max_bytes = file_max_bytes},
                                    std::make_unique<PlainEncoder>(), *opener_, counters_);
    ASSERT_TRUE(runner) << runner.error().message;
    runner_ = *std::move(runner);
  }
  void Push(const std::vector<HttpEventPtr>& events) { runner_->Push(events); }
  uint64_t Get(Counter counter) const { return counters_.Get(counter); }
  bool EventuallyWritten(uint64_t n) {
    return Eventually([&] { return Get(Counter::kSinkEventsWritten) >= n; });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "events.json";
  Counters counters_;
  std::unique_ptr<Opener> opener_ = MakeDirectOpener();
  std::unique_ptr<SinkRunner> runner_;
};

TEST_F(FileSink, AppendsToWhatIsThere) {
  std::ofstream(path_) << "before\n";
  Start();
  Push(Series(1, 2));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(FileText(path_), "before\n1 xxxxxxxxxx\n2 xxxxxxxxxx\n");
}

TEST_F(FileSink, IsMadeReadableForItsGroupOnly) {
  const mode_t before = umask(0);
  Start();
  umask(before);
  struct stat made{};
  ASSERT_EQ(stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0640u);
}

TEST_F(FileSink, HalfARecordThatAKilledWriterLeftDoesNotSpoilTheNext) {
  std::ofstream(path_) << "1 whole\n2 ha";
  Start();
  Push(Series(3, 3));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(FileText(path_), "1 whole\n2 ha\n3 xxxxxxxxxx\n");
}

TEST_F(FileSink, ReopensAtOnceSoThatLogrotateCanMoveTheOldFile) {
  Start();
  Push(Series(1, 2));
  ASSERT_TRUE(EventuallyWritten(2));
  std::filesystem::rename(path_, path_ + ".old");
  runner_->Reopen();
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(path_); }));  // without any exchange
  Push(Series(3, 4));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(Lines(FileText(path_ + ".old")), Records(1, 2, 10));
  EXPECT_EQ(Lines(FileText(path_)), Records(3, 4, 10));
}

TEST_F(FileSink, IsRotatedBeforeItGrowsBeyondItsLimit) {
  Start(1000);
  Push(Series(10, 99, 96));  // 100 bytes each: ten fit
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 90u);
  EXPECT_EQ(Lines(FileText(path_ + ".1")), Records(80, 89, 96));
  EXPECT_EQ(Lines(FileText(path_)), Records(90, 99, 96));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".2"));
  EXPECT_EQ(Get(Counter::kSinkReconnects), 0u);
}

TEST_F(FileSink, CountsWhatWasThereBeforeTowardsItsLimit) {
  std::ofstream(path_) << std::string(949, 'y') << '\n';
  Start(1000);
  Push(Series(10, 10, 96));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(FileText(path_ + ".1").size(), 950u);
  EXPECT_EQ(Lines(FileText(path_)), Records(10, 10, 96));
}

TEST_F(FileSink, ARecordLargerThanTheLimitHasAFileOfItsOwn) {
  Start(1000);
  Push({NumberedEvent(1, 10), NumberedEvent(2, 5000), NumberedEvent(3, 10)});
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(Lines(FileText(path_ + ".1")), Records(2, 2, 5000));
  EXPECT_EQ(Lines(FileText(path_)), Records(3, 3, 10));
}

TEST_F(FileSink, GoesOnInTheSameFileWhenItCannotBeRotated) {
  std::filesystem::create_directories(path_ + ".1/in_the_way");
  Start(1000);
  Push(Series(10, 49, 96));
  runner_->Shutdown(milliseconds(1000));
  EXPECT_EQ(Lines(FileText(path_)), Records(10, 49, 96));
}

// A limit of file size stands for the full disk: both refuse the rest of a record in its middle.
class FullDisk : public FileSink {
 protected:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);  // this program's own output may be a file, too
    getrlimit(RLIMIT_FSIZE, &before_);
    SetLimit(250);
  }
  ~FullDisk() override { setrlimit(RLIMIT_FSIZE, &before_); }
  void SetLimit(rlim_t bytes) const {
    const rlimit limit{bytes, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  rlimit before_{};
};

TEST_F(FullDisk, IsTriedAgainAndNothingIsLost) {
  Start();
  Push(Series(10, 19, 96));
  ASSERT_TRUE(Eventually([&] { return Get(Counter::kSinkWriteErrors) >= 1; }));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 2u);
  SetLimit(before_.rlim_max);
  ASSERT_TRUE(EventuallyWritten(10));
  EXPECT_EQ(Lines(FileText(path_)), Records(10, 19, 96));
}

TEST_F(FullDisk, LeavesNoHalfRecordWhenPodtapEndsMeanwhile) {
  Start();
  Push(Series(10, 19, 96));
  ASSERT_TRUE(Eventually([&] { return Get(Counter::kSinkWriteErrors) >= 1; }));
  runner_->Shutdown(milliseconds(20));
  EXPECT_EQ(Lines(FileText(path_)), Records(10, 11, 96));
  EXPECT_EQ(Get(Counter::kSinkShutdown), 8u);
}

TEST_F(FullDisk, AReopenedFileGetsTheCutRecordWhole) {
  Start();
  Push(Series(10, 14, 96));
  ASSERT_TRUE(Eventually([&] { return Get(Counter::kSinkWriteErrors) >= 1; }));
  std::filesystem::rename(path_, path_ + ".old");
  SetLimit(before_.rlim_max);
  runner_->Reopen();
  ASSERT_TRUE(EventuallyWritten(5));
  std::vector<std::string> all = Lines(FileText(path_ + ".old"));
  for (const std::string& line : Lines(FileText(path_))) all.push_back(line);
  EXPECT_EQ(all, Records(10, 14, 96));
}

TEST(DirectOpener, RefusesSymbolicLinksAndFilesOfTheKernel) {
  TemporaryFolder folder;
  std::ofstream(folder / "target") << "";
  std::filesystem::create_symlink(folder / "target", folder / "link");
  const auto opener = MakeDirectOpener();
  const auto link = opener->Open({Kind::kFile, folder / "link"});
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().message.find("symbolic link"), std::string::npos);
  EXPECT_NE(link.error().message.find("file:" + (folder / "link")), std::string::npos);
  const auto kernel = opener->Open({Kind::kFile, "/proc/self/comm"});
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("file of the kernel"), std::string::npos);
}

TEST(DirectOpener, SaysWhyAFolderOrAPipeWithoutReaderCannotBeWritten) {
  TemporaryFolder folder;
  const auto opener = MakeDirectOpener();
  const auto directory = opener->Open({Kind::kFile, folder / "."});
  ASSERT_FALSE(directory);
  EXPECT_NE(directory.error().message.find("Is a directory"), std::string::npos);
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const auto fifo = opener->Open({Kind::kFile, folder / "fifo"});
  ASSERT_FALSE(fifo);
  EXPECT_NE(fifo.error().message.find("nobody reads"), std::string::npos);
}

TEST(DirectOpener, DoesNotWaitForASocketWhoseBacklogIsFull) {
  TemporaryFolder folder;
  UnixServer server(folder / "s", SOCK_STREAM);
  const auto opener = MakeDirectOpener();
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 100; ++i) {
    auto fd = opener->Open({Kind::kUnixStream, folder / "s"});
    if (!fd) break;
    waiting.push_back(*std::move(fd));
  }
  EXPECT_GT(waiting.size(), 0u);
  EXPECT_LT(waiting.size(), 100u);
}

}  // namespace
}  // namespace podtap
