// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/cgroup_walk.h"

#include <dirent.h>
#include <fcntl.h>

#include <memory>

#include "base/unique_fd.h"

namespace podtap {
namespace {

using Visitor = std::function<CgroupVisit(int fd, std::string_view name, const std::string& path)>;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class Walk {
 public:
  Walk(const CgroupWalkLimits& limits, const Visitor& visit) : limits_(limits), visit_(visit) {}

  // Visits the children of `fd`; `path_` is the path of `fd`. False: stop everything.
  bool Children(int fd, int depth) {
    // A descriptor of its own, because reading a directory moves its position.
    UniqueFd own(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!own) return true;
    std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(own.get()));
    if (!directory) return true;
    (void)own.release();  // the DIR owns it now
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) continue;
      if (name == "." || name == ".." || name.starts_with("crio-conmon-")) continue;
      UniqueFd child(::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) continue;  // not a directory, or gone meanwhile
      if (visited_ == limits_.directories) return false;
      ++visited_;
      const size_t length = path_.size();
      if (!path_.empty()) path_ += '/';
      path_ += name;
      const CgroupVisit verdict = visit_(child.get(), name, path_);
      bool go_on = verdict != CgroupVisit::kStop;
      if (verdict == CgroupVisit::kDescend && depth < limits_.depth) go_on = Children(child.get(), depth + 1);
      path_.resize(length);
      if (!go_on) return false;
    }
    return true;
  }

  size_t visited() const { return visited_; }

 private:
  const CgroupWalkLimits& limits_;
  const Visitor& visit_;
  std::string path_;
  size_t visited_ = 0;
};

}  // namespace

size_t WalkCgroups(int fd, const CgroupWalkLimits& limits, const Visitor& visit) {
  Walk walk(limits, visit);
  if (limits.depth > 0) walk.Children(fd, 1);
  return walk.visited();
}

}  // namespace podtap
