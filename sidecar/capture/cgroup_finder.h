// SPDX-License-Identifier: Apache-2.0
// FindCgroup: which cgroup to attach to. podtap is scoped to one pod, so exactly one cgroup2 directory comes out of
// here, open, and never the root cgroup. `main` calls it once, `podtap run` never does (it makes its own cgroup).
//
// A pod's cgroup is found by the pod's uid in the names that kubelet gives, anywhere below the root (a kubelet may
// itself run in a container, so the prefix is not known):
//   systemd driver    kubepods.slice/[kubepods-burstable.slice/]kubepods-burstable-pod<uid with _ for ->.slice
//   cgroupfs driver   kubepods/[burstable/]pod<uid>
// In a private cgroup namespace /proc/self/cgroup says "/" whatever the truth is, so our own cgroup is then recognised
// by our process id in cgroup.procs, which the kernel translates into the reader's PID namespace
// (cgroup_namespaces(7)).
//
// The search never follows symbolic links, and its depth and number of directories are bounded.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace podtap {

struct CgroupRequest {
  std::string path{};         // the cgroup itself; if empty, pod_uid is searched for
  std::string pod_uid{};      // as metadata.uid has it, or with '_' for '-'
  std::string cgroup_root{};  // a cgroup2 mount, or a directory above one; empty: the first cgroup2 mount in mountinfo
  int wait_ms = 0;            // how long to wait for a cgroup that is not there yet
};

struct CgroupTarget {
  UniqueFd fd;       // the directory, O_RDONLY | O_CLOEXEC
  std::string path;  // as this process sees it, without symbolic links
  uint64_t id = 0;   // the kernel's cgroup id, which is the directory's inode number
  // The id of the cgroup this process is in, if that is below the target (not the target itself); else 0.
  uint64_t own_id = 0;
  std::string warning;  // for the log, if the target is not a pod's cgroup; else empty
};

// What tests replace.
struct CgroupEnvironment {
  std::string proc = "/proc";
  pid_t self;                              // our process id, as cgroup.procs shows it to us
  std::function<bool(int fd)> is_cgroup2;  // whether an open directory lies on a cgroup2 file system
  CgroupEnvironment();                     // the real ones
};

// Fails with one line that says what to do: kUsage for a request that can never be met (the root cgroup, a directory
// that is not a cgroup2 one, no request at all), kEnvironment for what is missing or ambiguous on this machine.
Result<CgroupTarget> FindCgroup(const CgroupRequest& request, const CgroupEnvironment& environment = {});

// Where the cgroup2 file system is: `given` (or a cgroup2 mount below it), or, if empty, the first cgroup2 mount.
Result<std::string> FindCgroupRoot(const std::string& given, const CgroupEnvironment& environment = {});

// The path of our own cgroup as /proc/self/cgroup and mountinfo tell it, checked against cgroup.procs; empty if it
// cannot be told so (a private cgroup namespace) or lies outside `root`, which FindCgroupRoot() found.
std::string OwnCgroupPath(const std::string& root, const CgroupEnvironment& environment = {});

// Whether `name` (one directory name) is what kubelet calls the cgroup of the pod with this uid.
bool IsPodCgroupName(std::string_view name, std::string_view pod_uid);
// Whether `name` has the form of any pod's cgroup: its uid is a UUID, with '-' or '_', or 32 hex digits (static pods).
bool LooksLikePodCgroup(std::string_view name);

}  // namespace podtap
