// SPDX-License-Identifier: Apache-2.0
#include "base/read_file.h"

#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.h"

namespace podtap {

Result<std::string> ReadFileAt(int directory_fd, const std::string& path, size_t limit, bool follow) {
  UniqueFd fd(::openat(directory_fd, path.c_str(), O_RDONLY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
  if (!fd) return ErrnoError("cannot read " + path);
  return ReadDescriptor(fd.get(), path, limit);
}

Result<std::string> ReadDescriptor(int fd, const std::string& name, size_t limit) {
  std::string content;
  char buffer[16384];
  while (content.size() < limit) {
    const ssize_t n = ::read(fd, buffer, std::min(sizeof(buffer), limit - content.size()));
    if (n < 0) {
      if (errno == EINTR) continue;
      return ErrnoError("cannot read " + name);
    }
    if (n == 0) break;
    content.append(buffer, static_cast<size_t>(n));
  }
  return content;
}

}  // namespace podtap
