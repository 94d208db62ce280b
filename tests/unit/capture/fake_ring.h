// SPDX-License-Identifier: Apache-2.0
// A ring in plain memory, filled by the test as the kernel fills the real one: what PacketSource reads without
// privilege.
#pragma once

#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/capture/packet_capture.h"
#include "sidecar/capture/source.h"

namespace podtap {

class FakeRing {
 public:
  static constexpr size_t kBytes = 64 << 10;

  FakeRing() : data_(2 * kBytes / sizeof(uint64_t)), slots_(8), counters_(2 * PODTAP_KERNEL_COUNTER_STRIDE) {
    page_.reading_position = PODTAP_NOT_READING;
  }

  CaptureMemory memory() {
    CaptureMemory memory;
    memory.consumer = &consumer_;
    memory.producer = &producer_;
    memory.ring = bytes();
    memory.ring_bytes = kBytes;
    memory.reader = &page_;
    memory.slots = slots_.data();
    memory.slot_count = slots_.size();
    memory.counters = counters_.data();
    memory.cpus = 2;
    return memory;
  }

  // One record as the kernel commits it; `flags`: BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT.
  void Commit(std::string_view record, uint32_t flags = 0) {
    const uint32_t header[2] = {static_cast<uint32_t>(record.size()) | flags, 0};
    Put(producer_, {reinterpret_cast<const char*>(header), sizeof(header)});
    Put(producer_ + sizeof(header), record);
    producer_ += (sizeof(header) + record.size() + 7) / 8 * 8;
  }
  void Commit(const segment_record& record, std::string_view payload = {}) {
    std::string all(reinterpret_cast<const char*>(&record), sizeof(record));
    Commit(all.append(payload));
  }

  uint64_t consumer() const { return consumer_; }
  uint64_t producer() const { return producer_; }
  reader_page& page() { return page_; }
  feedback_slot& slot(size_t i) { return slots_[i]; }
  uint64_t& counter(size_t cpu, size_t i) { return counters_[cpu * PODTAP_KERNEL_COUNTER_STRIDE + i]; }

 private:
  std::byte* bytes() { return reinterpret_cast<std::byte*>(data_.data()); }
  // The kernel maps the ring twice in a row; here both halves are written.
  void Put(uint64_t position, std::string_view what) {
    for (const char c : what) {
      const size_t at = position++ & (kBytes - 1);
      bytes()[at] = bytes()[at + kBytes] = static_cast<std::byte>(c);
    }
  }

  uint64_t consumer_ = 0, producer_ = 0;
  std::vector<uint64_t> data_;
  std::vector<feedback_slot> slots_;
  std::vector<uint64_t> counters_;
  reader_page page_{};
};

// Records of one connection whose ingress stream starts at raw sequence number `start`.
struct FakeConnection {
  uint64_t cookie = 7;
  uint32_t start = 0xfffffff0;
  uint32_t slot = PODTAP_NO_SLOT;
  uint16_t generation = 0;
  uint8_t role = kRecordRoleAccepted;
  uint16_t remote_port = 50000, local_port = 80;

  segment_record Record(record_kind kind, record_direction direction, uint64_t position, size_t payload,
                        uint64_t received = 0) const {
    segment_record record{};
    record.kind = static_cast<__u8>(kind);
    record.direction = static_cast<__u8>(direction);
    record.payload_length = static_cast<__u32>(payload);
    record.time_ns = 1'000'000'000;
    record.position = position;
    record.received = received;
    record.sequence = start + static_cast<__u32>(position);
    record.received_sequence = start + static_cast<__u32>(received);
    connection_identity& identity = record.connection;
    identity.cookie = kind == kRecordEarly ? 0 : cookie;
    identity.local_address[10] = identity.local_address[11] = 0xff;
    identity.remote_address[10] = identity.remote_address[11] = 0xff;
    identity.local_address[12] = identity.remote_address[12] = 10;
    identity.remote_address[15] = 9;
    identity.local_port = local_port;
    identity.remote_port = remote_port;
    identity.slot = slot;
    identity.generation = generation;
    identity.role = role;
    identity.flags = kRecordFromFirstByte;
    identity.pid = 4711;
    std::memcpy(identity.comm, "server", 7);
    return record;
  }
};

// Writes down what a source says, one line per call.
class Script : public SegmentHandler {
 public:
  void OnOpen(const Connection& connection, bool from_first_byte, Timestamp) override {
    Line("open " + std::to_string(connection.id.value) + (from_first_byte ? "" : " late"));
  }
  void OnSegment(const Segment& s) override {
    std::string text = s.direction == Direction::kIngress ? "in " : "out ";
    text += std::to_string(s.position) + " \"";
    text.append(reinterpret_cast<const char*>(s.data.data()), s.data.size());
    text += "\"";
    if (s.skipped > 0) text += " skipped " + std::to_string(s.skipped);
    if (s.fin) text += " fin";
    if (s.reset) text += " reset";
    Line(text);
    last = *s.connection;
  }
  void OnClose(const SocketClosed& close) override {
    Line("close " + std::to_string(close.connection->id.value) +
         (close.received ? " received " + std::to_string(*close.received) : ""));
  }
  std::vector<std::string> lines;
  Connection last;

 private:
  void Line(std::string line) { lines.push_back(std::move(line)); }
};

}  // namespace podtap
