// SPDX-License-Identifier: Apache-2.0
// ServerConfig: everything an operator can set about podtap-webhook, as one value. main() turns the command line into
// it; docs/webhook.md describes each flag, a test compares.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "webhook/injector_config.h"

namespace podtap::webhook {

struct ServerConfig {
  InjectorConfig injector;
  std::string listen_address = "[::]:8443";
  std::string admin_address = "[::]:8080";  // empty: none
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string namespaces_file;
  uint32_t drain_s = 15;
  uint32_t threads = 2;
  std::string log_level = "info";
  bool check_config = false;

  // One JSON line, as the log shows it at start and --check_config prints it.
  std::string Json() const;
};

// The rows of the server's own flags; those of decision and patch are InjectorOptions().
std::span<const OptionInfo> ServerOptions();

struct ServerCommandLine {
  ServerConfig config;
  bool help = false;
  bool version = false;
};
Result<ServerCommandLine> ParseServerCommandLine(std::span<const std::string> args);
std::string ServerHelp();

}  // namespace podtap::webhook
