// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/container_names.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "sidecar/capture/cgroup_walk.h"

namespace podtap {
namespace {

constexpr CgroupWalkLimits kScanLimits{8, 4000};
static_assert(kScanLimits.directories < ContainerNames::kMaxKnown);

const std::string kNone;

bool IsContainerIdText(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

bool IsFullId(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The innermost container in a path of directory names.
std::string_view ContainerIdInPath(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (const std::string_view id = ContainerIdInName(name); !id.empty()) return id;
    if (slash == std::string_view::npos) break;
    path = path.substr(0, slash);
  }
  return {};
}

}  // namespace

std::string_view ContainerIdInName(std::string_view name) {
  if (name.find("conmon-") != std::string_view::npos) return {};  // the runtime's own helper beside a container
  if (name.ends_with(".scope")) name.remove_suffix(6);
  for (const std::string_view prefix : {"cri-containerd-", "crio-", "docker-", "libpod-"}) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view id = name.substr(prefix.size());
    if (IsContainerIdText(id)) return id;
  }
  // Other runtimes: a full id alone, or after a prefix ("system.slice:cri-containerd:<id>").
  const size_t last = name.find_last_of("-:");
  if (last != std::string_view::npos) name.remove_prefix(last + 1);
  return IsFullId(name) ? name : std::string_view();
}

ContainerNames::ContainerNames(const CgroupTarget& target)
    : fd_(::openat(target.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      target_id_(target.id),
      of_target_(ContainerIdInPath(target.path)) {}

const std::string& ContainerNames::ContainerIdOf(uint64_t cgroup_id, Timestamp now) {
  if (cgroup_id == 0) return kNone;
  if (cgroup_id == target_id_) return of_target_;
  if (const auto it = known_.find(cgroup_id); it != known_.end()) return it->second;
  if (scans_ != 0 && NanosecondsBetween(last_scan_, now) < kRescanNs) return kNone;
  last_scan_ = now;
  Scan();
  if (const auto it = known_.find(cgroup_id); it != known_.end()) return it->second;
  // It is not below the target, or gone already: asking again would not help.
  if (known_.size() < kMaxKnown) known_.emplace(cgroup_id, std::string());
  return kNone;
}

void ContainerNames::Scan() {
  ++scans_;
  if (known_.size() >= kMaxKnown / 2) known_.clear();  // cgroups that are gone; those that live come back below
  WalkCgroups(fd_.get(), kScanLimits, [this](int fd, std::string_view, const std::string& path) {
    struct stat status;
    if (::fstat(fd, &status) == 0 && known_.size() < kMaxKnown) {
      const std::string_view id = ContainerIdInPath(path);
      known_.insert_or_assign(status.st_ino, id.empty() ? of_target_ : std::string(id));
    }
    return CgroupVisit::kDescend;
  });
}

}  // namespace podtap
