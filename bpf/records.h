// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What crosses the ring buffer. Included by the BPF programs (C) and by the reader (C++): plain C, fixed-width types,
// padded by hand, sizes asserted on both sides. Written by the kernel in the byte order of the machine; ports are in
// host order.
//
// Nothing depends on any other record having arrived: every record carries the whole identity of its connection. A
// record may be longer than it says (space is reserved in a few size classes): `payload_length` counts, not the length
// in the ring.
//
// Positions are 64-bit offsets in the stream of one direction (sidecar/stream/segment.h): 0 = first byte after the
// handshake, or, on a socket older than the capture, PODTAP_LATE_POSITION where it was first seen. raw sequence number
// - position (mod 2^32) is the same for all records of one direction of a connection: the stream's start.
#ifndef PODTAP_BPF_RECORDS_H_
#define PODTAP_BPF_RECORDS_H_

#include <linux/types.h>

#ifdef __cplusplus
#define PODTAP_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define PODTAP_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define PODTAP_LATE_POSITION (1ULL << 32)
// No position is ever at or above this: what the kernel writes stays far below, so the reader refuses the rest.
#define PODTAP_POSITION_LIMIT (1ULL << 62)
// More than any packet can carry (BIG TCP: 512 KiB); the rest of a longer one is announced as skipped.
#define PODTAP_MAX_COPY (512 * 1024)
#define PODTAP_CHUNK_BYTES 16384
#define PODTAP_BIG_CHUNK_BYTES 65536
#define PODTAP_NO_SLOT 0xffffffffU

enum record_kind {
  kRecordSegment = 1,  // payload, a FIN, a RST, skipped bytes, or only news about `received`
  kRecordOpened = 2,   // handshake finished (hint)
  kRecordClosed = 3,   // the socket reached CLOSE (hint); `received` and `acknowledged` are final
  // Payload that came with the packet that completes the handshake and so with the listening socket: no cookie,
  // addresses from the packet, position = offset in that packet, `received` and `acknowledged` mean nothing.
  kRecordEarly = 4,
};

enum record_role { kRecordRoleUnknown = 0, kRecordRoleAccepted = 1, kRecordRoleOpened = 2 };
enum record_direction { kRecordIngress = 0, kRecordEgress = 1 };

enum record_flags {
  kRecordFin = 1 << 0,  // the stream ends after this record's range
  kRecordRst = 1 << 1,  // closed: a RST ended it, of either end, or the kernel gave up
  kRecordSyn = 1 << 2,
  kRecordFromFirstByte = 1 << 3,  // positions count from the handshake
  kRecordLoopback = 1 << 4,       // the peer is a process of the same pod
  kRecordMore = 1 << 5,           // further chunks of the same packet follow
  kRecordNoPositions = 1 << 6,    // closed: `received` and `acknowledged` are not known
};

// Who talks to whom. The kernel keeps one per socket and copies it into every record.
struct connection_identity {
  __u64 cookie;            // of the socket; a socket that connects again gets another one
  __u64 cgroup_id;         // of the socket: its creator's at socket() time; 0 = not known yet
  __u8 local_address[16];  // IPv4 as ::ffff:a.b.c.d
  __u8 remote_address[16];
  __u16 local_port;
  __u16 remote_port;
  __u32 pid;  // creator of the socket (accepted sockets: of the listener), root PID namespace; 0 = unknown
  char comm[16];
  __u32 slot;        // index into the feedback slots, or PODTAP_NO_SLOT
  __u16 generation;  // of the slot, never 0 when there is one
  __u8 role;         // enum record_role
  __u8 flags;        // kRecordFromFirstByte, kRecordLoopback
};
PODTAP_STATIC_ASSERT(sizeof(struct connection_identity) == 80, "connection_identity is padded by hand");

struct segment_record {
  __u8 kind;                // enum record_kind
  __u8 direction;           // enum record_direction
  __u16 flags;              // enum record_flags
  __u32 payload_length;     // bytes that follow this header
  __u64 time_ns;            // bpf_ktime_get_ns
  __u64 position;           // of the first payload byte, or where payload would be
  __u64 skipped;            // bytes right after the payload that were left out at our wish
  __u64 received;           // rcv_nxt as a position (FIN not counted)
  __u64 acknowledged;       // snd_una as a position (FIN not counted)
  __u32 sequence;           // raw TCP sequence number at `position`
  __u32 received_sequence;  // raw rcv_nxt
  struct connection_identity connection;
};
PODTAP_STATIC_ASSERT(sizeof(struct segment_record) == 136, "segment_record is padded by hand");

// Feedback: what the reader wishes about one connection. One cache line, written by the reader (each word with one
// aligned 64-bit store), read by the packet programs. Every word is generation:16 | value:48; a word of another
// generation counts as "nothing said": more is copied, never less.
#define PODTAP_VALUE_BITS 48
#define PODTAP_VALUE_MASK ((1ULL << PODTAP_VALUE_BITS) - 1)
enum wish_flags {
  kWishTurnHeads = 1 << 0,   // only the first PODTAP_TURN_HEAD_BYTES after each payload of the other direction
  kWishNoTurnRule = 1 << 1,  // a protocol without turns: the overload rule must not count from them
};
#define PODTAP_TURN_HEAD_BYTES 16
struct feedback_slot {
  __u64 skip_until[2];  // by direction: nothing before this position; PODTAP_VALUE_MASK = never again
  __u64 wishes[2];      // by direction: enum wish_flags
  __u64 reserved[4];
};
PODTAP_STATIC_ASSERT(sizeof(struct feedback_slot) == 64, "feedback_slot is one cache line");

// One page shared with the reader, written by it.
#define PODTAP_NOT_READING (~0ULL)
struct reader_page {
  __u64 reading_position;  // ring position of the record that is being handled now, or PODTAP_NOT_READING
  __u32 asleep;            // 1: wake me for the next record (the kernel sets it back to 0)
  __u32 reserved[13];
};
PODTAP_STATIC_ASSERT(sizeof(struct reader_page) == 64, "reader_page is padded by hand");

// Where the parent of the reader marks a socket as podtap's own in the values of two kernel maps (connections.bpf.h).
#define PODTAP_CREATOR_IGNORED_OFFSET 12
#define PODTAP_CONNECTION_FLAGS_OFFSET 80
#define PODTAP_CONNECTION_IGNORED 1

#endif  // PODTAP_BPF_RECORDS_H_
