// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/json_line.h"
#include "sidecar/config.h"

namespace podtap {
namespace {

template <typename Range>
std::vector<std::string> TextsOf(const std::vector<Range>& ranges) {
  std::vector<std::string> texts;
  for (const Range& range : ranges)
    texts.push_back(range.low == range.high ? std::to_string(range.low)
                                            : std::to_string(range.low) + "-" + std::to_string(range.high));
  return texts;
}

std::string ShareText(double share) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), share).ptr};
}

std::vector<std::string> NamesOf(const OtlpSettings::Pairs& pairs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : pairs) names.push_back(name);
  return names;
}

}  // namespace

std::string Config::Json() const {
  std::string sink_list;
  for (const SinkConfig& sink : sinks) sink_list.append(sink_list.empty() ? "" : ",").append(sink.Text());
  JsonLine line;
  line.Text("cgroup", target.cgroup).Text("pod_uid", target.pod_uid).Text("cgroup_root", target.cgroup_root);
  line.Number("cgroup_wait_ms", target.wait_ms).Text("mode", TextOf(mode)).Text("sink", sink_list);
  line.Text("format", TextOf(format)).Number("file_max_bytes", file_max_bytes);
  line.Number("sink_queue_events", sink_queue_events).Number("sink_queue_bytes", sink_queue_bytes);
  // Names only: a header's value may be a secret.
  line.Text("otlp_bodies", otlp.hypertrace ? "hypertrace" : "none").List("otlp_headers", NamesOf(otlp.headers));
  line.List("otlp_resource_attributes", NamesOf(otlp.resource_attributes)).Text("token_file", otlp.token_file);
  line.Text("otlp_ca_file", otlp.ca_file).Text("otlp_client_certificate_file", otlp.client_certificate_file);
  line.Text("otlp_client_key_file", otlp.client_key_file).Bool("otlp_gzip", otlp.gzip);
  line.Number("otlp_batch_spans", otlp.batch_spans).Number("otlp_batch_bytes", otlp.batch_bytes);
  line.Number("otlp_batch_ms", otlp.batch_ms).Number("otlp_timeout_ms", otlp.timeout_ms);
  line.Number("otlp_max_retry_ms", otlp.max_retry_ms).Text("deployment_environment", identity.environment);
  line.Number("max_body_bytes", http.max_body_bytes).Number("max_header_bytes", http.max_header_bytes);
  line.Number("stream_interval_s", http.stream_interval_ns / 1'000'000'000);
  line.Number("idle_timeout_ms", http.idle_timeout_ns / 1'000'000).Number("memory_limit_bytes", memory_limit_bytes);
  line.Number("ring_bytes", ring_bytes).List("redact_headers", redact_headers);
  line.List("redact_query", policy.redact_query).List("redact_json_fields", policy.bodies.redact_fields);
  line.Text("redact_hash_key_file", redact_hash_key_file).Bool("decode_bodies", policy.bodies.decode);
  line.Number("decode_max_bytes", policy.bodies.limits.max_bytes);
  line.List("keep_body_content_types", policy.bodies.keep_types);
  line.List("include_paths", policy.filter.include_paths).List("exclude_paths", policy.filter.exclude_paths);
  line.List("include_methods", policy.filter.include_methods).List("exclude_methods", policy.filter.exclude_methods);
  line.List("include_hosts", policy.filter.include_hosts).List("exclude_hosts", policy.filter.exclude_hosts);
  line.List("include_user_agents", policy.filter.include_user_agents);
  line.List("exclude_user_agents", policy.filter.exclude_user_agents);
  line.List("include_statuses", TextsOf(policy.filter.include_statuses));
  line.List("exclude_statuses", TextsOf(policy.filter.exclude_statuses));
  line.List("include_ports", TextsOf(policy.filter.include_ports));
  line.List("exclude_ports", TextsOf(policy.filter.exclude_ports));
  line.Raw("sample_rate", ShareText(policy.sample_rate));
  line.Number("max_exchanges_per_second", policy.max_exchanges_per_second);
  line.List("ignore_user_agents", ignore_user_agents).List("admin_address", admin_addresses);
  line.Text("annotation_file", annotation_file).Text("log_level", TextOf(log_level));
  line.Number("stats_interval_s", stats_interval_s).Number("max_worker_cpu_percent", max_worker_cpu_percent);
  line.Number("drain_ms", drain_ms).Number("shutdown_timeout_ms", shutdown_timeout_ms);
  line.Bool("keep_running", keep_running)
      .Text("config_file", config_file)
      .Text("namespace", identity.namespace_name)
      .Text("pod", identity.pod);
  line.Text("node", identity.node).Text("service", identity.service).Text("run_id", identity.run_id);
  return line.Finish();
}

}  // namespace podtap
