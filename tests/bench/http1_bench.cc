// SPDX-License-Identifier: Apache-2.0
// The HTTP/1 stage alone, session table included: nanoseconds per small exchange (303 bytes of request, 238 of
// response, as nginx and curl send them), one and many connections, the same cut into segments, pipelined, and a body
// per 64 KiB.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "sidecar/http/session_table.h"

namespace podtap {
namespace {

const std::string kRequest =
    "GET /api/v1/namespaces/default/pods?limit=500 HTTP/1.1\r\nHost: kubernetes.default.svc\r\n"
    "User-Agent: kubectl/v1.29.0 (linux/amd64) kubernetes/3f7a50f\r\nAccept: application/json;as=Table;v=v1\r\n"
    "Accept-Encoding: gzip\r\nX-Request-Id: 0c1d5cf4-9a57-4b5c-8f0f-0d7c2f2a0001\r\nConnection: keep-alive\r\n\r\n";
const std::string kBody = "{\"status\":\"ok\",\"items\":[1,2,3,4,5,6,7,8,9],\"next\":\"abcdefghijklm\"}";
const std::string kResponse =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 31 Jan 2026 12:00:01 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: " +
    std::to_string(kBody.size()) + "\r\nConnection: keep-alive\r\n\r\n" + kBody;

class World : public HttpEventHandler, public InterestHandler {
 public:
  explicit World(size_t connections) : table_(Options(), budget_, counters_, *this, *this), positions_(connections) {
    for (size_t i = 0; i < connections; ++i) {
      Connection connection;
      connection.id = {i + 1};
      connection.role = Role::kAccepted;
      table_.OnStreamEvent({.connection = connection.id, .at = {++now_}, .what = Opened{connection, true}});
    }
  }
  void OnHttpEvent(HttpEventPtr event) override { events += event->complete ? 1 : 0; }
  void OnInterest(const Interest&) override {}
  void Send(size_t i, Direction direction, std::string_view data) {
    uint64_t& position = positions_[i][IndexOf(direction)];
    table_.OnStreamEvent(
        {.connection = {i + 1}, .at = {++now_}, .what = Bytes{direction, std::as_bytes(std::span(data)), position}});
    position += data.size();
  }
  void Pieces(size_t i, Direction direction, std::string_view data, size_t piece) {
    for (; data.size() > piece; data.remove_prefix(piece)) Send(i, direction, data.substr(0, piece));
    Send(i, direction, data);
  }
  uint64_t events = 0;

 private:
  static SessionTable::Options Options() {
    SessionTable::Options options;
    options.ignore_user_agents = {"kube-probe/"};
    options.redact_headers = {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"};
    return options;
  }
  uint64_t now_ = 1'000'000;
  MemoryBudget budget_{24 << 20};
  Counters counters_;
  SessionTable table_;
  std::vector<std::array<uint64_t, 2>> positions_;
};

void Finish(benchmark::State& state, const World& world, uint64_t expected) {
  if (world.events != expected) state.SkipWithError("exchanges are missing");
  state.SetItemsProcessed(static_cast<int64_t>(world.events));
}

void SmallExchanges(benchmark::State& state) {
  const auto connections = static_cast<size_t>(state.range(0));
  World world(connections);
  uint64_t n = 0;
  for (auto _ : state) {
    const size_t i = n++ % connections;
    world.Send(i, Direction::kIngress, kRequest);
    world.Send(i, Direction::kEgress, kResponse);
  }
  Finish(state, world, n);
}
BENCHMARK(SmallExchanges)->Arg(1)->Arg(16)->Arg(1000);

void InPieces(benchmark::State& state) {
  World world(1);
  uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    world.Pieces(0, Direction::kIngress, kRequest, static_cast<size_t>(state.range(0)));
    world.Pieces(0, Direction::kEgress, kResponse, static_cast<size_t>(state.range(0)));
  }
  Finish(state, world, n);
}
BENCHMARK(InPieces)->Arg(100)->Arg(1);

void Pipelined(benchmark::State& state) {
  World world(1);
  std::string requests;
  std::string responses;
  for (int i = 0; i < 16; ++i) requests += kRequest, responses += kResponse;
  uint64_t n = 0;
  for (auto _ : state) {
    n += 16;
    world.Send(0, Direction::kIngress, requests);
    world.Send(0, Direction::kEgress, responses);
  }
  Finish(state, world, n);
}
BENCHMARK(Pipelined);

// Per exchange of 64 KiB, in segments of 16 KiB.
void Download(benchmark::State& state) {
  World world(1);
  const bool chunked = state.range(0) != 0;
  const std::string body(65536, 'x');
  std::string response = "HTTP/1.1 200 OK\r\n";
  response += chunked ? "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + body + "\r\n0\r\n\r\n"
                      : "Content-Length: 65536\r\n\r\n" + body;
  uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    world.Send(0, Direction::kIngress, kRequest);
    world.Pieces(0, Direction::kEgress, response, 16384);
  }
  Finish(state, world, n);
  state.SetBytesProcessed(static_cast<int64_t>(n * response.size()));
}
BENCHMARK(Download)->Arg(0)->Arg(1);

}  // namespace
}  // namespace podtap

BENCHMARK_MAIN();
