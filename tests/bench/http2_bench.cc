// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 stage alone, session table included: nanoseconds per small exchange as h2load and nghttpd have them (three
// frames), one stream after the other and a hundred at a time, per unary gRPC call (five frames), per message of a
// gRPC stream (one frame), per frame of large bodies of many streams side by side, per frame of a flood, and per byte
// of header blocks that do not decode.
#include <benchmark/benchmark.h>

#include <string>

#include "sidecar/http/session_table.h"
#include "tests/unit/http/http2_peer.h"

namespace podtap {
namespace {

class World : public HttpEventHandler, public InterestHandler {
 public:
  World() : table_({}, budget_, counters_, *this, *this) {
    Connection connection;
    connection.id = {1};
    connection.role = Role::kAccepted;
    table_.OnStreamEvent({.connection = connection.id, .at = {++now_}, .what = Opened{connection, true}});
    Send(Direction::kIngress, Preface());
    Send(Direction::kEgress, Settings());
  }
  void OnHttpEvent(HttpEventPtr event) override { events += event->complete ? 1 : 0; }
  void OnInterest(const Interest&) override {}
  void Send(Direction direction, std::string_view data) {
    uint64_t& position = positions_[IndexOf(direction)];
    table_.OnStreamEvent(
        {.connection = {1}, .at = {++now_}, .what = Bytes{direction, std::as_bytes(std::span(data)), position}});
    position += data.size();
  }
  uint64_t events = 0;

