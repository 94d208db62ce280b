// SPDX-License-Identifier: Apache-2.0
// Story: the life of one connection as a network engineer tells it, made into the records that a kernel would write:
//
//   Story s;
//   s.Open().Ingress("GET /a HTTP/1.1\r\n\r\n").Egress(Ok("1")).Close();
//   StreamRecorder seen;
//   Tell(s, seen);
//
// The story keeps what the kernel keeps (rcv_nxt, snd_nxt, snd_una) and gives every record its position, `received` and
// `acknowledged` as they were before that packet was processed. Each packet is 1 ms after the one before. Records can
// be lost (Lost: the kernel saw the packet, we did not), packets refused (Refused: we saw it, the kernel dropped it),
// and the list of items can be shuffled or cut by the test before it is told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "base/memory_budget.h"
#include "sidecar/stream/recording.h"
#include "sidecar/stream/stream_assembler.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

inline Connection StoryConnection(uint64_t cookie = 7, Role role = Role::kAccepted) {
  Connection connection;
  connection.id = {cookie};
  connection.role = role;
  connection.local = Endpoint::V4(10, 0, 0, 1, 80);
  connection.remote = Endpoint::V4(10, 0, 0, 7, static_cast<uint16_t>(40000 + cookie % 20000));
  return connection;
}

// A response of that body.
inline std::string Ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class Story {
 public:
  explicit Story(Connection connection = StoryConnection()) : connection_(std::move(connection)) {}

  Story& Open() {
    RecordedItem& item = Append(RecordedItem::Kind::kOpen);
    item.fields.received.reset();
    item.fields.acknowledged.reset();
    return *this;
  }
  // The socket is older than the capture; its positions stand there.
  Story& OpenedBefore(uint64_t ingress = uint64_t{1} << 32, uint64_t egress = uint64_t{1} << 32) {
    from_first_byte_ = false;
    received_ = ingress;
    sent_ = acknowledged_ = egress;
    return *this;
  }
  // A source that cannot know what the kernel accepted.
  Story& WithoutKernelWord() {
    kernel_word_ = false;
    return *this;
  }

  // Packets that arrive in order and are accepted; `segment_bytes` 0: one packet.
  Story& Ingress(std::string_view text, size_t segment_bytes = 0) {
    return Send(Direction::kIngress, text, segment_bytes);
  }
  Story& Egress(std::string_view text, size_t segment_bytes = 0) {
    return Send(Direction::kEgress, text, segment_bytes);
  }
  // A packet of which only `text` was copied; `skipped` more bytes belong to it.
  Story& IngressSkipped(std::string_view text, uint64_t skipped) { return Packet(Direction::kIngress, text, skipped); }
  Story& EgressSkipped(std::string_view text, uint64_t skipped) { return Packet(Direction::kEgress, text, skipped); }

  // A packet at some distance from what the kernel expects next; it is not accepted (now). For ingress that is what
  // out-of-order, duplicate, refused and forged packets look like.
  Story& Refused(Direction direction, int64_t offset, std::string_view text) {
    RecordedItem& item = Append(RecordedItem::Kind::kSegment);
    item.fields.direction = direction;
    item.fields.position = static_cast<uint64_t>(static_cast<int64_t>(Next(direction)) + offset);
    item.data = BytesOf(text);
    return *this;
  }
  // The packet goes by and is accepted, but its record is lost.
  Story& LostIngress(std::string_view text) { return Ingress(text).Forget(); }
  Story& LostEgress(std::string_view text) { return Egress(text).Forget(); }
  // The peer acknowledges everything; nothing else happens.
  Story& Acknowledged() {
    acknowledged_ = sent_;
    return *this;
  }
  // A record with news about `received` and `acknowledged` alone.
  Story& News() {
    Append(RecordedItem::Kind::kSegment).fields.direction = Direction::kEgress;
    items_.back().fields.position = sent_;
    return *this;
  }

  Story& IngressFin() { return Fin(Direction::kIngress); }
  Story& EgressFin() { return Fin(Direction::kEgress); }
  Story& IngressReset(int64_t offset = 0) { return Reset(Direction::kIngress, offset); }
  Story& EgressReset() { return Reset(Direction::kEgress, 0); }
  Story& SocketCloses() {
    Append(RecordedItem::Kind::kClose);
    return *this;
  }
  // The peer closes, then we do.
  Story& Close() { return IngressFin().EgressFin().Acknowledged().SocketCloses(); }
  Story& EndOfBatch() {
    Append(RecordedItem::Kind::kEndOfBatch);
    return *this;
  }
  // The last record never existed.
  Story& Forget() {
    items_.pop_back();
    return *this;
  }
  Story& Later(uint64_t ns) {
    at_.ns += ns;
    return *this;
  }

  Recording& items() { return items_; }
  const Recording& items() const { return items_; }
  Connection& connection() { return connection_; }
  Timestamp now() const { return at_; }
  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }

 private:
  uint64_t& Next(Direction direction) { return direction == Direction::kIngress ? received_ : sent_; }

  RecordedItem& Append(RecordedItem::Kind kind) {
    at_.ns += 1'000'000;
    RecordedItem& item = items_.emplace_back();
    item.kind = kind;
    item.connection = connection_;
    item.fields.at = at_;
    item.fields.from_first_byte = from_first_byte_;
    if (kernel_word_) {
      item.fields.received = received_;
      item.fields.acknowledged = acknowledged_;
    }
    return item;
  }
  Story& Packet(Direction direction, std::string_view text, uint64_t skipped) {
    RecordedItem& item = Append(RecordedItem::Kind::kSegment);
    item.fields.direction = direction;
    item.fields.position = Next(direction);
    item.fields.skipped = skipped;
    item.data = BytesOf(text);
    Next(direction) += text.size() + skipped;
    if (direction == Direction::kIngress) acknowledged_ = sent_;  // every packet of the peer acknowledges
    return *this;
  }
  Story& Send(Direction direction, std::string_view text, size_t segment_bytes) {
    if (segment_bytes == 0) return Packet(direction, text, 0);
    for (; !text.empty(); text.remove_prefix(std::min(segment_bytes, text.size()))) {
      Packet(direction, text.substr(0, segment_bytes), 0);
    }
    return *this;
  }
  Story& Fin(Direction direction) {
    Packet(direction, "", 0);
    items_.back().fields.fin = true;
    return *this;
  }
  Story& Reset(Direction direction, int64_t offset) {
    Refused(direction, offset, "");
    items_.back().fields.reset = true;
    return *this;
  }

  Connection connection_;
  Recording items_;
  Timestamp at_{1'000'000'000};
  uint64_t received_ = 0;      // rcv_nxt
  uint64_t sent_ = 0;          // snd_nxt
  uint64_t acknowledged_ = 0;  // snd_una
  bool from_first_byte_ = true;
  bool kernel_word_ = true;
};

