// SPDX-License-Identifier: Apache-2.0
// Reading small files whole: /proc, cgroup and configuration files, whose stat size means nothing.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <string>

#include "base/result.h"

namespace podtap {

// The content of `path` (relative to the directory `directory_fd`), at most `limit` bytes; what is longer is cut there.
// `follow` = false refuses a symbolic link as the last component. The error names the path.
Result<std::string> ReadFileAt(int directory_fd, const std::string& path, size_t limit, bool follow = true);

// The rest of an open descriptor; `name` is for the error.
Result<std::string> ReadDescriptor(int fd, const std::string& name, size_t limit);

inline Result<std::string> ReadFile(const std::string& path, size_t limit) { return ReadFileAt(AT_FDCWD, path, limit); }

}  // namespace podtap
