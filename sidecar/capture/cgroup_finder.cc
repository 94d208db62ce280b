// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/cgroup_finder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/mountinfo.h"
#include "base/read_file.h"
#include "sidecar/capture/cgroup_walk.h"

namespace podtap {
namespace {

constexpr size_t kMaxPodUid = 128;
constexpr size_t kMaxMatches = 8;  // more of one uid are not told apart any further
constexpr size_t kMaxProcsBytes = size_t{4} << 20;
constexpr size_t kMaxProcCgroupBytes = size_t{64} << 10;
constexpr CgroupWalkLimits kOwnLimits{8, 10000};       // looking for ourselves below a target
constexpr CgroupWalkLimits kSearchLimits{16, 100000};  // looking for the pod
constexpr uint64_t kFirstPauseNs = 20'000'000;         // between two looks while waiting, doubled up to
constexpr uint64_t kLongestPauseNs = 500'000'000;

// A name for one line of a log: quoted by nothing, but without control characters.
std::string Shown(std::string_view text) {
  std::string shown(text);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return shown;
}

bool SameDirectory(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// The kernel gives the file cgroup.type to every cgroup but the root one, whose inode is number 1.
bool IsRootCgroup(int fd) {
  struct stat status;
  if (::fstat(fd, &status) == 0 && status.st_ino == 1) return true;
  return ::faccessat(fd, "cgroup.type", F_OK, 0) != 0;
}

bool HoldsProcess(int fd, pid_t process) {
  const Result<std::string> procs = ReadFileAt(fd, "cgroup.procs", kMaxProcsBytes, /*follow=*/false);
  if (!procs) return false;
  std::string_view rest = *procs;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid == process && pid != 0) return true;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return false;
}

std::vector<std::string_view> Components(std::string_view path) {
  std::vector<std::string_view> components;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) components.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return components;
}

// `path` without the directory `top`, beginning with '/' or empty; nothing if it is not below (or equal to) `top`.
std::optional<std::string_view> Below(std::string_view path, std::string_view top) {
  while (top.ends_with('/')) top.remove_suffix(1);
  if (!path.starts_with(top)) return std::nullopt;
  path.remove_prefix(top.size());
  if (!path.empty() && path.front() != '/') return std::nullopt;
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

std::string RealPath(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result(real);
  ::free(real);
  return result;
}

UniqueFd OpenDirectory(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

struct Found {
  UniqueFd fd;
  std::string path;
};

// Our own cgroup, if it is `top` or lies below it.
std::optional<Found> OwnBelow(int top, const std::string& top_path, const CgroupEnvironment& environment) {
  if (std::string path = OwnCgroupPath(top_path, environment); !path.empty()) {
    if (UniqueFd fd = OpenDirectory(path)) return Found{std::move(fd), std::move(path)};
  }
  if (HoldsProcess(top, environment.self))
    return Found{UniqueFd(::openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), top_path};
  std::optional<Found> own;
  WalkCgroups(top, kOwnLimits, [&](int fd, std::string_view, const std::string& path) {
    if (!HoldsProcess(fd, environment.self)) return CgroupVisit::kDescend;
    own = Found{UniqueFd(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), top_path + "/" + path};
    return CgroupVisit::kStop;
  });
  return own;
}

// Everything that is known about an open cgroup directory; refuses the root.
Result<CgroupTarget> Describe(Found found, const CgroupEnvironment& environment) {
  if (IsRootCgroup(found.fd.get())) {
    return UsageError(
        "refusing to capture " + Shown(found.path) +
        ": it is the root cgroup and holds every process of the machine, while podtap is scoped to one pod; "
        "give the pod's own cgroup (--cgroup) or its uid (--pod_uid)");
  }
  struct stat status;
  if (::fstat(found.fd.get(), &status) != 0) return ErrnoError("cannot look at cgroup " + Shown(found.path));

  CgroupTarget target;
  target.id = status.st_ino;
  if (std::optional<Found> own = OwnBelow(found.fd.get(), found.path, environment)) {
    struct stat own_status;
    if (::fstat(own->fd.get(), &own_status) == 0 && !SameDirectory(own_status, status))
      target.own_id = own_status.st_ino;
  }
  target.fd = std::move(found.fd);
  target.path = std::move(found.path);
  return target;
}

// One look for what was asked. `missing` = it may still appear.
struct Attempt {
  Result<CgroupTarget> target;
  bool missing = false;
};

Attempt TryPath(const std::string& path, const CgroupEnvironment& environment) {
  UniqueFd fd = OpenDirectory(path);
  if (!fd) {
    const int error = errno;
    if (error == ENOENT) {
      return {EnvironmentError(
                  "cgroup " + Shown(path) +
                  " does not exist; give an existing directory of the cgroup2 file system with --cgroup, or the "
                  "time to wait for it with --cgroup_wait_ms"),
              true};
    }
    if (error == ENOTDIR)
      return {UsageError("--cgroup=" + Shown(path) +
                         " is not a directory of the cgroup2 file system; give one below its mount")};
    std::unexpected<Error> refused = ErrnoError("cannot open cgroup " + Shown(path), error);
    if (error == EACCES) refused.error().message += "; run podtap as root, or let it read that directory";
    return {std::move(refused)};
  }
  if (!environment.is_cgroup2(fd.get())) {
    return {UsageError("--cgroup=" + Shown(path) +
                       " is not a cgroup2 directory; podtap needs the unified hierarchy (cgroup v2), usually below "
                       "/sys/fs/cgroup")};
  }
  std::string real = RealPath(path);
  bool of_a_pod = false;
  for (const std::string_view name : Components(real)) of_a_pod = of_a_pod || LooksLikePodCgroup(name);
  Result<CgroupTarget> target = Describe(Found{std::move(fd), std::move(real)}, environment);
  if (target && !of_a_pod) {
    target->warning = "cgroup " + Shown(target->path) +
                      " is not a pod's cgroup: the traffic of every process in it and below it is captured";
  }
  return {std::move(target)};
}

// The nearest cgroup above our own one that is named after the pod: with the usual runtimes its parent.
std::optional<Found> FindAboveOwn(const std::string& root, const std::string& pod_uid,
                                  const CgroupEnvironment& environment) {
  const std::string own = OwnCgroupPath(root, environment);
  if (own.empty()) return std::nullopt;
  const std::optional<std::string_view> relative = Below(own, root);
  if (!relative) return std::nullopt;
  const std::vector<std::string_view> names = Components(*relative);
  for (size_t count = names.size(); count-- > 1;) {
    if (!IsPodCgroupName(names[count - 1], pod_uid)) continue;
    std::string path = root;
    for (size_t i = 0; i < count; ++i) path.append("/").append(names[i]);
    if (UniqueFd fd = OpenDirectory(path)) return Found{std::move(fd), std::move(path)};
  }
  return std::nullopt;
}

Attempt TryPod(const std::string& root, const std::string& pod_uid, const CgroupEnvironment& environment) {
  if (std::optional<Found> found = FindAboveOwn(root, pod_uid, environment)) {
    return {Describe(std::move(*found), environment)};
  }
  UniqueFd top = OpenDirectory(root);
  if (!top) {
    std::unexpected<Error> refused = ErrnoError("cannot open the cgroup root " + Shown(root));
    refused.error().message += "; name a readable place with --cgroup_root";
    return {std::move(refused)};
  }

  std::vector<Found> matches;
  const size_t visited =
      WalkCgroups(top.get(), kSearchLimits, [&](int fd, std::string_view name, const std::string& path) {
        if (!IsPodCgroupName(name, pod_uid)) return CgroupVisit::kDescend;
        matches.push_back(Found{UniqueFd(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                                root == "/" ? "/" + path : root + "/" + path});
        return matches.size() < kMaxMatches ? CgroupVisit::kSkipChildren : CgroupVisit::kStop;
      });
  std::erase_if(matches, [](const Found& match) { return !match.fd; });  // gone meanwhile

  if (matches.empty()) {
    std::string message =
        "no cgroup of pod " + pod_uid + " below " + Shown(root) + " (looked at " + std::to_string(visited) + " cgroups";
    if (visited >= kSearchLimits.directories) message += ", the most that are looked at";
    message +=
        "); mount the node's cgroup2 tree into this container and name it with --cgroup_root, give the pod's cgroup "
        "itself "
        "with --cgroup, or a time to wait for it with --cgroup_wait_ms";
    return {EnvironmentError(std::move(message)), true};
  }
  if (matches.size() == 1) return {Describe(std::move(matches.front()), environment)};

  std::vector<Found> ours;
  std::string names;
  for (Found& match : matches) {
    names += (names.empty() ? "" : " and ") + Shown(match.path);
    if (OwnBelow(match.fd.get(), match.path, environment)) ours.push_back(std::move(match));
  }
  if (ours.size() == 1) return {Describe(std::move(ours.front()), environment)};
  return {EnvironmentError("more than one cgroup is named after pod " + pod_uid + ": " + names +
                           "; give the right one with --cgroup")};
}

bool IsPodUid(std::string_view uid) {
  return !uid.empty() && uid.size() <= kMaxPodUid && std::ranges::all_of(uid, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

// What follows "pod" in a pod cgroup's name of either driver, or nothing.
std::string_view PodPartOf(std::string_view name) {
  if (name.starts_with("pod") && !name.ends_with(".slice")) return name.substr(3);
  if (!name.ends_with(".slice")) return {};
  name.remove_suffix(6);
  if (name.starts_with("pod")) return name.substr(3);
  const size_t at = name.rfind("-pod");
  return at == std::string_view::npos ? std::string_view() : name.substr(at + 4);
}

}  // namespace

CgroupEnvironment::CgroupEnvironment() : self(::getpid()) {
  is_cgroup2 = [](int fd) {
    struct statfs status;
    return ::fstatfs(fd, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
  };
}

bool IsPodCgroupName(std::string_view name, std::string_view pod_uid) {
  // systemd escapes '-' inside a slice's own part as '_', so both stand for the same.
  const std::string_view uid = PodPartOf(name);
  return !uid.empty() &&
         std::ranges::equal(uid, pod_uid, [](char a, char b) { return (a == '_' ? '-' : a) == (b == '_' ? '-' : b); });
}

bool LooksLikePodCgroup(std::string_view name) {
  const std::string_view uid = PodPartOf(name);
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  if (uid.size() == 32) return std::ranges::all_of(uid, is_hex);
  if (uid.size() != 36) return false;
  for (size_t i = 0; i < uid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? uid[i] != '-' && uid[i] != '_' : !is_hex(uid[i])) return false;
  }
  return true;
}

Result<std::string> FindCgroupRoot(const std::string& given, const CgroupEnvironment& environment) {
  std::string top = given.empty() ? std::string() : RealPath(given);
  if (!top.empty()) {
    UniqueFd fd = OpenDirectory(top);
    if (!fd) {
      std::unexpected<Error> refused = ErrnoError("--cgroup_root=" + Shown(given) + " cannot be opened");
      refused.error().message += "; name the place where the node's /sys/fs/cgroup (cgroup v2) is mounted";
      return refused;
    }
    if (environment.is_cgroup2(fd.get())) return top;
  }
  const Result<std::vector<Mount>> mounts = ReadMountinfo(environment.proc);
  if (!mounts) return std::unexpected(mounts.error());
  for (const Mount& mount : *mounts) {
    if (mount.type != "cgroup2") continue;
    if (!top.empty() && !Below(mount.point, top)) continue;
    UniqueFd fd = OpenDirectory(mount.point);
    if (fd && environment.is_cgroup2(fd.get())) return mount.point;
  }
  if (!top.empty()) {
    return UsageError("--cgroup_root=" + Shown(given) +
                      " is not on a cgroup2 file system and none is mounted below it; name the place where the node's "
                      "/sys/fs/cgroup (cgroup v2) is mounted");
  }
  return EnvironmentError(
      "no cgroup2 file system is mounted here; podtap needs cgroup v2: boot the node with the unified hierarchy, or "
      "mount it "
      "(mount -t cgroup2 none /sys/fs/cgroup/unified) and name it with --cgroup_root");
}

std::string OwnCgroupPath(const std::string& root, const CgroupEnvironment& environment) {
  const Result<std::string> text = ReadFile(environment.proc + "/self/cgroup", kMaxProcCgroupBytes);
  if (!text) return {};
  std::string_view own;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with("0::")) own = line.substr(3);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (!own.starts_with('/') || own.starts_with("/..")) return {};

  const Result<std::vector<Mount>> mounts = ReadMountinfo(environment.proc);
  if (!mounts) return {};
  std::string path;
  size_t longest = 0;
  for (const Mount& mount : *mounts) {
    if (mount.type != "cgroup2" || mount.point.size() < longest || !Below(root, mount.point)) continue;
    longest = mount.point.size();
    const std::optional<std::string_view> relative = Below(own, mount.root);
    path.clear();
    if (relative) path.append(mount.point == "/" ? "" : mount.point).append(*relative);
  }
  if (path.empty() || !Below(path, root)) return {};
  // A private cgroup namespace, or a mount of another one, makes that a wrong path: the kernel's own list decides.
  const UniqueFd fd = OpenDirectory(path);
  if (!fd || !environment.is_cgroup2(fd.get()) || !HoldsProcess(fd.get(), environment.self)) return {};
  return path;
}

Result<CgroupTarget> FindCgroup(const CgroupRequest& request, const CgroupEnvironment& environment) {
  std::string root;
  if (request.path.empty()) {
    if (request.pod_uid.empty()) {
      return UsageError(
          "no target: give the pod's uid with --pod_uid (or POD_UID in the environment), or a cgroup with --cgroup");
    }
    if (!IsPodUid(request.pod_uid)) {
      return UsageError("--pod_uid=" + Shown(request.pod_uid) + " is not a pod uid; give metadata.uid of the pod");
    }
    Result<std::string> found = FindCgroupRoot(request.cgroup_root, environment);
    if (!found) return std::unexpected(found.error());
    root = std::move(*found);
  }

  const uint64_t start = MonotonicNow().ns;
  const uint64_t patience = static_cast<uint64_t>(std::max(request.wait_ms, 0)) * 1'000'000;
  for (uint64_t pause = kFirstPauseNs;; pause = std::min(pause * 2, kLongestPauseNs)) {
    Attempt attempt =
        request.path.empty() ? TryPod(root, request.pod_uid, environment) : TryPath(request.path, environment);
    const uint64_t waited = MonotonicNow().ns - start;
    if (!attempt.missing || waited >= patience) return std::move(attempt.target);
    const uint64_t nap = std::min(pause, patience - waited);
    const timespec duration{static_cast<time_t>(nap / 1'000'000'000), static_cast<long>(nap % 1'000'000'000)};
    ::nanosleep(&duration, nullptr);
  }
}

}  // namespace podtap
