// SPDX-License-Identifier: Apache-2.0
// PacketSource: reads the ring that the packet programs fill and says what they saw as segments. It runs without
// privilege: all it touches is the memory that PacketCapture mapped (bpf/records.h describes it). Every record is
// checked before it is used.
//
// What it adds to the records:
//  * payload that came with a handshake is joined to the first later record of its connection (early_payload.h);
//  * an ingress RST counts only where the kernel accepts it (exactly at rcv_nxt, RFC 5961 section 3.2), or when the
//  socket's
//    CLOSE confirms it;
//  * Apply() writes wishes into the feedback slot of the connection. Wishes are hints to the kernel: a connection
//  without a slot,
//    or one whose slot went on to another, is simply copied.
//
// The kernel wakes nobody per record: the owner polls with a timeout (10 ms while busy) and sleeps on wakeup_fd(),
// which becomes readable when the ring fills up. Use it with epoll and EPOLLET. To sleep longer: WakeOnNextRecord(),
// then Poll() once more (records may have come before), then epoll_wait.
//
// One thread, one reader per ring at a time. A reader that replaces a dead one continues with the record at which that
// one died.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "sidecar/capture/packet_capture.h"
#include "sidecar/capture/source.h"

namespace podtap {

class PacketSource : public Source {
 public:
  // `memory` (copied) must stay mapped, `counters` must outlive this. Wipes the wishes of an earlier reader.
  PacketSource(const CaptureMemory& memory, Counters& counters);
  ~PacketSource() override;

  size_t Poll(SegmentHandler& handler, size_t max_records) override;
  int wakeup_fd() const override;
  void Apply(const Interest& interest) override;

  // The next record makes wakeup_fd() readable, however empty the ring is. Once.
  void WakeOnNextRecord();
  // Ring bytes that wait to be read.
  size_t backlog() const override;
  // Bytes held while they wait to be joined to a connection.
  size_t early_bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap
