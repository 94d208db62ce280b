// SPDX-License-Identifier: Apache-2.0
#include "webhook/sidecar_container.h"

#include <algorithm>

#include "base/annotations.h"
#include "webhook/own_parts.h"
#include "webhook/resources.h"
#include "webhook/sidecar_sink.h"

namespace podtap::webhook {
namespace {

constexpr std::string_view kProgram = "podtap-sidecar";
constexpr std::string_view kCgroupMount = "/host/cgroup";
constexpr std::string_view kRunMount = "/run/podtap";
constexpr std::string_view kAnnotationsMount = "/etc/podtap/annotations";
constexpr std::string_view kTokenMount = "/etc/podtap/token";
constexpr std::string_view kServiceAccountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kProcMount = "/hostproc";
constexpr uint64_t kDefaultRingBytes = 8 << 20;
constexpr std::string_view kMetricsPortName = "podtap-metrics";
constexpr int64_t kTokenLifetimeSeconds = 3600;

std::string Flag(std::string_view name, std::string_view value) {
  std::string flag("--");
  flag.append(name).append("=").append(value);
  return flag;
}

// Kubernetes expands $(NAME) in arguments and environment; "$$(" stands for the characters themselves.
std::string WithoutExpansion(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$') out += '$';
    out += text[i];
  }
  return out;
}

int64_t GraceSeconds(const json::object& pod) {
  constexpr int64_t kDefault = 30, kLongest = 86400;
  const json::value* value = Member(Spec(pod), "terminationGracePeriodSeconds");
  return value != nullptr && value->is_int64() ? std::clamp<int64_t>(value->get_int64(), 0, kLongest) : kDefault;
}

// A pod in the node's network shares its ports with every other one there.
bool ServesMetrics(const json::object& pod, const InjectorConfig& config) {
  const json::value* host_network = Member(Spec(pod), "hostNetwork");
  return config.sidecar.metrics_port != 0 && (host_network == nullptr || *host_network != json::value(true));
}

bool ShowsToken(const Decision& decision, const InjectorConfig& config) {
  const SidecarOptions& sidecar = config.sidecar;
  return IsOtlpSink(decision.settings.sink) && !(sidecar.token_audience.empty() && sidecar.token_secret.empty());
}

json::array Arguments(const json::object& pod, const Decision& decision, const InjectorConfig& config) {
  json::array args(pod.storage());
  const auto add = [&](std::string_view name, std::string_view value) {
    args.emplace_back(WithoutExpansion(Flag(name, value)));
  };
  args.emplace_back("--keep_running");
  add("mode", decision.start_mode);
  add("annotation_file", std::string(kAnnotationsMount) + "/mode");
  add("sink", decision.settings.sink);
  add("cgroup_root", kCgroupMount);
  std::string admin = "unix:" + std::string(kRunMount) + "/admin.sock";
  if (ServesMetrics(pod, config)) admin += ",[::]:" + std::to_string(config.sidecar.metrics_port);
  add("admin_address", admin);
  if (ShowsToken(decision, config)) add("token_file", std::string(kTokenMount) + "/token");
  if (config.ring_bytes != kDefaultRingBytes) add("ring_bytes", std::to_string(config.ring_bytes));
  if (const auto flush = decision.shape == Shape::kContainer ? FlushMs(pod) : std::nullopt)
    add("shutdown_timeout_ms", std::to_string(*flush));
  for (const std::string& arg : config.sidecar.args) args.emplace_back(WithoutExpansion(arg));
  // After the operator's, so that what a pod's author has chosen wins.
  if (!decision.settings.max_body_bytes.empty())
    add(InfoOf(Setting::kMaxBodyBytes).flag, decision.settings.max_body_bytes);
  if (!decision.settings.log_level.empty()) add(InfoOf(Setting::kLogLevel).flag, decision.settings.log_level);
  if (decision.shape == Shape::kContainer) add("drain_ms", std::to_string(DrainMs(pod)));
  return args;
}

json::array Environment(const json::object& pod) {
  const auto from_field = [&](std::string_view name, std::string_view path) {
    return json::object({{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}}, pod.storage());
  };
  json::array env(pod.storage());
  env.emplace_back(from_field("POD_UID", "metadata.uid"));
  env.emplace_back(from_field("POD_NAME", "metadata.name"));
  env.emplace_back(from_field("POD_NAMESPACE", "metadata.namespace"));
  env.emplace_back(from_field("NODE_NAME", "spec.nodeName"));
  if (const std::string service = ServiceName(pod); !service.empty())
    env.emplace_back(json::object({{"name", "PODTAP_SERVICE"}, {"value", WithoutExpansion(service)}}, pod.storage()));
  return env;
}

json::object SecurityContext(const InjectorConfig& config, const ClusterFacts& facts, const json::storage_ptr& memory) {
  json::object context(memory);
  json::object selinux(memory);
  for (const auto& [part, value] : config.sidecar.selinux) selinux[part] = value;
  if (config.run_as_privileged) {
    context["privileged"] = true;
  } else {
    json::array add(memory);
    for (std::string_view capability : Capabilities(config, facts)) add.emplace_back(capability);
    context["privileged"] = false;
    context["capabilities"] = {{"drop", {"ALL"}}, {"add", std::move(add)}};
    // The runtimes' default profiles refuse bpf() on some versions and ptrace of the pod's other containers.
    context["seccompProfile"] = {{"type", "Unconfined"}};
    context["appArmorProfile"] = {{"type", "Unconfined"}};
    if (selinux.empty()) selinux["type"] = "spc_t";
  }
  if (!selinux.empty()) context["seLinuxOptions"] = std::move(selinux);
  context["runAsUser"] = 0;
  context["runAsGroup"] = 0;
  context["runAsNonRoot"] = false;
  context["readOnlyRootFilesystem"] = true;
  return context;
}

json::array Mounts(const Decision& decision, const InjectorConfig& config, const json::storage_ptr& memory) {
  json::array mounts(memory);
  const auto mount = [&](std::string_view name, std::string_view path, bool read_only) {
    json::object object({{"name", name}, {"mountPath", path}}, memory);
    if (read_only) object["readOnly"] = true;
    mounts.emplace_back(std::move(object));
  };
  mount(kCgroupVolume, kCgroupMount, true);
  mount(kRunVolume, kRunMount, false);
  mount(kAnnotationsVolume, kAnnotationsMount, true);
  mount(kNoTokenVolume, kServiceAccountPath, true);
  if (const std::string_view directory = SinkDirectory(decision.settings.sink); !directory.empty())
    mount(kSinkVolume, directory, true);
  if (ShowsToken(decision, config)) mount(kTokenVolume, kTokenMount, true);
  if (config.tls_capture) mount(kProcVolume, kProcMount, true);
  return mounts;
}

}  // namespace

