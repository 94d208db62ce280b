// SPDX-License-Identifier: Apache-2.0
#include "sidecar/target_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

namespace podtap {
namespace {

constexpr int kMaxDepth = 16;
constexpr int kMaxDirectories = 4096;

// Of a pause process: it holds some 50 KiB and never runs. Where its memory is not known: what starting it costs.
constexpr uint64_t kMostMemory = 256 << 10;
constexpr uint64_t kMostCpuUs = 30'000;

std::string ReadAt(int directory, const char* name) {
  const UniqueFd file(openat(directory, name, O_RDONLY | O_CLOEXEC));
  std::string text;
  char part[4096];
  for (ssize_t size; file && (size = read(file.get(), part, sizeof(part))) > 0;)
    text.append(part, static_cast<size_t>(size));
  return text;
}

// Of lines "name number".
std::optional<uint64_t> NumberAfter(const std::string& text, const std::string& name) {
  const size_t at = ("\n" + text).find("\n" + name);
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text.c_str() + at + name.size(), nullptr, 10);
}

struct Search {
  uint64_t own_id;
  pid_t self, worker;
  const std::unordered_set<uint64_t>& talkers;
  int directories = 0;

  // How many processes the directory itself holds that are not ours; counting stops at two.
  int Others(int directory) const {
    const std::string text = ReadAt(directory, "cgroup.procs");
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
  // pod (ids of cgroups grow), older than ours, with one process that does nothing. 0 if there is none such; some
  // runtimes make none, and then the oldest cgroup is an application's.
  uint64_t SandboxOf(int pod) {
    uint64_t oldest = own_id;
    UniqueFd sandbox;
    ForEachChild(pod, [&](int child, const struct stat& status) {
      if (status.st_ino >= oldest) return true;
      oldest = status.st_ino;
      sandbox.reset(dup(child));
      return true;
    });
    return sandbox && !talkers.contains(oldest) && DoesNothing(sandbox.get()) ? oldest : 0;
  }

  // Whether all that lives in `directory` and below it is one process that is pause, or, where its name is hidden by
  // our PID namespace, as small as nothing else. In doubt it is an application: ending late loses nothing.
  bool DoesNothing(int directory) const {
    std::string procs = ProcsBelow(directory, 0);
    const long pid = std::strtol(procs.c_str(), nullptr, 10);
    if (std::count(procs.begin(), procs.end(), '\n') != 1) return false;
    if (pid != 0) return ReadAt(AT_FDCWD, ("/proc/" + std::to_string(pid) + "/comm").c_str()) == "pause\n";
    if (const auto bytes = NumberAfter(ReadAt(directory, "memory.stat"), "anon ")) return *bytes <= kMostMemory;
    const auto cpu_us = NumberAfter(ReadAt(directory, "cpu.stat"), "usage_usec ");
    return cpu_us && *cpu_us <= kMostCpuUs;
  }

  static std::string ProcsBelow(int directory, int depth) {
    std::string procs = ReadAt(directory, "cgroup.procs");
    if (depth < 2) {
      ForEachChild(directory, [&](int child, const struct stat&) {
        procs += ProcsBelow(child, depth + 1);
        return true;
      });
    }
    return procs;
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

bool OthersIn(const CgroupTarget& target, pid_t worker, const std::unordered_set<uint64_t>& talkers) {
  Search search{target.own_id, getpid(), worker, talkers};
  return search.Below(target.fd.get(), search.SandboxOf(target.fd.get()), 0);
}

}  // namespace podtap
