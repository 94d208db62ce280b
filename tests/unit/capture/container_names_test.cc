// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/container_names.h"

#include <gtest/gtest.h>

#include "tests/unit/capture/fake_cgroup_tree.h"

namespace podtap {
namespace {

const std::string kId(64, 'a');
constexpr char kPod[] = "kubepods/pod0aa5d0b5-1d05-4bbf-a8e7-6c4d7f29bcd1";
constexpr Timestamp kStart{5'000'000'000};
Timestamp After(uint64_t ms) { return Timestamp{kStart.ns + ms * 1'000'000}; }

class ContainerNamesTest : public ::testing::Test {
 protected:
  ContainerNamesTest() { tree.Add(kPod); }
  CgroupTarget Target(const std::string& path = kPod) {
    return FindCgroup({.path = (tree.root() / path).string()}, tree.environment()).value();
  }
  uint64_t Add(const std::string& path) { return FakeCgroupTree::InodeOf(tree.Add(std::string(kPod) + "/" + path)); }

  FakeCgroupTree tree;
};

TEST(ContainerIdInName, KnowsTheRuntimes) {
  EXPECT_EQ(ContainerIdInName("cri-containerd-" + kId + ".scope"), kId);
  EXPECT_EQ(ContainerIdInName("crio-" + kId + ".scope"), kId);
  EXPECT_EQ(ContainerIdInName("crio-" + kId), kId);
  EXPECT_EQ(ContainerIdInName("docker-" + kId + ".scope"), kId);
  EXPECT_EQ(ContainerIdInName("libpod-" + kId + ".scope"), kId);
  EXPECT_EQ(ContainerIdInName("system.slice:cri-containerd:" + kId), kId);
  EXPECT_EQ(ContainerIdInName(kId), kId);
}

TEST(ContainerIdInName, KnowsWhatIsNoContainer) {
  EXPECT_EQ(ContainerIdInName("app"), "");
  EXPECT_EQ(ContainerIdInName("container"), "");
  EXPECT_EQ(ContainerIdInName("crio-conmon-" + kId + ".scope"), "");
  EXPECT_EQ(ContainerIdInName("pod0123456789abcdef0123456789abcdef"), "");
  EXPECT_EQ(ContainerIdInName("kubepods-pod0aa5d0b5_1d05_4bbf_a8e7_6c4d7f29bcd1.slice"), "");
  EXPECT_EQ(ContainerIdInName(""), "");
}

TEST_F(ContainerNamesTest, NamesTheContainerOfACgroup) {
  const uint64_t app = Add("cri-containerd-" + kId + ".scope");
  ContainerNames names(Target());
  EXPECT_EQ(names.ContainerIdOf(app, kStart), kId);
}

TEST_F(ContainerNamesTest, WhatLiesInsideAContainerBelongsToIt) {
  const uint64_t crun = Add("crio-" + kId + ".scope/container");
  const uint64_t made_inside = Add("crio-" + kId + ".scope/container/workers/1");
  ContainerNames names(Target());
  EXPECT_EQ(names.ContainerIdOf(crun, kStart), kId);
  EXPECT_EQ(names.ContainerIdOf(made_inside, kStart), kId);
}

TEST_F(ContainerNamesTest, ACgroupWithoutARuntimesNameHasNoContainer) {
  const uint64_t app = Add("app");
  ContainerNames names(Target());
  EXPECT_EQ(names.ContainerIdOf(app, kStart), "");
  EXPECT_EQ(names.ContainerIdOf(0, kStart), "");
  EXPECT_EQ(names.ContainerIdOf(Target().id, kStart), "");
}

TEST_F(ContainerNamesTest, ATargetInsideAContainerGivesItsNameToAllBelow) {
  const uint64_t inner = Add(kId + "/inner");
  const uint64_t own = FakeCgroupTree::InodeOf(tree.root() / kPod / kId);
  ContainerNames names(Target(std::string(kPod) + "/" + kId));
  EXPECT_EQ(names.ContainerIdOf(own, kStart), kId);
  EXPECT_EQ(names.ContainerIdOf(inner, kStart), kId);
}

TEST_F(ContainerNamesTest, AContainerThatStartsLaterIsFoundWithinASecond) {
  Add("app");
  ContainerNames names(Target());
  EXPECT_EQ(names.ContainerIdOf(999'999'999, kStart), "");
  const uint64_t later = Add("docker-" + kId + ".scope");
  EXPECT_EQ(names.ContainerIdOf(later, After(400)), "");  // too soon for another look
  EXPECT_EQ(names.ContainerIdOf(later, After(1000)), kId);
}

TEST_F(ContainerNamesTest, UnknownCgroupsCauseAtMostOneLookASecond) {
  ContainerNames names(Target());
  for (uint64_t i = 0; i < 20000; ++i) names.ContainerIdOf(1'000'000'000 + i, After(i / 10));
  EXPECT_LE(names.scans(), 3u);
}

TEST_F(ContainerNamesTest, AContainerKeepsItsNameAfterItsCgroupIsGone) {
  const uint64_t app = Add("cri-containerd-" + kId + ".scope");
  ContainerNames names(Target());
  EXPECT_EQ(names.ContainerIdOf(app, kStart), kId);
  std::filesystem::remove_all(tree.root() / kPod / ("cri-containerd-" + kId + ".scope"));
  EXPECT_EQ(names.ContainerIdOf(424242424, After(5000)), "");  // looks again
  EXPECT_EQ(names.ContainerIdOf(app, After(9000)), kId);
}

}  // namespace
}  // namespace podtap
