// SPDX-License-Identifier: Apache-2.0
// What the two processes may no longer do. The attacher gives up starting programs before it reads its flags; the
// worker gives up everything but reading its descriptors, computing and writing to descriptors it was handed.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace podtap {

// The worker's user and group. Debian reserves 65000-65533 and gives them to nobody, systemd's DynamicUser ends at
// 65519, and 65532 (distroless) and 65534 (nobody) are what images use. So no process of an application runs as this
// one, and no other process can signal or trace the worker.
inline constexpr uid_t kWorkerUid = 65521;

// execve and execveat fail with EPERM from now on, for this process and its children. Implies no-new-privileges.
Status RefuseExec();

// Becomes kWorkerUid without groups, capabilities or a way back; not dumpable; dies with `parent`. `max_data_bytes` is
// set as RLIMIT_DATA (0 = unlimited).
Status DropPrivileges(pid_t parent, uint64_t max_data_bytes);

// Allows the calls that the worker makes and no others. What is refused fails with EPERM; the returned descriptor tells
// the attacher of each refusal (seccomp_unotify(2)). Empty where the kernel cannot: then a refused call just fails.
// Threads made later inherit the filter; files cannot be opened for writing. A try to start a program ends the process
// with SIGSYS.
// `network`: sinks are reached over TCP, so that the worker makes sockets, connects them and asks DNS.
Result<UniqueFd> LoadWorkerFilter(bool network = false);

// Answers one refusal waiting on `listener` with EPERM. Returns the system call's number, or -1 if it is not known any
// more.
int AnswerRefusal(int listener);

}  // namespace podtap
