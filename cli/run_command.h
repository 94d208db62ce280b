// SPDX-License-Identifier: Apache-2.0
// RunningCommand: the command of `podtap run`, started inside a cgroup. It is forked first, waits at a barrier inside
// the cgroup, and becomes the command when Go() is called, so that capture sees its first byte. Its standard output
// goes to our standard error, because our own standard output carries the exchanges. It stays in our process group: the
// terminal's signals reach it without our doing.
//
// Make it before any thread is started and before signals are blocked or redirected: the command inherits both as they
// are then (SIGPIPE, which programs like to ignore, is reset to its default).
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace podtap {

class RunningCommand {
 public:
  static constexpr int kNotFound = 127;
  static constexpr int kNotExecutable = 126;

  // `cgroup_fd` is the cgroup's directory; `arguments` are the command and its arguments, found by PATH as a shell
  // does.
  static Result<RunningCommand> Start(int cgroup_fd, const std::vector<std::string>& arguments);

  RunningCommand(RunningCommand&& other) noexcept;
  RunningCommand& operator=(RunningCommand&&) = delete;
  // A command that was never let go ends without having run; one that runs is left running.
  ~RunningCommand();

  pid_t pid() const { return pid_; }
  // Readable once the command has ended. Valid after Start().
  int ended_fd() const { return pidfd_.get(); }

  // Lets the command run. An error's exit_code is what a shell would exit with: 127 if there is no such command, 126 if
  // it cannot be executed; Wait() then returns the same.
  Status Go();

  // Passes on a signal that was sent to us: not what a terminal sends (Ctrl-C), since the command has had that itself.
  void Forward(const signalfd_siginfo& signal) const;

  // Waits for the end and returns the exit status as a shell has it: 0 to 255, 128 + n after signal n.
  int Wait();

 private:
  RunningCommand(std::string name, pid_t pid, UniqueFd pidfd, UniqueFd barrier)
      : name_(std::move(name)), pid_(pid), pidfd_(std::move(pidfd)), barrier_(std::move(barrier)) {}

  std::string name_;
  pid_t pid_ = 0;  // 0 once waited for
  UniqueFd pidfd_;
  UniqueFd barrier_;  // one byte sent: go; closed from here: end; closed from there: the command runs
  int status_ = 0;
};

}  // namespace podtap
