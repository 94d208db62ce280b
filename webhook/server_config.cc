// SPDX-License-Identifier: Apache-2.0
#include "webhook/server_config.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "base/annotations.h"
#include "base/http_server.h"
#include "webhook/json_view.h"
#include "webhook/node_cache.h"
#include "webhook/options.h"

namespace podtap::webhook {
namespace {

constexpr OptionInfo kOptions[] = {
    {"listen_address", "[::]:8443", "Where reviews are answered (HTTPS, /mutate): HOST:PORT with a numeric HOST."},
    {"admin_address", "[::]:8080",
     "Where /healthz, /readyz and /metrics are served (plain HTTP): HOST:PORT, unix:PATH, or empty for nowhere."},
    {"certificates", "files",
     "Where the certificate comes from: files, or self (made here, kept in a Secret, renewed, and trusted by "
     "caBundle)."},
    {"tls_cert_file", "", "The certificate and its chain, PEM; read again when it changes."},
    {"tls_key_file", "", "The certificate's private key, PEM; read again when it changes."},
    {"namespaces_file", "",
     "Namespace objects in YAML or JSON; read again when it changes. Others have no labels. No API server is asked."},
    {"kube_api_url", "",
     "The API server, such as http://127.0.0.1:8001 for kubectl proxy; empty: that of the pod's own cluster."},
    {"kube_token_file", "", "The bearer token for it; read again for every call. In a cluster: the service account's."},
    {"kube_ca_file", "",
     "The CA that its certificate is checked against, PEM; read again for every connection. In a cluster: the service "
     "account's."},
    {"namespace", "", "The namespace that this webhook runs in; empty: POD_NAMESPACE or the service account's."},
    {"check_quota", "false", "Look at resource quotas and limit ranges before injecting.", true},
    {"send_events", "true", "Tell the owner of a pod that asked and was skipped by an Event.", true},
    {"native_min_kubelet", "1.29",
     "Native sidecars where the API server and all kubelets are at least of this version."},
    {"privileged_scc", "privileged", "OpenShift: the SCC that a pod's service account must be allowed to use."},
    {"off_switch_configmap", "",
     "A ConfigMap of this namespace; while it says capture: \"off\", new pods start with mode off."},
    {"survey_interval_s", "300", "Seconds between two looks for pods that ask but run without the sidecar; 0: never."},
    {"watch_silence_s", "180", "A watch that says nothing for so many seconds is opened again."},
    {"secret_name", "podtap-webhook-certificate",
     "--certificates=self: the Secret that holds authority and certificate."},
    {"service_name", "podtap-webhook", "--certificates=self: the Service that the certificate is for."},
    {"webhook_configuration_name", "podtap-webhook",
     "--certificates=self: the MutatingWebhookConfiguration whose caBundle is written."},
    {"certificate_lifetime", "90d", "--certificates=self: how long a certificate lives; 30s, 20m, 12h, 90d."},
    {"ca_lifetime", "365d", "--certificates=self: how long an authority lives."},
    {"drain_s", "15", "Seconds to go on serving after SIGTERM."},
    {"threads", "2", "Threads that answer reviews, 1 to 64."},
    {"log_level", "info", "What is logged to standard error: error, warning, info, debug."},
    {"check_config", "false", "Print the resulting configuration and exit; files are not read.", true},
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

Status ApplySwitch(bool& target, std::string_view name, std::string_view value) {
  if (value != "true" && value != "false" && value != "1" && value != "0")
    return UsageError("--" + std::string(name) + "=" + std::string(value) + " is not valid; use true or false");
  target = value == "true" || value == "1";
  return {};
}

Status ApplyDuration(std::chrono::seconds& target, std::string_view name, std::string_view value) {
  uint32_t number = 0;
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, number);
  const std::string_view unit(end, static_cast<size_t>(last - end));
  const int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  if (error != std::errc() || seconds == 0 || number * seconds < 5 || number * seconds > int64_t{3650} * 86400)
    return UsageError("--" + std::string(name) + "=" + std::string(value) +
                      " is not valid; use a number with s, m, h or d, from 5s to 3650d");
  target = std::chrono::seconds(number * seconds);
  return {};
}

Status Apply(ServerConfig& config, std::string_view name, std::string_view value) {
  if (name == "listen_address") {
    if (value.empty()) return UsageError("--listen_address is empty; use HOST:PORT such as [::]:8443");
    if (Status ok = CheckListenAddress(value); !ok) return UsageError("--listen_address: " + ok.error().message);
    config.listen_address = value;
  } else if (name == "admin_address") {
    if (Status ok = value.empty() ? Status() : CheckListenAddress(value); !ok)
      return UsageError("--admin_address: " + ok.error().message);
    config.admin_address = value;
  } else if (name == "certificates") {
    if (value != "files" && value != "self")
      return UsageError("--certificates=" + std::string(value) + " is not known; use files or self");
    config.self_certificates = value == "self";
  } else if (name == "tls_cert_file") {
    config.tls_cert_file = value;
  } else if (name == "tls_key_file") {
    config.tls_key_file = value;
  } else if (name == "namespaces_file") {
    config.namespaces_file = value;
  } else if (name == "kube_api_url") {
    if (!value.empty()) {
      const auto api = ParseKubeUrl(value);
      if (!api) return std::unexpected(api.error());
    }
    config.kube_api_url = value;
  } else if (name == "kube_token_file") {
    config.kube_token_file = value;
  } else if (name == "kube_ca_file") {
    config.kube_ca_file = value;
  } else if (name == "namespace") {
    config.own_namespace = value;
  } else if (name == "check_quota") {
    return ApplySwitch(config.check_quota, name, value);
  } else if (name == "send_events") {
    return ApplySwitch(config.send_events, name, value);
  } else if (name == "native_min_kubelet") {
    const auto version = ParseMajorMinor(value);
    if (!version)
      return UsageError("--native_min_kubelet=" + std::string(value) + " is not valid; use a version such as 1.29");
    config.native_min_kubelet = *version;
  } else if (name == "privileged_scc") {
    config.privileged_scc = value;
  } else if (name == "off_switch_configmap") {
    config.off_switch_configmap = value;
  } else if (name == "survey_interval_s") {
    return ApplyNumber(config.survey_interval_s, name, value, 0, 86400);
  } else if (name == "watch_silence_s") {
    return ApplyNumber(config.watch_silence_s, name, value, 1, 3600);
  } else if (name == "secret_name") {
    config.secret_name = value;
  } else if (name == "service_name") {
    config.service_name = value;
  } else if (name == "webhook_configuration_name") {
    config.webhook_configuration_name = value;
  } else if (name == "certificate_lifetime") {
    return ApplyDuration(config.certificate_lifetime, name, value);
  } else if (name == "ca_lifetime") {
    return ApplyDuration(config.ca_lifetime, name, value);
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

// What only the whole can show.
Status CheckCluster(ServerConfig& config) {
  if (config.own_namespace.empty()) config.own_namespace = OwnNamespace();
  if (!config.self_certificates) {
    if (config.tls_cert_file.empty() || config.tls_key_file.empty())
      return UsageError("--tls_cert_file and --tls_key_file are required: the certificate that the API server trusts");
  } else if (!config.UsesCluster()) {
    return UsageError(
        "--certificates=self needs an API server: run in a cluster or name one with --kube_api_url, "
        "without --namespaces_file");
  } else if (config.secret_name.empty() || config.service_name.empty() || config.webhook_configuration_name.empty()) {
    return UsageError("--certificates=self needs --secret_name, --service_name and --webhook_configuration_name");
  }
  const bool needs_namespace = config.self_certificates || !config.off_switch_configmap.empty();
  if (config.UsesCluster() && needs_namespace && config.own_namespace.empty())
    return UsageError("--namespace is required: the namespace that this webhook runs in");
  if (!config.off_switch_configmap.empty() && !config.UsesCluster())
    return UsageError("--off_switch_configmap needs an API server, and --namespaces_file says that none is asked");
  return {};
}

}  // namespace

bool ServerConfig::UsesCluster() const { return namespaces_file.empty() && (!kube_api_url.empty() || InCluster()); }

Result<ClusterOptions> ServerConfig::Cluster() const {
  auto api = kube_api_url.empty() ? InClusterConfig() : ParseKubeUrl(kube_api_url);
  if (!api) return std::unexpected(api.error());
  ClusterOptions options;
  options.api = *std::move(api);
  if (!kube_token_file.empty()) options.api.token_file = kube_token_file;
  if (!kube_ca_file.empty()) options.api.ca_file = kube_ca_file;
  options.own_namespace = own_namespace;
  options.check_quota = check_quota;
  options.send_events = send_events;
  options.native_min_kubelet = native_min_kubelet;
  options.privileged_scc = privileged_scc;
  options.off_switch_configmap = off_switch_configmap;
  options.survey_interval = std::chrono::seconds(survey_interval_s);
  options.watch_silence = std::chrono::seconds(watch_silence_s);
  options.keep_certificate = self_certificates;
  options.keeper.namespace_name = own_namespace;
  options.keeper.secret_name = secret_name;
  options.keeper.service_name = service_name;
  options.keeper.configuration_name = webhook_configuration_name;
  options.keeper.revision = injector.revision;
  options.keeper.lifetime = certificate_lifetime;
  options.keeper.authority_lifetime = ca_lifetime;
  return options;
}

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
  if (Status ok = CheckCluster(line.config); !ok) return std::unexpected(ok.error());
  return line;
}

std::string ServerConfig::Json() const {
  const auto list = [](const std::vector<std::string>& items) { return json::array(items.begin(), items.end()); };
  json::object sinks;
  for (const auto& [name, sink] : injector.named_sinks) sinks[name] = sink;
  json::object selinux;
  for (const auto& [part, value] : injector.sidecar.selinux) selinux[part] = value;
  const auto kernel = injector.facts.oldest_kernel;
  return json::serialize(json::object{
      {"listen_address", listen_address},
      {"admin_address", admin_address},
      {"certificates", self_certificates ? "self" : "files"},
      {"tls_cert_file", tls_cert_file},
      {"tls_key_file", tls_key_file},
      {"namespaces_file", namespaces_file},
      {"kube_api_url", kube_api_url},
      {"kube_token_file", kube_token_file},
      {"kube_ca_file", kube_ca_file},
      {"namespace", own_namespace},
      {"check_quota", check_quota},
      {"send_events", send_events},
      {"native_min_kubelet", std::to_string(native_min_kubelet.major) + "." + std::to_string(native_min_kubelet.minor)},
      {"privileged_scc", privileged_scc},
      {"off_switch_configmap", off_switch_configmap},
      {"survey_interval_s", survey_interval_s},
      {"watch_silence_s", watch_silence_s},
      {"secret_name", secret_name},
      {"service_name", service_name},
      {"webhook_configuration_name", webhook_configuration_name},
      {"certificate_lifetime", std::to_string(certificate_lifetime.count()) + "s"},
      {"ca_lifetime", std::to_string(ca_lifetime.count()) + "s"},
      {"drain_s", drain_s},
      {"threads", threads},
      {"log_level", log_level},
      {"revision", injector.revision},
      {"mirror_all_namespaces", injector.mirror_all_namespaces},
      {"skip_namespaces", list(injector.skip_namespaces)},
      {"skip_runtime_classes", list(injector.skip_runtime_classes)},
      {"default_pod_security_enforce", TextOf(injector.default_pod_security)},
      {"default_mode", injector.default_mode},
      {"switched_off", injector.switched_off},
      {"injection", TextOf(injector.injection)},
      {"oldest_node_kernel", kernel ? std::to_string(kernel->major) + "." + std::to_string(kernel->minor) : ""},
      {"sidecar_image", injector.image},
      {"sidecar_image_pull_policy", injector.image_pull_policy},
      {"sidecar_sink", injector.sink},
      {"named_sink", std::move(sinks)},
      {"sidecar_arg", list(injector.sidecar.args)},
      {"sidecar_metrics_port", injector.sidecar.metrics_port},
      {"sidecar_token_audience", injector.sidecar.token_audience},
      {"sidecar_token_secret", injector.sidecar.token_secret},
      {"sidecar_capabilities", list(injector.sidecar.capabilities)},
      {"sidecar_selinux_options", std::move(selinux)},
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
