// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/early_payload.h"

#include <algorithm>
#include <array>

namespace podtap {
namespace {

// What may lie between early payload and rcv_nxt of its connection: more than one packet's worth of reordering.
constexpr int64_t kNear = 2 << 20;

}  // namespace

// FNV-1a with a seed that a sender cannot know.
size_t EarlyPayload::Hash::operator()(const Endpoint& endpoint) const {
  uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
  const auto mix = [&hash](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3ULL; };
  for (const uint8_t byte : endpoint.address) mix(byte);
  mix(static_cast<uint8_t>(endpoint.port));
  mix(static_cast<uint8_t>(endpoint.port >> 8));
  return hash ^ hash >> 32;
}

EarlyPayload::EarlyPayload(Limits limits, Counters& counters)
    : limits_(limits),
      counters_(counters),
      index_(16, Hash{reinterpret_cast<size_t>(this) * 0x9e3779b97f4a7c15ULL ^ MonotonicNow().ns}) {}

void EarlyPayload::Drop(uint64_t id) {
  Entry& entry = entries_[id - first_id_];
  bytes_ -= entry.data.size();
  entry.data = {};
  entry.waiting = false;
  while (!entries_.empty() && !entries_.front().waiting) {
    entries_.pop_front();
    ++first_id_;
  }
}

void EarlyPayload::DropOldest() {
  const auto [begin, end] = index_.equal_range(entries_.front().remote);
  const auto at = std::find_if(begin, end, [this](const auto& pair) { return pair.second == first_id_; });
  if (at != end) index_.erase(at);
  Drop(first_id_);
  counters_.Add(Counter::kEarlyExpired);
}

void EarlyPayload::Expire(Timestamp now) {
  while (!entries_.empty() && NanosecondsBetween(entries_.front().at, now) > limits_.expire_after_ns) DropOldest();
}

void EarlyPayload::Add(const RecordView& record) {
  const Connection connection = ConnectionOf(record.header.connection);
  const Timestamp at{record.header.time_ns};
  Expire(at);
  if (record.payload.size() > limits_.max_bytes) {
    counters_.Add(Counter::kEarlyExpired);
    return;
  }
  const auto [begin, end] = index_.equal_range(connection.remote);
  size_t same_remote = 0;
  for (auto i = begin; i != end; ++i, ++same_remote) {
    const Entry& entry = entries_[i->second - first_id_];
    if (entry.sequence == record.header.sequence && entry.local == connection.local &&
        entry.data.size() >= record.payload.size()) {
      return;
    }
  }
  if (same_remote >= limits_.max_entries_per_remote) {
    counters_.Add(Counter::kEarlyExpired);
    return;
  }
  // entries_ also holds what was joined behind an older one that still waits; that is bounded, too.
  while (!entries_.empty() &&
         (entries_.size() >= limits_.max_entries || bytes_ + record.payload.size() > limits_.max_bytes)) {
    DropOldest();
  }
  Entry entry;
  entry.remote = connection.remote;
  entry.local = connection.local;
  entry.at = at;
  entry.sequence = record.header.sequence;
  entry.fin = (record.header.flags & kRecordFin) != 0;
  entry.waiting = true;
  entry.data.assign(record.payload.begin(), record.payload.end());
  bytes_ += entry.data.size();
  index_.emplace(entry.remote, first_id_ + entries_.size());
  entries_.push_back(std::move(entry));
}

void EarlyPayload::Join(const segment_record& record, const Connection& connection, SegmentHandler& handler) {
  if (connection.role == Role::kOpened || (record.flags & kRecordNoPositions) != 0) return;
  const auto [begin, end] = index_.equal_range(connection.remote);
  if (begin == end) return;
  std::vector<std::pair<uint64_t, uint64_t>> joined;  // position, number
  for (auto i = begin; i != end;) {
    const Entry& entry = entries_[i->second - first_id_];
    const int64_t distance = static_cast<int32_t>(entry.sequence - record.received_sequence);
    const int64_t position = static_cast<int64_t>(record.received) + distance;
    const bool near = distance >= -kNear && distance <= kNear && position >= 0;
    const bool is_start = position == 0 && (record.connection.flags & kRecordFromFirstByte) != 0;
    if (near && (entry.local == connection.local || is_start)) {
      joined.emplace_back(static_cast<uint64_t>(position), i->second);
      i = index_.erase(i);
    } else {
      ++i;
    }
  }
  std::sort(joined.begin(), joined.end());
  for (const auto& [position, id] : joined) {
    const Entry& entry = entries_[id - first_id_];
    Segment segment;
    segment.connection = &connection;
    segment.direction = Direction::kIngress;
    segment.at = entry.at;
    segment.position = position;
    segment.data = entry.data;
    segment.from_first_byte = (record.connection.flags & kRecordFromFirstByte) != 0;
    segment.fin = entry.fin;
    segment.received = record.received;
    segment.acknowledged = record.acknowledged;
    handler.OnSegment(segment);
  }
  for (const auto& [position, id] : joined) Drop(id);
}

}  // namespace podtap
