// SPDX-License-Identifier: Apache-2.0
// Fuzzes HTTP/2 sessions: the input is a list of steps, most of which are frames of both directions (so that the fuzzer
// need not invent lengths), the others raw bytes, holes, ends, time, memory pressure. Promises that are checked:
// nothing stays charged to the budget, a stream has one event at most as long as its id is not used again, an event is
// never larger or more complete than its limits and bytes allow, memory in use is bounded by what came in, and, where
// nothing was lost, the events do not depend on how the bytes were cut into pieces.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sidecar/http/http2_frames.h"
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

constexpr size_t kMemory = 24 << 20;

class World : public HttpEventHandler, public InterestHandler {
 public:
  World(uint8_t flags, bool slowly)
      : slowly_(slowly), budget_(kMemory), table_(OptionsFor(flags), budget_, counters_, *this, *this) {
    connection_.id = {1};
    connection_.role = Role::kAccepted;
    late_ = (flags & 1) != 0;
    Say(Opened{connection_, !late_});
    if (!late_) Send(Direction::kIngress, kHttp2Preface);
  }

  void OnHttpEvent(HttpEventPtr event) override {
    const HttpEvent& e = *event;
    ++events_;
    PROMISE(e.request.seen || e.response.seen);
    for (const HttpMessage* m : {&e.request, &e.response}) {
      PROMISE(m->body.size() <= limits_.max_body_bytes);
      PROMISE(m->body.size() <= m->body_bytes);
      PROMISE(!e.complete || (m->seen && m->finished && m->missing_bytes == 0 && m->unknown_fields == 0));
      PROMISE(m->headers.memory() <= 8 * limits_.max_header_bytes + 4096);
    }
    PROMISE(e.complete || !e.tags.empty());
    PROMISE(!e.http2 || e.http2->id != 0);
    PROMISE(!e.grpc || !e.grpc->requests.count || *e.grpc->requests.count <= e.request.body_bytes + 1);
    Describe(e);
  }
  void OnInterest(const Interest& interest) override {
    if (interest.want == Interest::Want::kFromPosition)
      PROMISE(interest.position >= position_[IndexOf(interest.direction)]);
  }

  void Send(Direction direction, std::string_view data) {
    if (!slowly_) return SendPiece(direction, data);
    for (const char& c : data) SendPiece(direction, std::string_view(&c, 1));
  }
  void Lose(Direction direction, GapReason reason, uint64_t n) {
    position_[IndexOf(direction)] += n;
    lossless_ = false;
    Say(Gap{direction, reason, reason == GapReason::kJoinedLate ? std::nullopt : std::optional(n)});
  }
  void Say(auto what) {
    now_.ns += 1000;
    table_.OnStreamEvent({.connection = connection_.id, .at = now_, .what = what});
  }
  void Wait(uint64_t seconds) {
    now_.ns += seconds * 1'000'000'000;
    lossless_ = false;
    table_.Tick(now_);
  }
  void Squeeze() {
    budget_.Charge(kMemory);
    lossless_ = false;
    table_.RelieveMemory();
    budget_.Release(kMemory);
  }
  void Close(uint8_t reason) {
    PROMISE(budget_.used() <= (1 << 20) + 8192 * (bytes_ + 1));
    Say(Closed{static_cast<CloseReason>(reason % 4)});
    PROMISE(budget_.used() == 0);
    PROMISE(table_.session_count() == 0);
    PROMISE(events_ <= bytes_ / 7 + 1);
    if (counters_.Get(Counter::kConnectionsOther) != 0) lossless_ = false;  // only heads of turns are looked at
    // A segment's start is where frames are looked for.
    if (late_ || counters_.Get(Counter::kHttp2Refound) != 0) lossless_ = false;
  }
  bool lossless() const { return lossless_; }
  const std::string& described() const { return described_; }

 private:
  SessionTable::Options OptionsFor(uint8_t flags) {
    limits_.max_body_bytes = (flags & 2) != 0 ? 8 : 4096;
    limits_.max_header_bytes = (flags & 4) != 0 ? 64 : 4096;
    limits_.max_streams = (flags & 8) != 0 ? 2 : 16384;
    limits_.stream_interval_ns = (flags & 16) != 0 ? 3'000'000'000 : 0;
    limits_.idle_timeout_ns = 10'000'000'000;
    SessionTable::Options options;
    options.limits = limits_;
    options.mode = Mode::kAll;
    return options;
  }
  void SendPiece(Direction direction, std::string_view data) {
    const std::string copy(data);  // so that the sanitizer sees what lies beyond
    const uint64_t position = position_[IndexOf(direction)];
    position_[IndexOf(direction)] += copy.size();
    bytes_ += copy.size();
    Say(Bytes{direction, std::as_bytes(std::span(copy)), position});
  }
  void Describe(const HttpEvent& e) {
    described_ += e.method + " " + e.target + " " + e.authority + " " + std::to_string(e.status);
    described_ += " #" + std::to_string(e.http2 ? e.http2->id : 0);
    for (const HttpMessage* m : {&e.request, &e.response}) {
      for (const HeaderList* list : {&m->headers, &m->trailers})
        for (size_t i = 0; i < list->size(); ++i)
          described_.append((*list)[i].name).append(": ").append((*list)[i].value).append("\n");
      described_ += m->body + "|" + std::to_string(m->header_bytes) + "," + std::to_string(m->body_bytes) +
                    (m->finished ? "f" : "-") + (m->seen ? "s" : "-");
    }
    if (e.grpc) described_ += " grpc " + std::to_string(e.grpc->responses.count.value_or(999)) + e.grpc->message;
    e.tags.ForEach([this](Tag tag) { described_.append(TextOf(tag)).append(","); });
    described_ += e.complete ? "complete\n" : "incomplete\n";
  }

  const bool slowly_;
  bool late_ = false;
  HttpLimits limits_;
  Timestamp now_{1'000'000'000};
  MemoryBudget budget_;
  Counters counters_;
  Connection connection_;
  uint64_t position_[2] = {0, 0};
  uint64_t bytes_ = 0;
  uint64_t events_ = 0;
  bool lossless_ = true;
  std::string described_;
  SessionTable table_;
};

std::string FrameOf(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
  const auto size = payload.size();
  std::string out{'\0',
                  static_cast<char>(size >> 8),
                  static_cast<char>(size & 0xff),
                  static_cast<char>(type),
                  static_cast<char>(flags),
                  '\0',
                  '\0',
                  '\0',
                  static_cast<char>(stream)};
  return out.append(payload);
}

void Step(Input& input, World& world) {
  const uint8_t op = input.Byte();
  const Direction direction = (op & 1) != 0 ? Direction::kEgress : Direction::kIngress;
  switch (op >> 1 & 31) {
    default: {  // most of the time: a frame
      const uint8_t type = (op >> 1 & 31) % 14, flags = input.Byte(), stream = input.Byte();
      return world.Send(direction, FrameOf(type, flags, stream, input.Take(input.Byte())));
    }
    case 20:
      return world.Send(direction, input.Take(input.Byte()));
    case 21:
      return world.Lose(direction, GapReason::kLost, input.Byte());
    case 22:
      return world.Lose(direction, GapReason::kSkipped, uint64_t{input.Byte()} << (input.Byte() % 32));
    case 23:
      return world.Lose(direction, GapReason::kJoinedLate, 0);
    case 24:
      return world.Say(Conflict{direction});
    case 25:
      return world.Say(Ended{direction});
    case 26:
      return world.Wait(input.Byte() % 16);
    case 27:
      return world.Squeeze();
  }
}

std::string Run(Input input, bool slowly, bool& lossless) {
  const uint8_t flags = input.Byte();
  World world(flags, slowly);
  while (input.size != 0) Step(input, world);
  world.Close(flags >> 6);
  lossless = world.lossless();
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
