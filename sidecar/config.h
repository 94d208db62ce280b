// SPDX-License-Identifier: Apache-2.0
// Config: everything an operator can set, as one value. main() turns flags and environment into it at the door; below
// it nobody reads a flag, and a test builds a Config in a line. docs/configuration.md describes each flag; a test
// compares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sidecar/http/session_table.h"
#include "sidecar/sink/otlp_options.h"
#include "sidecar/sink/sink.h"

namespace podtap {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

// "ingress", "egress", "all", "off"; anything else is one line that names them.
Result<Mode> ParseMode(std::string_view text);
std::string_view TextOf(Mode mode);
std::string_view TextOf(LogLevel level);

struct Config {
  struct Target {
    std::string cgroup;       // a path, or empty
    std::string pod_uid;      // from the flag or POD_UID, or empty
    std::string cgroup_root;  // empty: the first cgroup2 mount
    uint64_t wait_ms = 0;
    bool operator==(const Target&) const = default;
  } target;

  Mode mode = Mode::kIngress;
  std::vector<SinkConfig> sinks{SinkConfig{}};
  Format format = Format::kEve;  // of sinks that name none
  uint64_t file_max_bytes = 0;
  size_t sink_queue_events = 65536;  // of each sink
  size_t sink_queue_bytes = 16 << 20;
  OtlpSettings otlp;  // of all otlp: sinks

  HttpLimits http;
  size_t memory_limit_bytes = 24 << 20;
  uint32_t ring_bytes = 8 << 20;  // a power of two and a multiple of the page size
  std::vector<std::string> redact_headers;
  std::vector<std::string> ignore_user_agents;
  PolicySettings policy;  // without its key, which the worker reads from:
  std::string redact_hash_key_file;

  std::vector<std::string> admin_addresses;
  std::string annotation_file;
  LogLevel log_level = LogLevel::kInfo;
  uint32_t stats_interval_s = 60;
  uint32_t max_worker_cpu_percent = 0;
  uint64_t drain_ms = 0;
  uint64_t shutdown_timeout_ms = 5000;
  bool keep_running = false;
  std::string config_file;  // what it says is in the other members

  Identity identity;

  bool operator==(const Config&) const = default;
  // One JSON line, as the log shows it at start and /config serves it.
  std::string Json() const;
  std::vector<std::string> SinkNames() const;  // as logs and metrics name them
};

// What the command line asked for besides a configuration.
struct CommandLine {
  Config config;
  bool check_config = false;
  bool version = false;
  bool help = false;
  std::vector<std::string> rest;         // after "--"
  std::optional<std::string> file_text;  // of --config_file, where it was read
  // Set: this process only waits for the running instance to be attached.
  bool wait_only = false;
  uint64_t wait_until_attached_ms = 0;
};

// Parses podtap's own flags, and no library's (glog alone would bring one that starts a command). `defaults` are
// "name=value" pairs that a program prefers to the flags' own defaults. Not reentrant: gflags keeps global state.
// On error `keep_running` of the outcome still says whether the flag was given, so that a pod's sidecar can stay, and
// `without_target` is what of the rest it can use meanwhile: identity, log level, where to serve the admin pages.
struct ParseOutcome {
  Result<CommandLine> command_line;
  bool keep_running = false;
  Config without_target{};
};
//
// `file` is what stands in the file that --config_file names; without it the outcome of such a command line is
// `without_target`: whoever may start this program beside a running one must not learn what is in a file.
ParseOutcome ParseCommandLine(int argc, const char* const* argv, const std::vector<std::string>& defaults = {},
                              std::optional<std::string_view> file = std::nullopt);
// The command line with the file, which is read here.
ParseOutcome ParseWithFile(int argc, const char* const* argv, const std::vector<std::string>& defaults = {});

// All flags with their defaults and meanings, for --help.
std::string FlagHelp();

// Random per start: 8 hex digits.
std::string NewRunId();

}  // namespace podtap
