// SPDX-License-Identifier: Apache-2.0
// What rules cost an exchange: nanoseconds on top of making the copy that they work on (NoRules).
#include <benchmark/benchmark.h>

#include <string>

#include "sidecar/http/event_filter.h"
#include "sidecar/policy/policy.h"

namespace podtap {
namespace {

HttpEvent Exchange(size_t items) {
  HttpEvent event;
  event.target = "/api/v1/items?page=3&token=abc";
  event.request.headers.Add("Host", "shop.example:8080");
  event.request.headers.Add("User-Agent", "curl/7.88.1");
  event.request.headers.Add("Accept", "*/*");
  event.request.headers.Add("Authorization", "Bearer 0123456789abcdef");
  event.response.headers.Add("Server", "nginx/1.22.1");
  event.response.headers.Add("Date", "Thu, 01 Jan 2026 12:00:01 GMT");
  event.response.headers.Add("Content-Type", "application/json");
  event.response.headers.Add("Set-Cookie", "session=0123456789");
  std::string& body = event.response.body;
  body = "{\"items\":[";
  for (size_t i = 0; i < items; ++i)
    body += (i == 0 ? "" : ",") + std::string(R"({"id":12345,"name":"a name","password":"secret","tags":["a","b"]})");
  body += "]}";
  event.response.body_bytes = body.size();
  event.request.seen = event.response.seen = event.request.finished = event.response.finished = true;
  return event;
}

void Run(benchmark::State& state, PolicySettings settings, std::vector<std::string> headers) {
  Counters counters;
  const Policy policy(std::move(settings), counters);
  const EventFilter filter({}, std::move(headers), [](uint64_t) { return std::string(); });
  const HttpEvent original = Exchange(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    HttpEvent event = original;
    filter.Redact(event, policy.mask());
    policy.ApplyToBodies(event);
    policy.ApplyToUrls(event);
    benchmark::DoNotOptimize(event.response.body.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(original.response.body.size()));
}

void NoRules(benchmark::State& state) { Run(state, {}, {}); }
void Headers(benchmark::State& state) {
  Run(state, {}, {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"});
}
void Query(benchmark::State& state) {
  PolicySettings settings;
  settings.redact_query = {"token", "key"};
  Run(state, std::move(settings), {});
}
void JsonFields(benchmark::State& state) {
  PolicySettings settings;
  settings.bodies.redact_fields = {"password", "card", "ssn"};
  Run(state, std::move(settings), {});
}
BENCHMARK(NoRules)->Arg(2)->Arg(1000);
BENCHMARK(Headers)->Arg(2);
BENCHMARK(Query)->Arg(2);
BENCHMARK(JsonFields)->Arg(2)->Arg(1000);

}  // namespace
}  // namespace podtap

BENCHMARK_MAIN();