std::vector<std::string_view> Capabilities(const InjectorConfig& config, const ClusterFacts& facts) {
  if (!config.sidecar.capabilities.empty())
    return {config.sidecar.capabilities.begin(), config.sidecar.capabilities.end()};
  // The oldest that podtap runs on, if nobody knows.
  const KernelVersion oldest = facts.oldest_kernel.value_or(KernelVersion{5, 10});
  std::vector<std::string_view> capabilities;
  if (oldest < KernelVersion{5, 8})
    capabilities.push_back("SYS_ADMIN");
  else
    capabilities.insert(capabilities.end(), {"BPF", "PERFMON"});
  capabilities.push_back("NET_ADMIN");
  if (oldest < KernelVersion{5, 11}) capabilities.push_back("SYS_RESOURCE");  // locked memory for maps
  if (config.tls_capture) capabilities.push_back("SYS_PTRACE");
  // The attacher makes its worker another user, and ends it.
  capabilities.insert(capabilities.end(), {"SETUID", "SETGID", "KILL"});
  return capabilities;
}

std::string ServiceName(const json::object& pod) {
  for (std::string_view label : {"app.kubernetes.io/name", "app", "k8s-app", "service.istio.io/canonical-name"})
    if (const std::string_view value = TextMember(Labels(pod), label); !value.empty()) return std::string(value);
  return {};
}

