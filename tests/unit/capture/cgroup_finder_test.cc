// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/cgroup_finder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/unit/capture/fake_cgroup_tree.h"

namespace podtap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kUid[] = "0aa5d0b5-1d05-4bbf-a8e7-6c4d7f29bcd1";
constexpr char kOther[] = "11111111-2222-3333-4444-555555555555";
constexpr char kSystemd[] =
    "kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1.slice";

class CgroupFinder : public ::testing::Test {
 protected:
  Result<CgroupTarget> Pod(const std::string& uid, const std::string& root = "") {
    return FindCgroup({.path = "", .pod_uid = uid, .cgroup_root = root}, tree.environment());
  }
  Result<CgroupTarget> Path(const std::string& path) { return FindCgroup({.path = path}, tree.environment()); }
  void ExpectFound(const Result<CgroupTarget>& target, const std::filesystem::path& path) {
    ASSERT_TRUE(target.has_value()) << target.error().message;
    EXPECT_EQ(target->path, path.string());
    EXPECT_EQ(target->id, FakeCgroupTree::InodeOf(path));
    EXPECT_EQ(target->warning, "");
  }
  void ExpectRefused(const Result<CgroupTarget>& target, int exit_code, const std::string& text) {
    ASSERT_FALSE(target.has_value()) << target->path;
    EXPECT_THAT(target.error().message, HasSubstr(text));
    EXPECT_THAT(target.error().message, Not(HasSubstr("\n")));
    EXPECT_EQ(target.error().exit_code, exit_code);
  }

  FakeCgroupTree tree;
};

TEST_F(CgroupFinder, FindsThePodOfTheSystemdDriver) {
  tree.Add("system.slice/cron.service");
  tree.Add("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11111111_2222_3333_4444_555555555555.slice");
  ExpectFound(Pod(kUid), (tree.Add(kSystemd), tree.root() / kSystemd));
}

TEST_F(CgroupFinder, FindsThePodOfTheCgroupfsDriver) {
  const auto pod = tree.Add(std::string("kubepods/besteffort/pod") + kUid);
  tree.Add(std::string("kubepods/besteffort/pod") + kOther);
  ExpectFound(Pod(kUid), pod);
}

TEST_F(CgroupFinder, GuaranteedPodsHaveNoLevelOfTheirOwnForQos) {
  const auto systemd = tree.Add("kubepods.slice/kubepods-pod0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1.slice");
  const auto cgroupfs = tree.Add(std::string("kubepods/pod") + kOther);
  ExpectFound(Pod(kUid), systemd);
  ExpectFound(Pod(kOther), cgroupfs);
}

TEST_F(CgroupFinder, FindsAPodOfANodeThatIsItselfAContainer) {
  const auto pod = tree.Add(
      "system.slice/docker-0123456789abcdef.scope/kubelet.slice/kubelet-kubepods.slice/"
      "kubelet-kubepods-besteffort.slice/"
      "kubelet-kubepods-besteffort-pod0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1.slice");
  ExpectFound(Pod(kUid), pod);
}

TEST_F(CgroupFinder, TakesTheUidWithUnderscoresToo) {
  const auto pod = tree.Add(std::string("kubepods/pod") + kUid);
  ExpectFound(Pod("0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1"), pod);
}

TEST_F(CgroupFinder, FindsStaticPodsWhoseUidIsAHash) {
  const auto systemd = tree.Add(
      "kubepods.slice/kubepods-burstable.slice/"
      "kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice");
  ExpectFound(Pod("0123456789abcdef0123456789abcdef"), systemd);
}

TEST_F(CgroupFinder, DoesNotTakeAPodWhoseUidOnlyEndsOrBeginsAlike) {
  tree.Add(std::string("kubepods/podx") + kUid);
  tree.Add(std::string("kubepods/pod") + kUid + "0");
  tree.Add(std::string("kubepods/") + kUid);
  ExpectRefused(Pod(kUid), Error::kEnvironment, std::string("no cgroup of pod ") + kUid);
}

