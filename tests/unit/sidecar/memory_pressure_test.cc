// SPDX-License-Identifier: Apache-2.0
#include "sidecar/memory_pressure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace podtap {
namespace {

class MemoryLimit : public testing::Test {
 protected:
  MemoryLimit() : folder_(std::filesystem::path(testing::TempDir()) / ("memory-limit-" + std::to_string(getpid()))) {}
  ~MemoryLimit() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  // A line of mountinfo: `root` of a file system of this type at `point` below the folder.
  std::string Mounted(const std::string& root, const std::string& point, const std::string& type) {
    return "30 24 0:26 " + root + " " + (folder_ / point).string() + " rw - " + type + " none rw\n";
  }
  std::optional<uint64_t> Limit() { return OwnMemoryLimit(folder_.string() + "/proc"); }

  const std::filesystem::path folder_;
};

TEST_F(MemoryLimit, IsTheSmallestOfTheOwnCgroupAndThoseAbove) {
  Write("proc/self/cgroup", "0::/pod/sidecar\n");
  Write("proc/self/mountinfo", Mounted("/", "cg", "cgroup2"));
  Write("cg/pod/memory.max", "50000000\n");
  Write("cg/pod/sidecar/memory.max", "max\n");
  EXPECT_EQ(Limit(), 50000000u);
  Write("cg/pod/sidecar/memory.max", "16777216\n");
  EXPECT_EQ(Limit(), 16777216u);
}

TEST_F(MemoryLimit, OfTheFirstVersionOfCgroupsCounts) {
  Write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/pod/sidecar\n0::/\n");
  Write("proc/self/mountinfo",
        Mounted("/", "cg2", "cgroup2") + Mounted("/", "cpu", "cgroup") + Mounted("/", "m", "cgroup"));
  Write("m/memory.limit_in_bytes", "9223372036854771712\n");
  Write("m/pod/sidecar/memory.limit_in_bytes", "33554432\n");
  EXPECT_EQ(Limit(), 33554432u);
}

TEST_F(MemoryLimit, IsSeenThroughAMountOfTheOwnCgroupOnly) {
  Write("proc/self/cgroup", "4:memory:/kubepods/podx/c1\n0::/\n");
  Write("proc/self/mountinfo", Mounted("/kubepods/podx/c1", "m", "cgroup"));
  Write("m/memory.limit_in_bytes", "1000\n");
  EXPECT_EQ(Limit(), 1000u);
}

TEST_F(MemoryLimit, OfAPathOutsideOfTheNamespaceIsThatOfItsTop) {
  Write("proc/self/cgroup", "0::/../other\n");
  Write("proc/self/mountinfo", Mounted("/", "cg", "cgroup2"));
  Write("cg/memory.max", "2000\n");
  Write("other/memory.max", "1\n");
  EXPECT_EQ(Limit(), 2000u);
}

TEST_F(MemoryLimit, IsUnknownWithoutCgroupsAndWithoutProc) {
  EXPECT_EQ(Limit(), std::nullopt);
  Write("proc/self/cgroup", "nonsense\n::\n0:/\n");
  Write("proc/self/mountinfo", Mounted("/", "cg", "cgroup2"));
  EXPECT_EQ(Limit(), std::nullopt);
  Write("proc/self/cgroup", "0::/\n");
  Write("cg/memory.max", "max\n");
  EXPECT_EQ(Limit(), std::nullopt);
}

}  // namespace
}  // namespace podtap
