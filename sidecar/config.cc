// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config.h"

#include <gflags/gflags.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <tuple>

#include "sidecar/flags.h"
#include "sidecar/policy/patterns.h"

namespace podtap {
namespace {

constexpr uint64_t kMaxBodyBytes = 1 << 30;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  if (text == "error") return LogLevel::kError;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "info") return LogLevel::kInfo;
  if (text == "debug") return LogLevel::kDebug;
  return UsageError("--log_level=" + std::string(text) + " is not known; use error, warning, info or debug");
}

Status InRange(std::string_view flag, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return {};
  return UsageError("--" + std::string(flag) + "=" + std::to_string(value) + " is out of range; use " +
                    std::to_string(low) + " to " + std::to_string(high));
}

Status CheckRanges() {
  struct Range {
    std::string_view flag;
    uint64_t value, low, high;
  };
  constexpr uint64_t kHour = 3'600'000;
  const Range ranges[] = {
      {"max_body_bytes", FLAGS_max_body_bytes, 0, kMaxBodyBytes},
      {"max_header_bytes", FLAGS_max_header_bytes, 256, 16 << 20},
      {"idle_timeout_ms", FLAGS_idle_timeout_ms, 1, 24 * kHour},
      {"stream_interval_s", FLAGS_stream_interval_s, 0, 86400},
      {"memory_limit_bytes", FLAGS_memory_limit_bytes, 1 << 20, uint64_t{64} << 30},
      {"ring_bytes", FLAGS_ring_bytes, 256 << 10, 1 << 30},
      {"stats_interval_s", FLAGS_stats_interval_s, 0, 86400},
      {"max_worker_cpu_percent", FLAGS_max_worker_cpu_percent, 0, 1000},
      {"otlp_batch_spans", FLAGS_otlp_batch_spans, 1, 65536},
      {"otlp_batch_bytes", FLAGS_otlp_batch_bytes, 1024, 64 << 20},
      {"otlp_batch_ms", FLAGS_otlp_batch_ms, 0, kHour},
      {"otlp_timeout_ms", FLAGS_otlp_timeout_ms, 10, kHour},
      {"otlp_max_retry_ms", FLAGS_otlp_max_retry_ms, 0, 24 * kHour},
      {"sink_queue_events", FLAGS_sink_queue_events, 1, 1 << 20},
      {"sink_queue_bytes", FLAGS_sink_queue_bytes, 65536, 1 << 30},
      {"decode_max_bytes", FLAGS_decode_max_bytes, 1024, kMaxBodyBytes},
      {"cgroup_wait_ms", FLAGS_cgroup_wait_ms, 0, 24 * kHour},
      {"drain_ms", FLAGS_drain_ms, 0, 24 * kHour},
      {"shutdown_timeout_ms", FLAGS_shutdown_timeout_ms, 0, kHour},
  };
  for (const Range& range : ranges)
    if (Status ok = InRange(range.flag, range.value, range.low, range.high); !ok) return ok;
  if (!std::has_single_bit(FLAGS_ring_bytes))
    return UsageError("--ring_bytes=" + std::to_string(FLAGS_ring_bytes) + " is not a power of two; use " +
                      std::to_string(std::bit_floor(FLAGS_ring_bytes)) + " or " +
                      std::to_string(std::bit_ceil(FLAGS_ring_bytes)));
  return {};
}

Identity IdentityFromEnvironment() {
  return {.namespace_name = Environment("POD_NAMESPACE"),
          .pod = Environment("POD_NAME"),
          .node = Environment("NODE_NAME"),
          .service = Environment("PODTAP_SERVICE"),
          .run_id = NewRunId(),
          .pod_uid = Environment("POD_UID"),
          .environment = Environment("PODTAP_ENVIRONMENT")};
}

Result<OtlpSettings> OtlpFromFlags() {
  OtlpSettings otlp;
  if (FLAGS_otlp_bodies != "none" && FLAGS_otlp_bodies != "hypertrace")
    return UsageError("--otlp_bodies=" + FLAGS_otlp_bodies + " is not known; use none or hypertrace");
  otlp.hypertrace = FLAGS_otlp_bodies == "hypertrace";
  auto headers = ParsePairs("otlp_headers", FLAGS_otlp_headers);
  if (!headers) return std::unexpected(headers.error());
  if (Status ok = CheckHeaders("otlp_headers", *headers); !ok) return std::unexpected(ok.error());
  otlp.headers = *std::move(headers);
  auto attributes = ParsePairs("otlp_resource_attributes", FLAGS_otlp_resource_attributes);
  if (!attributes) return std::unexpected(attributes.error());
  otlp.resource_attributes = *std::move(attributes);
  otlp.token_file = FLAGS_token_file;
  otlp.ca_file = FLAGS_otlp_ca_file;
  otlp.client_certificate_file = FLAGS_otlp_client_certificate_file;
  otlp.client_key_file = FLAGS_otlp_client_key_file;
  if (otlp.client_certificate_file.empty() != otlp.client_key_file.empty())
    return UsageError("--otlp_client_certificate_file and --otlp_client_key_file go together; give both or neither");
  otlp.gzip = FLAGS_otlp_gzip;
  otlp.batch_spans = FLAGS_otlp_batch_spans;
  otlp.batch_bytes = FLAGS_otlp_batch_bytes;
  otlp.batch_ms = FLAGS_otlp_batch_ms;
  otlp.timeout_ms = FLAGS_otlp_timeout_ms;
  otlp.max_retry_ms = FLAGS_otlp_max_retry_ms;
  return otlp;
}

