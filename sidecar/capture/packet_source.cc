// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/packet_source.h"

#include <linux/bpf.h>

#include "base/courtesy.h"
#include "sidecar/capture/early_payload.h"
#include "sidecar/capture/feedback_slots.h"
#include "sidecar/capture/record_reader.h"

namespace podtap {
namespace {

// The kernel writes to its end of the consumer's cache line for every record; the reader leaves it alone for this many
// bytes.
constexpr uint64_t kGiveBackBytes = 64 << 10;

constexpr unsigned kRecordsPerPiece = 128;  // of work, base/courtesy.h

// More of the ring waiting than this part is being behind.
constexpr uint64_t kBehind = 4;

template <typename Word>
uint64_t Load(const Word& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

// An ingress RST is obeyed only where it stands exactly at rcv_nxt (RFC 5961 section 3.2); our own always.
bool ResetCounts(const segment_record& record) {
  return (record.flags & kRecordRst) != 0 &&
         (record.direction == kRecordEgress || record.sequence == record.received_sequence);
}

}  // namespace

class PacketSource::Impl {
 public:
  Impl(const CaptureMemory& memory, Counters& counters)
      : memory_(memory), counters_(counters), slots_(memory.slots, memory.slot_count), early_({}, counters) {
    position_ = given_back_ = Load(*memory_.consumer);
    // An earlier reader died with this record in its hands: it is not lost, and those before it are not read twice.
    const uint64_t reading = Load(memory_.reader->reading_position);
    if (reading % 8 == 0 && reading - position_ <= Load(*memory_.producer) - position_) position_ = reading;
    // From now on both words speak of this reader: if it ends before it takes up a record, that is no record's fault.
    GiveBack();
    __atomic_store_n(&memory_.reader->reading_position, PODTAP_NOT_READING, __ATOMIC_RELEASE);
  }

  size_t Poll(SegmentHandler& handler, size_t max_records);
  void Handle(const RecordView& record, SegmentHandler& handler);

  CaptureMemory memory_;
  Counters& counters_;
  FeedbackSlots slots_;
  EarlyPayload early_;
  uint64_t position_ = 0;    // in the ring: the next record
  uint64_t given_back_ = 0;  // what the kernel knows of it
  Courtesy courtesy_{kRecordsPerPiece};

