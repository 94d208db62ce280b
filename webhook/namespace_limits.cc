// SPDX-License-Identifier: Apache-2.0
#include "webhook/namespace_limits.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <optional>

#include "base/quantity.h"
#include "webhook/resources.h"

namespace podtap::webhook {
namespace {

constexpr std::string_view kComputeResources[] = {"cpu", "memory"};

std::string TextOfAmount(const json::value& value) {
  const json::string* text = value.if_string();
  return text == nullptr ? json::serialize(value) : std::string(text->data(), text->size());
}

Amounts ReadAmounts(const json::object* from) {
  Amounts amounts;
  if (from != nullptr)
    for (const auto& member : *from) amounts.emplace(member.key(), TextOfAmount(member.value()));
  return amounts;
}

std::optional<NanoUnits> AmountOf(const Amounts& amounts, std::string_view name) {
  const auto at = amounts.find(name);
  if (at == amounts.end()) return std::nullopt;
  return ParseQuantity(at->second);
}

// A container's amount; a request that is left out is its limit.
NanoUnits Of(const json::object* resources, std::string_view kind, std::string_view name) {
  const json::value* value = Member(ObjectMember(resources, kind), name);
  if (value == nullptr && kind == "requests") value = Member(ObjectMember(resources, "limits"), name);
  return value == nullptr ? 0 : ParseQuantity(TextOfAmount(*value)).value_or(0);
}

// What a pod asks for in all: the sum of its containers, or the most that its init containers need one after the other,
// restartable ones (ours is the first) going on beside all that follow.
NanoUnits PodTotal(const json::object& pod, std::string_view kind, std::string_view name, const json::object& own,
                   Shape shape) {
  const json::object* spec = Spec(pod);
  if (const NanoUnits whole = Of(ObjectMember(spec, "resources"), kind, name); whole > 0) return whole;
  const NanoUnits ours = Of(&own, kind, name);
  NanoUnits together = ours, restartable = shape == Shape::kNative ? ours : 0, most = restartable;
  const json::array* containers = ArrayMember(spec, "containers");
  for (size_t i = 0; containers != nullptr && i < containers->size(); ++i)
    together += Of(ObjectMember((*containers)[i].if_object(), "resources"), kind, name);
  const json::array* init = ArrayMember(spec, "initContainers");
  for (size_t i = 0; init != nullptr && i < init->size(); ++i) {
    const json::object* container = (*init)[i].if_object();
    const NanoUnits amount = Of(ObjectMember(container, "resources"), kind, name);
    if (TextMember(container, "restartPolicy") == "Always") {
      restartable += amount;
      together += amount;
      most = std::max(most, restartable);
    } else {
      most = std::max(most, restartable + amount);
    }
  }
  const json::value* overhead = Member(ObjectMember(spec, "overhead"), name);
  return std::max(together, most) + (overhead == nullptr ? 0 : ParseQuantity(TextOfAmount(*overhead)).value_or(0));
}

std::string Unmet(const LimitRangeRule& rule, std::string_view what, std::string_view resource,
                  const Amounts& amounts) {
  return "LimitRange " + rule.name + ": " + std::string(what) + " " + std::string(resource) + "=" +
         amounts.find(resource)->second;
}

json::object& Section(json::object& resources, std::string_view kind) {
  json::value& section = resources[kind];
  if (!section.is_object()) section = json::object(resources.storage());
  return section.get_object();
}

std::string FitContainerRule(const LimitRangeRule& rule, std::string_view name, bool guaranteed,
                             const InjectorConfig& config, json::object& resources) {
  const auto set = [&](std::string_view kind, const std::string& amount) { Section(resources, kind)[name] = amount; };
  const auto has_limit = [&] { return Member(ObjectMember(&resources, "limits"), name) != nullptr; };
  const auto request = [&] { return Of(&resources, "requests", name); };
  const auto limit = [&] { return Of(&resources, "limits", name); };
  const bool memory = name == "memory";
  const std::string own_limit =
      memory ? BytesAsQuantity(config.memory_limit_bytes + config.ring_bytes) : config.cpu_limit;
  if (const auto min = AmountOf(rule.min, name); min && *min > request()) {
    set("requests", rule.min.find(name)->second);
    if (has_limit() && limit() < *min) set("limits", rule.min.find(name)->second);
  }
  const auto max = AmountOf(rule.max, name);
  const auto ratio = AmountOf(rule.max_ratio, name);
  // A limit that is left out would be the range's default, which may be below our request.
  if (!has_limit() && (max || ratio || rule.default_limit.contains(name)))
    set("limits", *ParseQuantity(own_limit) >= request()
                      ? own_limit
                      : TextOfAmount(*Member(ObjectMember(&resources, "requests"), name)));
  if (max && limit() > *max) {
    const NanoUnits least = memory ? NanoUnits{LeastMemoryBytes(config)} * kNanoPerUnit : NanoUnits{1};
    if (*max < least || (!guaranteed && *max < request())) return Unmet(rule, "max", name, rule.max);
    set("limits", rule.max.find(name)->second);
    if (guaranteed || request() > *max) set("requests", rule.max.find(name)->second);
  }
  // Limit over request; the request is raised, because the limit is what we need.
  if (ratio && request() > 0 && limit() * kNanoPerUnit > request() * *ratio)
    set("requests", TextOfAmount(*Member(ObjectMember(&resources, "limits"), name)));
  return {};
}

std::string CheckPodRule(const json::object& pod, Shape shape, const LimitRangeRule& rule, std::string_view name,
                         const json::object& resources) {
  const NanoUnits request = PodTotal(pod, "requests", name, resources, shape);
  const NanoUnits limit = PodTotal(pod, "limits", name, resources, shape);
  if (const auto max = AmountOf(rule.max, name); max && (request > *max || limit > *max))
    return Unmet(rule, "max of a pod", name, rule.max);
  if (const auto ratio = AmountOf(rule.max_ratio, name);
      ratio && request > 0 && limit * kNanoPerUnit > request * *ratio)
    return Unmet(rule, "maxLimitRequestRatio of a pod", name, rule.max_ratio);
  return {};
}

bool MatchesScope(const json::object& pod, const QuotaScope& scope) {
  const bool ends = Member(Spec(pod), "activeDeadlineSeconds") != nullptr;
  const bool best_effort = QosClass(pod, {}) == Qos::kBestEffort;
  if (scope.scope == "Terminating") return ends;
  if (scope.scope == "NotTerminating") return !ends;
  if (scope.scope == "BestEffort") return best_effort;
  if (scope.scope == "NotBestEffort") return !best_effort;
  if (scope.scope != "PriorityClass") return false;
  const std::string_view priority = TextMember(Spec(pod), "priorityClassName");
  const bool listed = std::find(scope.values.begin(), scope.values.end(), priority) != scope.values.end();
  if (scope.operation == "In") return listed;
  if (scope.operation == "NotIn") return !listed;
  return (scope.operation == "DoesNotExist") == priority.empty();
}

}  // namespace

std::vector<LimitRangeRule> ReadLimitRange(const json::object& object) {
  std::vector<LimitRangeRule> rules;
  const json::array* limits = ArrayMember(ObjectMember(&object, "spec"), "limits");
  for (size_t i = 0; limits != nullptr && i < limits->size(); ++i) {
    const json::object* item = (*limits)[i].if_object();
    LimitRangeRule rule;
    rule.name = TextMember(ObjectMember(&object, "metadata"), "name");
    rule.type = TextMember(item, "type");
    rule.min = ReadAmounts(ObjectMember(item, "min"));
    rule.max = ReadAmounts(ObjectMember(item, "max"));
    rule.default_limit = ReadAmounts(ObjectMember(item, "default"));
    rule.max_ratio = ReadAmounts(ObjectMember(item, "maxLimitRequestRatio"));
    if (rule.type == "Container" || rule.type == "Pod") rules.push_back(std::move(rule));
  }
  return rules;
}

ResourceQuota ReadQuota(const json::object& object) {
  ResourceQuota quota;
  const json::object* spec = ObjectMember(&object, "spec");
  quota.name = TextMember(ObjectMember(&object, "metadata"), "name");
  quota.hard = ReadAmounts(ObjectMember(spec, "hard"));
  quota.used = ReadAmounts(ObjectMember(ObjectMember(&object, "status"), "used"));
  const json::array* scopes = ArrayMember(spec, "scopes");
  for (size_t i = 0; scopes != nullptr && i < scopes->size(); ++i)
    if (const json::string* scope = (*scopes)[i].if_string())
      quota.scopes.push_back({std::string(scope->data(), scope->size()), "Exists", {}});
  const json::array* expressions = ArrayMember(ObjectMember(spec, "scopeSelector"), "matchExpressions");
  for (size_t i = 0; expressions != nullptr && i < expressions->size(); ++i) {
    const json::object* expression = (*expressions)[i].if_object();
    QuotaScope scope{
        std::string(TextMember(expression, "scopeName")), std::string(TextMember(expression, "operator")), {}};
    const json::array* values = ArrayMember(expression, "values");
    for (size_t k = 0; values != nullptr && k < values->size(); ++k)
      if (const json::string* value = (*values)[k].if_string()) scope.values.emplace_back(value->data(), value->size());
    quota.scopes.push_back(std::move(scope));
  }
  return quota;
}

std::string FitLimitRanges(const json::object& pod, Shape shape, const NamespaceLimits& limits,
                           const InjectorConfig& config, json::object& resources) {
  // Without resources the pod stays BestEffort, or its own spec.resources covers all of it.
  if (resources.empty()) return {};
  const bool guaranteed = QosClass(pod, {}) == Qos::kGuaranteed;
  for (std::string_view name : kComputeResources)
    for (const LimitRangeRule& rule : limits.rules)
      if (rule.type == "Container")
        if (std::string unmet = FitContainerRule(rule, name, guaranteed, config, resources); !unmet.empty())
          return unmet;
  // One rule's minimum may be above another's maximum.
  for (std::string_view name : kComputeResources)
    for (const LimitRangeRule& rule : limits.rules) {
      if (rule.type == "Pod") {
        if (std::string unmet = CheckPodRule(pod, shape, rule, name, resources); !unmet.empty()) return unmet;
        continue;
      }
      if (const auto max = AmountOf(rule.max, name);
          max && (Of(&resources, "requests", name) > *max || Of(&resources, "limits", name) > *max))
        return Unmet(rule, "max", name, rule.max);
      if (const auto min = AmountOf(rule.min, name); min && Of(&resources, "requests", name) < *min)
        return Unmet(rule, "min", name, rule.min);
    }
  return {};
}

std::string ExceededQuota(const json::object& pod, Shape shape, const NamespaceLimits& limits,
                          const json::object& resources) {
  if (resources.empty()) return {};  // nothing is added to what the pod asks for anyway
  for (const ResourceQuota& quota : limits.quotas) {
    if (!std::all_of(quota.scopes.begin(), quota.scopes.end(),
                     [&](const QuotaScope& scope) { return MatchesScope(pod, scope); }))
      continue;
    for (const auto& [key, amount] : quota.hard) {
      std::string_view kind = "requests", name = key;
      for (std::string_view prefix : {"requests.", "limits."})
        if (name.starts_with(prefix)) {
          kind = prefix.substr(0, prefix.size() - 1);
          name.remove_prefix(prefix.size());
          break;
        }
      if (std::find(std::begin(kComputeResources), std::end(kComputeResources), name) == std::end(kComputeResources))
        continue;
      std::string which = "ResourceQuota " + quota.name + ": " + key;
      // Whatever a quota counts, every container must state.
      if (Of(&resources, kind, name) == 0) return which + " must be stated";
      const auto hard = ParseQuantity(amount);
      const NanoUnits used = AmountOf(quota.used, key).value_or(0);
      if (hard && used + PodTotal(pod, kind, name, resources, shape) > *hard) return which;
    }
  }
  return {};
}

}  // namespace podtap::webhook
