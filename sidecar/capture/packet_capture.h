// SPDX-License-Identifier: Apache-2.0
// PacketCapture: the privileged side of packet capture. It loads the packet programs (bpf/packet_capture.bpf.c),
// attaches them with BPF links to one cgroup, and maps the memory that the reading side needs. It never reads a record.
//
// Called by the attacher (or by a single process that does everything). What PacketSource needs is in memory():
// mappings and one descriptor that a process forked afterwards inherits, so the reader needs no privilege and no bpf()
// call. A reader that dies is replaced by forking a new one: it continues where the ring's consumer position stands, in
// the shared memory.
//
// The programs stay attached as long as any process holds the link descriptors: a forked reader calls ForgetPrograms()
// first, so that everything detaches when the attaching process ends, by whatever signal.
//
// Needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN), before Linux 5.11 also CAP_SYS_RESOURCE; Linux 5.10 or newer;
// cgroup v2. Errors are one line that says what is missing. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "bpf/counters.h"
#include "bpf/records.h"
#include "bpf/settings.h"

namespace podtap {

// What the kernel programs and the reader share. Plain pointers into mappings that PacketCapture owns; `ring_fd` is
// owned by it too. (Tests make one over plain memory.)
struct CaptureMemory {
  int ring_fd = -1;
  uint64_t* consumer = nullptr;        // ring position that the reader has handled
  const uint64_t* producer = nullptr;  // ring position that the kernel has reserved
  const std::byte* ring = nullptr;     // mapped twice in a row: a record never wraps
  size_t ring_bytes = 0;               // a power of two
  reader_page* reader = nullptr;
  feedback_slot* slots = nullptr;
  size_t slot_count = 0;
  const uint64_t* counters = nullptr;  // PODTAP_KERNEL_COUNTER_STRIDE words per CPU
  size_t cpus = 0;
};

// One of the kernel's counters, summed over all CPUs. No system call.
uint64_t KernelCounter(const CaptureMemory& memory, kernel_counter which);

struct KernelCounterInfo {
  std::string_view name;    // the enumerator, e.g. "kRingFullRecords"
  std::string_view metric;  // as in base/counters.h
  std::string_view label;
  std::string_view help;
};
const KernelCounterInfo& InfoOf(kernel_counter which);

class PacketCapture {
 public:
  struct Options {
    int cgroup_fd = -1;  // directory of the target cgroup; not kept
    uint64_t own_cgroup_id =
        0;  // inode of podtap's own cgroup below the target: sockets of it, and below, are left out
    int mode = kCaptureIngress;   // enum capture_mode; the same numbers as podtap::Mode
    size_t ring_bytes = 8 << 20;  // rounded up to a power of two, at least 256 KiB
    size_t max_header_bytes = 65536;
    size_t max_body_bytes = 131072;
    size_t slots = 16384;  // connections that can be given wishes at one time
    size_t early_bytes_per_second = 64 << 20;
  };

  // Loads, maps and attaches. On error nothing stays attached.
  static Result<std::unique_ptr<PacketCapture>> Attach(const Options& options);
  ~PacketCapture();  // detaches and unmaps
  PacketCapture(const PacketCapture&) = delete;
  PacketCapture& operator=(const PacketCapture&) = delete;

  const CaptureMemory& memory() const;
  // enum capture_mode. From the next packet on. No system call.
  Status SetMode(int mode);
  int mode() const;
  // Leaves this socket, and what it accepts, out from now on. Call before it connects or listens.
  Status IgnoreSocket(int fd);
  // Moves the reader's position past the record that it was handling. For when that record killed readers; no reader
  // may run. False if the ring is empty.
  bool SkipRecord();
  // In a forked reader: closes programs and links and keeps the mappings and ring_fd. The object then only owns memory.
  void ForgetPrograms();

 private:
  PacketCapture();
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap
