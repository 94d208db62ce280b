// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/admin_pages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.h"
#include "base/json_line.h"
#include "base/metrics_text.h"

namespace podtap {
namespace {

constexpr std::array<std::string_view, 4> kModes = {"ingress", "egress", "all", "off"};

std::string_view ModeText(uint32_t mode) { return mode < kModes.size() ? kModes[mode] : "unknown"; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  while (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

// Calls f(metric, label, help, value) for each of our counters.
template <typename F>
void ForEachCounter(const Counters& counters, F f) {
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    const CounterInfo& info = InfoOf(counter);
    f(info.metric, info.label, info.help, counters.Get(counter));
  }
}

std::string WithLabel(std::string_view metric, std::string_view label) {
  std::string name(metric);
  if (!label.empty()) name.append("{").append(label).append("}");
  return name;
}

}  // namespace

HttpResponse AdminPages::Answer(const HttpRequest& request) const {
  const bool control = request.path == "/mode" || request.path == "/tail";
  if (control && !request.over_unix_socket)
    return HttpResponse::Text(403, request.path + " is served on the unix socket only\n");
  if (request.path == "/mode" && request.method == "PUT") return SetMode(request);
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse answer = HttpResponse::Text(405, "this page can only be read\n");
    answer.allow = request.path == "/mode" ? "GET, HEAD, PUT" : "GET, HEAD";
    return answer;
  }
  if (request.path == "/metrics") {
    HttpResponse answer = HttpResponse::Text(200, Metrics());
    answer.content_type = MetricsText::kContentType;
    return answer;
  }
  if (request.path == "/healthz") return HttpResponse::Json(200, Health());
  if (request.path == "/readyz") return Ready();
  if (request.path == "/stats") return HttpResponse::Json(200, Stats());
  if (request.path == "/config") return HttpResponse::Json(200, sources_.config_json() + "\n");
  if (request.path == "/mode") return HttpResponse::Text(200, std::string(ModeText(sources_.shared.mode)) + "\n");
  if (request.path == "/tail" && request.method == "GET") return Tail(request.query == "format=text");
  return HttpResponse::Text(404, "there are /metrics, /healthz, /readyz, /stats, /config, /mode and /tail\n");
}

HttpResponse AdminPages::SetMode(const HttpRequest& request) const {
  const std::string_view wanted = Trimmed(request.body);
  for (size_t mode = 0; mode < kModes.size(); ++mode) {
    if (wanted != kModes[mode]) continue;
    if (Status ok = sources_.set_mode(static_cast<uint32_t>(mode)); !ok)
      return HttpResponse::Text(503, ok.error().message + "\n");
    return HttpResponse::Text(204, "");
  }
  return HttpResponse::Text(400, "the mode is one of ingress, egress, all, off\n");
}

HttpResponse AdminPages::Tail(bool as_text) const {
  HttpResponse answer;
  if (!as_text) answer.content_type = "application/x-ndjson";
  answer.tail = [this, as_text](std::shared_ptr<HttpTail> tail) { sources_.tails.Add(std::move(tail), as_text); };
  return answer;
}

HttpResponse AdminPages::Ready() const {
  if (sources_.shared.capture_state == CaptureState::kAttached) return HttpResponse::Text(200, "attached\n");
  const std::string reason = sources_.shared.Reason();
  return HttpResponse::Text(
      503, "not attached: " + (reason.empty() ? std::string(TextOf(sources_.shared.capture_state)) : reason) + "\n");
}

std::string AdminPages::Health() const {
  const SharedState& shared = sources_.shared;
  JsonLine worker;
  // It answers, so it runs.
  worker.Text("state", shared.attached_ns != 0 ? "capturing" : "idle").Number("pid", shared.worker_pid);
  worker.Number("uptime_s", (MonotonicNow().ns - shared.worker_started_ns) / 1'000'000'000);
  worker.Number("restarts", shared.worker_restarts).Number("records_skipped", shared.records_skipped);
  worker.Number("refused_system_calls", shared.seccomp_violations);
  JsonLine line;
  line.Text("attacher", "alive").Text("capture", TextOf(shared.capture_state)).Text("reason", shared.Reason());
  line.Raw("worker", worker.Finish());
  return line.Finish() + "\n";
}

std::string AdminPages::Stats() const {
  const SharedState& shared = sources_.shared;
  const KernelNumbers kernel = sources_.kernel_numbers();
  JsonLine counters;
  ForEachCounter(shared.counters, [&](std::string_view metric, std::string_view label, std::string_view,
                                      uint64_t value) { counters.Number(WithLabel(metric, label), value); });
  for (const KernelNumbers::Row& row : kernel.rows) counters.Number(WithLabel(row.metric, row.label), row.value);
  JsonLine line;
  line.Text("capture", TextOf(shared.capture_state)).Text("reason", shared.Reason());
  line.Text("mode", ModeText(shared.mode)).Number("connections", shared.connections);
  line.Number("memory_used_bytes", shared.memory_used)
      .Number("worker_restarts", shared.worker_restarts)
      .Number("config_reloads", shared.config_reloads)
      .Number("config_reload_failures", shared.config_reload_failures);
  line.Number("records_skipped", shared.records_skipped).Number("refused_system_calls", shared.seccomp_violations);
  line.Raw("probe_runs", ProbeStatJson(kernel)).Raw("counters", counters.Finish());
  // The ten keys of the log stand at the top level, beside ours.
  std::string ten = StatsJson(shared.counters, kernel);
  ten.pop_back();
  return ten + "," + line.Finish().substr(1) + "\n";
}

// Each sink's own part of the totals.
void AdminPages::AddSinks(MetricsText& text) const {
  struct Outcome {
    Counter counter;
    std::string_view name;
  };
  static constexpr Outcome kOutcomes[] = {
      {Counter::kSinkEventsWritten, "written"},    {Counter::kSinkQueueFull, "queue_full"},
      {Counter::kSinkWriteFailed, "write_failed"}, {Counter::kSinkTooLarge, "too_large"},
      {Counter::kSinkRefused, "refused"},          {Counter::kSinkRejected, "rejected"},
      {Counter::kSinkShutdown, "shutdown"}};
  for (size_t i = 0; i < std::min(sources_.sinks.size(), kMaxSinks); ++i) {
    const SinkNumbers& numbers = sources_.shared.sinks[i];
    const std::string sink = "sink=\"" + EscapeLabel(sources_.sinks[i]) + "\"";
    for (const Outcome& outcome : kOutcomes)
      text.Add("podtap_sink_exchanges_total", sink + ",outcome=\"" + std::string(outcome.name) + "\"",
               "How exchanges ended at each sink.", numbers.counters.Get(outcome.counter));
    text.Add("podtap_sink_retried_total", sink, "Writes and requests of each sink that failed and were tried again.",
             numbers.counters.Get(Counter::kSinkWriteErrors));
    text.Add("podtap_sink_queue_events", sink, "Exchanges that wait for each sink now.", numbers.queue_events);
    text.Add("podtap_sink_queue_bytes", sink, "About their memory.", numbers.queue_bytes);
    text.Add("podtap_sink_failing", sink, "1 while a sink takes nothing.", numbers.failing ? 1 : 0);
  }
}

std::string AdminPages::Metrics() const {
  const SharedState& shared = sources_.shared;
  MetricsText text;
  const CaptureState now = shared.capture_state;
  for (uint32_t i = 0; i < static_cast<uint32_t>(CaptureState::kCount); ++i) {
    const auto state = static_cast<CaptureState>(i);
    text.Add("podtap_capture_state", "reason=\"" + std::string(TextOf(state)) + "\"",
             "1 for the reason why podtap captures or does not, 0 for the others.", state == now ? 1 : 0);
  }
  for (uint32_t mode = 0; mode < kModes.size(); ++mode)
    text.Add("podtap_mode", "mode=\"" + std::string(kModes[mode]) + "\"", "1 for the mode in force, 0 for the others.",
             shared.mode == mode ? 1 : 0);
  text.Add("podtap_connections_open", "", "Connections that podtap follows now.", shared.connections);
  text.Add("podtap_memory_used_bytes", "", "Reassembly and parsing state held now.", shared.memory_used);
  text.Add("podtap_worker_restarts_total", "", "Times the worker ended and was started again.", shared.worker_restarts);
  text.Add("podtap_config_reloads_total", "result=\"ok\"", "Changes of the configuration file, by what came of them.",
           shared.config_reloads);
  text.Add("podtap_config_reloads_total", "result=\"failed\"",
           "Changes of the configuration file, by what came of them.", shared.config_reload_failures);
  text.Add("podtap_records_poisonous_total", "", "Records skipped because they ended two workers.",
           shared.records_skipped);
  text.Add("podtap_refused_system_calls_total", "", "System calls that the worker was refused.",
           shared.seccomp_violations);
  ForEachCounter(shared.counters, [&](std::string_view metric, std::string_view label, std::string_view help,
                                      uint64_t value) { text.Add(metric, label, help, value); });
  AddSinks(text);
  for (const KernelNumbers::Row& row : sources_.kernel_numbers().rows)
    text.Add(row.metric, row.label, row.help, row.value);
  return text.Finish();
}

}  // namespace podtap
