// SPDX-License-Identifier: Apache-2.0
// What one exchange costs in each format, without the sink: a small JSON API call with the headers that curl and nginx
// send.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "sidecar/sink/json_text.h"
#include "sidecar/sink/otlp_encoder.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

HttpEvent SmallExchange(size_t body_bytes) {
  HttpEvent event;
  event.connection.id = ConnectionId{0x5f21};
  event.connection.role = Role::kAccepted;
  event.connection.local = Endpoint::V4(10, 0, 0, 1, 8080);
  event.connection.remote = Endpoint::V4(10, 0, 0, 7, 51234);
  event.exchange = 17;
  event.wall = WallTime{1'767'268'801'123'456'789};
  event.method = "GET";
  event.target = "/api/v1/items?page=3";
  event.version = event.response_version = "HTTP/1.1";
  event.request.seen = event.response.seen = true;
  event.request.headers.Add("Host", "shop.example:8080");
  event.request.headers.Add("User-Agent", "curl/7.88.1");
  event.request.headers.Add("Accept", "*/*");
  event.status = 200;
  event.response.headers.Add("Server", "nginx/1.22.1");
  event.response.headers.Add("Date", "Thu, 01 Jan 2026 12:00:01 GMT");
  event.response.headers.Add("Content-Type", "application/json");
  event.response.headers.Add("Content-Length", std::to_string(body_bytes));
  event.response.headers.Add("Connection", "keep-alive");
  event.response.body.assign(body_bytes, 'b');
  event.response.body_bytes = body_bytes;
  event.request.start = Timestamp{5'000'000'000};
  event.request.end = Timestamp{5'000'000'500};
  event.response.start = Timestamp{5'001'000'000};
  event.response.end = Timestamp{5'001'300'000};
  return event;
}

void Encode(benchmark::State& state, const Encoder& encoder) {
  const HttpEvent event = SmallExchange(static_cast<size_t>(state.range(0)));
  std::string out;
  size_t bytes = 0;
  for (auto _ : state) {
    if (out.size() > 128 << 10) out.clear();
    const size_t before = out.size();
    encoder.Encode(event, false, out);
    bytes += out.size() - before;
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void Text(benchmark::State& state) { Encode(state, *MakeTextEncoder(false)); }
void Eve(benchmark::State& state) {
  Encode(state, *MakeEveEncoder({"shop", "cart-0", "node-a", "cart", "5f3c"}, false));
}
void EveStrict(benchmark::State& state) {
  Encode(state, *MakeEveEncoder({"shop", "cart-0", "node-a", "cart", "5f3c"}, true));
}
void Proto(benchmark::State& state) { Encode(state, *MakeProtoEncoder({"shop", "cart-0", "node-a", "cart", "5f3c"})); }
// Batches, as the sink makes them; per exchange.
void Otlp(benchmark::State& state) {
  constexpr size_t kBatch = 512;
  const OtlpEncoder encoder(
      {.identity = {"shop", "cart-0", "node-a", "cart", "5f3c"}, .hypertrace = state.range(1) == 1});
  const std::vector<HttpEventPtr> batch(
      kBatch, std::make_shared<const HttpEvent>(SmallExchange(static_cast<size_t>(state.range(0)))));
  std::string out;
  for (auto _ : state) {
    out.clear();
    encoder.Encode(batch, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}
BENCHMARK(Text)->Arg(150);
BENCHMARK(Eve)->Arg(150)->Arg(4096)->Arg(131072);
BENCHMARK(EveStrict)->Arg(150);
BENCHMARK(Proto)->Arg(150);
BENCHMARK(Otlp)->Args({150, 0})->Args({150, 1});

void Base64(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'b');
  std::string out;
  for (auto _ : state) {
    out.clear();
    AppendBase64(bytes, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Base64)->Arg(131072);

}  // namespace
}  // namespace podtap

BENCHMARK_MAIN();