TEST_F(CgroupFinder, OpensTheDirectoryForNoProgramItStarts) {
  tree.Add(std::string("kubepods/pod") + kUid);
  const Result<CgroupTarget> target = Pod(kUid);
  ASSERT_TRUE(target.has_value());
  EXPECT_TRUE(::fcntl(target->fd.get(), F_GETFD) & FD_CLOEXEC);
  struct stat status;
  ASSERT_EQ(::fstat(target->fd.get(), &status), 0);
  EXPECT_EQ(status.st_ino, target->id);
}

TEST_F(CgroupFinder, TheParentOfOurOwnCgroupIsTriedFirst) {
  const std::string ours = std::string("b/kubepods/pod") + kUid;
  tree.Add(std::string("a/kubepods/pod") + kUid);
  const auto pod = tree.Add(ours);
  const auto own = tree.Add(ours + "/sidecar", "17\n4242\n");
  tree.SetOwn("/" + ours + "/sidecar");
  const Result<CgroupTarget> target = Pod(kUid);
  ExpectFound(target, pod);
  EXPECT_EQ(target->own_id, FakeCgroupTree::InodeOf(own));
}

TEST_F(CgroupFinder, CrunPutsOneMoreCgroupBetweenUsAndThePod) {
  const std::string scope = std::string(kSystemd) + "/crio-77.scope";
  const auto own = tree.Add(scope + "/container", "4242\n");
  tree.SetOwn("/" + scope + "/container");
  const Result<CgroupTarget> target = Pod(kUid);
  ExpectFound(target, tree.root() / kSystemd);
  EXPECT_EQ(target->own_id, FakeCgroupTree::InodeOf(own));
}

TEST_F(CgroupFinder, FindsItselfByProcessIdInAPrivateCgroupNamespace) {
  // The node's tree is mounted here, so its top lies above the root of our namespace.
  tree.SetMounts("31 23 0:38 /../../.. " + tree.root().string() + " ro,relatime - cgroup2 cgroup2 rw\n");
  const auto pod = tree.Add(std::string("kubepods/burstable/pod") + kUid);
  tree.Add(std::string("kubepods/burstable/pod") + kUid + "/app", "0\n0\n");
  const auto own = tree.Add(std::string("kubepods/burstable/pod") + kUid + "/sidecar", "4242\n");
  for (const char* path : {"/", "/../sidecar"}) {
    tree.SetOwn(path);
    const Result<CgroupTarget> target = Pod(kUid);
    ExpectFound(target, pod);
    EXPECT_EQ(target->own_id, FakeCgroupTree::InodeOf(own));
  }
}

TEST_F(CgroupFinder, OfTwoMatchesTheOneThatHoldsUsIsTaken) {
  tree.SetMounts("31 23 0:38 /../../.. " + tree.root().string() + " ro,relatime - cgroup2 cgroup2 rw\n");
  tree.Add(std::string("kubepods/pod") + kUid + "/app", "0\n");
  const auto pod = tree.Add(kSystemd);
  tree.Add(std::string(kSystemd) + "/cri-containerd-1.scope", "4242\n");
  ExpectFound(Pod(kUid), pod);
}

TEST_F(CgroupFinder, OfTwoMatchesThatDoNotHoldUsNoneIsTaken) {
  const auto one = tree.Add(std::string("kubepods/pod") + kUid);
  const auto two = tree.Add(kSystemd);
  const Result<CgroupTarget> target = Pod(kUid);
  ExpectRefused(target, Error::kEnvironment, one.string());
  ExpectRefused(target, Error::kEnvironment, two.string());
  ExpectRefused(target, Error::kEnvironment, "--cgroup");
}

