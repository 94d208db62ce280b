// SPDX-License-Identifier: Apache-2.0
#include "sidecar/memory_pressure.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/mountinfo.h"
#include "base/read_file.h"
#include "base/unique_fd.h"

namespace podtap {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

// The path of this process in the hierarchy of `controller`, "" being cgroup v2; from lines "id:controllers:path".
std::optional<std::string> OwnPath(std::string_view lines, std::string_view controller) {
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string listed = "," + std::string(controllers) + ",";
    const bool here = controller.empty() ? controllers.empty()
                                         : listed.find("," + std::string(controller) + ",") != std::string::npos;
    if (here) return std::string(line.substr(second + 1));
  }
  return std::nullopt;
}

std::optional<uint64_t> ReadNumber(const std::string& path) {
  const auto text = ReadFile(path, 64);
  uint64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) return std::nullopt;
  return value;  // "max" is no number
}

void SetOomScore(std::string_view value) {
  const UniqueFd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file) (void)!write(file.get(), value.data(), value.size());
}

}  // namespace

std::optional<uint64_t> OwnMemoryLimit(const std::string& proc) {
  const auto own = ReadFile(proc + "/self/cgroup", kMaxBytes);
  const auto mounts = ReadMountinfo(proc);
  std::optional<uint64_t> limit;
  if (!own || !mounts) return limit;
  for (const Mount& mount : *mounts) {
    const bool v2 = mount.type == "cgroup2";
    if (!v2 && mount.type != "cgroup") continue;
    auto path = OwnPath(*own, v2 ? "" : "memory");
    if (!path) continue;
    // The mount may show a part of the hierarchy only; a path outside of it shows at its top.
    if (mount.root != "/" && path->starts_with(mount.root)) path->erase(0, mount.root.size());
    if (path->find("/..") != std::string::npos) path->clear();
    while (true) {
      const std::string file = mount.point + *path + (v2 ? "/memory.max" : "/memory.limit_in_bytes");
      if (const auto value = ReadNumber(file)) limit = std::min(limit.value_or(UINT64_MAX), *value);
      if (path->empty()) break;
      path->resize(path->rfind('/') == std::string::npos ? 0 : path->rfind('/'));
    }
  }
  return limit;
}

void BeEndedFirst() { SetOomScore("1000"); }
void BeEndedLast() { SetOomScore("-1000"); }

}  // namespace podtap