uint64_t DrainMs(const json::object& pod) {
  constexpr int64_t kMarginSeconds = 8;
  const int64_t grace = GraceSeconds(pod);
  // Less than the whole, because what is queued is sent after the draining, in up to 5 s.
  // Half of a short grace period, so that something is left for the sinks to be flushed in.
  return static_cast<uint64_t>(grace > 2 * kMarginSeconds ? (grace - kMarginSeconds) * 1000 : grace * 500);
}

std::optional<uint64_t> FlushMs(const json::object& pod) {
  const int64_t grace = GraceSeconds(pod);
  if (grace > 10) return std::nullopt;
  return static_cast<uint64_t>(grace * 400);
}

json::object SidecarContainer(const json::object& pod, const Decision& decision, const InjectorConfig& config,
                              std::vector<std::string>& warnings) {
  json::object container({{"name", kContainerName}, {"image", config.image}}, 16, pod.storage());
  if (!config.image_pull_policy.empty()) container["imagePullPolicy"] = config.image_pull_policy;
  container["command"] = {kProgram};
  container["args"] = Arguments(pod, decision, config);
  if (decision.shape == Shape::kNative) container["restartPolicy"] = "Always";
  container["env"] = Environment(pod);
  json::object resources = SidecarResources(pod, decision.settings, config, warnings);
  if (decision.resources) resources = *decision.resources;
  if (!resources.empty()) container["resources"] = std::move(resources);
  if (ServesMetrics(pod, config))
    container["ports"] =
        json::array{{{"name", kMetricsPortName}, {"containerPort", config.sidecar.metrics_port}, {"protocol", "TCP"}}};
  container["securityContext"] = SecurityContext(config, decision.facts, pod.storage());
  // Capture starts before the application's first byte: the next container starts when this has returned.
  container["lifecycle"] = {{"postStart", {{"exec", {{"command", {kProgram, "--wait_until_attached_ms=3000"}}}}}}};
  container["volumeMounts"] = Mounts(decision, config, pod.storage());
  return container;
}

std::vector<json::object> SidecarVolumes(const Decision& decision, const InjectorConfig& config,
                                         const json::storage_ptr& memory) {
  std::vector<json::object> volumes;
  volumes.reserve(kVolumeNames.size());
  const auto add = [&](std::initializer_list<std::pair<boost::json::string_view, json::value_ref>> volume) {
    volumes.emplace_back(volume, memory);
  };
  add({{"name", kCgroupVolume}, {"hostPath", {{"path", "/sys/fs/cgroup"}}}});
  add({{"name", kRunVolume}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", "1Mi"}}}});
  const std::string field = "metadata.annotations['" + std::string(kModeAnnotation) + "']";
  add({{"name", kAnnotationsVolume},
       {"downwardAPI", {{"items", {{{"path", "mode"}, {"fieldRef", {{"fieldPath", field}}}}}}}}});
  add({{"name", kNoTokenVolume}, {"emptyDir", json::object()}});
  if (const std::string_view directory = SinkDirectory(decision.settings.sink); !directory.empty())
    add({{"name", kSinkVolume}, {"hostPath", {{"path", directory}, {"type", "DirectoryOrCreate"}}}});
  if (ShowsToken(decision, config)) {
    if (const auto [secret, key] = SecretAndKey(config.sidecar.token_secret); !secret.empty())
      // Optional: a Secret that is not there yet must not keep the pod from starting.
      add({{"name", kTokenVolume},
           {"secret", {{"secretName", secret}, {"optional", true}, {"items", {{{"key", key}, {"path", "token"}}}}}}});
    else
      add({{"name", kTokenVolume},
           {"projected",
            {{"sources",
              {{{"serviceAccountToken",
                 {{"audience", config.sidecar.token_audience},
                  {"expirationSeconds", kTokenLifetimeSeconds},
                  {"path", "token"}}}}}}}}});
  }
  if (config.tls_capture) add({{"name", kProcVolume}, {"hostPath", {{"path", "/proc"}}}});
  return volumes;
}

}  // namespace podtap::webhook
