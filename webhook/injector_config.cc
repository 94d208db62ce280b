// SPDX-License-Identifier: Apache-2.0
#include "webhook/injector_config.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/annotations.h"
#include "base/quantity.h"
#include "webhook/sidecar_sink.h"

namespace podtap::webhook {
namespace {

std::unexpected<Error> Refuse(std::string_view name, std::string_view value, std::string_view use) {
  return UsageError("--" + std::string(name) + "=" + std::string(value) + " is not valid; use " + std::string(use));
}

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> items;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return items;
}

bool IsText(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Status ApplyNamedSink(InjectorConfig& config, std::string_view name, std::string_view value) {
  const size_t equals = value.find('=');
  if (equals == std::string_view::npos || !IsSinkName(value.substr(0, equals)))
    return Refuse(name, value, "NAME=SINK, such as collector=unix:/var/run/collector/podtap.sock");
  const std::string_view sink = value.substr(equals + 1);
  if (Status ok = CheckSink(name, sink); !ok) return ok;
  config.named_sinks.insert_or_assign(std::string(value.substr(0, equals)), std::string(sink));
  return {};
}

Status ApplySwitch(bool& target, std::string_view name, std::string_view value) {
  if (value == "true" || value == "1")
    target = true;
  else if (value == "false" || value == "0")
    target = false;
  else
    return Refuse(name, value, "true or false");
  return {};
}

Status ApplyBytes(uint64_t& target, std::string_view name, std::string_view value) {
  const auto quantity = ParseQuantity(value);
  if (!quantity || *quantity % kNanoPerUnit != 0 || *quantity < (1 << 20) * kNanoPerUnit ||
      *quantity > (NanoUnits{64} << 30) * kNanoPerUnit)
    return Refuse(name, value, "a number of bytes from 1Mi to 64Gi, such as 128Mi");
  target = static_cast<uint64_t>(*quantity / kNanoPerUnit);
  return {};
}

Status ApplyCpu(std::string& target, std::string_view name, std::string_view value) {
  const auto quantity = ParseQuantity(value);
  if (!quantity || *quantity < kNanoPerUnit / 1000 || *quantity > 64 * kNanoPerUnit)
    return Refuse(name, value, "a quantity of CPUs from 1m to 64, such as 200m");
  target = value;
  return {};
}

Status ApplyKernel(InjectorConfig& config, std::string_view name, std::string_view value) {
  KernelVersion version;
  const char* const end = value.data() + value.size();
  const auto [dot, error] = std::from_chars(value.data(), value.data() + value.size(), version.major);
  if (error == std::errc() && dot != end && *dot == '.') {
    const auto [rest, minor_error] = std::from_chars(dot + 1, end, version.minor);
    if (minor_error == std::errc() && (rest == end || *rest == '.' || *rest == '-') && version.major > 0) {
      config.facts.oldest_kernel = version;
      return {};
    }
  }
  return Refuse(name, value, "a kernel version such as 5.10");
}

constexpr OptionInfo kOptions[] = {
    {"revision", "default", "Pods and namespaces labelled with another revision are left to another webhook."},
    {"mirror_all_namespaces", "false", "Inject into every pod that nobody has decided about.", true},
    {"skip_namespaces", "", "Never inject into these namespaces (and kube-system); a comma list."},
    {"skip_runtime_classes", "gvisor,runsc,kata",
     "Never inject into pods of these runtime classes; NAME also means NAME-anything; a comma list."},
    {"default_pod_security_enforce", "privileged",
     "The Pod Security level of namespaces without a label: privileged, baseline, restricted."},
    {"default_mode", "ingress", "The mode where neither pod nor namespace says one: ingress, egress, all, off."},
    {"switched_off", "false", "New sidecars start with mode off, whatever annotations say.", true},
    {"injection", "auto", "The sidecar's form: native (a restartable init container), container, or auto."},
    {"oldest_node_kernel", "",
     "The oldest kernel of the nodes, such as 5.4; decides the capabilities without privilege."},
    {"sidecar_image", "", "The image of the sidecar container."},
    {"sidecar_image_pull_policy", "", "Always, IfNotPresent, Never, or empty for Kubernetes' own default."},
    {"sidecar_sink", "stdout",
     "Where the sidecar sends exchanges: stdout, unix:PATH, unix-dgram:PATH, otlp:http://HOST:PORT."},
    {"named_sink", "", "NAME=SINK: a sink that the annotation mirror.traceable.ai/sink may name; repeatable.", false,
     true},
    {"sidecar_arg", "", "--NAME=VALUE: a flag of the sidecar, such as --redact_query=token; repeatable.", false, true},
    {"sidecar_metrics_port", "0", "A port of each pod where the sidecar serves its metrics; 0: none."},
    {"sidecar_token_audience", "podtap",
     "With an otlp: sink: the audience of the service account token that the sidecar shows; empty: no token."},
    {"sidecar_token_secret", "",
     "With an otlp: sink: NAME or NAME/KEY of a Secret of the pod's own namespace that holds the token instead."},
    {"run_as_privileged", "true", "Run the sidecar privileged; false: with the fewest capabilities that work.", true},
    {"sidecar_capabilities", "",
     "The capabilities without privilege, a comma list; empty: the fewest that the oldest kernel needs."},
    {"sidecar_selinux_options", "",
     "SELinux: a comma list of type=, user=, role=, level=; empty: type=spc_t without privilege."},
    {"tls_capture", "false", "Mount the node's /proc, which the capture inside TLS libraries needs.", true},
    {"sidecar_ring_bytes", "8Mi", "The sidecar's ring between kernel and user space; a power of two."},
    {"sidecar_cpu_request", "10m", "CPU request of the sidecar."},
    {"sidecar_cpu_limit", "200m", "CPU limit of the sidecar, where it gets one."},
    {"sidecar_memory_request", "40Mi", "Memory request of the sidecar; the ring is added."},
    {"sidecar_memory_limit", "120Mi", "Memory limit of the sidecar, where it gets one; the ring is added."},
};

}  // namespace

std::span<const OptionInfo> InjectorOptions() { return kOptions; }

Status ApplyOption(InjectorConfig& config, std::string_view name, std::string_view value) {
  if (!IsText(value)) return UsageError("--" + std::string(name) + " holds control characters");
  if (auto applied = ApplySidecarOption(config.sidecar, name, value)) return *std::move(applied);
  if (name == "revision") {
    if (value.empty()) return Refuse(name, value, "a label value such as default");
    config.revision = value;
  } else if (name == "mirror_all_namespaces") {
    return ApplySwitch(config.mirror_all_namespaces, name, value);
  } else if (name == "skip_namespaces") {
    config.skip_namespaces = SplitList(value);
  } else if (name == "skip_runtime_classes") {
    config.skip_runtime_classes = SplitList(value);
  } else if (name == "default_pod_security_enforce") {
    if (value == "privileged")
      config.default_pod_security = PodSecurity::kPrivileged;
    else if (value == "baseline")
      config.default_pod_security = PodSecurity::kBaseline;
    else if (value == "restricted")
      config.default_pod_security = PodSecurity::kRestricted;
    else
      return Refuse(name, value, "privileged, baseline or restricted");
  } else if (name == "switched_off") {
    return ApplySwitch(config.switched_off, name, value);
  } else if (name == "default_mode") {
    if (!IsMode(value)) return Refuse(name, value, InfoOf(Setting::kMode).allowed);
    config.default_mode = value;
  } else if (name == "injection") {
    if (value == "auto")
      config.injection = Injection::kAuto;
    else if (value == "native")
      config.injection = Injection::kNative;
    else if (value == "container")
      config.injection = Injection::kContainer;
    else
      return Refuse(name, value, "auto, native or container");
  } else if (name == "oldest_node_kernel") {
    if (!value.empty()) return ApplyKernel(config, name, value);
    config.facts.oldest_kernel.reset();
  } else if (name == "sidecar_image") {
    if (value.find(' ') != std::string_view::npos)
      return Refuse(name, value, "an image such as registry/podtap-sidecar:1");
    config.image = value;
  } else if (name == "sidecar_image_pull_policy") {
    if (!value.empty() && value != "Always" && value != "IfNotPresent" && value != "Never")
      return Refuse(name, value, "Always, IfNotPresent or Never");
    config.image_pull_policy = value;
  } else if (name == "sidecar_sink") {
    if (Status ok = CheckSink(name, value); !ok) return ok;
    config.sink = value;
  } else if (name == "named_sink") {
    return ApplyNamedSink(config, name, value);
  } else if (name == "run_as_privileged") {
    return ApplySwitch(config.run_as_privileged, name, value);
  } else if (name == "tls_capture") {
    return ApplySwitch(config.tls_capture, name, value);
  } else if (name == "sidecar_ring_bytes") {
    const auto quantity = ParseQuantity(value);
    const bool whole = quantity && *quantity % kNanoPerUnit == 0;
    const NanoUnits bytes = whole ? *quantity / kNanoPerUnit : 0;
    if (bytes < (256 << 10) || bytes > (1 << 30) || !std::has_single_bit(static_cast<uint64_t>(bytes)))
      return Refuse(name, value, "a power of two from 256Ki to 1Gi");
    config.ring_bytes = static_cast<uint64_t>(bytes);
  } else if (name == "sidecar_cpu_request") {
    return ApplyCpu(config.cpu_request, name, value);
  } else if (name == "sidecar_cpu_limit") {
    return ApplyCpu(config.cpu_limit, name, value);
  } else if (name == "sidecar_memory_request") {
    return ApplyBytes(config.memory_request_bytes, name, value);
  } else if (name == "sidecar_memory_limit") {
    return ApplyBytes(config.memory_limit_bytes, name, value);
  } else {
    return UsageError("unknown flag --" + std::string(name) + "; --help lists the flags");
  }
  return {};
}

Status CheckConfig(const InjectorConfig& config) {
  if (config.image.empty()) return UsageError("--sidecar_image is required: the image of the sidecar container");
  if (*ParseQuantity(config.cpu_limit) < *ParseQuantity(config.cpu_request))
    return UsageError("--sidecar_cpu_limit=" + config.cpu_limit +
                      " is below --sidecar_cpu_request=" + config.cpu_request);
  if (config.memory_limit_bytes < config.memory_request_bytes)
    return UsageError("--sidecar_memory_limit is below --sidecar_memory_request");
  return {};
}

std::string_view TextOf(Injection injection) {
  static constexpr std::string_view kNames[] = {"auto", "native", "container"};
  return kNames[static_cast<size_t>(injection)];
}

std::string_view TextOf(PodSecurity level) {
  static constexpr std::string_view kNames[] = {"privileged", "baseline", "restricted"};
  return kNames[static_cast<size_t>(level)];
}

}  // namespace podtap::webhook
