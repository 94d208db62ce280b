// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <utility>

namespace podtap {

Descriptor::Descriptor(UniqueFd fd) : fd_(std::move(fd)) {
  struct stat kind{};
  if (!fd_ || fstat(fd_.get(), &kind) != 0) return;
  is_regular_file_ = S_ISREG(kind.st_mode);
  is_socket_ = S_ISSOCK(kind.st_mode);
  const int flags = fcntl(fd_.get(), F_GETFL);
  may_block_ = !is_regular_file_ && !is_socket_ && (flags & O_NONBLOCK) == 0;
}

Descriptor::Attempt Descriptor::Write(std::string_view bytes) {
  if (may_block_) {
    pollfd ready{fd_.get(), POLLOUT, 0};
    if (poll(&ready, 1, 0) == 0) return {Outcome::kWait};
    bytes = bytes.substr(0, PIPE_BUF);
  }
  ssize_t written;
  do {
    written = is_socket_ ? send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                         : write(fd_.get(), bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written > 0) return {Outcome::kWrote, static_cast<size_t>(written)};
  if (written == 0) return {Outcome::kNoRoom, 0, ENOSPC};
  switch (const int error = errno) {
    case EAGAIN:
      return {Outcome::kWait};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOBUFS:
    case ENOMEM:
      return {Outcome::kNoRoom, 0, error};
    case EMSGSIZE:
      return {Outcome::kTooLarge, 0, error};
    default:
      return {Outcome::kBroken, 0, error};
  }
}

uint64_t Descriptor::FileSize() const {
  struct stat now{};
  return fstat(fd_.get(), &now) == 0 ? static_cast<uint64_t>(now.st_size) : 0;
}

void Descriptor::CutTail(uint64_t bytes) {
  const off_t end = lseek(fd_.get(), 0, SEEK_CUR);  // after a write with O_APPEND: where that write ended
  if (!is_regular_file_ || bytes == 0 || end < 0 || static_cast<uint64_t>(end) < bytes) return;
  if (FileSize() != static_cast<uint64_t>(end)) return;
  if (ftruncate(fd_.get(), end - static_cast<off_t>(bytes)) == 0) lseek(fd_.get(), 0, SEEK_END);
}

}  // namespace podtap
