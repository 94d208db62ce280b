// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What the kernel programs count: their runs, and every reason why a byte or a record was not delivered. One table for
// both sides. The values live in a memory-mapped array of 64-bit words, one row of PODTAP_KERNEL_COUNTER_STRIDE words
// per CPU, so that a reader without privilege adds them up without bpf().
#ifndef PODTAP_BPF_COUNTERS_H_
#define PODTAP_BPF_COUNTERS_H_

// X(enumerator, metric, label, one sentence)
#define PODTAP_KERNEL_COUNTERS(X)                                                                               \
  X(kRunsIngress, "podtap_probe_runs_total", "program=\"cap_skb_ingress\"", "Runs of each kernel program.")     \
  X(kRunsEgress, "podtap_probe_runs_total", "program=\"cap_skb_egress\"", "Runs of each kernel program.")       \
  X(kRunsSockOps, "podtap_probe_runs_total", "program=\"cap_sock_ops\"", "Runs of each kernel program.")        \
  X(kRunsSockCreate, "podtap_probe_runs_total", "program=\"cap_sock_create\"", "Runs of each kernel program.")  \
  X(kRunsSockClose, "podtap_probe_runs_total", "program=\"cap_sock_close\"", "Runs of each kernel program.")    \
  X(kRecordsEmitted, "podtap_kernel_records_total", "", "Records written to the ring.")                         \
  X(kRingFullRecords, "podtap_records_lost_total", "reason=\"ring_full\"",                                      \
    "Records that never reached the ring, by reason.")                                                          \
  X(kCopyFailedRecords, "podtap_records_lost_total", "reason=\"copy_failed\"",                                  \
    "Records that never reached the ring, by reason.")                                                          \
  X(kRingFullBytes, "podtap_payload_bytes_lost_total", "reason=\"ring_full\"",                                  \
    "Payload bytes that never reached the ring and were wanted, by reason.")                                    \
  X(kCopyFailedBytes, "podtap_payload_bytes_lost_total", "reason=\"copy_failed\"",                              \
    "Payload bytes that never reached the ring and were wanted, by reason.")                                    \
  X(kSkippedByWishBytes, "podtap_payload_bytes_skipped_total", "reason=\"not_wanted\"",                         \
    "Payload bytes left out and announced as such, by reason.")                                                 \
  X(kSkippedByTurnRuleBytes, "podtap_payload_bytes_skipped_total", "reason=\"ring_half_full\"",                 \
    "Payload bytes left out and announced as such, by reason.")                                                 \
  X(kSkippedByFillBytes, "podtap_payload_bytes_skipped_total", "reason=\"ring_three_quarters_full\"",           \
    "Payload bytes left out and announced as such, by reason.")                                                 \
  X(kSkippedByCopyBoundBytes, "podtap_payload_bytes_skipped_total", "reason=\"copy_bound\"",                    \
    "Payload bytes left out and announced as such, by reason.")                                                 \
  X(kStorageFailed, "podtap_storage_failed_total", "",                                                          \
    "Times the kernel had no memory to remember a connection; it is captured like one older than the capture.") \
  X(kSlotsTaken, "podtap_feedback_slots_taken_total", "", "Feedback slots handed to connections.")              \
  X(kSlotsReturned, "podtap_feedback_slots_returned_total", "", "Feedback slots given back.")                   \
  X(kNoSlot, "podtap_feedback_slots_missing_total", "", "Connections that found no free feedback slot.")        \
  X(kEarlyRecords, "podtap_early_payload_records_total", "", "Records of payload that came with a handshake.")  \
  X(kEarlyRateBytes, "podtap_payload_bytes_lost_total", "reason=\"early_rate\"",                                \
    "Payload bytes that never reached the ring and were wanted, by reason.")                                    \
  X(kUnparsed, "podtap_packets_unparsed_total", "", "TCP packets whose headers made no sense.")

enum kernel_counter {
#define X(enumerator, metric, label, help) enumerator,
  PODTAP_KERNEL_COUNTERS(X)
#undef X
      kKernelCounterCount
};

// Whole cache lines of eight words per CPU.
#define PODTAP_KERNEL_COUNTER_STRIDE ((kKernelCounterCount + 7) / 8 * 8)

#endif  // PODTAP_BPF_COUNTERS_H_