// Writes down stream events as text, one line each; bytes that follow each other are one line:
//   opened | opened late | identified | in "GET" | out gap lost 5 | in gap joined_late | conflict in | in end | closed
//   finished
class StreamRecorder : public StreamEventHandler {
 public:
  void OnStreamEvent(const StreamEvent& event) override {
    events_.push_back(event);
    std::visit([this](const auto& what) { Write(what); }, event.what);
  }
  const std::vector<std::string>& lines() const { return lines_; }
  // All lines, each ended.
  std::string Log() const {
    std::string log;
    for (const std::string& line : lines_) log += line + '\n';
    return log;
  }
  // The bytes of one direction; a lost gap of n is n times '?', a skipped one n times '-'.
  const std::string& Text(Direction direction) const { return text_[IndexOf(direction)]; }
  // Spans inside are no longer valid.
  const std::vector<StreamEvent>& events() const { return events_; }
  size_t Count(std::string_view line) const {
    return static_cast<size_t>(std::count(lines_.begin(), lines_.end(), line));
  }
  void Clear() { *this = StreamRecorder(); }

 private:
  static std::string Name(Direction d) { return d == Direction::kIngress ? "in" : "out"; }
  void Write(const Opened& opened) { lines_.push_back(opened.from_first_byte ? "opened" : "opened late"); }
  void Write(const Identified&) { lines_.push_back("identified"); }
  void Write(const Bytes& bytes) {
    const std::string_view data(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
    text_[IndexOf(bytes.direction)] += data;
    const std::string start = Name(bytes.direction) + " \"";
    if (!lines_.empty() && lines_.back().starts_with(start)) {
      lines_.back().insert(lines_.back().size() - 1, data);
    } else {
      lines_.push_back(start + std::string(data) + '"');
    }
  }
  void Write(const Gap& gap) {
    static constexpr const char* kReasons[] = {"lost", "skipped", "joined_late"};
    std::string line = Name(gap.direction) + " gap " + kReasons[static_cast<size_t>(gap.reason)];
    if (gap.missing) line += ' ' + std::to_string(*gap.missing);
    if (gap.missing && *gap.missing < (1 << 20)) {
      text_[IndexOf(gap.direction)].append(*gap.missing, gap.reason == GapReason::kLost ? '?' : '-');
    }
    lines_.push_back(std::move(line));
  }
  void Write(const Conflict& conflict) { lines_.push_back("conflict " + Name(conflict.direction)); }
  void Write(const Ended& ended) { lines_.push_back(Name(ended.direction) + " end"); }
  void Write(const Closed& closed) {
    static constexpr const char* kReasons[] = {"finished", "reset", "forgotten", "shutdown"};
    lines_.push_back(std::string("closed ") + kReasons[static_cast<size_t>(closed.reason)]);
  }

  std::vector<std::string> lines_;
  std::string text_[2];
  std::vector<StreamEvent> events_;
};

inline void Play(const Recording& items, StreamAssembler& assembler) {
  for (const RecordedItem& item : items) {
    switch (item.kind) {
      case RecordedItem::Kind::kOpen:
        assembler.Open(item.connection, item.fields.from_first_byte, item.fields.at);
        break;
      case RecordedItem::Kind::kSegment:
        assembler.Add(item.AsSegment());
        break;
      case RecordedItem::Kind::kClose:
        assembler.Close(item.AsClose());
        break;
      case RecordedItem::Kind::kEndOfBatch:
        assembler.EndOfBatch();
        break;
    }
  }
}

// Tells the whole story to the handler, by way of an assembler of its own; what is still undecided at the end is
// decided.
inline void Tell(const Recording& items, StreamEventHandler& handler) {
  MemoryBudget budget(64 << 20);
  Counters counters;
  StreamAssembler assembler({}, budget, counters, handler);
  Play(items, assembler);
  assembler.EndOfBatch();
  assembler.EndOfBatch();
}
inline void Tell(const Story& story, StreamEventHandler& handler) { Tell(story.items(), handler); }

}  // namespace podtap
