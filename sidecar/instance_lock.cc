// SPDX-License-Identifier: Apache-2.0
#include "sidecar/instance_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <algorithm>

#include "base/clock.h"

namespace podtap {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kLookEveryMs = 10;

// The byte of the program's file whose read lock says "attached".
struct flock AttachedByte(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = 0;
  lock.l_len = 1;
  return lock;
}

Result<UniqueFd> OpenProgram() {
  UniqueFd program(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!program) return ErrnoError("cannot open the program's own file");
  return program;
}

}  // namespace

Result<InstanceLock> InstanceLock::Take() {
  auto program = OpenProgram();
  if (!program) return std::unexpected(program.error());
#ifdef PODTAP_IN_POD
  if (flock(program->get(), LOCK_EX | LOCK_NB) < 0)
    return UsageError("an instance runs already; a further one takes --wait_until_attached_ms=N or --version only");
#endif
  return InstanceLock(*std::move(program));
}

Status InstanceLock::ShowAttached() {
  struct flock lock = AttachedByte(F_RDLCK);
  if (fcntl(program_.get(), F_OFD_SETLK, &lock) < 0) return ErrnoError("cannot lock the program's own file");
  return {};
}

void WaitUntilAttached(uint64_t ms) {
  const auto program = OpenProgram();
  constexpr uint64_t kYearMs = 366ULL * 24 * 3'600'000;
  const uint64_t deadline = MonotonicNow().ns + std::min(ms, kYearMs) * kMillisecond;
  while (true) {
    // A write lock would be refused if somebody holds the read lock; asking needs no right to write.
    struct flock lock = AttachedByte(F_WRLCK);
    if (program && fcntl(program->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type == F_RDLCK) return;
    const uint64_t now = MonotonicNow().ns;
    if (now >= deadline) return;
    const uint64_t pause = std::min(deadline - now, kLookEveryMs * kMillisecond);
    const timespec time{0, static_cast<long>(pause)};
    nanosleep(&time, nullptr);
  }
}

}  // namespace podtap
