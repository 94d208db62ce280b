// SPDX-License-Identifier: Apache-2.0
// A model of two kernels and a lossy, slightly disordered ring, driven at random. What comes out of the assembler must
// be the accepted streams: every byte right and at its place, gaps exactly where records were lost, requests before
// responses.
#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/unit/stream/stream_fixture.h"

namespace podtap {
namespace {

constexpr size_t kStreamBytes = 3000;
// A record may stand this many places too late in the ring. Batches are longer, so it never misses two ends of batches.
constexpr size_t kLateBy = 3;

class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {
    for (std::string& stream : truth_) {
      for (size_t i = 0; i < kStreamBytes; ++i) stream += static_cast<char>('a' + random_() % 26);
    }
    lose_percent_ = std::array{0U, 2U, 10U}[Below(3)];
    // Where the record of the accepted version is lost, a refused one cannot be told from it.
    forge_ = lose_percent_ == 0 && Below(4) != 0;
    disorder_ = Below(2) == 0;
    largest_ = std::array{1U, 20U, 400U}[Below(3)];
  }

  // The whole life of the connection, as the ring has it.
  Recording Run() {
    while (received_ < kStreamBytes || acknowledged_ < kStreamBytes) Step();
    Record(Direction::kIngress, kStreamBytes, "", true);
    Record(Direction::kEgress, kStreamBytes, "", true);
    RecordedItem close = Item(RecordedItem::Kind::kClose);
    ring_.push_back(close);
    return InBatches();
  }

  const std::string& truth(Direction d) const { return truth_[IndexOf(d)]; }
  // Whether some record that reached the ring had this byte, and whether all that had it did.
  bool some_record(Direction d, size_t i) const { return recorded_[IndexOf(d)].contains(i); }
  bool all_records(Direction d, size_t i) const { return some_record(d, i) && !lost_[IndexOf(d)].contains(i); }
  // What its records say had been received (acknowledged) before this byte, at the least.
  uint64_t before(Direction d, size_t i) const {
    const auto at = before_[IndexOf(d)].find(i);
    return at == before_[IndexOf(d)].end() ? 0 : at->second;
  }
  bool forges() const { return forge_; }

 private:
  size_t Below(size_t n) { return random_() % n; }
  bool Percent(unsigned percent) { return Below(100) < percent; }

  RecordedItem Item(RecordedItem::Kind kind) {
    RecordedItem item;
    item.kind = kind;
    item.connection = StoryConnection();
    item.fields.at = {now_ += 1000};
    item.fields.received = received_;
    item.fields.acknowledged = acknowledged_;
    return item;
  }

  void Record(Direction d, uint64_t position, std::string_view text, bool fin = false) {
    RecordedItem item = Item(RecordedItem::Kind::kSegment);
    item.fields.direction = d;
    item.fields.position = position;
    item.fields.fin = fin;
    item.data = BytesOf(text);
    const bool lost = !fin && Percent(lose_percent_);
    for (size_t i = position; i < position + text.size(); ++i) {
      if (lost) {
        lost_[IndexOf(d)].insert(i);
      } else {
        recorded_[IndexOf(d)].insert(i);
        const bool ingress = d == Direction::kIngress;
        const bool again = position < (ingress ? received_ : acknowledged_);
        const uint64_t told = again ? 0 : ingress ? acknowledged_ : received_;
        auto& before = before_[IndexOf(d)].try_emplace(i, told).first->second;
        before = std::min(before, told);
      }
    }
    if (!lost) ring_.push_back(std::move(item));
  }

  // A packet of the peer: recorded, then processed.
  void Arrive(size_t position, size_t length) {
    Record(Direction::kIngress, position, std::string_view(truth_[0]).substr(position, length));
    for (size_t i = position; i < position + length && i < kStreamBytes; ++i) arrived_.insert(i);
    while (arrived_.contains(received_)) ++received_;
  }
  void Forge() {
    const std::string text(1 + Below(30), '#');
    switch (Below(3)) {
      case 0:  // a bad checksum in order, before nothing that waits
        if (arrived_.lower_bound(received_) == arrived_.end()) RecordForged(received_, text);
        break;
      case 1:  // far outside the window
        RecordForged(received_ + (size_t{16} << 20) + Below(1000), text);
        break;
      default:  // old bytes, changed
        if (received_ >= text.size()) RecordForged(received_ - text.size(), text);
    }
  }
  void RecordForged(uint64_t position, std::string_view text) {
    RecordedItem item = Item(RecordedItem::Kind::kSegment);
    item.fields.position = position;
    item.data = BytesOf(text);
    ring_.push_back(std::move(item));
  }

  void Step() {
    const size_t length = 1 + Below(largest_);
    switch (Below(forge_ ? 9 : 8)) {
      case 0:  // in order
      case 1:
      case 2:
        if (received_ < kStreamBytes) Arrive(received_, length);
        break;
      case 3:  // ahead: a packet before it was lost on the wire
        if (received_ + 50 < kStreamBytes) Arrive(received_ + 1 + Below(50), length);
        break;
      case 4:  // sent again, overlapping
        Arrive(received_ - std::min<size_t>(received_, Below(60)), length);
        break;
      case 5:
      case 6:
        if (sent_ < kStreamBytes) {
          Record(Direction::kEgress, sent_, std::string_view(truth_[1]).substr(sent_, length));
          sent_ = std::min(sent_ + length, kStreamBytes);
        }
        break;
      case 7:
        if (Below(4) == 0 && acknowledged_ < sent_) {  // sent again
          Record(Direction::kEgress, acknowledged_,
                 std::string_view(truth_[1]).substr(acknowledged_, sent_ - acknowledged_));
        } else {
          acknowledged_ += Below(sent_ - acknowledged_ + 1);
        }
        break;
      default:
        Forge();
    }
  }

