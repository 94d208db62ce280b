// SPDX-License-Identifier: Apache-2.0
#include "base/mountinfo.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

TEST(Mountinfo, ReadsRootPointAndType) {
  const auto mounts = ParseMountinfo("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].root, "/");
  EXPECT_EQ(mounts[0].point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(mounts[0].type, "cgroup2");
}

TEST(Mountinfo, PassesOverAnyNumberOfOptionalFields) {
  const auto mounts = ParseMountinfo("41 31 0:38 /../.. /c rw shared:2 master:1 propagate_from:3 - cgroup2 none rw");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].root, "/../..");
  EXPECT_EQ(mounts[0].type, "cgroup2");
}

TEST(Mountinfo, ResolvesEscapes) {
  const auto mounts = ParseMountinfo("1 1 0:1 / /mnt/my\\040disk\\134x rw - ext4 /dev/sda rw\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].point, "/mnt/my disk\\x");
}

TEST(Mountinfo, LeavesOutLinesThatAreCutOff) {
  EXPECT_TRUE(ParseMountinfo("").empty());
  EXPECT_TRUE(ParseMountinfo("41 31 0:38 / /x rw,relatime\n\n41 31\n41 31 0:38 / /x rw -\n").empty());
}

TEST(Mountinfo, ThisMachineHasProcMounted) {
  const auto mounts = ReadMountinfo();
  ASSERT_TRUE(mounts.has_value()) << mounts.error().message;
  bool proc = false;
  for (const Mount& mount : *mounts) proc = proc || (mount.type == "proc" && mount.point == "/proc");
  EXPECT_TRUE(proc);
}

}  // namespace
}  // namespace podtap
