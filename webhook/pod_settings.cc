// SPDX-License-Identifier: Apache-2.0
#include "webhook/pod_settings.h"

#include <boost/json/serialize.hpp>
#include <optional>

#include "base/annotations.h"

namespace podtap::webhook {
namespace {

constexpr size_t kWarningLength = 120;

struct Level {
  std::string_view who;  // "pod" or "namespace"
  std::string_view annotation;
  std::string_view value;
  ModeFrom from;
};

// The values at the two levels, those that exist. The namespace's mode has a name of its own.
std::vector<Level> LevelsOf(const DecisionInput& input, const SettingInfo& info) {
  std::vector<Level> levels;
  if (const json::string* value = StringMember(Annotations(input.pod), info.annotation))
    levels.push_back({"pod", info.annotation, {value->data(), value->size()}, ModeFrom::kPod});
  const std::string_view of_namespace = info.setting == Setting::kMode ? kDefaultModeAnnotation : info.annotation;
  if (input.namespace_info != nullptr)
    if (const std::string* value = input.namespace_info->Annotation(of_namespace))
      levels.push_back({"namespace", of_namespace, *value, ModeFrom::kNamespace});
  return levels;
}

std::string AllowedValues(const SettingInfo& info, const InjectorConfig& config) {
  if (info.setting != Setting::kSink) return std::string(info.allowed);
  std::string names;
  for (const auto& [name, sink] : config.named_sinks) names.append(names.empty() ? "" : ", ").append(name);
  return names.empty() ? "no sink has a name here" : names;
}

bool IsUsable(const SettingInfo& info, std::string_view value, const InjectorConfig& config) {
  return info.valid(value) && (info.setting != Setting::kSink || config.named_sinks.contains(value));
}

// The first level with a usable value. Whatever is not a string is none.
std::optional<Level> Choose(const DecisionInput& input, const SettingInfo& info, const InjectorConfig& config,
                            std::vector<std::string>& warnings) {
  const json::value* of_pod = Member(Annotations(input.pod), info.annotation);
  if (of_pod != nullptr && !of_pod->is_string()) warnings.push_back(NoStringWarning(info.annotation, *of_pod));
  for (const Level& level : LevelsOf(input, info)) {
    if (IsUsable(info, level.value, config)) return level;
    warnings.push_back(
        ValueWarning(level.annotation, level.value, "not used; allowed: " + AllowedValues(info, config)));
  }
  return std::nullopt;
}

}  // namespace

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  for (const char c : text.substr(0, limit)) out += c >= 0x20 && c < 0x7f && c != '"' ? c : '?';
  if (text.size() > limit && limit >= 3) out.replace(limit - 3, 3, "...");
  return out;
}

std::string ValueWarning(std::string_view name, std::string_view value, std::string_view what) {
  const size_t around = name.size() + what.size() + 4;  // ="" and a space
  const size_t room = around + 8 < kWarningLength ? kWarningLength - around : 8;
  std::string warning(name);
  warning.append("=\"").append(Printable(value, room)).append("\" ").append(what);
  if (warning.size() > kWarningLength) warning.replace(kWarningLength - 3, std::string::npos, "...");
  return warning;
}

std::string NoStringWarning(std::string_view name, const json::value& value) {
  return ValueWarning(name, json::serialize(value), "not used; a string is needed: write it in quotes");
}

void ChooseSettings(const DecisionInput& input, const InjectorConfig& config, Decision& decision) {
  const auto mode = Choose(input, InfoOf(Setting::kMode), config, decision.warnings);
  decision.mode = mode ? std::string(mode->value) : config.default_mode;
  decision.mode_from = mode ? mode->from : ModeFrom::kDefault;
  decision.mode_decided_by = mode ? std::string(mode->who) + " annotation " + std::string(mode->annotation)
                                  : "--default_mode=" + config.default_mode;
  decision.settings.sink = config.sink;
  const auto choose = [&](Setting setting, std::string& target) {
    if (const auto chosen = Choose(input, InfoOf(setting), config, decision.warnings)) target = chosen->value;
  };
  choose(Setting::kMaxBodyBytes, decision.settings.max_body_bytes);
  choose(Setting::kLogLevel, decision.settings.log_level);
  choose(Setting::kCpuLimit, decision.settings.cpu_limit);
  choose(Setting::kMemoryLimit, decision.settings.memory_limit);
  std::string sink_name;
  choose(Setting::kSink, sink_name);
  if (!sink_name.empty()) decision.settings.sink = config.named_sinks.find(sink_name)->second;
}

}  // namespace podtap::webhook