TEST_F(CgroupFinder, OwnIdIsNothingWhenWeLiveElsewhereOrInTheTargetItself) {
  const auto pod = tree.Add(std::string("kubepods/pod") + kUid, "4242\n");
  tree.SetOwn("/" + pod.lexically_relative(tree.root()).string());
  EXPECT_EQ(Pod(kUid)->own_id, 0u);
  tree.Add(std::string("kubepods/pod") + kUid, "");
  tree.Add("system.slice/sshd.service", "4242\n");
  tree.SetOwn("/system.slice/sshd.service");
  EXPECT_EQ(Pod(kUid)->own_id, 0u);
}

TEST_F(CgroupFinder, AForeignNamespacesOwnPathIsNotBelieved) {
  // In a private namespace "/" is our own cgroup, not the root of the tree that is mounted here.
  tree.Add(std::string("kubepods/pod") + kUid + "/sidecar", "4242\n");
  tree.SetOwn("/");
  EXPECT_EQ(OwnCgroupPath(tree.root().string(), tree.environment()), "");
}

TEST_F(CgroupFinder, AMissingPodIsOneLineThatSaysWhatToDo) {
  tree.Add("kubepods/burstable");
  ExpectRefused(Pod(kUid), Error::kEnvironment, "--cgroup_root");
  ExpectRefused(Pod(kUid), Error::kEnvironment, "--cgroup_wait_ms");
}

TEST_F(CgroupFinder, WaitsForAPodThatIsStillBeingMade) {
  std::thread kubelet([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    tree.Add(std::string("kubepods/pod") + kUid);
  });
  const Result<CgroupTarget> target = FindCgroup({.path = "", .pod_uid = kUid, .wait_ms = 20000}, tree.environment());
  kubelet.join();
  ExpectFound(target, tree.root() / "kubepods" / (std::string("pod") + kUid));
}

TEST_F(CgroupFinder, WaitsNoLongerThanItWasTold) {
  const auto start = std::chrono::steady_clock::now();
  ASSERT_FALSE(FindCgroup({.path = (tree.root() / "later").string(), .wait_ms = 50}, tree.environment()));
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GE(waited, std::chrono::milliseconds(50));
  EXPECT_LT(waited, std::chrono::seconds(5));
}

TEST_F(CgroupFinder, NoTargetAtAllIsAUsageError) { ExpectRefused(Pod(""), Error::kUsage, "--pod_uid"); }

TEST_F(CgroupFinder, AUidThatIsAPathIsAUsageError) { ExpectRefused(Pod("../../x"), Error::kUsage, "not a pod uid"); }

TEST_F(CgroupFinder, APathNamesAPodDirectlyWithoutAWarning) {
  const auto pod = tree.Add(kSystemd);
  ExpectFound(Path(pod.string()), pod);
  const auto container = tree.Add(std::string(kSystemd) + "/cri-containerd-1.scope");
  ExpectFound(Path(container.string()), container);
}

TEST_F(CgroupFinder, ACgroupThatIsNotAPodsIsTakenWithAWarning) {
  const auto path = tree.Add("system.slice/nginx.service");
  const Result<CgroupTarget> target = Path(path.string());
  ASSERT_TRUE(target.has_value());
  EXPECT_THAT(target->warning, AllOf(HasSubstr(path.string()), HasSubstr("not a pod's cgroup")));
}

TEST_F(CgroupFinder, TheRootCgroupIsRefusedByWhateverWayItIsNamed) {
  tree.Add("a/b");
  std::filesystem::create_directory_symlink(tree.root(), tree.top() / "link");
  for (const std::string& path : {tree.root().string(), tree.root().string() + "/", tree.root().string() + "/a/b/../..",
                                  (tree.top() / "link").string(), (tree.top() / "link").string() + "/a/.."}) {
    ExpectRefused(Path(path), Error::kUsage, "root cgroup");
    ExpectRefused(Path(path), Error::kUsage, "scoped to one pod");
  }
}

