// SPDX-License-Identifier: Apache-2.0
// Any bytes in the ring: the reader must neither read outside of a record nor keep more than it promises. The input is
// a row of records, each with two bytes of length in front; the first byte of a record's own time makes time pass.
#include <cstdint>
#include <cstdlib>

#include "sidecar/capture/packet_source.h"
#include "tests/unit/capture/fake_ring.h"

namespace podtap {
namespace {

// Touches every byte that it is given.
class Toucher : public SegmentHandler {
 public:
  void OnOpen(const Connection& connection, bool, Timestamp) override { sum += connection.id.value; }
  void OnSegment(const Segment& segment) override {
    for (const std::byte byte : segment.data) sum += static_cast<uint8_t>(byte);
    if (segment.position + segment.data.size() + segment.skipped < segment.position) abort();
    wish = {segment.connection->id, segment.direction, static_cast<Interest::Want>(sum % 4), segment.position,
            sum % 3 == 0};
  }
  void OnClose(const SocketClosed& close) override { sum += close.connection->id.value; }
  uint64_t sum = 0;
  Interest wish;
};

}  // namespace
}  // namespace podtap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace podtap;
  FakeRing ring;
  Counters counters;
  PacketSource source(ring.memory(), counters);
  Toucher toucher;
  while (size >= 2) {
    const size_t length = std::min<size_t>((data[0] << 8 | data[1]) % 20000, size - 2);
    ring.Commit(std::string_view(reinterpret_cast<const char*>(data) + 2, length));
    data += 2 + length;
    size -= 2 + length;
    source.Poll(toucher, 8);
    source.Apply(toucher.wish);
    if (source.early_bytes() > 4 << 20 || source.backlog() != 0) abort();
  }
  return 0;
}