 private:
  void GiveBack() {
    if (given_back_ == position_) return;
    given_back_ = position_;
    __atomic_store_n(memory_.consumer, position_, __ATOMIC_RELEASE);
  }
  void OnEarly(const RecordView& record);
  void OnSegment(const RecordView& record, const Connection& connection, SegmentHandler& handler);
  void OnClosed(const RecordView& record, const Connection& connection, SegmentHandler& handler);
};

size_t PacketSource::Impl::Poll(SegmentHandler& handler, size_t max_records) {
  size_t records = 0;
  const uint64_t producer = Load(*memory_.producer);
  const uint64_t mask = memory_.ring_bytes - 1;
  uint64_t last_time = 0;
  while (position_ < producer && records < max_records) {
    const std::byte* at = memory_.ring + (position_ & mask);
    const uint32_t header = __atomic_load_n(reinterpret_cast<const uint32_t*>(at), __ATOMIC_ACQUIRE);
    if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;  // still being written
    const uint64_t length = header & ~BPF_RINGBUF_DISCARD_BIT;
    const uint64_t size = (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
    if (size > producer - position_ || size > memory_.ring_bytes) {
      // The kernel never does this. Nothing behind it can be found either: begin again where it writes now.
      counters_.Add(Counter::kRecordsInvalid);
      position_ = producer;
      break;
    }
    if ((header & BPF_RINGBUF_DISCARD_BIT) == 0) {
      __atomic_store_n(&memory_.reader->reading_position, position_, __ATOMIC_RELAXED);
      ++records;
      counters_.Add(Counter::kRecordsRead);
      if (const auto record = DecodeRecord({at + BPF_RINGBUF_HDR_SZ, length})) {
        last_time = record->header.time_ns;
        Handle(*record, handler);
      } else {
        counters_.Add(Counter::kRecordsInvalid);
      }
    }
    position_ += size;
    if (position_ - given_back_ >= kGiveBackBytes) GiveBack();
    courtesy_.Step(Load(*memory_.producer) - position_ > memory_.ring_bytes / kBehind);
  }
  GiveBack();
  __atomic_store_n(&memory_.reader->reading_position, PODTAP_NOT_READING, __ATOMIC_RELEASE);
  if (!early_.empty() && last_time != 0) early_.Expire(Timestamp{last_time});
  return records;
}

void PacketSource::Impl::Handle(const RecordView& record, SegmentHandler& handler) {
  if (record.header.kind == kRecordEarly) return OnEarly(record);
  const Connection connection = ConnectionOf(record.header.connection);
  slots_.Learn(record.header.connection);
  switch (record.header.kind) {
    case kRecordOpened:
      counters_.Add(Counter::kControlRecordsRead);
      handler.OnOpen(connection, (record.header.connection.flags & kRecordFromFirstByte) != 0,
                     Timestamp{record.header.time_ns});
      if (!early_.empty()) early_.Join(record.header, connection, handler);
      break;
    case kRecordSegment:
      if (!early_.empty()) early_.Join(record.header, connection, handler);
      OnSegment(record, connection, handler);
      break;
    case kRecordClosed:
      if (!early_.empty()) early_.Join(record.header, connection, handler);
      OnClosed(record, connection, handler);
      break;
  }
}

void PacketSource::Impl::OnEarly(const RecordView& record) {
  counters_.Add(Counter::kDataRecordsRead);
  counters_.Add(Counter::kPayloadBytesRead, record.payload.size());
  early_.Add(record);
}

void PacketSource::Impl::OnSegment(const RecordView& record, const Connection& connection, SegmentHandler& handler) {
  const segment_record& header = record.header;
  if (!record.payload.empty()) {
    counters_.Add(Counter::kDataRecordsRead);
    counters_.Add(Counter::kPayloadBytesRead, record.payload.size());
  }
  Segment segment;
  segment.connection = &connection;
  segment.direction = static_cast<Direction>(header.direction);
  segment.at = Timestamp{header.time_ns};
  segment.position = header.position;
  segment.data = record.payload;
  segment.skipped = header.skipped;
  segment.from_first_byte = (header.connection.flags & kRecordFromFirstByte) != 0;
  segment.fin = (header.flags & kRecordFin) != 0;
  segment.reset = ResetCounts(header);
  segment.received = header.received;
  segment.acknowledged = header.acknowledged;
  handler.OnSegment(segment);
}

void PacketSource::Impl::OnClosed(const RecordView& record, const Connection& connection, SegmentHandler& handler) {
  counters_.Add(Counter::kControlRecordsRead);
  const segment_record& header = record.header;
  const bool has_positions = (header.flags & kRecordNoPositions) == 0;
  if ((header.flags & kRecordRst) != 0 && has_positions) {
    // The kernel obeyed the RST that was seen before, or is about to send one.
    Segment segment;
    segment.connection = &connection;
    segment.direction = Direction::kIngress;
    segment.at = Timestamp{header.time_ns};
    segment.position = header.position;
    segment.from_first_byte = (header.connection.flags & kRecordFromFirstByte) != 0;
    segment.reset = true;
    segment.received = header.received;
    segment.acknowledged = header.acknowledged;
    handler.OnSegment(segment);
  }
  SocketClosed close;
  close.connection = &connection;
  close.at = Timestamp{header.time_ns};
  if (has_positions) {
    close.received = header.received;
    close.acknowledged = header.acknowledged;
  }
  handler.OnClose(close);
  slots_.Forget(header.connection);
}

PacketSource::PacketSource(const CaptureMemory& memory, Counters& counters)
    : impl_(std::make_unique<Impl>(memory, counters)) {}
PacketSource::~PacketSource() = default;

size_t PacketSource::Poll(SegmentHandler& handler, size_t max_records) { return impl_->Poll(handler, max_records); }

int PacketSource::wakeup_fd() const { return impl_->memory_.ring_fd; }

void PacketSource::Apply(const Interest& interest) { impl_->slots_.Write(interest); }

void PacketSource::WakeOnNextRecord() { __atomic_store_n(&impl_->memory_.reader->asleep, 1, __ATOMIC_SEQ_CST); }

size_t PacketSource::backlog() const { return Load(*impl_->memory_.producer) - impl_->position_; }

size_t PacketSource::early_bytes() const { return impl_->early_.bytes(); }

}  // namespace podtap
