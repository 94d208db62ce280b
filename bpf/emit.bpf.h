// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Writing records to the ring. Space is reserved in size classes because the reservation must be constant on kernels
// before 6.1. The reader is not woken per record: only when the fill crosses a level, or once when it says that it
// sleeps.
#ifndef PODTAP_BPF_EMIT_BPF_H_
#define PODTAP_BPF_EMIT_BPF_H_

#include "bpf/connections.bpf.h"

// One packet (or one fact) on its way into records.
struct packet {
  __u64 time_ns;
  __u64 position;
  __u64 skipped;
  __u64 received;
  __u64 acknowledged;
  __u64 fill;  // ring bytes in use before this record, or PODTAP_NOT_ASKED
  __u64 wake;  // flags of the submission that may wake the reader
  __u32 sequence;
  __u32 received_sequence;
  __u32 offset;  // of the payload in the packet
  __u32 length;  // of the payload to be copied
  __u16 flags;
  __u8 kind;
  __u8 direction;
};

#define PODTAP_NOT_ASKED (~0ULL)

// The clock and the fill are asked for when they are needed: most packets have nothing to say.
static __always_inline void begin_packet(struct packet* p) {
  __builtin_memset(p, 0, sizeof(*p));
  p->kind = kRecordSegment;
  p->fill = PODTAP_NOT_ASKED;
  p->wake = BPF_RB_NO_WAKEUP;
}

static __always_inline void ask_fill(struct packet* p) { p->fill = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA); }

static __always_inline void fill_record(struct segment_record* r, const struct connection_identity* identity,
                                        const struct packet* p, __u8 direction, __u16 flags, __u64 position,
                                        __u32 sequence, __u32 length, __u64 skipped) {
  r->kind = p->kind;
  r->direction = direction;
  r->flags = flags;
  r->payload_length = length;
  r->time_ns = p->time_ns;
  r->position = position;
  r->skipped = skipped;
  r->received = p->received;
  r->acknowledged = p->acknowledged;
  r->sequence = sequence;
  r->received_sequence = p->received_sequence;
  __builtin_memcpy(&r->connection, identity, sizeof(r->connection));
}

// Once per packet that puts `bytes` into the ring: takes the time, and decides whether the reader is woken: when the
// fill crosses a level, or when it said that it sleeps (then only once).
static __always_inline void begin_records(struct packet* p, const struct capture_settings* s, __u32 bytes) {
  __u32 zero = 0;
  p->time_ns = bpf_ktime_get_ns();
  p->fill = forget_range64(p->fill);
  if (p->fill == PODTAP_NOT_ASKED) ask_fill(p);
  __u64 level = s->wakeup_bytes;
  struct reader_page* page = bpf_map_lookup_elem(&reader, &zero);
  if (page && *(volatile __u32*)&page->asleep) {
    *(volatile __u32*)&page->asleep = 0;
    p->wake = BPF_RB_FORCE_WAKEUP;
  } else if (((p->fill ^ (p->fill + bytes)) & -level) != 0) {
    p->wake = BPF_RB_FORCE_WAKEUP;
  }
}

// A record without payload. Returns 1 if it got room.
static __always_inline int emit_bare(const struct connection_identity* identity, const struct packet* p, __u8 direction,
                                     __u16 flags, __u64 position, __u32 sequence, __u64 skipped) {
  struct segment_record* r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
  if (!r) {
    count(kRingFullRecords, 1);
    return 0;
  }
  fill_record(r, identity, p, direction, flags, position, sequence, 0, skipped);
  bpf_ringbuf_submit(r, p->wake);
  count(kRecordsEmitted, 1);
  return 1;
}

