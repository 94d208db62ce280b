// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace podtap {
namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// Calls the worker needs with any arguments: memory, time, threads' waits, and I/O on descriptors it already has.
constexpr int kAllowed[] = {
    SCMP_SYS(accept4),
    SCMP_SYS(brk),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(futex),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getpeername),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sysinfo),
    SCMP_SYS(tgkill),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(uname),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

Status FilterError(const char* what, int error) { return ErrnoError(std::string("cannot ") + what, -error); }

int AddWorkerRules(scmp_filter_ctx filter, bool network) {
  int error = 0;
  const auto allow = [&](int call, auto... conditions) {
    const int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, sizeof...(conditions), conditions...);
    // A call that this processor does not have (poll on arm64) needs no rule.
    if (result != 0 && result != -EDOM && result != -EFAULT && error == 0) error = result;
  };
  for (const int call : kAllowed) allow(call);
  // A worker that starts programs is no worker of ours any more. Only an end outranks the refusal that it inherits from
  // RefuseExec(), which would stay unseen otherwise.
  for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat)})
    if (const int result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0); result != 0 && error == 0)
      error = result;
  // Memory, but none that can be run.
  allow(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  allow(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  // Threads, but no processes. clone3 hides its flags in memory, so libc is told to use clone.
  allow(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD));
  if (error == 0) error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // Reading files (time zone, later resolv.conf), never writing or making them.
  constexpr int kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
  allow(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, kWriting, 0));
  // Is standard error a terminal?
  allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
  allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0));
  allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
  allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
  allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA, 0));
  // Looking at limits, not setting them: the new limit is a null pointer.
  allow(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0));
  if (network) {
    // TCP to collectors, UDP and TCP to name servers (which resolv.conf names), and the kernel's list of own addresses,
    // by which libc sorts what DNS answered. libc's first question, to a name service daemon, is answered with "no".
    constexpr auto kType = SOCK_STREAM | SOCK_DGRAM | SOCK_RAW;
    for (const int family : {AF_INET, AF_INET6})
      for (const int type : {SOCK_STREAM, SOCK_DGRAM})
        allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0),
              SCMP_A1(SCMP_CMP_MASKED_EQ, kType, static_cast<scmp_datum_t>(type)));
    allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE, 0));
    if (const int result =
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
        result != 0 && error == 0)
      error = result;
    allow(SCMP_SYS(connect));
    allow(SCMP_SYS(bind));
    allow(SCMP_SYS(sendmmsg));
  }
  return error;
}

Result<UniqueFd> Load(uint32_t default_action, bool network) {
  Filter filter(seccomp_init(default_action), &seccomp_release);
  if (!filter) return EnvironmentError("cannot make the worker's system call filter");
  if (const int error = AddWorkerRules(filter.get(), network); error != 0)
    return std::unexpected(FilterError("write the worker's system call filter", error).error());
  if (const int error = seccomp_load(filter.get()); error != 0)
    return std::unexpected(FilterError("load the worker's system call filter", error).error());
  if (default_action != SCMP_ACT_NOTIFY) return UniqueFd();
  return UniqueFd(seccomp_notify_fd(filter.get()));
}

}  // namespace

Status RefuseExec() {
  Filter filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
  if (!filter) return EnvironmentError("cannot make a system call filter");
  for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat)})
    if (const int error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0); error != 0)
      return FilterError("write a system call filter", error);
  if (const int error = seccomp_load(filter.get()); error != 0) return FilterError("load a system call filter", error);
  return {};
}

Status DropPrivileges(pid_t parent, uint64_t max_data_bytes) {
  if (max_data_bytes > 0) {
    const rlimit limit{max_data_bytes, max_data_bytes};
    if (setrlimit(RLIMIT_DATA, &limit) < 0) return ErrnoError("cannot limit the worker's memory");
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (int capability = 0; cap_get_bound(capability) >= 0; ++capability)
    if (cap_drop_bound(capability) < 0 && errno != EPERM) return ErrnoError("cannot drop a capability");
  if (setgroups(0, nullptr) < 0 || setresgid(kWorkerUid, kWorkerUid, kWorkerUid) < 0 ||
      setresuid(kWorkerUid, kWorkerUid, kWorkerUid) < 0)
    return ErrnoError("cannot give up root in the worker (capabilities SETUID and SETGID are needed for that)");
  const std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)> none(cap_init(), &cap_free);
  if (!none || cap_set_proc(none.get()) < 0) return ErrnoError("cannot give up capabilities in the worker");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return ErrnoError("cannot set no-new-privileges");
  // Both are undone by a change of user, so they come after it.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return ErrnoError("cannot make the worker undumpable");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return ErrnoError("cannot tie the worker to its parent");
  if (getppid() != parent) _exit(0);
  return {};
}

Result<UniqueFd> LoadWorkerFilter(bool network) {
  if (auto listener = Load(SCMP_ACT_NOTIFY, network)) return listener;
  return Load(SCMP_ACT_ERRNO(EPERM), network);
}

int AnswerRefusal(int listener) {
  seccomp_notif* request = nullptr;
  seccomp_notif_resp* response = nullptr;
  if (seccomp_notify_alloc(&request, &response) != 0) return -1;
  int call = -1;
  // ENOENT: whoever made the call was interrupted or has ended meanwhile.
  if (seccomp_notify_receive(listener, request) == 0) {
    call = request->data.nr;
    *response = {};
    response->id = request->id;
    response->error = -EPERM;
    seccomp_notify_respond(listener, response);
  }
  seccomp_notify_free(request, response);
  return call;
}

}  // namespace podtap
