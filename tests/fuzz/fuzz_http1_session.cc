// SPDX-License-Identifier: Apache-2.0
// Fuzzes the SessionTable with one connection: both directions interleaved, with holes, ends, conflicts, time, memory
// pressure and mode changes. The input is a list of steps; see Step(). Promises that are checked: nothing stays charged
// to the budget, an event is never larger or more complete than its limits and bytes allow, and, where nothing was
// lost, the events do not depend on how the bytes were cut into pieces.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/http/session_table.h"

namespace podtap {
namespace {

#define PROMISE(condition) \
  do {                     \
    if (!(condition)) {    \
      std::abort();        \
    }                      \
  } while (false)

struct Input {
  const uint8_t* data;
  size_t size;
  uint8_t Byte() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  std::string_view Take(size_t n) {
    n = n < size ? n : size;
    const std::string_view text(reinterpret_cast<const char*>(data), n);
    data += n;
    size -= n;
    return text;
  }
};

class World : public HttpEventHandler, public InterestHandler {
 public:
  explicit World(uint8_t flags) : budget_(memory_), table_(OptionsFor(flags), budget_, counters_, *this, *this) {
    connection_.id = {1};
    connection_.role = static_cast<Role>((flags >> 2) % 3);
    Say(Opened{connection_, (flags & 16) == 0});
  }

  void OnHttpEvent(HttpEventPtr event) override {
    const HttpEvent& e = *event;
    PROMISE(e.connection.role != Role::kUnknown);
    PROMISE(e.request.seen || e.response.seen);
    for (const HttpMessage* m : {&e.request, &e.response}) {
      PROMISE(m->body.size() <= limits_.max_body_bytes);
      PROMISE(m->body.size() <= m->body_bytes);
      PROMISE(!e.complete || (m->seen && m->finished && m->missing_bytes == 0));
      PROMISE(m->end >= m->start);
    }
    PROMISE(e.complete || !e.tags.empty() || !e.response.seen);
    PROMISE(e.exchange == ++events_);
    Describe(e);
  }
  void OnInterest(const Interest& interest) override {
    PROMISE(interest.connection == connection_.id);
    if (interest.want == Interest::Want::kFromPosition)
      PROMISE(interest.position >= position_[IndexOf(interest.direction)]);
  }

  void Send(Direction direction, std::string_view data) {
    const std::string copy(data);  // so that the sanitizer sees what lies beyond
    const uint64_t position = position_[IndexOf(direction)];
    position_[IndexOf(direction)] += copy.size();
    bytes_ += copy.size();
    if (!data.empty() && std::exchange(last_, direction) != direction) ++turns_;
    Say(Bytes{direction, std::as_bytes(std::span(copy)), position});
  }
  void Lose(Direction direction, GapReason reason, uint64_t n) {
    position_[IndexOf(direction)] += n;
    lossless_ = false;
    if (reason == GapReason::kJoinedLate) {
      Say(Gap{direction, reason, std::nullopt});
    } else {
      Say(Gap{direction, reason, n});
    }
  }
  void End(Direction direction) { Say(Ended{direction}); }
  void Conflicting(Direction direction) { Say(Conflict{direction}); }
  void Wait(uint64_t seconds) {
    now_.ns += seconds * 1'000'000'000;
    lossless_ = false;
    table_.Tick(now_);
  }
  void Squeeze() {
    MemoryBudget& budget = budget_;
    budget.Charge(memory_);
    lossless_ = false;
    table_.RelieveMemory();
    budget.Release(memory_);
  }
  void SetMode(uint8_t mode) {
    lossless_ = false;
    table_.SetMode(static_cast<Mode>(mode % 4));
  }
  void Close(uint8_t reason) {
    Say(Closed{static_cast<CloseReason>(reason % 4)});
    PROMISE(budget_.used() == 0);
    PROMISE(table_.session_count() == 0);
    PROMISE(events_ <= bytes_ / 7 + 1);                                     // the shortest start line with its line end
    if (counters_.Get(Counter::kConnectionsOther) != 0) lossless_ = false;  // only heads of turns are looked at
    if (turns_ > 16) lossless_ = false;  // so many fruitless ones, and what the connection speaks is asked again
    if (counters_.Get(Counter::kHpackLost) != 0) lossless_ = false;  // frames are looked for in each piece
  }
  bool lossless() const { return lossless_; }
  const std::string& described() const { return described_; }

