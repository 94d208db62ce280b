// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What the packet programs remember, and the maps they share. Written on the uapi linux/bpf.h alone: no relocation, no
// kernel function, so it loads on every kernel from 5.10 on, with or without BTF.
#ifndef PODTAP_BPF_CONNECTIONS_BPF_H_
#define PODTAP_BPF_CONNECTIONS_BPF_H_

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/counters.h"
#include "bpf/records.h"
#include "bpf/settings.h"

#define kIpProtocolTcp 6
#define kFamilyV4 2
#define kFamilyV6 10

enum connection_flags {
  kConnectionIgnored = PODTAP_CONNECTION_IGNORED,  // podtap's own
  kConnectionCgroupChecked = 1 << 1,               // cgroup_id and kConnectionIgnored are final
  kConnectionHasStart = 1 << 2,                    // both start[] are known
  kConnectionSynSent = 1 << 3,                     // start[egress] is known, start[ingress] not yet
  kConnectionLate = 1 << 4,                        // gets no state callback: its slot is returned by sock_release
  kConnectionSaid = 1 << 5,                        // some record of it was emitted
  kConnectionPeerKnown = 1 << 6,                   // loopback or not: decided
  kConnectionResetSeen = 1 << 7,                   // reset_sequence holds an ingress RST
};

// One TCP connection. Positions and "sent": see records.h. Ingress and egress may run at once on two CPUs; each word
// has one writer that matters, and a lost update costs an extra or a coarser record, never a wrong position (positions
// are computed from `start` and the kernel's own 64-bit byte counts, both of which do not depend on what passed here
// before).
struct connection {
  struct connection_identity identity;
  __u32 flags;         // enum connection_flags
  __u32 epoch;         // of the settings under which bytes were last copied
  __u64 base[2];       // added to the kernel's byte count of the direction: about the position of its window
  __u64 sent[2];       // end of what was emitted, left out or lost so far
  __u64 skip_from[2];  // [skip_from, skip_to) was left out at our wish and is not announced yet
  __u64 skip_to[2];
  __u64 skip_since[2];   // when it was announced last
  __u64 skip_looked[2];  // when skip_since was last compared with the clock, in ticks of the kernel
  __u64 turn[2];     // where the turn of this direction began: its bytes after the last payload of the other direction
  __u64 fin_end[2];  // position after the FIN (which counts as one), 0 = no FIN yet
  __u64 said_received;  // `received` of the last record
  __u64 copied;         // end of the ingress payload that was copied so far
  __u32 start[2];       // raw sequence number of position 0
  __u32 reset_sequence;
  __u16 peer_tries;
  __u16 connects;  // how often this socket was connected again
};
_Static_assert(__builtin_offsetof(struct connection, flags) == PODTAP_CONNECTION_FLAGS_OFFSET, "known to user space");

// Who created a socket. Inherited by the sockets that a listener accepts.
struct creator {
  __u64 cgroup_id;
  __u32 pid;
  __u32 ignored;  // set by the reader's parent for podtap's own sockets
  char comm[16];
};
_Static_assert(__builtin_offsetof(struct creator, ignored) == PODTAP_CREATOR_IGNORED_OFFSET, "known to user space");

// Per socket: the connection. Made when the handshake begins or the socket is first seen; goes with the socket.
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct connection);
} connections SEC(".maps");

// Per socket, cloned to accepted ones: its creator. Made by cgroup/sock_create; goes with the socket.
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, int);
  __type(value, struct creator);
} creators SEC(".maps");

// Records to the reader. Size set at load.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 8 << 20);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct capture_settings);
} settings SEC(".maps");

// Written by the reader.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct reader_page);
} reader SEC(".maps");

// Counter i of CPU c at index c * PODTAP_KERNEL_COUNTER_STRIDE + i. Size set at load.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PODTAP_KERNEL_COUNTER_STRIDE);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

// Feedback slots: written by the reader, cleared by the kernel when handed to a connection. Size set at load.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct feedback_slot);
} slots SEC(".maps");

// How often each slot was handed out. Not mapped: the reader cannot change it. Size set at load.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} generations SEC(".maps");

// Indices of free slots, first in first out: the longest time before one is used again. Filled at load, taken when a
// connection is established, returned at TCP_CLOSE (late sockets: at close()). Size set at load.
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 1);
  __uint(value_size, sizeof(__u32));
} free_slots SEC(".maps");

// Identities of packets that have no connection in the kernel's memory. Not on the stack: the verifier would follow
// each byte of it through everything that comes after. Per CPU and nesting level: a packet of process context may be
// interrupted by one of a network interrupt, which takes the next place and gives it back before the first goes on.
struct spare_identities {
  __u32 depth;
  __u32 reserved;
  struct connection_identity places[4];
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct spare_identities);
} spares SEC(".maps");

struct early_budget {
  __u64 second;
  __u64 bytes;
};
// One entry: payload that came with handshakes in this second.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct early_budget);
} early_budgets SEC(".maps");

// Returns `value`, but the verifier no longer knows what it knew about it: a slot of the stack that is not at a
// multiple of eight is read back as "anything". Without this, everything behind it is checked again for every path that
// leads to it, since each leaves another range in `value`.
static __always_inline __u32 forget_range(__u32 value) {
  struct {
    __u32 unused;
    volatile __u32 value;
  } __attribute__((aligned(8))) hidden;
  hidden.value = value;
  return hidden.value;
}

static __always_inline __u64 forget_range64(__u64 value) {
  return (__u64)forget_range(value >> 32) << 32 | forget_range((__u32)value);
}

