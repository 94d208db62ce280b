// SPDX-License-Identifier: Apache-2.0
// The flags, with their defaults and what --help says of them.
#include "sidecar/flags.h"

DEFINE_string(cgroup, "", "Capture the processes of this cgroup (a cgroup2 directory).");
DEFINE_string(pod_uid, "", "Capture the pod with this uid, found below --cgroup_root. Default: $POD_UID.");
DEFINE_string(cgroup_root, "", "Where cgroup2 is mounted, or a directory above it. Default: the first cgroup2 mount.");
DEFINE_uint64(cgroup_wait_ms, 0, "How long to wait for the cgroup to appear.");
DEFINE_string(mode, "ingress",
              "Which exchanges: ingress (connections accepted by the pod), egress (opened by it), all, off.");
DEFINE_string(sink, "stdout",
              "Where exchanges go, a comma list: stdout, file:PATH, unix:PATH (stream), unix-dgram:PATH, "
              "otlp:http://HOST:PORT; each with its own format as ADDRESS?format=FORMAT.");
DEFINE_string(format, "eve", "How exchanges are written where the sink does not say: text, eve, eve-strict, proto.");
DEFINE_uint64(file_max_bytes, 0, "Rotate a file sink once (PATH to PATH.1) when it is this long; 0 = never.");
DEFINE_string(otlp_bodies, "none",
              "What otlp: sinks send beside the spans' own attributes: none, or hypertrace "
              "(headers and bodies in Hypertrace's attribute style).");
DEFINE_string(otlp_headers, "", "Headers of each request to otlp: sinks: NAME=VALUE, a comma list.");
DEFINE_string(otlp_resource_attributes, "", "Attributes of the resource: NAME=VALUE, a comma list.");
DEFINE_string(deployment_environment, "", "deployment.environment.name of otlp: sinks. Default: $PODTAP_ENVIRONMENT.");
DEFINE_string(token_file, "", "A file with the bearer token for otlp: sinks; read again when it changes.");
DEFINE_string(otlp_ca_file, "", "Certificates (PEM) that https sinks are to be signed by. Default: the system's.");
DEFINE_string(otlp_client_certificate_file, "", "The certificate (PEM) that podtap shows to https sinks.");
DEFINE_string(otlp_client_key_file, "", "Its private key (PEM, without pass phrase).");
DEFINE_bool(otlp_gzip, false, "Compress requests to otlp: sinks.");
DEFINE_uint64(otlp_batch_spans, 512, "Send to otlp: sinks when so many exchanges wait,");
DEFINE_uint64(otlp_batch_bytes, 1 << 20, "or so many bytes of them,");
DEFINE_uint64(otlp_batch_ms, 1000, "or the oldest for so long.");
DEFINE_uint64(otlp_timeout_ms, 10000, "How long a connection attempt or a request to an otlp: sink may take.");
DEFINE_uint64(otlp_max_retry_ms, 300000,
              "For how long one batch is sent to an otlp: sink again before it is given up.");
DEFINE_uint64(sink_queue_events, 65536, "The most exchanges that wait for each sink.");
DEFINE_uint64(sink_queue_bytes, 16 << 20, "The most bytes of exchanges that wait for each sink, about.");
DEFINE_uint64(max_body_bytes, 131072, "Keep this much of each body; the rest is counted.");
DEFINE_uint64(max_header_bytes, 65536, "Keep this much of each message head.");
DEFINE_uint64(idle_timeout_ms, 300000, "Emit an unfinished exchange after this long without a byte.");
DEFINE_uint64(stream_interval_s, 0,
              "Report an HTTP/2 stream that lasts this long again and again, tagged interim; 0 = only at its end.");
DEFINE_uint64(memory_limit_bytes, 24 << 20,
              "Limit of all reassembly and parsing state; the oldest bodies are cut first.");
DEFINE_uint64(ring_bytes, 8 << 20, "Size of the ring between kernel and podtap; a power of two, at least 256 KiB.");
DEFINE_string(redact_headers, "authorization,proxy-authorization,cookie,set-cookie,x-api-key",
              "Headers whose values become ***; a comma list.");
DEFINE_string(redact_query, "", "Parameters of URLs whose values become ***; a comma list.");
DEFINE_string(redact_json_fields, "",
              "Fields of JSON and form bodies, at any depth, whose values become ***; a comma list.");
DEFINE_string(redact_hash_key_file, "",
              "A file with a key of at least 16 bytes: masks get a short keyed hash of what they hide, ***:<hash>.");
DEFINE_bool(decode_bodies, false, "Undo gzip, deflate, br and zstd of text bodies; not for eve-strict.");
DEFINE_uint64(decode_max_bytes, 1 << 20, "Keep this much of a decoded body.");
DEFINE_string(keep_body_content_types, "", "Keep only bodies of these media types, a comma list of globs: text/*.");
DEFINE_string(include_paths, "", "Only exchanges with these paths, a comma list of globs: /api/**.");
DEFINE_string(exclude_paths, "", "No exchanges with these paths.");
DEFINE_string(include_methods, "", "Only exchanges with these methods, a comma list.");
DEFINE_string(exclude_methods, "", "No exchanges with these methods.");
DEFINE_string(include_hosts, "", "Only exchanges with these hosts, a comma list of globs: *.shop.example.");
DEFINE_string(exclude_hosts, "", "No exchanges with these hosts.");
DEFINE_string(include_statuses, "", "Only exchanges answered with these statuses, a comma list: 404,5xx.");
DEFINE_string(exclude_statuses, "", "No exchanges answered with these statuses.");
DEFINE_string(include_ports, "", "Only exchanges with servers on these ports, a comma list: 80,8000-8999.");
DEFINE_string(exclude_ports, "", "No exchanges with servers on these ports.");
DEFINE_string(include_user_agents, "", "Only exchanges of these user agents, a comma list of globs: curl/**.");
DEFINE_string(exclude_user_agents, "", "No exchanges of these user agents.");
DEFINE_double(sample_rate, 1, "The share of exchanges that is let through, 0 to 1.");
DEFINE_uint64(max_exchanges_per_second, 0, "Let at most so many exchanges through, fairly over connections; 0 = all.");
DEFINE_string(ignore_user_agents, "kube-probe/", "Leave out exchanges of user agents that begin so; a comma list.");
DEFINE_string(
    admin_address, "unix:/run/podtap/admin.sock",
    "Where metrics, health and control are served: unix:PATH, HOST:PORT, a comma list, or empty for nowhere.");
DEFINE_string(annotation_file, "",
              "A mounted downward-API file with the mode annotation; a valid value overrides --mode.");
DEFINE_string(log_level, "info", "What is logged to standard error: error, warning, info, debug.");
DEFINE_uint64(stats_interval_s, 60, "Seconds between two stats lines in the log; 0 = none.");
DEFINE_uint64(max_worker_cpu_percent, 0, "Leave out whole new connections above this share of one CPU; 0 = no limit.");
DEFINE_uint64(drain_ms, 0, "After SIGTERM go on while other processes live in the target, at most this long.");
DEFINE_uint64(shutdown_timeout_ms, 5000, "How long the sinks may take to write what is left at the end.");
DEFINE_uint64(wait_until_attached_ms, 0, "Only wait, at most this long, until the running instance has attached.");
DEFINE_bool(keep_running, false, "Never exit by itself: stay up without capturing and try again, whatever is wrong.");
DEFINE_string(
    config_file, "",
    "A YAML file with flags by name, for those that the command line does not give; read again when it changes.");
DEFINE_bool(check_config, false, "Print the resulting configuration and exit.");
