// SPDX-License-Identifier: Apache-2.0
#include "cli/run_cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/unit/capture/fake_cgroup_tree.h"

namespace podtap {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RunCgroupTest : public ::testing::Test {
 protected:
  std::vector<std::string> RunsIn(const std::filesystem::path& parent) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(parent))
      if (entry.path().filename().string().starts_with("podtap-run-")) names.push_back(entry.path().filename());
    return names;
  }
  // A process id that nobody has.
  pid_t DeadProcess() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
    return pid;
  }
  // Without files in it: a real cgroup directory can be removed with its files, an ordinary one cannot.
  std::filesystem::path MakeRun(pid_t owner) {
    const auto path = tree.root() / ("podtap-run-" + std::to_string(owner) + "-00c0ffee");
    std::filesystem::create_directory(path);
    return path;
  }

  FakeCgroupTree tree;
};

TEST_F(RunCgroupTest, IsMadeBelowTheCallersOwnCgroup) {
  const auto own = tree.Add("user.slice/session-1.scope", "4242\n");
  tree.SetOwn("/user.slice/session-1.scope");
  const Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_THAT(run->path(), StartsWith(own.string() + "/podtap-run-" + std::to_string(::getpid()) + "-"));
  EXPECT_EQ(FakeCgroupTree::InodeOf(run->path()),
            FakeCgroupTree::InodeOf("/proc/self/fd/" + std::to_string(run->fd())));
}

TEST_F(RunCgroupTest, IsMadeBelowTheRootWhereTheCallersOwnIsUnknown) {
  const Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_THAT(run->path(), StartsWith(tree.root().string() + "/podtap-run-"));
}

TEST_F(RunCgroupTest, IsGoneWhenItsOwnerIs) {
  {
    const Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
    ASSERT_TRUE(run.has_value());
    EXPECT_THAT(RunsIn(tree.root()), SizeIs(1));
  }
  EXPECT_THAT(RunsIn(tree.root()), IsEmpty());
}

TEST_F(RunCgroupTest, WhatTheCommandMadeBelowGoesToo) {
  Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(run.has_value());
  std::filesystem::create_directories(run->path() + "/a/b");
  EXPECT_TRUE(run->Remove().has_value());
  EXPECT_THAT(RunsIn(tree.root()), IsEmpty());
}

TEST_F(RunCgroupTest, ThoseOfDeadRunsAreRemoved) {
  MakeRun(DeadProcess());
  const Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(run.has_value());
  EXPECT_THAT(RunsIn(tree.root()), ::testing::ElementsAre(std::filesystem::path(run->path()).filename().string()));
}

TEST_F(RunCgroupTest, ThoseOfDeadRunsOfAnotherSessionAreRemoved) {
  const std::string name = "podtap-run-" + std::to_string(DeadProcess()) + "-00c0ffee";
  const auto session = tree.Add("user.slice/user-0.slice/session-7.scope", "");
  std::filesystem::create_directory(session / name);
  tree.Add("user.slice/user-0.slice/session-8.scope", "4242\n");
  tree.SetOwn("/user.slice/user-0.slice/session-8.scope");
  const Result<RunCgroup> run = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_THAT(RunsIn(session), IsEmpty());
}

TEST_F(RunCgroupTest, ThoseOfLivingRunsStay) {
  const auto of_parent = MakeRun(::getppid());
  const Result<RunCgroup> other = RunCgroup::Make("", tree.environment());
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(RemoveStaleRunCgroups(tree.root().string()), 0);
  EXPECT_TRUE(std::filesystem::exists(of_parent));
  EXPECT_TRUE(std::filesystem::exists(other->path()));
}

TEST_F(RunCgroupTest, OtherNamesAndOccupiedOnesStay) {
  const auto occupied = MakeRun(DeadProcess());
  std::ofstream(occupied / "process") << "x";  // rmdir refuses it, as the kernel does a cgroup with processes
  std::filesystem::create_directory(tree.root() / "podtap-run-");
  std::filesystem::create_directory(tree.root() / "podtap-run-x-1");
  EXPECT_EQ(RemoveStaleRunCgroups(tree.root().string()), 0);
  EXPECT_TRUE(std::filesystem::exists(occupied));
  EXPECT_TRUE(std::filesystem::exists(tree.root() / "podtap-run-"));
  EXPECT_TRUE(std::filesystem::exists(tree.root() / "podtap-run-x-1"));
}

TEST_F(RunCgroupTest, AMachineWithoutCgroup2IsAnError) {
  tree.SetMounts("");
  EXPECT_FALSE(RunCgroup::Make("", tree.environment()).has_value());
}

}  // namespace
}  // namespace podtap
