// SPDX-License-Identifier: Apache-2.0
#include "webhook/server_config.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "base/annotations.h"
#include "webhook/json_view.h"
#include "webhook/options.h"

namespace podtap::webhook {
namespace {

constexpr OptionInfo kOptions[] = {
    {"listen_address", "[::]:8443", "Where reviews are answered (HTTPS, /mutate): HOST:PORT with a numeric HOST."},
    {"admin_address", "[::]:8080",
     "Where /healthz, /readyz and /metrics are served (plain HTTP): HOST:PORT, unix:PATH, or empty for nowhere."},
    {"certificates", "files", "Where the certificate comes from: files."},
    {"tls_cert_file", "", "The certificate and its chain, PEM; read again when it changes."},
    {"tls_key_file", "", "The certificate's private key, PEM; read again when it changes."},
    {"namespaces_file", "", "Namespace objects in YAML or JSON; read again when it changes. Others have no labels."},
    {"drain_s", "15", "Seconds to go on serving after SIGTERM."},
    {"threads", "2", "Threads that answer reviews, 1 to 64."},
    {"log_level", "info", "What is logged to standard error: error, warning, info, debug."},
    {"check_config", "false", "Print the resulting configuration and exit.", true},
};

const std::array<std::span<const OptionInfo>, 2>& Tables() {
  static const std::array<std::span<const OptionInfo>, 2> kTables = {kOptions, InjectorOptions()};
  return kTables;
}

Status ApplyNumber(uint32_t& target, std::string_view name, std::string_view value, uint32_t low, uint32_t high) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < low || number > high)
    return UsageError("--" + std::string(name) + "=" + std::string(value) + " is not valid; use a number from " +
                      std::to_string(low) + " to " + std::to_string(high));
  target = number;
  return {};
}

Status Apply(ServerConfig& config, std::string_view name, std::string_view value) {
  if (name == "listen_address") {
    if (value.empty()) return UsageError("--listen_address is empty; use HOST:PORT such as [::]:8443");
    config.listen_address = value;
  } else if (name == "admin_address") {
    config.admin_address = value;
  } else if (name == "certificates") {
    if (value != "files") return UsageError("--certificates=" + std::string(value) + " is not known; use files");
  } else if (name == "tls_cert_file") {
    config.tls_cert_file = value;
  } else if (name == "tls_key_file") {
    config.tls_key_file = value;
  } else if (name == "namespaces_file") {
    config.namespaces_file = value;
  } else if (name == "drain_s") {
    return ApplyNumber(config.drain_s, name, value, 0, 3600);
  } else if (name == "threads") {
    return ApplyNumber(config.threads, name, value, 1, 64);
  } else if (name == "log_level") {
    if (!IsLogLevel(value))
      return UsageError("--log_level=" + std::string(value) + " is not known; use error, warning, info or debug");
    config.log_level = value;
  } else if (name == "check_config") {
    config.check_config = value == "true" || value == "1";
  } else {
    return ApplyOption(config.injector, name, value);
  }
  return {};
}

}  // namespace

std::span<const OptionInfo> ServerOptions() { return kOptions; }

std::string ServerHelp() { return OptionHelp(Tables()); }

Result<ServerCommandLine> ParseServerCommandLine(std::span<const std::string> args) {
  const auto parsed = ParseOptions(args, Tables());
  if (!parsed) return std::unexpected(parsed.error());
  ServerCommandLine line{.config = {}, .help = parsed->help, .version = parsed->version};
  if (line.help || line.version) return line;
  for (const auto& [name, value] : parsed->options)
    if (Status ok = Apply(line.config, name, value); !ok) return std::unexpected(ok.error());
  if (Status ok = CheckConfig(line.config.injector); !ok) return std::unexpected(ok.error());
  if (line.config.tls_cert_file.empty() || line.config.tls_key_file.empty())
    return UsageError("--tls_cert_file and --tls_key_file are required: the certificate that the API server trusts");
  return line;
}

std::string ServerConfig::Json() const {
  const auto list = [](const std::vector<std::string>& items) { return json::array(items.begin(), items.end()); };
  json::object sinks;
  for (const auto& [name, sink] : injector.named_sinks) sinks[name] = sink;
  const auto kernel = injector.facts.oldest_kernel;
  return json::serialize(json::object{
      {"listen_address", listen_address},
      {"admin_address", admin_address},
      {"certificates", "files"},
      {"tls_cert_file", tls_cert_file},
      {"tls_key_file", tls_key_file},
      {"namespaces_file", namespaces_file},
      {"drain_s", drain_s},
      {"threads", threads},
      {"log_level", log_level},
      {"revision", injector.revision},
      {"mirror_all_namespaces", injector.mirror_all_namespaces},
      {"skip_namespaces", list(injector.skip_namespaces)},
      {"skip_runtime_classes", list(injector.skip_runtime_classes)},
      {"default_pod_security_enforce", TextOf(injector.default_pod_security)},
      {"default_mode", injector.default_mode},
      {"injection", TextOf(injector.injection)},
      {"oldest_node_kernel", kernel ? std::to_string(kernel->major) + "." + std::to_string(kernel->minor) : ""},
      {"sidecar_image", injector.image},
      {"sidecar_image_pull_policy", injector.image_pull_policy},
      {"sidecar_sink", injector.sink},
      {"named_sink", std::move(sinks)},
      {"run_as_privileged", injector.run_as_privileged},
      {"tls_capture", injector.tls_capture},
      {"sidecar_ring_bytes", injector.ring_bytes},
      {"sidecar_cpu_request", injector.cpu_request},
      {"sidecar_cpu_limit", injector.cpu_limit},
      {"sidecar_memory_request", injector.memory_request_bytes},
      {"sidecar_memory_limit", injector.memory_limit_bytes},
  });
}

}  // namespace podtap::webhook