std::vector<std::string> Lower(std::vector<std::string> items) {
  for (std::string& item : items)
    for (char& c : item)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return items;
}

Result<PolicySettings> PolicyFromFlags() {
  PolicySettings policy;
  policy.redact_query = SplitList(FLAGS_redact_query);
  policy.bodies.redact_fields = SplitList(FLAGS_redact_json_fields);
  policy.bodies.decode = FLAGS_decode_bodies;
  policy.bodies.limits.max_bytes = FLAGS_decode_max_bytes;
  policy.bodies.keep_types = Lower(SplitList(FLAGS_keep_body_content_types));
  FilterSettings& filter = policy.filter;
  filter.include_paths = SplitList(FLAGS_include_paths);
  filter.exclude_paths = SplitList(FLAGS_exclude_paths);
  filter.include_methods = SplitList(FLAGS_include_methods);
  filter.exclude_methods = SplitList(FLAGS_exclude_methods);
  filter.include_hosts = Lower(SplitList(FLAGS_include_hosts));
  filter.exclude_hosts = Lower(SplitList(FLAGS_exclude_hosts));
  filter.include_user_agents = SplitList(FLAGS_include_user_agents);
  filter.exclude_user_agents = SplitList(FLAGS_exclude_user_agents);
  for (auto [flag, value, ranges] : {std::tuple{"include_statuses", &FLAGS_include_statuses, &filter.include_statuses},
                                     {"exclude_statuses", &FLAGS_exclude_statuses, &filter.exclude_statuses}}) {
    auto parsed = ParseStatuses(flag, SplitList(*value));
    if (!parsed) return std::unexpected(parsed.error());
    *ranges = *std::move(parsed);
  }
  for (auto [flag, value, ranges] : {std::tuple{"include_ports", &FLAGS_include_ports, &filter.include_ports},
                                     {"exclude_ports", &FLAGS_exclude_ports, &filter.exclude_ports}}) {
    auto parsed = ParsePorts(flag, SplitList(*value));
    if (!parsed) return std::unexpected(parsed.error());
    *ranges = *std::move(parsed);
  }
  if (!(FLAGS_sample_rate >= 0 && FLAGS_sample_rate <= 1))
    return UsageError("--sample_rate=" + std::to_string(FLAGS_sample_rate) + " is out of range; use 0 to 1");
  for (const auto& [flag, items, check] : {std::tuple{"include_paths", &filter.include_paths, &CheckPaths},
                                           {"exclude_paths", &filter.exclude_paths, &CheckPaths},
                                           {"include_methods", &filter.include_methods, &CheckTokens},
                                           {"exclude_methods", &filter.exclude_methods, &CheckTokens},
                                           {"include_hosts", &filter.include_hosts, &CheckHosts},
                                           {"exclude_hosts", &filter.exclude_hosts, &CheckHosts},
                                           {"keep_body_content_types", &policy.bodies.keep_types, &CheckMediaTypes}})
    if (Status ok = check(flag, *items); !ok) return std::unexpected(ok.error());
  policy.sample_rate = FLAGS_sample_rate;
  policy.max_exchanges_per_second = FLAGS_max_exchanges_per_second;
  return policy;
}

}  // namespace

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> items;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return items;
}

