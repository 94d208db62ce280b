// SPDX-License-Identifier: Apache-2.0
// Each test forks: what a sandbox takes away never comes back.
#include "sidecar/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>

#include "sidecar/control.h"

namespace podtap {
namespace {

// Runs `body` in a child; its exit status, or 100 + the signal that ended it.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // its run time makes system calls of its own
#else
constexpr bool kSanitized = false;
#endif

TEST(Sandbox, AProgramCanNoLongerBeStarted) {
  const int status = InChild([] {
    if (!RefuseExec()) return 1;
    const char* const arguments[] = {"/bin/true", nullptr};
    execv("/bin/true", const_cast<char**>(arguments));
    return errno == EPERM ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, TheWorkerHasAnotherUserNoCapabilitiesAndNoWayBack) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: gives up root";
  const int status = InChild([] {
    if (!DropPrivileges(getppid(), 0)) return 1;
    if (getuid() != kWorkerUid || geteuid() != kWorkerUid || getgid() != kWorkerUid) return 2;
    if (setuid(0) == 0) return 3;
    if (open("/etc/shadow", O_RDONLY) >= 0) return 4;
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, WhatTheWorkerDoesNotNeedFails) {
  if (kSanitized) GTEST_SKIP() << "sanitizers make system calls of their own; the plain build runs this test";
  const int status = InChild([] {
    auto listener = LoadWorkerFilter();
    if (!listener) return 1;
    // Nobody answers the listener here: closing it makes refused calls fail with ENOSYS at once.
    listener->reset();
    if (open("/tmp/podtap-sandbox-test", O_WRONLY | O_CREAT, 0600) >= 0) return 2;
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) return 4;
    bpf_attr attr{};
    if (syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) >= 0) return 5;
    if (mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) return 6;
    if (fork() >= 0) return 7;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0) return 8;
    // What it does need goes on.
    void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && open("/etc/hosts", O_RDONLY) >= 0 ? 0 : 9;
  });
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, AWorkerThatStartsAProgramEndsAlthoughItsParentMayNotStartOneEither) {
  if (kSanitized) GTEST_SKIP() << "sanitizers make system calls of their own; the plain build runs this test";
  for (const long call : {SYS_execve, SYS_execveat}) {
    const int status = InChild([call] {
      if (!RefuseExec()) return 1;
      const auto listener = LoadWorkerFilter();
      if (!listener) return 2;
      syscall(call, "/bin/true", nullptr, nullptr, nullptr, 0);
      return 3;
    });
    EXPECT_EQ(status, 100 + SIGSYS) << "the attacher sees a signal, and counts it";
  }
}

TEST(Sandbox, EachRefusalIsReportedToTheAttacherAndFails) {
  if (kSanitized) GTEST_SKIP() << "sanitizers make system calls of their own; the plain build runs this test";
  auto pair = MakeControlPair();
  ASSERT_TRUE(pair);
  const pid_t pid = fork();
  if (pid == 0) {
    auto listener = LoadWorkerFilter();
    if (!listener || !*listener) _exit(1);
    if (!SendControl(pair->worker.get(), ControlMessage{}, listener->get())) _exit(2);
    const long result = syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
    _exit(result == -1 && errno == EPERM ? 0 : 3);
  }
  auto received = ReceiveControl(pair->attacher.get());
  ASSERT_TRUE(received && received->descriptor);
  EXPECT_EQ(AnswerRefusal(received->descriptor.get()), SYS_ptrace);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace podtap
