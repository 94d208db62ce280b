// SPDX-License-Identifier: Apache-2.0
// The assembler stage alone: nanoseconds per small exchange (one ingress record of 300 bytes, one egress record of 240
// bytes whose `received` covers it), per connection with one exchange, and per 16 KiB of an upload and a download.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "sidecar/stream/stream_assembler.h"

namespace podtap {
namespace {

// Looks at what it gets, as a parser's first step would, so that nothing is optimised away.
class Sink : public StreamEventHandler {
 public:
  void OnStreamEvent(const StreamEvent& event) override {
    if (const auto* bytes = std::get_if<Bytes>(&event.what)) seen += bytes->data.size();
  }
  uint64_t seen = 0;
};

class Bench {
 public:
  explicit Bench(size_t connections) : connections_(connections), positions_(connections) {
    for (size_t i = 0; i < connections; ++i) {
      connections_[i].id = {i + 1};
      connections_[i].role = Role::kAccepted;
    }
  }
  void Exchange(size_t i, size_t request, size_t response) {
    auto& [in, out] = positions_[i];
    now_ += 1000;
    assembler.Add({.connection = &connections_[i],
                   .direction = Direction::kIngress,
                   .at = {now_},
                   .position = in,
                   .data = std::span(data_).first(request),
                   .received = in,
                   .acknowledged = out});
    in += request;
    assembler.Add({.connection = &connections_[i],
                   .direction = Direction::kEgress,
                   .at = {now_ + 500},
                   .position = out,
                   .data = std::span(data_).first(response),
                   .received = in,
                   .acknowledged = out});
    out += response;
  }
  void Fins(size_t i) {
    auto& [in, out] = positions_[i];
    for (const Direction d : {Direction::kIngress, Direction::kEgress}) {
      assembler.Add({.connection = &connections_[i],
                     .direction = d,
                     .at = {now_},
                     .position = d == Direction::kIngress ? in : out,
                     .fin = true,
                     .received = in,
                     .acknowledged = out});
    }
    in = out = 0;
    connections_[i].id.value += connections_.size();
  }

  MemoryBudget budget{24 << 20};
  Counters counters;
  Sink sink;
  StreamAssembler assembler{{}, budget, counters, sink};

 private:
  std::vector<Connection> connections_;
  std::vector<std::pair<uint64_t, uint64_t>> positions_;
  std::array<std::byte, 16384> data_{};
  uint64_t now_ = 1;
};

void SmallExchange(benchmark::State& state) {
  const auto connections = static_cast<size_t>(state.range(0));
  Bench bench(connections);
  size_t i = 0;
  for (auto _ : state) {
    bench.Exchange(i, 300, 240);
    if (++i == connections) i = 0;
  }
  benchmark::DoNotOptimize(bench.sink.seen);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SmallExchange)->Arg(1)->Arg(16)->Arg(1000)->Arg(10000);

void ConnectionWithOneExchange(benchmark::State& state) {
  Bench bench(64);
  size_t i = 0;
  for (auto _ : state) {
    bench.Exchange(i, 300, 240);
    bench.Fins(i);
    if (++i == 64) i = 0;
  }
  benchmark::DoNotOptimize(bench.sink.seen);
}
BENCHMARK(ConnectionWithOneExchange);

void Upload16KiB(benchmark::State& state) {
  Bench bench(1);
  for (auto _ : state) bench.Exchange(0, 16384, 0);
  state.SetBytesProcessed(state.iterations() * 16384);
}
BENCHMARK(Upload16KiB);

void Download16KiB(benchmark::State& state) {
  Bench bench(1);
  for (auto _ : state) bench.Exchange(0, 0, 16384);
  state.SetBytesProcessed(state.iterations() * 16384);
}
BENCHMARK(Download16KiB);

}  // namespace
}  // namespace podtap

BENCHMARK_MAIN();