Result<Config> ConfigFromFlags() {
  Config config;
  if (Status ok = CheckRanges(); !ok) return std::unexpected(ok.error());
  config.target = {FLAGS_cgroup, FLAGS_pod_uid, FLAGS_cgroup_root, FLAGS_cgroup_wait_ms};
  if (config.target.cgroup.empty() && config.target.pod_uid.empty()) config.target.pod_uid = Environment("POD_UID");
  if (!FLAGS_cgroup.empty() && !FLAGS_pod_uid.empty())
    return UsageError("--cgroup and --pod_uid both name a target; give one of them");

  auto mode = ParseMode(FLAGS_mode);
  if (!mode) return std::unexpected(mode.error());
  config.mode = *mode;
  auto format = ParseFormat(FLAGS_format);
  if (!format) return std::unexpected(format.error());
  config.format = *format;
  auto sinks = ParseSinks(FLAGS_sink, config.format);
  if (!sinks) return std::unexpected(sinks.error());
  config.sinks = *std::move(sinks);
#ifdef PODTAP_IN_POD
  // Whoever may exec into the container must not be able to name another pod, or a file to write.
  if (!FLAGS_cgroup.empty() || !FLAGS_pod_uid.empty())
    return UsageError("--cgroup and --pod_uid are not offered inside a pod; the target is $POD_UID");
  for (const SinkConfig& sink : config.sinks)
    if (sink.address.kind == SinkAddress::Kind::kFile)
      return UsageError(
          "--sink=file: is not offered inside a pod; use stdout, unix:PATH, unix-dgram:PATH or otlp:http://HOST:PORT");
#endif
  config.file_max_bytes = FLAGS_file_max_bytes;
  config.sink_queue_events = FLAGS_sink_queue_events;
  config.sink_queue_bytes = FLAGS_sink_queue_bytes;
  auto otlp = OtlpFromFlags();
  if (!otlp) return std::unexpected(otlp.error());
  config.otlp = *std::move(otlp);

  config.http.max_body_bytes = FLAGS_max_body_bytes;
  config.http.max_header_bytes = FLAGS_max_header_bytes;
  config.http.idle_timeout_ns = FLAGS_idle_timeout_ms * 1'000'000;
  config.http.stream_interval_ns = FLAGS_stream_interval_s * 1'000'000'000;
  config.memory_limit_bytes = FLAGS_memory_limit_bytes;
  config.ring_bytes = static_cast<uint32_t>(FLAGS_ring_bytes);
  config.redact_headers = SplitList(FLAGS_redact_headers);
  if (Status ok = CheckTokens("redact_headers", config.redact_headers); !ok) return std::unexpected(ok.error());
  config.ignore_user_agents = SplitList(FLAGS_ignore_user_agents);
  auto policy = PolicyFromFlags();
  if (!policy) return std::unexpected(policy.error());
  config.policy = *std::move(policy);
  config.policy.bodies.keep_wire_bodies =
      std::any_of(config.sinks.begin(), config.sinks.end(),
                  [](const SinkConfig& sink) { return sink.format == Format::kEveStrict; });
  config.redact_hash_key_file = FLAGS_redact_hash_key_file;

  config.admin_addresses = SplitList(FLAGS_admin_address);
  config.annotation_file = FLAGS_annotation_file;
  auto level = ParseLogLevel(FLAGS_log_level);
  if (!level) return std::unexpected(level.error());
  config.log_level = *level;
  config.stats_interval_s = static_cast<uint32_t>(FLAGS_stats_interval_s);
  config.max_worker_cpu_percent = static_cast<uint32_t>(FLAGS_max_worker_cpu_percent);
  config.drain_ms = FLAGS_drain_ms;
  config.shutdown_timeout_ms = FLAGS_shutdown_timeout_ms;
  config.keep_running = FLAGS_keep_running;
  config.config_file = FLAGS_config_file;

  config.identity = IdentityFromEnvironment();
  if (!FLAGS_deployment_environment.empty()) config.identity.environment = FLAGS_deployment_environment;
  return config;
}

std::vector<std::string> Config::SinkNames() const {
  std::vector<std::string> names;
  for (const SinkConfig& sink : sinks) names.push_back(sink.address.Text());
  return names;
}

Config ConfigWithoutTarget() {
  Config config;
  config.admin_addresses = SplitList(FLAGS_admin_address);
  config.log_level = ParseLogLevel(FLAGS_log_level).value_or(LogLevel::kInfo);
  config.keep_running = true;
  config.config_file = FLAGS_config_file;
  config.identity = IdentityFromEnvironment();
  return config;
}

Result<Mode> ParseMode(std::string_view text) {
  if (text == "ingress") return Mode::kIngress;
  if (text == "egress") return Mode::kEgress;
  if (text == "all") return Mode::kAll;
  if (text == "off") return Mode::kOff;
  return UsageError("--mode=" + std::string(text) + " is not known; use ingress, egress, all or off");
}

std::string_view TextOf(Mode mode) {
  static constexpr std::string_view kNames[] = {"ingress", "egress", "all", "off"};
  return kNames[static_cast<size_t>(mode)];
}

std::string_view TextOf(LogLevel level) {
  static constexpr std::string_view kNames[] = {"error", "warning", "info", "debug"};
  return kNames[static_cast<size_t>(level)];
}

std::string NewRunId() {
  uint32_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) random = static_cast<uint32_t>(getpid());
  char text[9];
  for (int i = 7; i >= 0; --i, random >>= 4) text[i] = "0123456789abcdef"[random & 15];
  return std::string(text, 8);
}

}  // namespace podtap
