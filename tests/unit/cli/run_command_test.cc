// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace podtap {
namespace {

using ::testing::HasSubstr;

// A directory with a cgroup.procs that an ordinary file plays.
class RunningCommandTest : public ::testing::Test {
 protected:
  RunningCommandTest() {
    char name[] = "/tmp/podtap_run_test_XXXXXX";
    directory = ::mkdtemp(name);
    std::ofstream(directory / "cgroup.procs").flush();
    cgroup = UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~RunningCommandTest() override { std::filesystem::remove_all(directory); }

  Result<RunningCommand> Start(const std::vector<std::string>& arguments) {
    return RunningCommand::Start(cgroup.get(), arguments);
  }
  int StatusOf(const std::vector<std::string>& arguments) {
    Result<RunningCommand> command = Start(arguments);
    if (!command || !command->Go()) return -1;
    return command->Wait();
  }
  std::string Content(const char* name) {
    std::ifstream in(directory / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static bool Ended(const RunningCommand& command, int timeout_ms) {
    pollfd waiting{command.ended_fd(), POLLIN, 0};
    return ::poll(&waiting, 1, timeout_ms) == 1;
  }

  std::filesystem::path directory;
  UniqueFd cgroup;
};

TEST_F(RunningCommandTest, TheExitStatusIsTheCommands) {
  EXPECT_EQ(StatusOf({"true"}), 0);
  EXPECT_EQ(StatusOf({"sh", "-c", "exit 42"}), 42);
}

TEST_F(RunningCommandTest, ADeathBySignalIs128PlusItsNumber) {
  EXPECT_EQ(StatusOf({"sh", "-c", "kill -TERM $$"}), 128 + SIGTERM);
  EXPECT_EQ(StatusOf({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
}

TEST_F(RunningCommandTest, ACommandThatDoesNotExistIs127) {
  Result<RunningCommand> command = Start({"podtap-no-such-command"});
  ASSERT_TRUE(command.has_value());
  const Status status = command->Go();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "podtap-no-such-command: command not found");
  EXPECT_EQ(status.error().exit_code, 127);
  EXPECT_EQ(command->Wait(), 127);
}

TEST_F(RunningCommandTest, AFileThatCannotBeExecutedIs126) {
  std::ofstream(directory / "data") << "x";
  Result<RunningCommand> command = Start({(directory / "data").string()});
  ASSERT_TRUE(command.has_value());
  const Status status = command->Go();
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("cannot execute"));
  EXPECT_EQ(status.error().exit_code, 126);
  EXPECT_EQ(command->Wait(), 126);
}

TEST_F(RunningCommandTest, NothingOfTheCommandHappensBeforeGo) {
  Result<RunningCommand> command = Start({"sh", "-c", "echo ran > " + (directory / "ran").string()});
  ASSERT_TRUE(command.has_value());
  EXPECT_FALSE(Ended(*command, 100));
  EXPECT_EQ(Content("ran"), "");
  ASSERT_TRUE(command->Go().has_value());
  EXPECT_EQ(command->Wait(), 0);
  EXPECT_EQ(Content("ran"), "ran\n");
}

TEST_F(RunningCommandTest, ItIsInsideTheCgroupBeforeGo) {
  Result<RunningCommand> command = Start({"true"});
  ASSERT_TRUE(command.has_value());
  for (int i = 0; i < 500 && Content("cgroup.procs").empty(); ++i) ::usleep(10000);
  EXPECT_EQ(Content("cgroup.procs"), "0");  // how a process names itself there
  ASSERT_TRUE(command->Go().has_value());
  EXPECT_EQ(command->Wait(), 0);
}

TEST_F(RunningCommandTest, ACommandThatIsNeverLetGoNeverRuns) {
  {
    Result<RunningCommand> command = Start({"sh", "-c", "echo ran > " + (directory / "ran").string()});
    ASSERT_TRUE(command.has_value());
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "ran"));
}

TEST_F(RunningCommandTest, ItsOutputGoesToOurStandardError) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int status = StatusOf({"sh", "-c", "echo out; echo err >&2"});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "out\nerr\n");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(status, 0);
}

TEST_F(RunningCommandTest, TheEndCanBePolledFor) {
  Result<RunningCommand> command = Start({"sh", "-c", "read x < /dev/zero; sleep 30"});
  ASSERT_TRUE(command.has_value());
  const pid_t pid = command->pid();
  ASSERT_TRUE(command->Go().has_value());
  EXPECT_FALSE(Ended(*command, 50));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(Ended(*command, 5000));
  EXPECT_EQ(command->Wait(), 128 + SIGKILL);
}

TEST_F(RunningCommandTest, PassesOnSignalsOfOthersButNotTheTerminals) {
  Result<RunningCommand> command = Start({"sleep", "30"});
  ASSERT_TRUE(command.has_value());
  ASSERT_TRUE(command->Go().has_value());
  signalfd_siginfo signal{};
  signal.ssi_signo = SIGINT;
  signal.ssi_code = SI_KERNEL;  // Ctrl-C: the command was sent it, too
  command->Forward(signal);
  EXPECT_FALSE(Ended(*command, 50));
  signal.ssi_signo = SIGTERM;
  signal.ssi_code = SI_USER;
  command->Forward(signal);
  EXPECT_EQ(command->Wait(), 128 + SIGTERM);
}

TEST_F(RunningCommandTest, ACgroupThatRefusesProcessesIsAnError) {
  std::filesystem::remove(directory / "cgroup.procs");
  const Result<RunningCommand> command = Start({"true"});
  ASSERT_FALSE(command.has_value());
  EXPECT_THAT(command.error().message, HasSubstr("cgroup"));
}

TEST_F(RunningCommandTest, AProcessThatCannotEnterTheCgroupIsAnError) {
  std::filesystem::remove(directory / "cgroup.procs");
  std::filesystem::create_symlink("/dev/full", directory / "cgroup.procs");
  Result<RunningCommand> command = Start({"true"});
  ASSERT_TRUE(command.has_value());
  const Status status = command->Go();
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("into its cgroup"));
  EXPECT_EQ(command->Wait(), 1);
}

TEST_F(RunningCommandTest, NoCommandIsAUsageError) {
  const Result<RunningCommand> command = Start({});
  ASSERT_FALSE(command.has_value());
  EXPECT_EQ(command.error().exit_code, Error::kUsage);
}

}  // namespace
}  // namespace podtap
