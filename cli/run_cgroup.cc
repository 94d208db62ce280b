// SPDX-License-Identifier: Apache-2.0
#include "cli/run_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/read_file.h"
#include "sidecar/capture/cgroup_walk.h"

namespace podtap {
namespace {

constexpr std::string_view kPrefix = "podtap-run-";
constexpr size_t kMaxProcsBytes = size_t{4} << 20;
constexpr CgroupWalkLimits kLimits{8, 10000};  // of looking for dead runs, and of what a command made below its cgroup
constexpr int kRemovalTries = 100;  // 10 ms apart: processes that are ending, or forking while they are moved

// The process id in "podtap-run-<pid>-<random>".
std::optional<pid_t> OwnerInName(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || pid <= 0 || end == name.data() + name.size() || *end != '-') return std::nullopt;
  return pid;
}

bool ProcessIsGone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

// The cgroups below `fd`, children before their parents.
std::vector<std::string> CgroupsBelow(int fd) {
  std::vector<std::string> paths;
  WalkCgroups(fd, kLimits, [&](int, std::string_view, const std::string& path) {
    paths.push_back(path);
    return CgroupVisit::kDescend;
  });
  return {paths.rbegin(), paths.rend()};
}

// Removes a cgroup and those that were made below it, if there is no process in any.
bool RemoveEmpty(const std::string& path, int fd) {
  for (const std::string& below : CgroupsBelow(fd)) ::unlinkat(fd, below.c_str(), AT_REMOVEDIR);
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

void MoveProcesses(int from, const char* procs, int to) {
  const Result<std::string> text = ReadFileAt(from, procs, kMaxProcsBytes, /*follow=*/false);
  if (!text) return;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = rest.find('\n');
    const std::string pid(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    // One write per process; one that has just ended is no error.
    if (!pid.empty()) (void)!::write(to, pid.data(), pid.size());
  }
}

void Pause() {
  const timespec ten_ms{0, 10'000'000};
  ::nanosleep(&ten_ms, nullptr);
}

std::string FreshName() {
  uint32_t random = 0;
  if (::getrandom(&random, sizeof(random), 0) != sizeof(random)) random = static_cast<uint32_t>(::time(nullptr));
  char hex[16];
  ::snprintf(hex, sizeof(hex), "%08x", random);
  return std::string(kPrefix) + std::to_string(::getpid()) + "-" + hex;
}

Result<std::pair<std::string, UniqueFd>> MakeIn(const std::string& parent) {
  std::string path = parent + "/" + FreshName();
  if (::mkdir(path.c_str(), 0755) != 0) return ErrnoError("cannot make a cgroup in " + parent);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::rmdir(path.c_str());
    return ErrnoError("cannot use the new cgroup " + path, error);
  }
  // Below a threaded cgroup the new one is "domain invalid" and takes no processes.
  const Result<std::string> type = ReadFileAt(fd.get(), "cgroup.type", 64);
  if (type && type->starts_with("domain invalid")) {
    ::rmdir(path.c_str());
    return EnvironmentError(parent + " is a threaded cgroup, which holds no processes");
  }
  return std::pair(std::move(path), std::move(fd));
}

}  // namespace

Result<RunCgroup> RunCgroup::Make(const std::string& cgroup_root, const CgroupEnvironment& environment) {
  const Result<std::string> root = FindCgroupRoot(cgroup_root, environment);
  if (!root) return std::unexpected(root.error());
  const std::string own = OwnCgroupPath(*root, environment);
  RemoveStaleRunCgroups(*root);
  if (!own.empty() && own != *root)
    if (auto made = MakeIn(own)) return RunCgroup(std::move(made->first), std::move(made->second), ::getpid());
  auto made = MakeIn(*root);
  if (!made) {
    Error error = made.error();
    error.message += "; podtap run makes a cgroup for its command and so needs root and a writable cgroup2 file system";
    return std::unexpected(std::move(error));
  }
  return RunCgroup(std::move(made->first), std::move(made->second), ::getpid());
}

RunCgroup::~RunCgroup() {
  if (fd_ && owner_ == ::getpid()) (void)Remove();
}

Status RunCgroup::Remove() {
  if (!fd_) return {};
  UniqueFd above(::openat(fd_.get(), "../cgroup.procs", O_WRONLY | O_CLOEXEC));
  for (int i = 0; i < kRemovalTries; ++i) {
    if (above) {
      for (const std::string& below : CgroupsBelow(fd_.get()))
        MoveProcesses(fd_.get(), (below + "/cgroup.procs").c_str(), above.get());
      MoveProcesses(fd_.get(), "cgroup.procs", above.get());
    }
    if (RemoveEmpty(path_, fd_.get())) {
      fd_.reset();
      return {};
    }
    Pause();
  }
  return EnvironmentError("cgroup " + path_ +
                          " cannot be removed: there are still processes in it; the next run removes it");
}

int RemoveStaleRunCgroups(const std::string& path_of_top) {
  int removed = 0;
  UniqueFd top(::open(path_of_top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!top) return 0;
  WalkCgroups(top.get(), kLimits, [&](int fd, std::string_view name, const std::string& path) {
    const std::optional<pid_t> owner = OwnerInName(name);
    if (!owner) return CgroupVisit::kDescend;
    if (ProcessIsGone(*owner) && ::flock(fd, LOCK_EX | LOCK_NB) == 0 && RemoveEmpty(path_of_top + "/" + path, fd))
      ++removed;
    return CgroupVisit::kSkipChildren;
  });
  return removed;
}

}  // namespace podtap