 private:
  SessionTable::Options OptionsFor(uint8_t flags) {
    limits_.max_body_bytes = (flags & 1) != 0 ? 8 : 4096;
    limits_.max_header_bytes = (flags & 2) != 0 ? 64 : 4096;
    limits_.max_pending_exchanges = (flags & 32) != 0 ? 2 : 1024;
    limits_.idle_timeout_ns = 10'000'000'000;
    SessionTable::Options options;
    options.limits = limits_;
    options.mode = Mode::kAll;
    options.redact_headers = {"cookie"};
    return options;
  }
  void Say(auto what) {
    now_.ns += 1000;
    table_.OnStreamEvent({.connection = connection_.id, .at = now_, .what = what});
  }
  void Describe(const HttpEvent& e) {
    described_ +=
        e.method + " " + e.target + " " + e.version + " " + std::to_string(e.status) + e.reason + e.response_version;
    for (const HttpMessage* m : {&e.request, &e.response}) {
      for (const HeaderList* list : {&m->headers, &m->trailers})
        for (size_t i = 0; i < list->size(); ++i)
          described_.append((*list)[i].name).append(": ").append((*list)[i].value).append("\n");
      described_ += m->body + "|" + std::to_string(m->header_bytes) + "," + std::to_string(m->body_bytes) +
                    (m->finished ? "f" : "-") + (m->seen ? "s" : "-");
    }
    e.tags.ForEach([this](Tag tag) { described_.append(TextOf(tag)).append(","); });
    for (const uint16_t status : e.informational) described_ += std::to_string(status) + " ";
    described_ += e.complete ? "complete\n" : "incomplete\n";
  }

  const size_t memory_ = 24 << 20;
  HttpLimits limits_;
  Timestamp now_{1'000'000'000};
  MemoryBudget budget_;
  Counters counters_;
  Connection connection_;
  uint64_t position_[2] = {0, 0};
  uint64_t bytes_ = 0;
  uint64_t events_ = 0;
  uint64_t turns_ = 0;
  std::optional<Direction> last_;
  bool lossless_ = true;
  std::string described_;
  SessionTable table_;
};

void Step(Input& input, World& world, bool slowly) {
  const uint8_t op = input.Byte();
  const Direction direction = (op & 1) != 0 ? Direction::kEgress : Direction::kIngress;
  switch ((op >> 1) % 16) {
    default: {  // most of the time: bytes
      const std::string_view data = input.Take(size_t{input.Byte()} * ((op & 64) != 0 ? 16 : 1));
      if (!slowly) return world.Send(direction, data);
      for (const char& c : data) world.Send(direction, std::string_view(&c, 1));
      return;
    }
    case 8:
      return world.Lose(direction, GapReason::kLost, input.Byte());
    case 9:
      return world.Lose(direction, GapReason::kSkipped, uint64_t{input.Byte()} << (input.Byte() % 32));
    case 10:
      return world.Lose(direction, GapReason::kJoinedLate, 0);
    case 11:
      return world.Conflicting(direction);
    case 12:
      return world.End(direction);
    case 13:
      return world.Wait(input.Byte() % 16);
    case 14:
      return world.Squeeze();
    case 15:
      return world.SetMode(input.Byte());
  }
}

std::string Run(Input input, bool slowly, bool& lossless) {
  const uint8_t flags = input.Byte();
  World world(flags);
  while (input.size != 0) Step(input, world, slowly);
  world.Close(flags >> 6);
  lossless = world.lossless() && (flags & 16) == 0;
  return world.described();
}

}  // namespace
}  // namespace podtap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16384) return 0;
  bool lossless = false;
  const std::string whole = podtap::Run({data, size}, false, lossless);
  if (!lossless) return 0;
  bool lossless_slowly = false;
  const std::string pieces = podtap::Run({data, size}, true, lossless_slowly);
  if (lossless_slowly && whole != pieces) {
    std::string both = "in one piece:\n" + whole + "\nbyte by byte:\n" + pieces;
    std::fwrite(both.data(), 1, both.size(), stderr);
    std::abort();
  }
  return 0;
}
