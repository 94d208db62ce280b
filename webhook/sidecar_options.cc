// SPDX-License-Identifier: Apache-2.0
#include "webhook/sidecar_options.h"

#include <algorithm>
#include <charconv>

namespace podtap::webhook {
namespace {

constexpr std::string_view kFlags[] = {"decode_bodies",
                                       "decode_max_bytes",
                                       "deployment_environment",
                                       "exclude_hosts",
                                       "exclude_methods",
                                       "exclude_paths",
                                       "exclude_ports",
                                       "exclude_statuses",
                                       "exclude_user_agents",
                                       "format",
                                       "idle_timeout_ms",
                                       "ignore_user_agents",
                                       "include_hosts",
                                       "include_methods",
                                       "include_paths",
                                       "include_ports",
                                       "include_statuses",
                                       "include_user_agents",
                                       "keep_body_content_types",
                                       "log_level",
                                       "max_body_bytes",
                                       "max_exchanges_per_second",
                                       "max_header_bytes",
                                       "max_worker_cpu_percent",
                                       "memory_limit_bytes",
                                       "otlp_batch_bytes",
                                       "otlp_batch_ms",
                                       "otlp_batch_spans",
                                       "otlp_bodies",
                                       "otlp_gzip",
                                       "otlp_max_retry_ms",
                                       "otlp_resource_attributes",
                                       "otlp_timeout_ms",
                                       "redact_headers",
                                       "redact_json_fields",
                                       "redact_query",
                                       "sample_rate",
                                       "shutdown_timeout_ms",
                                       "sink_queue_bytes",
                                       "sink_queue_events",
                                       "stats_interval_s",
                                       "stream_interval_s"};
static_assert(std::is_sorted(std::begin(kFlags), std::end(kFlags)));

constexpr std::string_view kSelinuxParts[] = {"level", "role", "type", "user"};

std::unexpected<Error> Refuse(std::string_view name, std::string_view value, std::string_view use) {
  return UsageError("--" + std::string(name) + "=" + std::string(value) + " is not valid; use " + std::string(use));
}

bool IsWord(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

std::vector<std::string_view> Split(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    items.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return items;
}

Status ApplyArgument(SidecarOptions& options, std::string_view name, std::string_view value) {
  if (value.empty()) return {};
  const size_t equals = value.find('=');
  if (!value.starts_with("--") || equals == std::string_view::npos)
    return Refuse(name, value, "--NAME=VALUE, such as --" + std::string(name) + "=--redact_query=token");
  std::string flag(value.substr(2, equals - 2));
  std::replace(flag.begin(), flag.end(), '-', '_');
  if (!std::binary_search(std::begin(kFlags), std::end(kFlags), std::string_view(flag)))
    return UsageError("--" + std::string(name) + ": --" + flag +
                      " is no flag that can be set for all sidecars; docs/webhook.md lists them");
  options.args.push_back("--" + flag + std::string(value.substr(equals)));
  return {};
}

Status ApplyPort(SidecarOptions& options, std::string_view name, std::string_view value) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
  if (error != std::errc() || end != value.data() + value.size() || port > 65535)
    return Refuse(name, value, "a port from 1 to 65535, or 0 for none");
  options.metrics_port = static_cast<uint16_t>(port);
  return {};
}

Status ApplyCapabilities(SidecarOptions& options, std::string_view name, std::string_view value) {
  options.capabilities.clear();
  for (std::string_view item : Split(value)) {
    if (item.starts_with("CAP_")) item.remove_prefix(4);
    const bool upper = std::all_of(item.begin(), item.end(), [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); });
    if (item.empty() || !upper) return Refuse(name, value, "a comma list such as BPF,NET_ADMIN");
    options.capabilities.emplace_back(item);
  }
  return {};
}

Status ApplySelinux(SidecarOptions& options, std::string_view name, std::string_view value) {
  options.selinux.clear();
  for (const std::string_view item : Split(value)) {
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view part = item.substr(0, equals);
    const std::string_view setting = item.substr(std::min(equals + 1, item.size()));
    if (std::find(std::begin(kSelinuxParts), std::end(kSelinuxParts), part) == std::end(kSelinuxParts) ||
        !IsWord(setting, "_-.:"))
      return Refuse(name, value, "a comma list of type=, user=, role= and level=, such as type=spc_t");
    options.selinux.emplace_back(part, setting);
  }
  return {};
}

Status ApplySecret(SidecarOptions& options, std::string_view name, std::string_view value) {
  const auto [secret, key] = SecretAndKey(value);
  if (!value.empty() && (!IsWord(secret, "-.") || !IsWord(key, "-._")))
    return Refuse(name, value, "the name of a Secret, or NAME/KEY");
  options.token_secret = value;
  return {};
}

}  // namespace

std::span<const std::string_view> FlagsForSidecars() { return kFlags; }

std::pair<std::string_view, std::string_view> SecretAndKey(std::string_view token_secret) {
  const size_t slash = token_secret.find('/');
  if (slash == std::string_view::npos) return {token_secret, "token"};
  return {token_secret.substr(0, slash), token_secret.substr(slash + 1)};
}

std::optional<Status> ApplySidecarOption(SidecarOptions& options, std::string_view name, std::string_view value) {
  if (name == "sidecar_arg") return ApplyArgument(options, name, value);
  if (name == "sidecar_metrics_port") return ApplyPort(options, name, value);
  if (name == "sidecar_capabilities") return ApplyCapabilities(options, name, value);
  if (name == "sidecar_selinux_options") return ApplySelinux(options, name, value);
  if (name == "sidecar_token_secret") return ApplySecret(options, name, value);
  if (name == "sidecar_token_audience") {
    if (!value.empty() && !IsWord(value, "-._:/")) return Refuse(name, value, "a word such as podtap");
    options.token_audience = value;
    return Status{};
  }
  return std::nullopt;
}

}  // namespace podtap::webhook
