// SPDX-License-Identifier: Apache-2.0
// podtap-sidecar: the process of the sidecar container.
#include <glog/logging.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/standard_descriptors.h"
#include "sidecar/attacher.h"
#include "sidecar/config.h"
#include "sidecar/config_file.h"
#include "sidecar/instance_lock.h"
#include "sidecar/sandbox.h"
#include "sidecar/start_log.h"
#include "sidecar/version.h"

namespace podtap {
namespace {

int Complain(const Error& error) {
  std::cerr << "podtap-sidecar: " << error.message << "\n";
  return error.exit_code;
}

// Waits so many seconds, or for SIGTERM or SIGINT: then true.
bool ToldToEndWithin(uint64_t seconds) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const Timestamp end{MonotonicNow().ns + seconds * 1'000'000'000};
  while (true) {
    const uint64_t left = NanosecondsBetween(MonotonicNow(), end);
    if (left == 0) return false;
    const timespec time{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    if (sigtimedwait(&set, nullptr, &time) > 0) return true;
  }
}

int Main(int argc, char** argv) {
  const Status descriptors = HoldStandardDescriptors();
  // Before anything is read from outside: this program never starts another one.
  const Status no_exec = RefuseExec();
  ParseOutcome outcome = ParseCommandLine(argc, argv);
  CommandLine command_line;
  command_line.config = std::move(outcome.without_target);
  // What keeps this process from capturing at all. In a pod it stays nevertheless, and says why.
  std::optional<Error> mistake;
  if (outcome.command_line)
    command_line = *std::move(outcome.command_line);
  else
    mistake = outcome.command_line.error();
  if (!command_line.rest.empty() && !mistake)
    mistake = Error{"'" + command_line.rest[0] + "' is not a flag; --help lists the flags", Error::kUsage};
  if (!no_exec) mistake = no_exec.error();
  if (!descriptors) mistake = descriptors.error();
  if (mistake && !outcome.keep_running) return Complain(*mistake);
  if (command_line.version) {
    std::cout << "podtap-sidecar " << kVersion << "\n";
    return 0;
  }
  if (command_line.wait_only) return WaitUntilAttached(command_line.wait_until_attached_ms), 0;
  auto lock = InstanceLock::Take();
  // A further instance never stays.
  const bool second = !lock && lock.error().exit_code == Error::kUsage;
  if (!lock && (second || !outcome.keep_running)) return Complain(lock.error());
  if (!lock && !mistake) mistake = lock.error();
  // Not earlier: whoever starts this beside a running instance must not learn what is in a file.
  const auto parse = [&](std::string_view text) -> Result<Config> {
    auto parsed = ParseCommandLine(argc, argv, {}, text).command_line;
    if (!parsed) return std::unexpected(parsed.error());
    return std::move(parsed->config);
  };
  std::optional<std::string> file_text;
  if (!mistake && !command_line.config.config_file.empty() && !command_line.help) {
    auto text = ReadConfigFile(command_line.config.config_file);
    if (text) file_text = *text;
    auto config = text ? parse(*text) : std::unexpected(text.error());
    if (config) {
      command_line.config = *std::move(config);
    } else if (outcome.keep_running) {
      mistake = config.error();
    } else {
      return Complain(config.error());
    }
  }
  if (command_line.help) {
    std::cout << "podtap-sidecar: streams the HTTP exchanges of one pod.\n\n" << FlagHelp();
    return 0;
  }
  if (command_line.check_config) {
    std::cout << command_line.config.Json() << "\n";
    return 0;
  }

  StartLog(argv[0], command_line.config);
  uint64_t backoff_s = 1;
  for (std::string said;;) {
    Attacher::Options options;
    options.on_attached = [&] { return lock->ShowAttached(); };
    options.broken_configuration = mistake;
    options.parse = parse;
    options.file_text = file_text;
    Attacher attacher(command_line.config, std::move(options));
    const Result<int> status = attacher.Run();
    if (attacher.mended()) {
      command_line.config = *attacher.mended();
      mistake.reset();
      file_text = attacher.file_text();
      continue;
    }
    if (status) return *status;
    if (!outcome.keep_running) return Complain(status.error());
    // Not even the admin endpoint can be served.
    if (std::exchange(said, status.error().message) != status.error().message)
      LOG(ERROR) << "not capturing: " << status.error().message;
    if (ToldToEndWithin(backoff_s)) return 0;
    backoff_s = std::min<uint64_t>(backoff_s * 2, 60);
  }
}

}  // namespace
}  // namespace podtap

int main(int argc, char** argv) { return podtap::Main(argc, argv); }
