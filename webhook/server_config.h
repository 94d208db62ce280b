// SPDX-License-Identifier: Apache-2.0
// ServerConfig: everything an operator can set about podtap-webhook, as one value. main() turns the command line into
// it; docs/webhook.md describes each flag, a test compares.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "webhook/cluster.h"
#include "webhook/injector_config.h"

namespace podtap::webhook {

struct ServerConfig {
  InjectorConfig injector;
  std::string listen_address = "[::]:8443";
  std::string admin_address = "[::]:8080";  // empty: none
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string namespaces_file;
  std::string kube_api_url;
  std::string kube_token_file;
  std::string kube_ca_file;
  std::string own_namespace;
  bool check_quota = false;
  bool send_events = true;
  KernelVersion native_min_kubelet{1, 29};
  std::string privileged_scc = "privileged";
  std::string off_switch_configmap;
  uint32_t survey_interval_s = 300;
  uint32_t watch_silence_s = 180;
  bool self_certificates = false;
  std::string secret_name = "podtap-webhook-certificate";
  std::string service_name = "podtap-webhook";
  std::string webhook_configuration_name = "podtap-webhook";
  std::chrono::seconds certificate_lifetime{90 * 86400};
  std::chrono::seconds ca_lifetime{365 * 86400};
  uint32_t drain_s = 15;
  uint32_t threads = 2;
  std::string log_level = "info";
  bool check_config = false;

  // Whether an API server is asked: one is named or this is a pod of a cluster, and no file of namespaces is given.
  bool UsesCluster() const;
  Result<ClusterOptions> Cluster() const;

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