TEST_F(CgroupFinder, APathThroughALinkIsShownWhereItLeads) {
  const auto pod = tree.Add(kSystemd);
  std::filesystem::create_directory_symlink(pod, tree.top() / "link");
  ExpectFound(Path((tree.top() / "link").string()), pod);
}

TEST_F(CgroupFinder, ADirectoryOfAnotherFileSystemIsRefused) {
  ExpectRefused(Path(tree.top().string()), Error::kUsage, "not a cgroup2 directory");
  ExpectRefused(Path((tree.root() / "cgroup.procs").string()), Error::kUsage, "not a directory");
}

TEST_F(CgroupFinder, AMissingPathIsOneLineThatSaysWhatToDo) {
  ExpectRefused(Path((tree.root() / "nowhere").string()), Error::kEnvironment, "does not exist");
}

TEST_F(CgroupFinder, ASymbolicLinkIsNeverFollowedDuringTheSearch) {
  std::filesystem::create_directories(tree.top() / "outside" / (std::string("pod") + kUid));
  std::filesystem::create_directory_symlink(tree.top() / "outside", tree.root() / "kubepods");
  ExpectRefused(Pod(kUid), Error::kEnvironment, "no cgroup of pod");
}

TEST_F(CgroupFinder, WhatCrioRunsBesideContainersIsIgnored) {
  tree.Add(std::string("crio-conmon-1.scope/pod") + kUid);
  ExpectRefused(Pod(kUid), Error::kEnvironment, "no cgroup of pod");
}

TEST_F(CgroupFinder, AGivenRootMayHoldTheMountBelowIt) {
  const auto pod = tree.Add(std::string("kubepods/pod") + kUid);
  ExpectFound(Pod(kUid, (tree.top() / "sys/fs").string()), pod);
  ExpectFound(Pod(kUid, tree.root().string()), pod);
  ExpectFound(Pod(kUid, (tree.root() / "kubepods").string()), pod);
}

TEST_F(CgroupFinder, ARootWithoutCgroup2IsRefused) {
  std::filesystem::create_directory(tree.top() / "empty");
  ExpectRefused(Pod(kUid, (tree.top() / "empty").string()), Error::kUsage, "--cgroup_root");
  ExpectRefused(Pod(kUid, (tree.top() / "nowhere").string()), Error::kEnvironment, "--cgroup_root");
}

TEST_F(CgroupFinder, AMachineWithoutCgroup2IsToldApart) {
  tree.SetMounts("32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n");
  ExpectRefused(Pod(kUid), Error::kEnvironment, "needs cgroup v2");
}

TEST_F(CgroupFinder, AMountThatIsHiddenByAnotherIsPassedOver) {
  std::filesystem::create_directory(tree.top() / "hidden");
  tree.SetMounts("30 23 0:38 / " + (tree.top() / "hidden").string() + " rw - cgroup2 cgroup2 rw\n31 23 0:38 / " +
                 tree.root().string() + " rw - cgroup2 cgroup2 rw\n");
  const auto pod = tree.Add(std::string("kubepods/pod") + kUid);
  ExpectFound(Pod(kUid), pod);
}

TEST(PodCgroupNames, AreRecognisedInBothForms) {
  EXPECT_TRUE(LooksLikePodCgroup("pod0aa5d0b5-1d05-4bbf-a8e7-6c4d7f29bcd1"));
  EXPECT_TRUE(LooksLikePodCgroup("kubepods-pod0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1.slice"));
  EXPECT_TRUE(LooksLikePodCgroup("pod0123456789abcdef0123456789abcdef"));
  EXPECT_FALSE(LooksLikePodCgroup("kubepods-burstable.slice"));
  EXPECT_FALSE(LooksLikePodCgroup("podman-1234.scope"));
  EXPECT_FALSE(LooksLikePodCgroup("pod"));
  EXPECT_FALSE(LooksLikePodCgroup("cri-containerd-0aa5.scope"));
}

}  // namespace
}  // namespace podtap
