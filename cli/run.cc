// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include <iostream>

#include "cli/run_cgroup.h"
#include "cli/run_command.h"
#include "sidecar/attacher.h"
#include "sidecar/config.h"
#include "sidecar/start_log.h"

namespace podtap {
namespace {

constexpr const char* kUsage =
    "podtap run [flags] -- COMMAND [arguments]\n"
    "Runs COMMAND in a cgroup of its own and prints its HTTP exchanges, and those of its children.\n"
    "A call between two processes of COMMAND appears once per role. Needs root. Flags:\n\n";

int Complain(const Error& error) {
  std::cerr << "podtap run: " << error.message << "\n";
  return error.exit_code;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  // A person at a terminal wants lines to read, and of the log only what went wrong.
  const std::vector<std::string> defaults = {"mode=all", "format=text", "log_level=warning",
                                             "admin_address=", "stats_interval_s=0"};
  ParseOutcome outcome = ParseWithFile(argc, argv, defaults);
  if (!outcome.command_line) return Complain(outcome.command_line.error());
  CommandLine& line = *outcome.command_line;
  if (line.help) {
    std::cout << kUsage << FlagHelp();
    return 0;
  }
  if (line.check_config) {
    std::cout << line.config.Json() << "\n";
    return 0;
  }
  if (line.rest.empty()) return Complain({"no command; use: podtap run [flags] -- COMMAND", Error::kUsage});
  if (!line.config.target.cgroup.empty())
    return Complain(
        {"--cgroup names a target, but podtap run makes its own; use podtap-sidecar for a cgroup", Error::kUsage});

  auto cgroup = RunCgroup::Make(line.config.target.cgroup_root);
  if (!cgroup) return Complain(cgroup.error());
  auto command = RunningCommand::Start(cgroup->fd(), line.rest);
  if (!command) return Complain(command.error());
  line.config.target = {
      .cgroup = cgroup->path(), .pod_uid = "", .cgroup_root = line.config.target.cgroup_root, .wait_ms = 0};
  line.config.keep_running = false;

  StartLog("podtap", line.config);
  Attacher::Options options;
  options.target_is_ours = true;
  options.on_attached = [&] { return command->Go(); };
  options.on_signal = [&](const signalfd_siginfo& signal) { command->Forward(signal); };
  options.file_text = line.file_text;
  options.parse = [&](std::string_view text) -> Result<Config> {
    auto parsed = ParseCommandLine(argc, argv, defaults, text).command_line;
    if (!parsed) return std::unexpected(parsed.error());
    parsed->config.keep_running = false;
    return std::move(parsed->config);
  };
  options.end_when_readable = command->ended_fd();
  Attacher attacher(std::move(line.config), std::move(options));
  const Result<int> captured = attacher.Run();
  if (!captured) return Complain(captured.error());
  return command->Wait();
}

}  // namespace podtap
