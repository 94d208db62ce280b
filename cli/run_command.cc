// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace podtap {
namespace {

constexpr int kNeverRan = 125;

struct Pair {
  UniqueFd ours, theirs;
};

// A socket pair rather than a pipe: sending on it never raises SIGPIPE (MSG_NOSIGNAL).
Result<Pair> MakePair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoError("cannot make a socket pair");
  return Pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// What the child tells when it cannot become the command.
struct Report {
  enum Stage : int { kCgroup, kExecute } stage;
  int error;
};

[[noreturn]] void Tell(int fd, Report::Stage stage, int error) {
  const Report report{stage, error};
  (void)!::send(fd, &report, sizeof(report), MSG_NOSIGNAL);
  ::_exit(kNeverRan);
}

ssize_t ReadAgain(int fd, void* buffer, size_t size) {
  ssize_t n;
  do {
    n = ::read(fd, buffer, size);
  } while (n < 0 && errno == EINTR);
  return n;
}

// In the child, between fork and exec: only what is safe there.
[[noreturn]] void BecomeCommand(int procs, int parent, char* const* arguments) {
  if (::write(procs, "0", 1) != 1) Tell(parent, Report::kCgroup, errno);
  char go;
  if (ReadAgain(parent, &go, 1) != 1) ::_exit(kNeverRan);
  ::signal(SIGPIPE, SIG_DFL);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ::execvp(arguments[0], arguments);
  Tell(parent, Report::kExecute, errno);
}

}  // namespace

Result<RunningCommand> RunningCommand::Start(int cgroup_fd, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0].empty())
    return UsageError("no command given; use: podtap run [flags] -- COMMAND...");
  UniqueFd procs(::openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC));
  if (!procs) return ErrnoError("cannot put a process into the new cgroup");
  Result<Pair> pair = MakePair();
  if (!pair) return std::unexpected(pair.error());
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError("cannot start a process");
  if (pid == 0) {
    ::close(pair->ours.get());
    BecomeCommand(procs.get(), pair->theirs.get(), argv.data());
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // close-on-exec by itself
  const int error = errno;
  RunningCommand command(arguments[0], pid, std::move(pidfd), std::move(pair->ours));
  if (!command.pidfd_) return ErrnoError("cannot watch the command", error);
  return command;
}

RunningCommand::RunningCommand(RunningCommand&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, 0)),
      pidfd_(std::move(other.pidfd_)),
      barrier_(std::move(other.barrier_)),
      status_(other.status_) {}

RunningCommand::~RunningCommand() {
  if (pid_ == 0 || !barrier_) return;
  barrier_.reset();
  Wait();
}

Status RunningCommand::Go() {
  UniqueFd barrier = std::move(barrier_);
  (void)::send(barrier.get(), "g", 1, MSG_NOSIGNAL);
  Report report{};
  const ssize_t n = ReadAgain(barrier.get(), &report, sizeof(report));
  if (n != sizeof(report)) return {};  // closed by exec, or by the end of the process, which Wait() will tell
  Wait();
  if (report.stage == Report::kCgroup) {
    status_ = Error::kEnvironment;
    return ErrnoError("cannot put " + name_ + " into its cgroup", report.error);
  }
  const bool missing = report.error == ENOENT || report.error == ENOTDIR;
  status_ = missing ? kNotFound : kNotExecutable;
  Error error =
      missing ? Error{name_ + ": command not found"} : ErrnoError("cannot execute " + name_, report.error).error();
  error.exit_code = status_;
  return std::unexpected(std::move(error));
}

void RunningCommand::Forward(const signalfd_siginfo& signal) const {
  if (pid_ == 0 || signal.ssi_code == SI_KERNEL) return;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), static_cast<int>(signal.ssi_signo), nullptr, 0);
}

int RunningCommand::Wait() {
  if (pid_ == 0) return status_;
  int status = 0;
  pid_t ended;
  do {
    ended = ::waitpid(pid_, &status, 0);
  } while (ended < 0 && errno == EINTR);
  pid_ = 0;
  if (ended > 0) status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

}  // namespace podtap