// The same without a cost (the verifier knows nothing about a value whose byte order was changed, and a little-endian
// machine does nothing for it), but what depends on the value's bounds later is still traced back through it.
static __always_inline __u64 forget_value(__u64 value) {
  asm volatile("%0 = le64 %0\n\t%0 = le64 %0" : "+r"(value));
  return value;
}

static __always_inline void count(__u32 which, __u64 n) {
  __u32 index = bpf_get_smp_processor_id() * PODTAP_KERNEL_COUNTER_STRIDE + which;
  __u64* at = bpf_map_lookup_elem(&counters, &index);
  // Atomic: a packet program of process context may be interrupted by one of a network interrupt on the same CPU.
  if (at) __sync_fetch_and_add(at, n);
}

static __always_inline struct capture_settings* get_settings(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline __u32 mode_of(__u32 mode_and_epoch) { return mode_and_epoch & 0xff; }

// A role that is not known yet is wanted in every mode but off.
static __always_inline int wanted(__u32 mode, __u8 role) {
  if (mode == kCaptureIngress) return role != kRecordRoleOpened;
  if (mode == kCaptureEgress) return role != kRecordRoleAccepted;
  return mode == kCaptureAll;
}

static __always_inline void set_v4(__u8 address[16], __u32 v4) {
  __u32* words = (__u32*)address;
  words[0] = 0;
  words[1] = 0;
  words[2] = bpf_htonl(0xffff);
  words[3] = v4;
}

// Context fields are read one by one: the verifier does not take pointers into the context, nor loads that span two
// fields.
#define PODTAP_READ_FIELD(field) (*(volatile __typeof__(field)*)&(field))

static __always_inline void set_addresses(struct connection_identity* identity, struct bpf_sock* sk) {
  if (sk->family == kFamilyV4) {
    set_v4(identity->local_address, sk->src_ip4);
    set_v4(identity->remote_address, sk->dst_ip4);
  } else {
    __u32* local = (__u32*)identity->local_address;
    __u32* remote = (__u32*)identity->remote_address;
    local[0] = PODTAP_READ_FIELD(sk->src_ip6[0]);
    local[1] = PODTAP_READ_FIELD(sk->src_ip6[1]);
    local[2] = PODTAP_READ_FIELD(sk->src_ip6[2]);
    local[3] = PODTAP_READ_FIELD(sk->src_ip6[3]);
    remote[0] = PODTAP_READ_FIELD(sk->dst_ip6[0]);
    remote[1] = PODTAP_READ_FIELD(sk->dst_ip6[1]);
    remote[2] = PODTAP_READ_FIELD(sk->dst_ip6[2]);
    remote[3] = PODTAP_READ_FIELD(sk->dst_ip6[3]);
  }
  identity->local_port = PODTAP_READ_FIELD(sk->src_port);
  identity->remote_port = bpf_ntohs(PODTAP_READ_FIELD(sk->dst_port));
}

static __always_inline int is_v4(const __u8 address[16]) {
  const __u32* words = (const __u32*)address;
  return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

// Fills what comes from the socket's creator.
static __always_inline void set_creator(struct connection* c, struct bpf_sock* sk, struct capture_settings* s) {
  struct creator* creator = bpf_sk_storage_get(&creators, sk, 0, 0);
  if (!creator) return;
  c->identity.pid = creator->pid;
  c->identity.cgroup_id = creator->cgroup_id;
  __builtin_memcpy(c->identity.comm, creator->comm, sizeof(c->identity.comm));
  if (creator->ignored || (creator->cgroup_id && creator->cgroup_id == s->own_cgroup_id))
    c->flags |= kConnectionIgnored;
}

// Takes a free feedback slot, if there is one, and wipes it.
static __always_inline void take_slot(struct connection* c) {
  __u32 index;
  if (c->identity.slot != PODTAP_NO_SLOT) return;
  if (bpf_map_pop_elem(&free_slots, &index)) {
    count(kNoSlot, 1);
    return;
  }
  struct feedback_slot* slot = bpf_map_lookup_elem(&slots, &index);
  __u32* times = bpf_map_lookup_elem(&generations, &index);
  if (!slot || !times) return;
  __u32 generation = (*times + 1) & 0xffff;
  if (generation == 0) generation = 1;
  *times = generation;
  slot->skip_until[0] = 0;
  slot->skip_until[1] = 0;
  slot->wishes[0] = 0;
  slot->wishes[1] = 0;
  c->identity.generation = generation;
  c->identity.slot = index;
  count(kSlotsTaken, 1);
}

static __always_inline void return_slot(struct connection* c) {
  __u32 index = c->identity.slot;
  if (index == PODTAP_NO_SLOT) return;
  c->identity.slot = PODTAP_NO_SLOT;
  c->identity.generation = 0;
  if (bpf_map_push_elem(&free_slots, &index, 0) == 0) count(kSlotsReturned, 1);
}

// The position of raw sequence number `sequence`, given the kernel's 64-bit count of bytes that passed this way; exact
// as long as both are within 2 GiB, which TCP's largest window (1 GiB) guarantees. Negative: before the stream's start.
static __always_inline __s64 position_of(const struct connection* c, int direction, __u64 kernel_bytes,
                                         __u32 sequence) {
  __u64 near = c->base[direction] + kernel_bytes;
  return (__s64)near + (__s32)(sequence - (c->start[direction] + (__u32)near));
}

// rcv_nxt or snd_una as a position that does not count the FIN.
static __always_inline __u64 edge_of(const struct connection* c, int direction, __u64 kernel_bytes, __u32 sequence) {
  __s64 position = position_of(c, direction, kernel_bytes, sequence);
  if (position < 0) return 0;
  if (c->fin_end[direction] && (__u64)position == c->fin_end[direction]) return position - 1;
  return position;
}

#endif  // PODTAP_BPF_CONNECTIONS_BPF_H_
