// SPDX-License-Identifier: Apache-2.0
// podtap-sidecar: the process of the sidecar container.
#include <glog/logging.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "base/standard_descriptors.h"
#include "sidecar/attacher.h"
#include "sidecar/config.h"
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

int Main(int argc, char** argv) {
  if (Status ok = HoldStandardDescriptors(); !ok) return Complain(ok.error());
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
  if (mistake && !outcome.keep_running) return Complain(*mistake);
  if (command_line.version) {
    std::cout << "podtap-sidecar " << kVersion << "\n";
    return 0;
  }
  if (command_line.wait_only) return WaitUntilAttached(command_line.wait_until_attached_ms), 0;
  auto lock = InstanceLock::Take();
  if (!lock) return Complain(lock.error());
  if (command_line.help) {
    std::cout << "podtap-sidecar: streams the HTTP exchanges of one pod.\n\n" << FlagHelp();
    return 0;
  }
  if (command_line.check_config) {
    std::cout << command_line.config.Json() << "\n";
    return 0;
  }

  StartLog(argv[0], command_line.config);
  Attacher::Options options;
  options.on_attached = [&] { return lock->ShowAttached(); };
  options.broken_configuration = std::move(mistake);
  Attacher attacher(std::move(command_line.config), std::move(options));
  const Result<int> status = attacher.Run();
  return status ? *status : Complain(status.error());
}

}  // namespace
}  // namespace podtap

int main(int argc, char** argv) { return podtap::Main(argc, argv); }
