// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Live settings of the packet programs: one entry of a memory-mapped array, written by the attacher only. Each field is
// read once per packet; `mode` changes take effect on the next packet.
#ifndef PODTAP_BPF_SETTINGS_H_
#define PODTAP_BPF_SETTINGS_H_

#include "bpf/records.h"

// Whose connections are copied. The same numbers as podtap's Mode.
enum capture_mode { kCaptureIngress = 0, kCaptureEgress = 1, kCaptureAll = 2, kCaptureOff = 3 };

struct capture_settings {
  // epoch:24 | mode:8 in one word, so that both change at once. The epoch moves with every change of the mode: a
  // connection that still has another epoch may have passed bytes that nobody wanted, and announces them as skipped.
  __u32 mode_and_epoch;
  __u32 target_level;  // depth of the target cgroup below the root; 0 = the kernel side has not found it out yet
  __u64 target_cgroup_id;
  __u64 own_cgroup_id;           // sockets of this cgroup and below are podtap's own and left out; 0 = none
  __u32 turn_bytes;              // ring more than half full: copy up to this many bytes of a turn (header + body limit)
  __u32 head_bytes;              // ring more than three quarters full: up to this many
  __u32 early_bytes_per_second;  // payload that comes with handshakes, in all
  __u32 least_bytes;             // ring more than seven eighths full: up to this many
  __u64 half_full;               // ring bytes in use
  __u64 three_quarters_full;
  __u64 seven_eighths_full;
  __u64 wakeup_bytes;       // the reader is woken each time the fill crosses a multiple of this power of two; 0 = never
  __u64 announce_after_ns;  // skipped bytes are announced about this often while they flow
};
PODTAP_STATIC_ASSERT(sizeof(struct capture_settings) == 80, "capture_settings is padded by hand");

#endif  // PODTAP_BPF_SETTINGS_H_
