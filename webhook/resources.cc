// SPDX-License-Identifier: Apache-2.0
#include "webhook/resources.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <map>

#include "base/annotations.h"
#include "base/quantity.h"
#include "webhook/own_parts.h"
#include "webhook/pod_settings.h"

namespace podtap::webhook {
namespace {

constexpr std::string_view kComputeResources[] = {"cpu", "memory"};
constexpr uint64_t kLeastMemoryBytes = 40 << 20;

// A quantity is a string, or a number in a file written by hand. Nothing or zero: not set.
NanoUnits QuantityOf(const json::object* amounts, std::string_view name) {
  const json::value* value = Member(amounts, name);
  if (value == nullptr) return 0;
  if (const json::string* text = value->if_string()) return ParseQuantity({text->data(), text->size()}).value_or(0);
  if (value->is_number()) return ParseQuantity(json::serialize(*value)).value_or(0);
  return 0;
}

template <typename Visit>
void ForEachContainer(const json::object& pod, std::string_view leave_out, Visit visit) {
  for (std::string_view list : {std::string_view("containers"), std::string_view("initContainers")}) {
    const json::array* containers = ArrayMember(Spec(pod), list);
    if (containers == nullptr) continue;
    for (const json::value& container : *containers) {
      const json::object* object = container.if_object();
      if (object != nullptr && (leave_out.empty() || TextMember(object, "name") != leave_out)) visit(*object);
    }
  }
}

bool EveryContainerLimits(const json::object& pod, std::string_view resource) {
  bool all = true;
  ForEachContainer(pod, kContainerName, [&](const json::object& container) {
    all &= QuantityOf(ObjectMember(ObjectMember(&container, "resources"), "limits"), resource) > 0;
  });
  return all;
}

bool HasPodLevelResources(const json::object& pod) {
  const json::object* resources = ObjectMember(Spec(pod), "resources");
  return resources != nullptr && !resources->empty();
}

struct Chosen {
  std::string request;
  std::string limit;
  bool limit_chosen;
};

// A chosen limit below the default request lowers the request too.
Chosen AmountsOf(std::string request, std::string limit, const std::string& chosen) {
  if (chosen.empty()) return {std::move(request), std::move(limit), false};
  if (*ParseQuantity(chosen) < *ParseQuantity(request)) request = chosen;
  return {std::move(request), chosen, true};
}

}  // namespace

std::string_view TextOf(Qos qos) {
  static constexpr std::string_view kNames[] = {"BestEffort", "Burstable", "Guaranteed"};
  return kNames[static_cast<size_t>(qos)];
}

Qos QosClass(const json::object& pod, std::string_view leave_out) {
  // Resources of the whole pod, where set, take the containers' place.
  std::map<std::string_view, NanoUnits> requests, limits;
  bool guaranteed = true;
  const auto add = [&](const json::object* resources) {
    size_t limited = 0;
    for (std::string_view name : kComputeResources) {
      const NanoUnits limit = QuantityOf(ObjectMember(resources, "limits"), name);
      const bool has_request = Member(ObjectMember(resources, "requests"), name) != nullptr;
      const NanoUnits request = has_request ? QuantityOf(ObjectMember(resources, "requests"), name) : limit;
      if (request > 0) requests[name] += request;
      if (limit > 0) limits[name] += limit, ++limited;
    }
    guaranteed &= limited == std::size(kComputeResources);
  };
  if (HasPodLevelResources(pod))
    add(ObjectMember(Spec(pod), "resources"));
  else
    ForEachContainer(pod, leave_out,
                     [&](const json::object& container) { add(ObjectMember(&container, "resources")); });
  if (requests.empty() && limits.empty()) return Qos::kBestEffort;
  return guaranteed && requests == limits ? Qos::kGuaranteed : Qos::kBurstable;
}

uint64_t LeastMemoryBytes(const InjectorConfig& config) { return kLeastMemoryBytes + config.ring_bytes; }

json::object SidecarResources(const json::object& pod, const ChosenSettings& settings, const InjectorConfig& config,
                              std::vector<std::string>& warnings) {
  const Qos qos = QosClass(pod, kContainerName);
  if (qos == Qos::kBestEffort || HasPodLevelResources(pod)) {
    const std::string_view what = qos == Qos::kBestEffort ? "not used: the pod is BestEffort and stays so"
                                                          : "not used: spec.resources covers the whole pod";
    if (!settings.cpu_limit.empty())
      warnings.push_back(ValueWarning(InfoOf(Setting::kCpuLimit).annotation, settings.cpu_limit, what));
    if (!settings.memory_limit.empty())
      warnings.push_back(ValueWarning(InfoOf(Setting::kMemoryLimit).annotation, settings.memory_limit, what));
    return {};
  }
  const uint64_t least_memory = LeastMemoryBytes(config);
  std::string memory_limit = settings.memory_limit;
  if (!memory_limit.empty() && *ParseQuantity(memory_limit) < NanoUnits{least_memory} * kNanoPerUnit) {
    warnings.push_back(ValueWarning(InfoOf(Setting::kMemoryLimit).annotation, memory_limit,
                                    "not used: at least " + BytesAsQuantity(least_memory) + " is needed"));
    memory_limit.clear();
  }
  const Chosen cpu = AmountsOf(config.cpu_request, config.cpu_limit, settings.cpu_limit);
  const Chosen memory = AmountsOf(BytesAsQuantity(config.memory_request_bytes + config.ring_bytes),
                                  BytesAsQuantity(config.memory_limit_bytes + config.ring_bytes), memory_limit);
  if (qos == Qos::kGuaranteed) {
    const json::object both{{"cpu", cpu.limit}, {"memory", memory.limit}};
    return {{"requests", both}, {"limits", both}};
  }
  json::object resources{{"requests", {{"cpu", cpu.request}, {"memory", memory.request}}}};
  json::object limits;
  if (cpu.limit_chosen || EveryContainerLimits(pod, "cpu")) limits["cpu"] = cpu.limit;
  if (memory.limit_chosen || EveryContainerLimits(pod, "memory")) limits["memory"] = memory.limit;
  if (!limits.empty()) resources["limits"] = std::move(limits);
  return resources;
}

}  // namespace podtap::webhook
