// SPDX-License-Identifier: Apache-2.0
// podtap: the tool for people: runs a command under capture, talks to a running sidecar, and injects manifests offline.
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/standard_descriptors.h"
#include "cli/admin_client.h"
#include "cli/inject_command.h"
#include "cli/run.h"
#include "cli/status_command.h"
#include "sidecar/version.h"

namespace podtap {
namespace {

template <int (*F)(const std::vector<std::string>&)>
int WithArguments(int argc, const char* const* argv) {
  return F(std::vector<std::string>(argv + 1, argv + argc));
}

struct Command {
  std::string_view name;
  int (*run)(int argc, const char* const* argv);
  std::string_view help;
};

constexpr Command kCommands[] = {
    {"run", &RunCommandLine, "run [flags] -- COMMAND   run a command and print its HTTP exchanges"},
    {"stats", &StatsCommand, "stats [--json]            state and counters of a running sidecar"},
    {"mode", &ModeCommand, "mode [MODE]               show or change what a running sidecar captures"},
    {"tail", &TailCommand, "tail [--format=text|eve]  exchanges of a running sidecar, as they come"},
    {"inject", &WithArguments<InjectCommand>, "inject -f FILE            add the sidecar to manifests, offline"},
    {"uninject", &WithArguments<UninjectCommand>, "uninject -f FILE          take it out again"},
    {"explain", &WithArguments<ExplainCommand>,
     "explain -f FILE           what the webhook would do with each workload, and why"},
    {"status", &WithArguments<StatusCommand>,
     "status [-n NAMESPACE]     pods of a cluster that ask for capture and have no sidecar"},
};

void PrintHelp(std::ostream& out) {
  out << "podtap: captures the HTTP exchanges of one pod, or of one command.\n\n";
  for (const Command& command : kCommands) out << "  podtap " << command.help << "\n";
  out << "  podtap --version\n\n'podtap COMMAND --help' tells more.\n";
}

int Main(int argc, char** argv) {
  if (Status ok = HoldStandardDescriptors(); !ok) return ok.error().exit_code;
  if (argc < 2) {
    PrintHelp(std::cerr);
    return 2;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    PrintHelp(std::cout);
    return 0;
  }
  if (name == "--version" || name == "version") {
    std::cout << "podtap " << kVersion << "\n";
    return 0;
  }
  for (const Command& command : kCommands)
    if (name == command.name) return command.run(argc - 1, argv + 1);
  std::cerr << "podtap: there is no command '" << name << "'; podtap --help lists them\n";
  return 2;
}

}  // namespace
}  // namespace podtap

int main(int argc, char** argv) { return podtap::Main(argc, argv); }