// Copies N (1..SIZE, SIZE a power of two) bytes at `offset` of the packet into one record. Jumps to a label `no_room`
// or `no_copy` of the caller when that fails. The mask proves the bound to old verifiers.
#define PODTAP_EMIT_CHUNK(SIZE, N, FLAGS, SKIPPED, WAKE)                                                      \
  do {                                                                                                        \
    struct segment_record* r = bpf_ringbuf_reserve(&ring, sizeof(*r) + (SIZE), 0);                            \
    if (!r) goto no_room;                                                                                     \
    __u32 n = (N);                                                                                            \
    asm volatile("" : "+r"(n));                                                                               \
    n -= 1;                                                                                                   \
    n &= (SIZE) - 1;                                                                                          \
    n += 1;                                                                                                   \
    if (bpf_skb_load_bytes(skb, offset, r + 1, n) < 0) {                                                      \
      bpf_ringbuf_discard(r, p->wake);                                                                        \
      goto no_copy;                                                                                           \
    }                                                                                                         \
    fill_record(r, identity, p, p->direction, (FLAGS), p->position + done, p->sequence + done, n, (SKIPPED)); \
    bpf_ringbuf_submit(r, (WAKE));                                                                            \
  } while (0)

// The payload p->offset, p->length in records of at most PODTAP_CHUNK_BYTES. Where the ring is full the rest of the
// packet is counted and left as a hole, which the next record's position shows. Returns 1 if the last record, which
// carries `skipped` and FIN, is on the ring.
static __always_inline int emit_payload(struct __sk_buff* skb, const struct connection_identity* identity,
                                        const struct packet* p) {
  __u32 offset = p->offset, length = forget_range(p->length), done = 0, records = 1;
  __u16 more = (p->flags & ~kRecordFin) | kRecordMore;
  for (int i = 0; i < PODTAP_MAX_COPY / PODTAP_BIG_CHUNK_BYTES; i++) {
    if (length <= PODTAP_BIG_CHUNK_BYTES) break;
    PODTAP_EMIT_CHUNK(PODTAP_BIG_CHUNK_BYTES, PODTAP_BIG_CHUNK_BYTES, more, 0, BPF_RB_NO_WAKEUP);
    offset = forget_range(offset + PODTAP_BIG_CHUNK_BYTES);
    done = forget_range(done + PODTAP_BIG_CHUNK_BYTES);
    length = forget_range(length - PODTAP_BIG_CHUNK_BYTES);
    records = forget_range(records + 1);
  }
  for (int i = 0; i < PODTAP_BIG_CHUNK_BYTES / PODTAP_CHUNK_BYTES; i++) {
    if (length <= PODTAP_CHUNK_BYTES) break;
    PODTAP_EMIT_CHUNK(PODTAP_CHUNK_BYTES, PODTAP_CHUNK_BYTES, more, 0, BPF_RB_NO_WAKEUP);
    offset = forget_range(offset + PODTAP_CHUNK_BYTES);
    done = forget_range(done + PODTAP_CHUNK_BYTES);
    length = forget_range(length - PODTAP_CHUNK_BYTES);
    records = forget_range(records + 1);
  }
  length = forget_range(length);
  if (length <= 256) {
    PODTAP_EMIT_CHUNK(256, length, p->flags, p->skipped, p->wake);
  } else if (length <= 512) {
    PODTAP_EMIT_CHUNK(512, length, p->flags, p->skipped, p->wake);
  } else if (length <= 2048) {
    PODTAP_EMIT_CHUNK(2048, length, p->flags, p->skipped, p->wake);
  } else if (length <= 4096) {
    PODTAP_EMIT_CHUNK(4096, length, p->flags, p->skipped, p->wake);
  } else {
    PODTAP_EMIT_CHUNK(PODTAP_CHUNK_BYTES, length, p->flags, p->skipped, p->wake);
  }
  count(kRecordsEmitted, records);
  return 1;

no_room:
  count(kRingFullRecords, 1);
  count(kRingFullBytes, length);
  return 0;
no_copy:
  count(kCopyFailedRecords, 1);
  count(kCopyFailedBytes, length);
  return 0;
}

#endif  // PODTAP_BPF_EMIT_BPF_H_
