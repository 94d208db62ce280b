// SPDX-License-Identifier: Apache-2.0
// InjectorConfig: everything an operator can set about decision and patch, as one value; the webhook's flags and the
// offline tool's options both end here. ApplyOption() is the one place that knows each option's name and what it
// accepts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "webhook/sidecar_options.h"

namespace podtap::webhook {

enum class Injection : uint8_t { kAuto, kNative, kContainer };
enum class PodSecurity : uint8_t { kPrivileged, kBaseline, kRestricted };

struct KernelVersion {
  int major = 0;
  int minor = 0;
  auto operator<=>(const KernelVersion&) const = default;
};

// What is known about the cluster; unknown means: as on a current one.
struct ClusterFacts {
  std::optional<bool> native_sidecars;         // every kubelet restarts init containers with restartPolicy Always
  std::optional<KernelVersion> oldest_kernel;  // of all nodes
};

struct InjectorConfig {
  // Decision.
  std::string revision = "default";
  bool mirror_all_namespaces = false;
  std::vector<std::string> skip_namespaces;
  std::vector<std::string> skip_runtime_classes = {"gvisor", "runsc", "kata"};
  PodSecurity default_pod_security = PodSecurity::kPrivileged;
  std::string default_mode = "ingress";
  bool switched_off = false;  // mode off for all, whatever pods and namespaces say
  Injection injection = Injection::kAuto;
  ClusterFacts facts;
  // Patch.
  std::string image;
  std::string image_pull_policy;  // empty: Kubernetes' own default
  std::string sink = "stdout";
  std::map<std::string, std::string, std::less<>> named_sinks;
  SidecarOptions sidecar;
  bool run_as_privileged = true;
  bool tls_capture = false;
  uint64_t ring_bytes = 8 << 20;
  // Of the sidecar's processes; the ring is added to memory.
  std::string cpu_request = "10m";
  std::string cpu_limit = "200m";
  uint64_t memory_request_bytes = 40 << 20;
  uint64_t memory_limit_bytes = 120 << 20;
};

struct OptionInfo {
  std::string_view name;
  std::string_view default_value;
  std::string_view help;
  bool is_switch = false;
  bool repeatable = false;
};
// All options that ApplyOption() knows.
std::span<const OptionInfo> InjectorOptions();

// Sets the option `name` to `value`. The error is one line that names the option and what it accepts.
Status ApplyOption(InjectorConfig& config, std::string_view name, std::string_view value);
// What only the whole can show, e.g. a limit below its request.
Status CheckConfig(const InjectorConfig& config);

std::string_view TextOf(Injection injection);
std::string_view TextOf(PodSecurity level);

}  // namespace podtap::webhook
