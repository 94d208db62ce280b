// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config_change.h"

#include <utility>

namespace podtap {
namespace {

Config WithWorkerSettings(Config config, const Config& from) {
  config.sinks = from.sinks;
  config.format = from.format;
  config.file_max_bytes = from.file_max_bytes;
  config.sink_queue_events = from.sink_queue_events;
  config.sink_queue_bytes = from.sink_queue_bytes;
  config.otlp = from.otlp;
  const HttpLimits kernel = config.http;
  config.http = from.http;
  config.http.max_body_bytes = kernel.max_body_bytes;
  config.http.max_header_bytes = kernel.max_header_bytes;
  config.memory_limit_bytes = from.memory_limit_bytes;
  config.max_worker_cpu_percent = from.max_worker_cpu_percent;
  config.redact_hash_key_file = from.redact_hash_key_file;
  config.policy.bodies.keep_wire_bodies = from.policy.bodies.keep_wire_bodies;
  config.identity.environment = from.identity.environment;
  return config;
}

}  // namespace

Config WithLiveSettings(Config config, const Config& from) {
  // What the sinks need of bodies changes with them.
  const bool keep_wire_bodies = config.policy.bodies.keep_wire_bodies;
  std::string key = std::move(config.policy.hash_key);
  config.mode = from.mode;
  config.redact_headers = from.redact_headers;
  config.ignore_user_agents = from.ignore_user_agents;
  config.policy = from.policy;
  config.policy.bodies.keep_wire_bodies = keep_wire_bodies;
  config.policy.hash_key = std::move(key);
  config.log_level = from.log_level;
  config.stats_interval_s = from.stats_interval_s;
  config.drain_ms = from.drain_ms;
  config.shutdown_timeout_ms = from.shutdown_timeout_ms;
  return config;
}

ConfigChange ChangeOf(const Config& now, const Config& wanted) {
  ConfigChange change;
  const Config live = WithLiveSettings(now, wanted);
  change.next = WithWorkerSettings(live, wanted);
  change.live = live != now;
  change.worker = change.next != live;
  const auto later = [&](bool differs, const char* flag) {
    if (differs) change.later.emplace_back(flag);
  };
  later(now.target != wanted.target, "cgroup, pod_uid, cgroup_root or cgroup_wait_ms");
  later(now.http.max_body_bytes != wanted.http.max_body_bytes, "max_body_bytes");
  later(now.http.max_header_bytes != wanted.http.max_header_bytes, "max_header_bytes");
  later(now.ring_bytes != wanted.ring_bytes, "ring_bytes");
  later(now.admin_addresses != wanted.admin_addresses, "admin_address");
  later(now.annotation_file != wanted.annotation_file, "annotation_file");
  return change;
}

}  // namespace podtap
