// SPDX-License-Identifier: Apache-2.0
// RunCgroup: the cgroup that `podtap run` makes for its command, named podtap-run-<pid>-<random>. It lies below the
// caller's own cgroup where that is possible, so that the caller's resource limits go on to hold, and below the root
// cgroup otherwise.
//
// While it lives it is locked (flock), so that a later run can tell one that was left behind by a run that was killed.
// On removal, processes that outlived the command are left running: they are moved to the cgroup above.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/capture/cgroup_finder.h"

namespace podtap {

class RunCgroup {
 public:
  // Makes the cgroup, after removing those of dead runs beside it. `cgroup_root` as in CgroupRequest.
  static Result<RunCgroup> Make(const std::string& cgroup_root, const CgroupEnvironment& environment = {});

  RunCgroup(RunCgroup&&) = default;
  RunCgroup& operator=(RunCgroup&&) = delete;
  ~RunCgroup();  // removes it

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

  // Removes it now. Fails if a process in it can be neither moved nor waited for; then the next run removes it.
  Status Remove();

 private:
  RunCgroup(std::string path, UniqueFd fd, int owner) : path_(std::move(path)), fd_(std::move(fd)), owner_(owner) {}

  std::string path_;
  UniqueFd fd_;    // holds the lock; -1 once removed
  int owner_ = 0;  // the process that made it: a forked child must not remove it
};

// Removes the cgroups of dead runs below the directory `path_of_top`, at any depth that a session's may have: those
// named podtap-run-<pid>-<random> whose process is gone, that nobody has locked and in which no process is left.
// Returns how many went.
int RemoveStaleRunCgroups(const std::string& path_of_top);

}  // namespace podtap