  Recording InBatches() {
    if (disorder_) {
      // Some records of data stand a few places too late. (Not the close; a forged copy decides by what it was told.)
      for (size_t i = 0; i + kLateBy < ring_.size(); ++i) {
        if (!forge_ && Percent(10))
          std::rotate(ring_.begin() + static_cast<ptrdiff_t>(i), ring_.begin() + static_cast<ptrdiff_t>(i) + 1,
                      ring_.begin() + static_cast<ptrdiff_t>(i + 1 + Below(kLateBy)));
      }
    }
    Recording out;
    size_t until_end = kLateBy * 4;
    for (RecordedItem& item : ring_) {
      out.push_back(std::move(item));
      if (until_end-- == 0) {
        out.push_back(Item(RecordedItem::Kind::kEndOfBatch));
        until_end = kLateBy * 4 + Below(30);
      }
    }
    return out;
  }

  std::mt19937 random_;
  std::array<std::string, 2> truth_;
  std::vector<RecordedItem> ring_;
  std::array<std::set<size_t>, 2> recorded_;
  std::array<std::set<size_t>, 2> lost_;
  std::array<std::map<size_t, uint64_t>, 2> before_;
  std::set<size_t> arrived_;
  size_t received_ = 0;
  size_t sent_ = 0;
  size_t acknowledged_ = 0;
  uint64_t now_ = 1000;
  unsigned lose_percent_;
  bool forge_;
  bool disorder_;
  size_t largest_;
};

// Checks each event as it comes.
class Judge : public StreamEventHandler {
 public:
  explicit Judge(const Model& model) : model_(model) {}
  void OnStreamEvent(const StreamEvent& event) override {
    if (const auto* bytes = std::get_if<Bytes>(&event.what)) {
      const size_t at = Next(bytes->direction);
      ASSERT_EQ(bytes->position, at);
      const std::string_view data(reinterpret_cast<const char*>(bytes->data.data()), bytes->data.size());
      ASSERT_EQ(data, model_.truth(bytes->direction).substr(at, data.size()));
      ASSERT_LE(model_.before(bytes->direction, at), Next(Opposite(bytes->direction))) << "before its cause";
      for (size_t i = at; i < at + data.size(); ++i) ASSERT_TRUE(model_.some_record(bytes->direction, i)) << i;
      Next(bytes->direction) += data.size();
    } else if (const auto* gap = std::get_if<Gap>(&event.what)) {
      ASSERT_EQ(gap->reason, GapReason::kLost);
      for (size_t i = Next(gap->direction); i < Next(gap->direction) + *gap->missing; ++i) {
        ASSERT_FALSE(model_.all_records(gap->direction, i)) << i << " was there";
      }
      Next(gap->direction) += *gap->missing;
      ++gaps;
    } else if (std::holds_alternative<Conflict>(event.what)) {
      ++conflicts;
    } else if (const auto* ended = std::get_if<Ended>(&event.what)) {
      ASSERT_EQ(Next(ended->direction), kStreamBytes);
      ++ends;
    } else if (std::holds_alternative<Closed>(event.what)) {
      ++closes;
    }
  }
  size_t& Next(Direction d) { return next_[IndexOf(d)]; }
  size_t gaps = 0, conflicts = 0, ends = 0, closes = 0;

 private:
  const Model& model_;
  std::array<size_t, 2> next_{};
};

TEST(StreamModel, WhatComesOutIsTheAcceptedStreamWithExactGaps) {
  size_t gaps = 0, conflicts = 0;
  for (uint32_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed);
    const Recording ring = model.Run();
    Judge judge(model);
    MemoryBudget budget(64 << 20);
    Counters counters;
    StreamAssembler assembler({}, budget, counters, judge);
    Play(ring, assembler);
    assembler.EndOfBatch();
    assembler.EndOfBatch();
    ASSERT_EQ(judge.Next(Direction::kIngress), kStreamBytes);
    ASSERT_EQ(judge.Next(Direction::kEgress), kStreamBytes);
    ASSERT_EQ(judge.ends, 2U);
    ASSERT_EQ(judge.closes, 1U);
    ASSERT_EQ(budget.used(), 0U);
    ASSERT_EQ(counters.Get(Counter::kGapsLost), judge.gaps);
    ASSERT_EQ(counters.Get(Counter::kTcpConflicts), judge.conflicts);
    if (!model.forges()) {
      ASSERT_EQ(judge.conflicts, 0U);
    }
    if (testing::Test::HasFatalFailure()) return;
    gaps += judge.gaps;
    conflicts += judge.conflicts;
  }
  EXPECT_GT(gaps, 100U);  // the model does make what this test is about
  EXPECT_GT(conflicts, 100U);
}

}  // namespace
}  // namespace podtap