 private:
  uint64_t now_ = 1'000'000;
  MemoryBudget budget_{24 << 20};
  Counters counters_;
  SessionTable table_;
  uint64_t positions_[2] = {0, 0};
};

// The frames' stream ids are put in afterwards: making them anew would cost more than what is measured.
void SetStream(std::string& frames, uint32_t stream) {
  for (size_t at = 0; at < frames.size();) {
    const Http2FrameHeader header = ReadHttp2FrameHeader(frames.data() + at);
    const std::string id = Big32(stream);
    std::copy(id.begin(), id.end(), frames.begin() + static_cast<ptrdiff_t>(at) + 5);
    at += kHttp2HeaderBytes + header.length;
  }
}

struct Exchange {
  std::string request, response;
};

// The second of its kind: all that compression can refer to is in the table.
Exchange Get(World& world) {
  Http2Peer client, server;
  Exchange e;
  for (const uint32_t id : {1u, 3u}) {
    e.request = client.Request(id, "GET", "/api/v1/items?limit=500", true,
                               {{"user-agent", "h2load nghttp2/1.52.0"}, {"accept", "*/*"}});
    e.response = Join({server.Response(id, "200", false,
                                       {{"server", "nghttpd nghttp2/1.52.0"},
                                        {"cache-control", "max-age=3600"},
                                        {"date", "Sat, 31 Jan 2026 12:00:01 GMT"},
                                        {"content-length", "150"},
                                        {"last-modified", "Sat, 31 Jan 2026 11:00:01 GMT"},
                                        {"content-type", "application/json"}}),
                       Data(id, std::string(150, 'x'))});
    if (id == 1) world.Send(Direction::kIngress, e.request), world.Send(Direction::kEgress, e.response);
  }
  return e;
}

Exchange Call(World& world) {
  Http2Peer client, server;
  Exchange e;
  for (const uint32_t id : {1u, 3u}) {
    e.request = Join({client.Request(id, "POST", "/shop.v1.Cart/Add", false,
                                     {{"te", "trailers"},
                                      {"content-type", "application/grpc"},
                                      {"user-agent", "grpc-python/1.51.1 grpc-c/29.0.0 (linux; chttp2)"},
                                      {"grpc-accept-encoding", "identity, deflate, gzip"}}),
                      Data(id, GrpcMessage("hello"))});
    e.response = Join(
        {server.Response(id, "200", false,
                         {{"content-type", "application/grpc"}, {"grpc-accept-encoding", "identity, deflate, gzip"}}),
         Data(id, GrpcMessage("hello too"), false), server.Headers(id, {{"grpc-status", "0"}}, true)});
    if (id == 1) world.Send(Direction::kIngress, e.request), world.Send(Direction::kEgress, e.response);
  }
  return e;
}

void Run(benchmark::State& state, World& world, const Exchange& exchange) {
  const auto streams = static_cast<size_t>(state.range(0));
  std::string requests, responses, request = exchange.request, response = exchange.response;
  uint32_t next = 3;
  for (auto _ : state) {
    if (next > 0x7fff0000) return state.SkipWithError("no ids are left");
    requests.clear();
    responses.clear();
    for (size_t i = 0; i < streams; ++i, next += 2) {
      SetStream(request, next);
      SetStream(response, next);
      requests += request;
      responses += response;
    }
    world.Send(Direction::kIngress, requests);
    world.Send(Direction::kEgress, responses);
  }
  if (world.events != (next - 1) / 2) state.SkipWithError("exchanges are missing");
  state.SetItemsProcessed(static_cast<int64_t>(world.events) - 1);
}

void SmallExchanges(benchmark::State& state) {
  World world;
  const Exchange exchange = Get(world);
  Run(state, world, exchange);
}
BENCHMARK(SmallExchanges)->Arg(1)->Arg(100);

void GrpcCalls(benchmark::State& state) {
  World world;
  const Exchange exchange = Call(world);
  Run(state, world, exchange);
}
BENCHMARK(GrpcCalls)->Arg(1)->Arg(100);

// One frame of `payload` for each of as many open streams as the benchmark's argument says, again and again.
void Frames(benchmark::State& state, std::string_view content_type, const std::string& payload) {
  World world;
  Http2Peer client, server;
  const auto streams = static_cast<uint32_t>(state.range(0));
  std::string frames;
  for (uint32_t i = 0; i < streams; ++i) {
    const uint32_t id = 2 * i + 1;
    world.Send(Direction::kIngress, client.Request(id, "POST", "/shop.v1.Cart/Watch", true));
    world.Send(Direction::kEgress, server.Response(id, "200", false, {{"content-type", std::string(content_type)}}));
    frames += Data(id, payload, false);
  }
  for (auto _ : state) world.Send(Direction::kEgress, frames);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * streams));
  for (uint32_t i = 0; i < streams; ++i) world.Send(Direction::kEgress, Data(2 * i + 1, ""));
  if (world.events != streams) state.SkipWithError("exchanges are missing");
}

void StreamedMessages(benchmark::State& state) {
  Frames(state, "application/grpc", GrpcMessage("a message of 30 bytes in all."));
}
BENCHMARK(StreamedMessages)->Arg(1)->Arg(1000);

void LargeBodies(benchmark::State& state) { Frames(state, "application/octet-stream", std::string(16384, 'x')); }
BENCHMARK(LargeBodies)->Arg(1)->Arg(1000);

// What is read for nothing: pings of an idle connection.
void Pings(benchmark::State& state) {
  World world;
  std::string frames;
  for (int i = 0; i < 100; ++i) frames += Frame(Http2Frame::kPing, 0, 0, "12345678");
  for (auto _ : state) world.Send(Direction::kIngress, frames);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * 100));
}
BENCHMARK(Pings);

// What a hostile client can make of its bytes: each second header block refers to what no table holds.
void BrokenHeaderBlocks(benchmark::State& state) {
  World world;
  std::string frames;
  for (int i = 0; i < 100; ++i)
    for (const char* block : {"\xff\xff\xff\x03", "\x82"}) frames += Frame(Http2Frame::kHeaders, 0x4, 2, block);
  for (auto _ : state) world.Send(Direction::kIngress, frames);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * frames.size()));
}
BENCHMARK(BrokenHeaderBlocks);

}  // namespace
}  // namespace podtap

BENCHMARK_MAIN();
