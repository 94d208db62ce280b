// SPDX-License-Identifier: Apache-2.0
#include "base/read_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/unique_fd.h"

namespace podtap {
namespace {

class ReadFileTest : public ::testing::Test {
 protected:
  ReadFileTest() {
    char name[] = "/tmp/podtap_read_test_XXXXXX";
    directory = ::mkdtemp(name);
    std::ofstream(directory / "data") << std::string(100000, 'x') << "end";
    std::filesystem::create_symlink("data", directory / "link");
  }
  ~ReadFileTest() override { std::filesystem::remove_all(directory); }
  std::filesystem::path directory;
};

TEST_F(ReadFileTest, ReadsAFileWhole) {
  const Result<std::string> content = ReadFile((directory / "data").string(), 1 << 20);
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(content->size(), 100003u);
  EXPECT_TRUE(content->ends_with("xend"));
}

TEST_F(ReadFileTest, StopsAtTheLimit) { EXPECT_EQ(ReadFile((directory / "data").string(), 50001)->size(), 50001u); }

TEST_F(ReadFileTest, ReadsWhatProcSaysHasNoSize) { EXPECT_FALSE(ReadFile("/proc/self/cgroup", 1 << 16)->empty()); }

TEST_F(ReadFileTest, RefusesALinkWhereTold) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(ReadFileAt(fd.get(), "link", 10).has_value());
  EXPECT_FALSE(ReadFileAt(fd.get(), "link", 10, /*follow=*/false).has_value());
}

TEST_F(ReadFileTest, AMissingFileIsNamed) {
  const Result<std::string> content = ReadFile("/nowhere/at/all", 10);
  ASSERT_FALSE(content.has_value());
  EXPECT_THAT(content.error().message, ::testing::HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace podtap
