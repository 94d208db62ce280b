// SPDX-License-Identifier: Apache-2.0
// The flags as gflags holds them. For what reads the command line; nobody else includes this.
#pragma once

#include <gflags/gflags.h>

#include <string>
#include <string_view>
#include <vector>

#include "sidecar/config.h"

DECLARE_string(cgroup);
DECLARE_string(pod_uid);
DECLARE_string(cgroup_root);
DECLARE_uint64(cgroup_wait_ms);
DECLARE_string(mode);
DECLARE_string(sink);
DECLARE_string(format);
DECLARE_uint64(file_max_bytes);
DECLARE_string(otlp_bodies);
DECLARE_string(otlp_headers);
DECLARE_string(otlp_resource_attributes);
DECLARE_string(deployment_environment);
DECLARE_string(token_file);
DECLARE_string(otlp_ca_file);
DECLARE_string(otlp_client_certificate_file);
DECLARE_string(otlp_client_key_file);
DECLARE_bool(otlp_gzip);
DECLARE_uint64(otlp_batch_spans);
DECLARE_uint64(otlp_batch_bytes);
DECLARE_uint64(otlp_batch_ms);
DECLARE_uint64(otlp_timeout_ms);
DECLARE_uint64(otlp_max_retry_ms);
DECLARE_uint64(sink_queue_events);
DECLARE_uint64(sink_queue_bytes);
DECLARE_uint64(max_body_bytes);
DECLARE_uint64(max_header_bytes);
DECLARE_uint64(idle_timeout_ms);
DECLARE_uint64(stream_interval_s);
DECLARE_uint64(memory_limit_bytes);
DECLARE_uint64(ring_bytes);
DECLARE_string(redact_headers);
DECLARE_string(redact_query);
DECLARE_string(redact_json_fields);
DECLARE_string(redact_hash_key_file);
DECLARE_bool(decode_bodies);
DECLARE_uint64(decode_max_bytes);
DECLARE_string(keep_body_content_types);
DECLARE_string(include_paths);
DECLARE_string(exclude_paths);
DECLARE_string(include_methods);
DECLARE_string(exclude_methods);
DECLARE_string(include_hosts);
DECLARE_string(exclude_hosts);
DECLARE_string(include_statuses);
DECLARE_string(exclude_statuses);
DECLARE_string(include_ports);
DECLARE_string(exclude_ports);
DECLARE_string(include_user_agents);
DECLARE_string(exclude_user_agents);
DECLARE_double(sample_rate);
DECLARE_uint64(max_exchanges_per_second);
DECLARE_string(ignore_user_agents);
DECLARE_string(admin_address);
DECLARE_string(annotation_file);
DECLARE_string(log_level);
DECLARE_uint64(stats_interval_s);
DECLARE_uint64(max_worker_cpu_percent);
DECLARE_uint64(drain_ms);
DECLARE_uint64(shutdown_timeout_ms);
DECLARE_uint64(wait_until_attached_ms);
DECLARE_bool(keep_running);
DECLARE_string(config_file);
DECLARE_bool(check_config);

namespace podtap {

// The file that defines the flags, as gflags names it: what tells them from those of libraries.
inline constexpr std::string_view kFlagsDefinedIn = "sidecar/flags.cc";

// "a, b" without spaces and empty items.
std::vector<std::string> SplitList(std::string_view list);

// The flags as one Config; the environment where a flag leaves room for it. The error is the first mistake found.
Result<Config> ConfigFromFlags();
// What a sidecar that stays needs of flags that are wrong otherwise.
Config ConfigWithoutTarget();

}  // namespace podtap
