// SPDX-License-Identifier: Apache-2.0
// The names that users write on pods and namespaces, and the one table of settings that a pod's author may choose. The
// webhook reads them and turns them into container arguments; the sidecar reads the mode again from the mounted
// annotation file. Image, arguments and privileges are not here: they can never be set by a pod's author.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace podtap {

// On pods.
inline constexpr std::string_view kEnabledAnnotation = "mirror.traceable.ai/enabled";  // "true" or "false"
inline constexpr std::string_view kModeAnnotation = "mirror.traceable.ai/mode";        // ingress, egress, all, off
inline constexpr std::string_view kStatusAnnotation = "mirror.traceable.ai/status";    // written by the webhook, JSON
inline constexpr std::string_view kInjectedLabel = "mirror.traceable.ai/injected";     // written by the webhook, "true"
inline constexpr std::string_view kRevisionLabel = "mirror.traceable.ai/revision";     // on pods and on namespaces
// On namespaces.
inline constexpr std::string_view kNamespaceLabel = "traceableai-mirror";  // "enabled" or "disabled"
inline constexpr std::string_view kDefaultModeAnnotation = "mirror.traceable.ai/defaultMode";
inline constexpr std::string_view kOlderNamespaceLabel = "traceableai-inject-mirror";              // "enabled"
inline constexpr std::string_view kDefaultInjectAnnotation = "mirror.traceable.ai/defaultInject";  // "true"

inline constexpr uint64_t kMaxAnnotatedBodyBytes = 16 << 20;

// The checks. Each is exact: no spaces, no other case, no sign.
bool IsMode(std::string_view value);
bool IsLogLevel(std::string_view value);
bool IsBodyBytes(std::string_view value);    // 0 … 16777216, decimal
bool IsCpuLimit(std::string_view value);     // 10m … 4
bool IsMemoryLimit(std::string_view value);  // 48Mi … 2Gi
bool IsSinkName(
    std::string_view value);  // letters, digits, '-', '_', '.'; which names exist is the webhook's configuration

// X(enumerator, annotation, flag of the sidecar that it feeds ("" = none), check, what is allowed, an example)
#define PODTAP_SETTINGS(X)                                                                                         \
  X(kMode, "mirror.traceable.ai/mode", "mode", IsMode, "ingress, egress, all or off", "egress")                    \
  X(kMaxBodyBytes, "mirror.traceable.ai/max-body-bytes", "max_body_bytes", IsBodyBytes, "0 to 16777216", "65536")  \
  X(kLogLevel, "mirror.traceable.ai/log-level", "log_level", IsLogLevel, "error, warning, info or debug", "debug") \
  X(kCpuLimit, "mirror.traceable.ai/cpu-limit", "", IsCpuLimit, "a quantity from 10m to 4", "300m")                \
  X(kMemoryLimit, "mirror.traceable.ai/memory-limit", "", IsMemoryLimit, "a quantity from 48Mi to 2Gi", "192Mi")   \
  X(kSink, "mirror.traceable.ai/sink", "sink", IsSinkName, "a name that the operator has set up", "collector")

enum class Setting : uint8_t {
#define X(enumerator, annotation, flag, check, allowed, example) enumerator,
  PODTAP_SETTINGS(X)
#undef X
};

struct SettingInfo {
  Setting setting;
  std::string_view annotation;
  std::string_view flag;
  bool (*valid)(std::string_view value);
  std::string_view allowed;  // for warnings: "use <allowed>"
  std::string_view example;  // a valid value; for `sink` the name, which the webhook's configuration turns into a sink
};

// All rows, in the order of Setting.
std::span<const SettingInfo> AllSettings();
const SettingInfo& InfoOf(Setting setting);

}  // namespace podtap
