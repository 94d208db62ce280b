// SPDX-License-Identifier: Apache-2.0
// A cgroup2 tree and the /proc files that lead to it, made of ordinary directories in a temporary place: no privilege
// needed.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "sidecar/capture/cgroup_finder.h"

namespace podtap {

class FakeCgroupTree {
 public:
  static constexpr pid_t kSelf = 4242;

  FakeCgroupTree() {
    char name[] = "/tmp/podtap_cgroup_test_XXXXXX";
    top_ = ::mkdtemp(name);
    std::filesystem::create_directories(top_ / "proc/self");
    std::filesystem::create_directories(root());
    Write(root() / "cgroup.procs", "1\n2\n");
    SetMounts("25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw\n31 23 0:38 / " + root().string() +
              " rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    SetOwn("/");
  }
  ~FakeCgroupTree() { std::filesystem::remove_all(top_); }

  std::filesystem::path top() const { return top_; }
  std::filesystem::path root() const { return top_ / "sys/fs/cgroup"; }

  // Makes a cgroup and those above it; `procs` is what its cgroup.procs says. Each appears whole, as the kernel does
  // it.
  std::filesystem::path Add(const std::string& path, const std::string& procs = "") {
    std::filesystem::path at = root();
    for (const auto& name : std::filesystem::path(path)) {
      at /= name;
      if (std::filesystem::exists(at)) continue;
      const std::filesystem::path fresh = top() / "fresh";
      std::filesystem::create_directory(fresh);
      Write(fresh / "cgroup.type", "domain\n");
      Write(fresh / "cgroup.procs", "");
      std::filesystem::rename(fresh, at);
    }
    Write(at / "cgroup.procs", procs);
    return at;
  }
  void SetMounts(const std::string& mountinfo) { Write(top_ / "proc/self/mountinfo", mountinfo); }
  // What /proc/self/cgroup says, beside the cgroup v1 lines of a hybrid machine.
  void SetOwn(const std::string& path) {
    Write(top_ / "proc/self/cgroup", "2:memory:/other\n1:name=systemd:/other\n0::" + path + "\n");
  }

  CgroupEnvironment environment() const {
    CgroupEnvironment environment;
    environment.proc = (top_ / "proc").string();
    environment.self = kSelf;
    environment.is_cgroup2 = [root = root().string()](int fd) {
      const std::string path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
      return path == root || path.starts_with(root + "/");
    };
    return environment;
  }

  static uint64_t InodeOf(const std::filesystem::path& path) {
    struct stat status = {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
  }

 private:
  static void Write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }
  std::filesystem::path top_;
};

}  // namespace podtap
