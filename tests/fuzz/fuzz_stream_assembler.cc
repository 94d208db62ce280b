// SPDX-License-Identifier: Apache-2.0
// Hostile records into the StreamAssembler. The input is a list of eight-byte steps on four connections; what a byte at
// a position may be is a function of the position and one of two versions, so that the judge can tell bytes that never
// were.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "sidecar/stream/stream_assembler.h"

namespace podtap {
namespace {

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      __builtin_trap();    \
    }                      \
  } while (0)

// Version 0 and 1 differ at every third position only, so that copies agree now and then.
std::byte ByteAt(Direction direction, uint64_t position, unsigned version) {
  const uint64_t mixed = (position * 2 + IndexOf(direction)) * 0x9e3779b97f4a7c15ULL >> 40;
  return static_cast<std::byte>((mixed & 0x7f) | (position % 3 == 0 ? version << 7 : 0));
}

class Judge : public StreamEventHandler {
 public:
  struct Side {
    std::optional<uint64_t> next;  // none: joined late, no bytes came yet
    bool announced = false;        // joined late, and said so; or not joined late
    bool ended = false;
    uint64_t highest = 0;  // end of what was ever told of
  };
  struct State {
    bool open = false;
    std::array<Side, 2> sides;
  };

  void OnStreamEvent(const StreamEvent& event) override {
    State& state = states[event.connection.value];
    if (const auto* opened = std::get_if<Opened>(&event.what)) {
      REQUIRE(!state.open);
      REQUIRE(opened->connection.id == event.connection);
      state.open = true;
      for (Side& side : state.sides) {
        side.announced = opened->from_first_byte;
        side.next = opened->from_first_byte ? std::optional<uint64_t>(0) : std::nullopt;
        side.ended = false;
      }
      return;
    }
    REQUIRE(state.open);
    if (const auto* bytes = std::get_if<Bytes>(&event.what)) {
      Side& side = Alive(state, bytes->direction);
      REQUIRE(!bytes->data.empty() && side.announced);
      if (!side.next) side.next = bytes->position;
      REQUIRE(bytes->position == *side.next);
      for (size_t i = 0; i < bytes->data.size(); ++i) {
        REQUIRE(bytes->data[i] == ByteAt(bytes->direction, *side.next + i, 0) ||
                bytes->data[i] == ByteAt(bytes->direction, *side.next + i, 1));
      }
      Advance(side, bytes->data.size());
    } else if (const auto* gap = std::get_if<Gap>(&event.what)) {
      Side& side = Alive(state, gap->direction);
      if (gap->reason == GapReason::kJoinedLate) {
        REQUIRE(!side.announced && !gap->missing);
        side.announced = true;
        return;
      }
      REQUIRE(side.announced && gap->missing && *gap->missing > 0);
      if (side.next) Advance(side, *gap->missing);
    } else if (const auto* ended = std::get_if<Ended>(&event.what)) {
      Side& side = Alive(state, ended->direction);
      REQUIRE(side.announced);
      side.ended = true;
    } else if (std::holds_alternative<Closed>(event.what)) {
      state.open = false;
    }
  }

  std::map<uint64_t, State> states;

 private:
  Side& Alive(State& state, Direction direction) {
    Side& side = state.sides[IndexOf(direction)];
    REQUIRE(!side.ended);
    return side;
  }
  static void Advance(Side& side, uint64_t bytes) {
    *side.next += bytes;
    REQUIRE(*side.next <= side.highest);  // nothing that no record told of
  }
};

}  // namespace
}  // namespace podtap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace podtap;
  FuzzedDataProvider input(data, size);
  MemoryBudget budget(20000);
  Counters counters;
  Judge judge;
  StreamAssembler::Limits limits;
  limits.max_connections = 3;
  limits.max_held_bytes = input.ConsumeBool() ? 2000 : 1 << 20;
  uint64_t now = 1;
  {
    StreamAssembler assembler(limits, budget, counters, judge);
    std::array<Connection, 4> connections;
    for (size_t i = 0; i < connections.size(); ++i) connections[i].id = {i + 1};
    std::vector<std::byte> bytes;
    while (input.remaining_bytes() > 0) {
      const auto step = input.ConsumeIntegral<uint8_t>();
      Connection& connection = connections[step & 3];
      const Direction direction = step & 4 ? Direction::kEgress : Direction::kIngress;
      now += input.ConsumeIntegralInRange<uint64_t>(0, 1'000'000);
      auto& sides = judge.states[connection.id.value].sides;
      const auto position = [&]() -> uint64_t {
        const auto small = input.ConsumeIntegral<uint16_t>();
        return small < 0xfff0 ? small : uint64_t{1} << (small & 0xf) * 4;
      };
      const auto told = [&](Direction d) -> std::optional<uint64_t> {
        if (input.ConsumeBool()) return std::nullopt;
        const uint64_t at = position();
        Judge::Side& side = sides[IndexOf(d)];
        if (at > side.highest) side.highest = at;
        return at;
      };
      switch (step >> 3 & 15) {
        case 0:
          assembler.EndOfBatch();
          break;
        case 1:
          assembler.Tick({now += 5'000'000'000});
          break;
        case 2:
          assembler.RelieveHistory();
          assembler.RelieveMemory();
          break;
        case 3:
          assembler.Open(connection, input.ConsumeBool(), {now});
          break;
        case 4: {
          const auto received = told(Direction::kIngress);
          assembler.Close({&connection, {now}, received, told(Direction::kEgress)});
          break;
        }
        case 5:
          connection.role = static_cast<Role>(input.ConsumeIntegralInRange(0, 2));
          break;
        case 6:
          assembler.Tick({now += 4'000'000'000'000});
          break;
        case 7:
          assembler.CloseAll(CloseReason::kShutdown, {now});
          break;
        default: {
          Segment segment{.connection = &connection, .direction = direction, .at = {now}, .position = position()};
          const auto flags = input.ConsumeIntegral<uint8_t>();
          const size_t length = flags & 1 ? input.ConsumeIntegral<uint16_t>() : input.ConsumeIntegralInRange(0, 30);
          bytes.resize(length);
          for (size_t i = 0; i < length; ++i) bytes[i] = ByteAt(direction, segment.position + i, flags >> 1 & 1);
          segment.data = bytes;
          if (flags & 4) segment.skipped = input.ConsumeIntegral<uint16_t>();
          segment.from_first_byte = (flags & 8) == 0;
          segment.fin = (flags & 0x30) == 0x30;
          segment.reset = (flags & 0xc0) == 0xc0;
          Judge::Side& side = sides[IndexOf(direction)];
          side.highest = std::max(side.highest, segment.position + length + segment.skipped);
          segment.received = told(Direction::kIngress);
          segment.acknowledged = told(Direction::kEgress);
          assembler.Add(segment);
        }
      }
      REQUIRE(assembler.connection_count() <= limits.max_connections);
    }
    assembler.CloseAll(CloseReason::kShutdown, {now});
    REQUIRE(assembler.connection_count() == 0);
  }
  REQUIRE(budget.used() == 0);  // the connections it forgot are remembered to the end
  for (const auto& [id, state] : judge.states) REQUIRE(!state.open);
  return 0;
}
