// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_encoder.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "sidecar/sink/hypertrace.h"
#include "sidecar/sink/otlp_attributes.h"
#include "sidecar/sink/otlp_http_attributes.h"
#include "sidecar/sink/proto_writer.h"
#include "sidecar/sink/trace_context.h"

namespace podtap {
namespace {

constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.27.0";
constexpr uint32_t kSampled = 1, kHasIsRemote = 0x100, kIsRemote = 0x200;  // Span.flags
constexpr uint64_t kKindServer = 2, kKindClient = 3, kStatusError = 2;

// The finaliser of MurmurHash3.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ x >> 33;
}

std::array<uint64_t, 2> SeedOr(std::array<uint64_t, 2> seed) {
  if (seed == std::array<uint64_t, 2>{}) (void)!getrandom(seed.data(), sizeof(seed), 0);
  return seed;
}

// A valid id has a byte that is not zero.
std::string_view AsBytes(uint64_t& id) {
  if (id == 0) id = 1;
  return {reinterpret_cast<const char*>(&id), sizeof(id)};
}

std::string EncodeResource(const OtlpEncoder::Options& options) {
  std::vector<std::pair<std::string, std::string>> all = options.resource_attributes;
  const auto add = [&](std::string_view key, std::string_view value) {
    const auto same = [key](const auto& attribute) { return attribute.first == key; };
    if (!value.empty() && std::none_of(all.begin(), all.end(), same)) all.emplace_back(key, value);
  };
  const Identity& identity = options.identity;
  add("service.name", identity.service);
  add("service.name", "unknown_service");
  add("service.namespace", identity.namespace_name);
  add("deployment.environment.name", identity.environment);
  add("k8s.namespace.name", identity.namespace_name);
  add("k8s.pod.name", identity.pod);
  add("k8s.pod.uid", identity.pod_uid);
  add("k8s.node.name", identity.node);
  add("telemetry.sdk.name", "podtap");
  add("telemetry.sdk.language", "cpp");
  add("telemetry.sdk.version", PODTAP_VERSION);
  std::string out;
  OtlpAttributes attributes(1, out);
  for (const auto& [key, value] : all) attributes.String(key, value);
  return out;
}

std::string EncodeScope() {
  std::string out;
  ProtoWriter writer(out);
  const size_t scope = writer.Begin(1);
  writer.Bytes(1, "podtap");
  writer.Bytes(2, PODTAP_VERSION);
  writer.End(scope);
  return out;
}

// Containers of a batch, each once. There are few.
std::vector<std::string_view> ContainersOf(std::span<const HttpEventPtr> events) {
  std::vector<std::string_view> containers;
  for (const HttpEventPtr& event : events)
    if (std::find(containers.rbegin(), containers.rend(), event->container_id) == containers.rend())
      containers.push_back(event->container_id);
  return containers;
}

}  // namespace

OtlpEncoder::OtlpEncoder(const Options& options)
    : run_id_(options.identity.run_id),
      hypertrace_(options.hypertrace),
      seed_(SeedOr(options.seed)),
      resource_(EncodeResource(options)),
      scope_(EncodeScope()) {
  for (const auto& [key, value] : options.resource_attributes)
    if (key == "container.id") own_container_id_ = false;
}

void OtlpEncoder::Encode(std::span<const HttpEventPtr> events, std::string& out) const {
  ProtoWriter writer(out);
  for (const std::string_view container : ContainersOf(events)) {
    const size_t resource_spans = writer.Begin(1);
    const size_t resource = writer.Begin(1);
    out += resource_;
    if (own_container_id_) OtlpAttributes(1, out).StringIfAny("container.id", container);
    writer.End(resource);
    const size_t scope_spans = writer.Begin(2);
    out += scope_;
    for (const HttpEventPtr& event : events)
      if (event->container_id == container) AppendSpan(*event, out);
    writer.Bytes(3, kSchemaUrl);
    writer.End(scope_spans);
    writer.Bytes(3, kSchemaUrl);
    writer.End(resource_spans);
  }
}

void OtlpEncoder::AppendSpan(const HttpEvent& event, std::string& out) const {
  ProtoWriter writer(out);
  const bool client = event.connection.role == Role::kOpened;
  const HttpAttributes http(event);
  const size_t span = writer.Begin(2);
  AppendIds(event, out);
  writer.Bytes(5, http.name());
  writer.Varint(6, client ? kKindClient : kKindServer);
  const auto start = static_cast<uint64_t>(std::max<int64_t>(event.wall.ns, 0));
  writer.Fixed64(7, start);
  writer.Fixed64(8, start + event.duration_ns());
  OtlpAttributes attributes(9, out);
  http.Append(attributes);
  std::string id;
  AppendEventId(event, run_id_, id);
  attributes.String("podtap.event_id", id);
  attributes.Bool("podtap.complete", event.complete);
  if (!event.tags.empty()) {
    const size_t tags = attributes.BeginArray("podtap.tags");
    event.tags.ForEach([&](Tag tag) { attributes.Element(TextOf(tag)); });
    attributes.EndArray(tags);
  }
  if (hypertrace_) AppendHypertrace(event, attributes);
  if (http.is_error()) {
    const size_t status = writer.Begin(15);
    writer.Varint(3, kStatusError);
    writer.End(status);
  }
  writer.End(span);
}

// The span joins the trace that the request names as a child of its sender's span, else it begins a trace. Its own id
// is made from the exchange's, so that a span that is sent twice can be known as one.
void OtlpEncoder::AppendIds(const HttpEvent& event, std::string& out) const {
  ProtoWriter writer(out);
  const uint64_t exchange =
      Mix(event.connection.id.value ^ seed_[0]) ^ event.exchange << 2 ^ static_cast<uint64_t>(event.connection.role);
  uint64_t span_id = Mix(exchange + seed_[1]);
  if (const auto context = TraceContextOf(event.request.headers)) {
    writer.Bytes(1, context->trace_id);
    writer.Bytes(2, AsBytes(span_id));
    writer.Bytes(3, context->state);
    writer.Bytes(4, context->parent_id);
    writer.Fixed32(16, context->flags | kHasIsRemote | kIsRemote);
    return;
  }
  std::array<uint64_t, 2> trace_id = {Mix(exchange ^ seed_[1]) | 1, Mix(exchange + seed_[0])};
  writer.Bytes(1, {reinterpret_cast<const char*>(trace_id.data()), sizeof(trace_id)});
  writer.Bytes(2, AsBytes(span_id));
  writer.Fixed32(16, kSampled | kHasIsRemote);
}

}  // namespace podtap
