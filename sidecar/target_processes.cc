// SPDX-License-Identifier: Apache-2.0
#include "sidecar/target_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace podtap {
namespace {

constexpr int kMaxDepth = 16;
constexpr int kMaxDirectories = 4096;

struct Search {
  uint64_t own_id;
  pid_t self, worker;
  int directories = 0;

  // How many processes the directory itself holds that are not ours; counting stops at two.
  int Others(int directory) const {
    const UniqueFd file(openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC));
    std::string text;
    char part[4096];
    for (ssize_t size; file && (size = read(file.get(), part, sizeof(part))) > 0;)
      text.append(part, static_cast<size_t>(size));
    int others = 0;
    for (const char* at = text.c_str(); *at != '\0' && others < 2;) {
      char* end = nullptr;
      const long pid = std::strtol(at, &end, 10);
      if (end == at) break;
      // 0: a process outside our PID namespace, which is somebody else for certain.
      others += pid != self && pid != worker ? 1 : 0;
      at = *end == '\n' ? end + 1 : end;
    }
    return others;
  }

  // The pod's sandbox ("pause") is no application and outlives all of them: it is the first cgroup that was made in the
  // pod (ids of cgroups grow), older than ours, with one process. 0 if there is none such.
  uint64_t SandboxOf(int pod) const {
    uint64_t oldest = own_id;
    ForEachChild(pod, [&](int child, const struct stat& status) {
      if (status.st_ino < oldest && Others(child) == 1) oldest = status.st_ino;
      return true;
    });
    return own_id != 0 && oldest < own_id ? oldest : 0;
  }

  // Calls f(descriptor, status) for each directory in `directory` until it returns false.
  template <typename F>
  static void ForEachChild(int directory, F f) {
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(copy < 0 ? nullptr : fdopendir(copy), &closedir);
    while (const dirent* entry = entries ? readdir(entries.get()) : nullptr) {
      if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
      const UniqueFd child(openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      struct stat status{};
      if (!child || fstat(child.get(), &status) < 0) continue;
      if (!f(child.get(), status)) return;
    }
  }

  // Whether anybody else lives in `directory` or below it, outside the cgroup `without`.
  bool Below(int directory, uint64_t without, int depth) {
    if (Others(directory) > 0) return true;
    if (depth == kMaxDepth) return false;
    bool found = false;
    ForEachChild(directory, [&](int child, const struct stat& status) {
      const bool ours = (own_id != 0 && status.st_ino == own_id) || status.st_ino == without;
      found = !ours && ++directories <= kMaxDirectories && Below(child, without, depth + 1);
      return !found;
    });
    return found;
  }
};

}  // namespace

bool OthersIn(const CgroupTarget& target, pid_t worker) {
  Search search{target.own_id, getpid(), worker};
  return search.Below(target.fd.get(), search.SandboxOf(target.fd.get()), 0);
}

}  // namespace podtap
