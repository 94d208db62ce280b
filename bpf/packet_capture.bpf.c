// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The packet programs: TCP payload of one cgroup, with its position in the stream, to the ring.
//
//   cap_skb_ingress, cap_skb_egress   every packet of every socket of the cgroup: copy payload, say FIN, RST, rcv_nxt
//   cap_sock_ops                      handshakes: role, exact start of both streams; CLOSE
//   cap_sock_create                   pid, comm and cgroup of a socket's creator
//   cap_sock_close                    returns the feedback slot of sockets older than the capture
//
// Every exit returns 1: packets always pass, sockets are always made. sock_ops replies stay as other programs left
// them.
#include "bpf/connections.bpf.h"
#include "bpf/emit.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define kTcpFin 0x01
#define kTcpSyn 0x02
#define kTcpRst 0x04
#define kTcpPsh 0x08

// The kernel's view of the two streams, read once. (Volatile: two neighbouring 32-bit fields must not become one load.)
struct edges {
  __u64 bytes_received;
  __u64 bytes_acked;
  __u32 rcv_nxt;
  __u32 snd_nxt;
  __u32 snd_una;
};

static __always_inline void read_edges(struct edges* e, struct bpf_tcp_sock* tp) {
  e->bytes_received = *(volatile __u64*)&tp->bytes_received;
  e->bytes_acked = *(volatile __u64*)&tp->bytes_acked;
  e->rcv_nxt = *(volatile __u32*)&tp->rcv_nxt;
  e->snd_nxt = *(volatile __u32*)&tp->snd_nxt;
  e->snd_una = *(volatile __u32*)&tp->snd_una;
}

// What the headers of one packet say.
struct headers {
  __u32 sequence;  // of the first payload byte (a SYN counts as one)
  __u32 offset;    // of the payload in the packet
  __u32 length;    // of the payload
  __u32 tcp_offset;
  __u8 flags;
  __u8 version;  // 4 or 6
};

// IPv6 extension headers that may stand before TCP (RFC 8200 section 4). At most six are followed.
static __always_inline int skip_extensions(struct __sk_buff* skb, __u8 next, __u32* offset) {
  for (int i = 0; i < 6; i++) {
    if (next == kIpProtocolTcp) return 1;
    __u8 header[4];
    if (bpf_skb_load_bytes(skb, *offset, header, sizeof(header)) < 0) return 0;
    if (next == 0 || next == 43 || next == 60 || next == 135) {  // hop-by-hop, routing, destination options, mobility
      *offset += (header[1] + 1) * 8;
    } else if (next == 51) {  // authentication header, RFC 4302
      *offset += (header[1] + 2) * 4;
    } else if (next == 44) {  // fragment header: only of a packet that is whole
      if ((header[2] | (header[3] & 0xf9)) != 0) return 0;
      *offset += 8;
    } else {
      return 0;
    }
    next = forget_range(header[0]);
    *offset = forget_range(*offset);
  }
  return next == kIpProtocolTcp;
}

// What the two headers say, before it is checked.
struct raw_headers {
  __u32 length;  // as the IP header has it (version 6: without that header); 0 = above 64 KiB
  __u32 sequence;
  __u8 flags;
  __u8 words;  // length of the TCP header in 32-bit words
};

// Headers without IP options or extensions, in one piece: almost every packet. Read in place, which costs a fraction of
// bpf_skb_load_bytes; byte by byte, because some machines cannot load words from odd addresses.
static __always_inline int read_plain(struct __sk_buff* skb, struct headers* h, struct raw_headers* raw) {
  const __u8* ip = (const __u8*)(long)skb->data;
  const __u8* end = (const __u8*)(long)skb->data_end;
  const __u8* tcp;
  if (ip + 40 > end) return 0;
  if (ip[0] == 0x45) {
    if (ip[9] != kIpProtocolTcp) return 0;
    h->version = 4;
    h->tcp_offset = 20;
    raw->length = ip[2] << 8 | ip[3];
    tcp = ip + 20;
  } else {
    if (ip[0] >> 4 != 6 || ip[6] != kIpProtocolTcp || ip + 60 > end) return 0;
    h->version = 6;
    h->tcp_offset = 40;
    raw->length = ip[4] << 8 | ip[5];
    tcp = ip + 40;
  }
  raw->sequence = (__u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7];
  raw->words = tcp[12] >> 4;
  raw->flags = tcp[13];
  return 1;
}

static __always_inline int read_any(struct __sk_buff* skb, struct headers* h, struct raw_headers* raw) {
  __u8 ip[20];
  __u32 tcp[4];
  if (bpf_skb_load_bytes(skb, 0, ip, sizeof(ip)) < 0) return 0;
  h->version = ip[0] >> 4;
  if (h->version == 4) {
    if (ip[9] != kIpProtocolTcp) return 0;
    h->tcp_offset = (ip[0] & 15) * 4;
    raw->length = ip[2] << 8 | ip[3];
  } else if (h->version == 6) {
    h->tcp_offset = 40;
    raw->length = ip[4] << 8 | ip[5];
    if (!skip_extensions(skb, ip[6], &h->tcp_offset)) return 0;
  } else {
    return 0;
  }
  if (bpf_skb_load_bytes(skb, h->tcp_offset, tcp, sizeof(tcp)) < 0) return 0;
  const __u8* bytes = (const __u8*)tcp;
  raw->sequence = bpf_ntohl(tcp[1]);
  raw->words = bytes[12] >> 4;
  raw->flags = bytes[13];
  return 1;
}

// Length fields of packets above 64 KiB (BIG TCP) are 0: the packet itself says how long it is. 1 if the packet is TCP.
static __always_inline int parse_headers(struct __sk_buff* skb, struct headers* h) {
  struct raw_headers raw;
  if (!read_plain(skb, h, &raw) && !read_any(skb, h, &raw)) return 0;
  __u32 end = skb->len;
  __u32 total = forget_range(raw.length);
  h->version = forget_range(h->version);
  h->tcp_offset = forget_range(h->tcp_offset);
  if (total) {
    if (h->version == 6) total += 40;
    if (total < end) end = total;
  }
  h->flags = raw.flags;
  h->sequence = raw.sequence + ((h->flags & kTcpSyn) ? 1 : 0);
  h->offset = h->tcp_offset + raw.words * 4;
  if (raw.words < 5 || h->offset > end) return 0;
  h->length = forget_range(end - h->offset);
  h->offset = forget_range(h->offset);
  h->sequence = forget_range(h->sequence);
  h->flags = forget_range(h->flags);
  return 1;
}

// Announces the bytes of `direction` that were left out at our wish since the last announcement.
static __always_inline void announce_skipped(struct connection* c, const struct packet* p, int direction) {
  __u64 from = c->skip_from[direction], to = c->skip_to[direction];
  if (from >= to) return;
  c->skip_since[direction] = p->time_ns;
  if (!emit_bare(&c->identity, p, direction, 0, from, c->start[direction] + (__u32)from, to - from)) return;
  c->skip_from[direction] = to;
  c->said_received = p->received;
}

// Remembers that [from, to) is left out at our wish. What is pending is announced before anything else of the
// connection, so what may lie between two ranges that do not touch has not passed here; it is taken as left out, too.
static __always_inline void leave_out(struct connection* c, int direction, __u64 from, __u64 to) {
  if (from >= to) return;
  if (c->skip_from[direction] < c->skip_to[direction]) {
    if (c->skip_from[direction] < from) from = c->skip_from[direction];
    if (c->skip_to[direction] > to) to = c->skip_to[direction];
  } else {
    c->skip_since[direction] = bpf_ktime_get_ns();
    c->skip_looked[direction] = bpf_jiffies64();
  }
  c->skip_from[direction] = from;
  c->skip_to[direction] = to;
}

#define kTicksBetweenLooks 25  // 25 to 250 ms, as the kernel is configured

// Bytes are being left out and nothing else is to be said: is it time to announce them? The clock is asked now and then
// only; reading the tick counter costs next to nothing.
static __always_inline int announcement_due(struct connection* c, const struct capture_settings* s, int direction) {
  __u64 ticks = bpf_jiffies64();
  if (ticks - c->skip_looked[direction] < kTicksBetweenLooks) return 0;
  c->skip_looked[direction] = ticks;
  return bpf_ktime_get_ns() - c->skip_since[direction] > s->announce_after_ns;
}

static __always_inline void advance(__u64* at, __u64 to) {
  if (to > *at) *at = to;
}

static __always_inline void init_connection(struct connection* c, struct bpf_sock* sk, struct capture_settings* s,
                                            __u64 cookie, __u8 role) {
  set_addresses(&c->identity, sk);
  c->identity.cookie = cookie;
  c->identity.role = role;
  c->identity.slot = PODTAP_NO_SLOT;
  c->epoch = s->mode_and_epoch;
}

// The start of both streams right after the handshake.
static __always_inline void start_at_handshake(struct connection* c, __u32 ingress, __u32 egress) {
  c->start[kRecordIngress] = ingress;
  c->start[kRecordEgress] = egress;
  c->identity.flags |= kRecordFromFirstByte;
  c->flags |= kConnectionHasStart;
}

// The start of both streams of a socket that was first seen in the middle of its life: PODTAP_LATE_POSITION is what the
// kernel has received, and what the peer has acknowledged, now.
static __always_inline void start_late(struct connection* c, const struct edges* e) {
  c->start[kRecordIngress] = e->rcv_nxt;
  c->start[kRecordEgress] = e->snd_una;
  c->base[kRecordIngress] = PODTAP_LATE_POSITION - e->bytes_received;
  c->base[kRecordEgress] = PODTAP_LATE_POSITION - e->bytes_acked;
  c->sent[kRecordIngress] = c->sent[kRecordEgress] = PODTAP_LATE_POSITION;
  c->turn[kRecordIngress] = c->turn[kRecordEgress] = PODTAP_LATE_POSITION;
  c->flags |= kConnectionHasStart | kConnectionLate;
}

// Is somebody listening on the local port? Remote port 0, so that no connection matches. Then this socket was accepted;
// if not it may still have been (its listener is gone), so it stays unknown.
static __always_inline __u8 role_by_listener(struct __sk_buff* skb, const struct connection_identity* identity) {
  struct bpf_sock_tuple tuple = {};
  struct bpf_sock* listener;
  __u8 role = kRecordRoleUnknown;
  if (is_v4(identity->local_address)) {
    tuple.ipv4.saddr = ((const __u32*)identity->remote_address)[3];
    tuple.ipv4.daddr = ((const __u32*)identity->local_address)[3];
    tuple.ipv4.dport = bpf_htons(identity->local_port);
    listener = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  } else {
    __builtin_memcpy(tuple.ipv6.saddr, identity->remote_address, 16);
    __builtin_memcpy(tuple.ipv6.daddr, identity->local_address, 16);
    tuple.ipv6.dport = bpf_htons(identity->local_port);
    listener = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
  }
  if (!listener) return role;
  if (listener->state == BPF_TCP_LISTEN) role = kRecordRoleAccepted;
  bpf_sk_release(listener);
  return role;
}

// Is the other end a socket of the target cgroup? Looks for the mirrored 4-tuple in the network namespace (on a node's
// own network that also finds other pods' sockets, hence the question for the cgroup). Not found may mean not yet: the
// accepting socket is made when the packet arrives that completes the handshake. So the first few payload packets ask
// again.
static __always_inline void find_peer(struct __sk_buff* skb, struct connection* c, struct capture_settings* s) {
  if (++c->peer_tries >= 4) c->flags |= kConnectionPeerKnown;
  const struct connection_identity* identity = &c->identity;
  struct bpf_sock_tuple tuple = {};
  struct bpf_sock* peer;
  if (is_v4(identity->local_address)) {
    tuple.ipv4.saddr = ((const __u32*)identity->local_address)[3];
    tuple.ipv4.daddr = ((const __u32*)identity->remote_address)[3];
    tuple.ipv4.sport = bpf_htons(identity->local_port);
    tuple.ipv4.dport = bpf_htons(identity->remote_port);
    peer = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  } else {
    __builtin_memcpy(tuple.ipv6.saddr, identity->local_address, 16);
    __builtin_memcpy(tuple.ipv6.daddr, identity->remote_address, 16);
    tuple.ipv6.sport = bpf_htons(identity->local_port);
    tuple.ipv6.dport = bpf_htons(identity->remote_port);
    peer = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
  }
  if (!peer) return;
  // A listener is no peer: it answers for every address, also for ones outside.
  if (peer->state != BPF_TCP_LISTEN) {
    c->flags |= kConnectionPeerKnown;
    if (bpf_sk_ancestor_cgroup_id(peer, s->target_level) == s->target_cgroup_id) c->identity.flags |= kRecordLoopback;
  }
  bpf_sk_release(peer);
}

#define kDeepestTarget 16  // levels below the root where a target cgroup may be
#define kDeepestOwn 4      // levels below the target where podtap's own cgroup may be

// The socket's cgroup is the target or below it: at which level is the target? (User space sees only the part of the
// hierarchy that its own cgroup namespace shows.) Found out once.
static __always_inline __u32 find_target_level(struct __sk_buff* skb, struct capture_settings* s) {
  __u32 level = s->target_level;
  if (level) return level;
  for (level = 1; level <= kDeepestTarget; level++) {
    __u64 id = bpf_skb_ancestor_cgroup_id(skb, level);
    if (id == 0) break;
    if (id != s->target_cgroup_id) continue;
    s->target_level = level;
    return level;
  }
  return 0;
}

static __always_inline int is_own(struct __sk_buff* skb, struct capture_settings* s) {
  __u32 level = find_target_level(skb, s);
  __u64 own = s->own_cgroup_id;
  if (!own) return 0;
  if (!level) return bpf_skb_cgroup_id(skb) == own;
  for (int i = 0; i <= kDeepestOwn; i++) {
    __u64 id = bpf_skb_ancestor_cgroup_id(skb, level + i);
    if (id == own) return 1;
    if (id == 0) break;
  }
  return 0;
}

// Once per socket: whose is it?
static __always_inline void check_cgroup(struct __sk_buff* skb, struct connection* c, struct capture_settings* s) {
  c->flags |= kConnectionCgroupChecked;
  c->identity.cgroup_id = bpf_skb_cgroup_id(skb);
  if (is_own(skb, s)) c->flags |= kConnectionIgnored;
}

// Takes `bytes` of this second's budget for payload that comes with handshakes; 0 if it is used up.
static __always_inline int early_budget_left(struct capture_settings* s, __u64 now, __u32 bytes) {
  __u32 zero = 0;
  struct early_budget* budget = bpf_map_lookup_elem(&early_budgets, &zero);
  if (!budget) return 0;
  __u64 second = now / 1000000000ULL;
  if (budget->second != second) {
    budget->second = second;
    budget->bytes = 0;
  }
  if (budget->bytes + bytes > s->early_bytes_per_second) return 0;
  __sync_fetch_and_add(&budget->bytes, bytes);
  return 1;
}

// Payload in the packet that completes a handshake (Fast Open, TCP_DEFER_ACCEPT, a lost bare ACK). The packet comes
// here with the listening socket; the accepted one never gets it again. Returns 1 if p and identity describe payload to
// be copied.
static __always_inline int see_early(struct __sk_buff* skb, struct bpf_sock* sk, struct capture_settings* s,
                                     const struct headers* h, struct connection_identity* identity, struct packet* p) {
  if (h->length == 0 || (h->flags & kTcpRst)) return 0;
  if (is_own(skb, s)) return 0;
  __builtin_memset(identity, 0, sizeof(*identity));
  struct creator* creator = bpf_sk_storage_get(&creators, sk, 0, 0);
  if (creator) {
    if (creator->ignored) return 0;
    identity->pid = creator->pid;
    __builtin_memcpy(identity->comm, creator->comm, sizeof(identity->comm));
  }
  __u16 ports[2];
  if (bpf_skb_load_bytes(skb, h->tcp_offset, ports, sizeof(ports)) < 0) return 0;
  identity->remote_port = bpf_ntohs(ports[0]);
  identity->local_port = bpf_ntohs(ports[1]);
  if (h->version == 4) {
    __u32 addresses[2];
    if (bpf_skb_load_bytes(skb, 12, addresses, sizeof(addresses)) < 0) return 0;
    set_v4(identity->remote_address, addresses[0]);
    set_v4(identity->local_address, addresses[1]);
  } else {
    if (bpf_skb_load_bytes(skb, 8, identity->remote_address, 16) < 0) return 0;
    if (bpf_skb_load_bytes(skb, 24, identity->local_address, 16) < 0) return 0;
  }
  identity->cgroup_id = bpf_skb_cgroup_id(skb);
  identity->role = kRecordRoleAccepted;
  identity->flags = kRecordFromFirstByte;
  identity->slot = PODTAP_NO_SLOT;
  p->kind = kRecordEarly;
  if (h->flags & kTcpFin) p->flags |= kRecordFin;
  if (h->flags & kTcpSyn) p->flags |= kRecordSyn;
  p->sequence = h->sequence;
  p->offset = h->offset;
  p->length = h->length < PODTAP_MAX_COPY ? h->length : PODTAP_MAX_COPY;
  p->skipped = h->length - p->length;
  ask_fill(p);
  if (p->fill > s->three_quarters_full || !early_budget_left(s, bpf_ktime_get_ns(), p->length)) {
    count(kEarlyRateBytes, p->length);
    return 0;
  }
  count(kEarlyRecords, 1);
  return 1;
}

// First sight of a socket in a packet program: it is older than the capture, or its handshake is still going on.
static __always_inline void first_sight(struct __sk_buff* skb, struct connection* c, struct bpf_sock* sk,
                                        struct capture_settings* s, const struct edges* e) {
  __u32 state = sk->state;
  init_connection(c, sk, s, bpf_get_socket_cookie(skb), kRecordRoleUnknown);
  set_creator(c, sk, s);
  if (state == BPF_TCP_SYN_RECV) {
    // Another CPU is just making this accepted socket; nothing has been received yet.
    c->identity.role = kRecordRoleAccepted;
    start_at_handshake(c, e->rcv_nxt, e->snd_nxt);
    return;
  }
  c->identity.role = state == BPF_TCP_SYN_SENT ? kRecordRoleOpened : role_by_listener(skb, &c->identity);
  start_late(c, e);
  if (state != BPF_TCP_SYN_SENT && !(c->flags & kConnectionIgnored)) take_slot(c);
}

// The kernel has no memory to remember this socket: its bytes are copied without any memory of it, with positions from
// the kernel's own counts alone (start of the stream = rcv_nxt - bytes received, the same for each packet).
static __always_inline void see_stateless(struct __sk_buff* skb, struct bpf_sock* sk, const struct headers* h,
                                          const struct edges* e, struct connection_identity* identity,
                                          struct packet* p) {
  __builtin_memset(identity, 0, sizeof(*identity));
  set_addresses(identity, sk);
  identity->cookie = bpf_get_socket_cookie(skb);
  identity->cgroup_id = bpf_skb_cgroup_id(skb);
  identity->slot = PODTAP_NO_SLOT;
  identity->role = role_by_listener(skb, identity);
  p->received = PODTAP_LATE_POSITION + e->bytes_received;
  p->acknowledged = PODTAP_LATE_POSITION + e->bytes_acked;
  if (p->direction == kRecordIngress) {
    p->position = p->received + (__s64)(__s32)(h->sequence - e->rcv_nxt);
  } else {
    p->position = p->acknowledged + (__s64)(__s32)(h->sequence - e->snd_una);
  }
  p->sequence = h->sequence;
  p->offset = h->offset;
  p->length = h->length < PODTAP_MAX_COPY ? h->length : PODTAP_MAX_COPY;
  p->skipped = h->length - p->length;
}

// The mode changed: what passed meanwhile was left out at our wish.
static __always_inline void resume(struct connection* c, const struct packet* p, const struct edges* e) {
  if (!(c->flags & kConnectionHasStart)) return;
  __s64 next = position_of(c, kRecordEgress, e->bytes_acked, e->snd_nxt);
  leave_out(c, kRecordIngress, c->sent[kRecordIngress], p->received);
  if (next > 0) leave_out(c, kRecordEgress, c->sent[kRecordEgress], next);
}

// Which part of the payload is copied: cuts p->position, p->offset, p->length and sets p->skipped (what is left out
// after it); the reasons are counted. What is left out before it is put on the connection's account. Returns 1 if what
// is left out should be announced at once: it ends where the wish ends, or the ring is short of room and the sender
// paused here.
static __always_inline int choose_range(struct connection* c, struct capture_settings* s, struct packet* p,
                                        int direction, __u32 pushed) {
  int announce = 0;
  p->length = forget_range(p->length);
  p->position = forget_range64(p->position);
  __u64 until = 0, wishes = 0, generation = c->identity.generation;
  __u64 position = p->position, end = position + p->length, from = position, to = end;
  __u32 index = c->identity.slot;
  struct feedback_slot* slot = bpf_map_lookup_elem(&slots, &index);  // none for PODTAP_NO_SLOT
  if (slot) {
    __u64 word = *(volatile __u64*)&slot->skip_until[direction];
    if (word >> PODTAP_VALUE_BITS == generation) until = word & PODTAP_VALUE_MASK;
    word = *(volatile __u64*)&slot->wishes[direction];
    if (word >> PODTAP_VALUE_BITS == generation) wishes = word & PODTAP_VALUE_MASK;
  }
  until = forget_range64(until);
  wishes = forget_range(wishes);
  if (until == PODTAP_VALUE_MASK) {
    from = end;
  } else if (position < until) {
    from = until < end ? until : end;
    announce = end >= until;
  }
  if (wishes & kWishTurnHeads) {
    __u64 limit = c->turn[direction] + PODTAP_TURN_HEAD_BYTES;
    if (to > limit) to = limit > from ? limit : from;
  }
  from = forget_range64(from);
  to = forget_range64(to);
  __u64 unwanted = from - position + (end - to);
  if (unwanted) count(kSkippedByWishBytes, unwanted);
  if (from < to) ask_fill(p);
  if (from < to && p->fill > s->half_full) {
    int three_quarters = p->fill > s->three_quarters_full;
    __u64 limit = end;
    if (!(wishes & kWishNoTurnRule)) {
      __u32 turn_bytes = s->turn_bytes;
      if (three_quarters) turn_bytes = p->fill > s->seven_eighths_full ? s->least_bytes : s->head_bytes;
      limit = c->turn[direction] + turn_bytes;
    } else if (three_quarters) {
      limit = from;
    }
    if (to > limit) {
      __u64 cut = limit > from ? limit : from;
      count(three_quarters ? kSkippedByFillBytes : kSkippedByTurnRuleBytes, to - cut);
      to = cut;
      if (pushed) announce = 1;
    }
  }
  if (to - from > PODTAP_MAX_COPY) {
    count(kSkippedByCopyBoundBytes, to - from - PODTAP_MAX_COPY);
    to = from + PODTAP_MAX_COPY;
  }
  if (from == to) from = to = end;
  from = forget_range64(from);
  to = forget_range64(to);
  leave_out(c, direction, position, from);
  p->offset += from - position;
  p->sequence += from - position;
  p->position = from;
  p->length = to - from;
  p->skipped = end - to;
  return announce;
}

// All ways of finding out what to say meet here. Kernels before 6.3 would check all that follows once for each mixture
// of constants and unknown values that these ways leave behind.
static __always_inline void forget_fields(struct packet* p) {
  p->position = forget_value(p->position);
  p->skipped = forget_value(p->skipped);
  p->received = forget_value(p->received);
  p->acknowledged = forget_value(p->acknowledged);
  p->sequence = forget_value(p->sequence);
  p->received_sequence = forget_value(p->received_sequence);
  p->offset = forget_value(p->offset);
  p->kind = forget_value(p->kind);
}

static __always_inline struct spare_identities* take_spare(void) {
  __u32 zero = 0;
  struct spare_identities* spare = bpf_map_lookup_elem(&spares, &zero);
  if (!spare || spare->depth >= 4) return 0;
  spare->depth++;
  return spare;
}

// The body of both packet programs. The order keeps the common packets short: not TCP, not wanted, nothing to say.
// There are no functions that are not inlined and one place where records are written: kernels before 6.3 check a
// program with functions much less cleverly.
static __always_inline int capture(struct __sk_buff* skb, const int direction) {
  struct capture_settings* s = get_settings();
  if (!s) return 1;
  __u32 mode_and_epoch = *(volatile __u32*)&s->mode_and_epoch;
  __u32 mode = mode_of(mode_and_epoch);
  if (mode == kCaptureOff) return 1;
  struct bpf_sock* sk = skb->sk;
  if (!sk) return 1;
  sk = bpf_sk_fullsock(sk);
  if (!sk || sk->protocol != kIpProtocolTcp) return 1;
  int listening = sk->state == BPF_TCP_LISTEN;
  struct connection* c = 0;
  if (listening) {
    if (direction != kRecordIngress || !wanted(mode, kRecordRoleAccepted)) return 1;
  } else {
    c = bpf_sk_storage_get(&connections, sk, 0, 0);
    if (c && ((c->flags & kConnectionIgnored) || !wanted(mode, c->identity.role))) return 1;
  }

  struct headers h = {};
  if (!parse_headers(skb, &h)) {
    count(kUnparsed, 1);
    return 1;
  }
  __u32 closing = h.flags & (kTcpFin | kTcpRst);
  int bare = h.length == 0 && !closing;
  if (direction == kRecordIngress) {
    if (!listening) {
      // Linux does not accept payload of a SYN+ACK (tcp_rcv_synsent_state_process).
      if (h.flags & kTcpSyn) return 1;
      // A bare ACK of the peer, the most common packet: says something only if left-out bytes wait to be announced.
      if (bare && c && c->skip_from[kRecordEgress] >= c->skip_to[kRecordEgress]) return 1;
    }
  } else if (h.flags & kTcpSyn) {
    // Fast Open payload may follow in the SYN itself.
    if (c && (c->flags & kConnectionSynSent)) c->start[kRecordEgress] = h.sequence;
  } else if (bare && c && c->said_received >= c->copied) {
    // A bare ACK of our own: all that was copied is known to be accepted.
    return 1;
  }
  if (!c) {
    if (h.length == 0) return 1;
  }

  struct connection_identity* identity;
  struct spare_identities* spare = 0;
  struct packet p;
  begin_packet(&p);
  p.direction = direction;
  int say = 0;  // a record without payload
  if (listening) {
    spare = take_spare();
    if (!spare) return 1;
    identity = &spare->places[(spare->depth - 1) & 3];
    if (!see_early(skb, sk, s, &h, identity, &p)) {
      spare->depth--;
      return 1;
    }
  } else {
    if (h.flags & kTcpRst) h.length = 0;
    struct bpf_tcp_sock* tp = bpf_tcp_sock(sk);
    if (!tp) return 1;
    struct edges e;
    read_edges(&e, tp);
    p.received_sequence = e.rcv_nxt;
    if (!c) {
      if (h.length == 0) return 1;
      c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
      if (c) {
        first_sight(skb, c, sk, s, &e);
      } else {
        count(kStorageFailed, 1);
        spare = take_spare();
        if (!spare) return 1;
        identity = &spare->places[(spare->depth - 1) & 3];
        see_stateless(skb, sk, &h, &e, identity, &p);
      }
    }
    if (c) {
      identity = &c->identity;
      if (!(c->flags & kConnectionCgroupChecked)) check_cgroup(skb, c, s);
      if ((c->flags & kConnectionIgnored) || !wanted(mode, c->identity.role)) return 1;
      // A connection that was refused: there is no stream yet.
      if (direction == kRecordIngress && !(c->flags & kConnectionHasStart)) return 1;
      if (c->flags & kConnectionHasStart) {
        p.received = edge_of(c, kRecordIngress, e.bytes_received, e.rcv_nxt);
        p.acknowledged = edge_of(c, kRecordEgress, e.bytes_acked, e.snd_una);
      }
      if (c->epoch != mode_and_epoch) {
        c->epoch = mode_and_epoch;
        resume(c, &p, &e);
      }
      // Before position 0: a keep-alive probe, or a copy of what was there before the capture.
      __s64 position =
          position_of(c, direction, direction == kRecordIngress ? e.bytes_received : e.bytes_acked, h.sequence);
      if (position < 0) {
        __u64 before = -position;
        if (before > h.length) before = h.length;
        h.length = forget_range(h.length - before);
        h.offset += before;
        h.sequence += before;
        position += before;
        if (position < 0) position = 0;
      }
      p.position = position;
      p.sequence = h.sequence;
      p.offset = h.offset;
      p.length = h.length;
      __u64 end = p.position + h.length;
      if (h.length == 0 && !closing) {
        if (direction == kRecordIngress) {
          // All of what was left out has arrived at the peer: no more is coming soon.
          if (p.acknowledged < c->skip_to[kRecordEgress]) return 1;
        } else {
          // The first to say that the kernel accepted what was copied before.
          if (c->said_received >= c->copied || p.received <= c->said_received) return 1;
          say = 1;
        }
      } else {
        // New payload begins a new turn for the other direction (a copy of old payload does not).
        if (direction == kRecordIngress) {
          __s64 next = position_of(c, kRecordEgress, e.bytes_acked, e.snd_nxt);
          if (h.length && end > p.received) c->turn[kRecordEgress] = next > 0 ? next : 0;
        } else if (h.length && (__s32)(h.sequence + h.length - e.snd_nxt) > 0) {
          c->turn[kRecordIngress] = p.received;
        }
        int announce = choose_range(c, s, &p, direction, h.flags & kTcpPsh);
        advance(&c->sent[direction], end);
        if (p.length == 0 && !closing && !announce && !announcement_due(c, s, direction)) return 1;
        if (h.flags & kTcpSyn) p.flags |= kRecordSyn;
        if (h.flags & kTcpFin) {
          p.flags |= kRecordFin;
          c->fin_end[direction] = end + 1;
        }
        if (h.flags & kTcpRst) {
          p.flags |= kRecordRst;
          if (direction == kRecordIngress) {
            c->reset_sequence = h.sequence;
            c->flags |= kConnectionResetSeen;
          }
        }
        say = closing || p.skipped;
      }
      c->flags |= kConnectionSaid;
      if (p.length && !(c->flags & kConnectionPeerKnown)) find_peer(skb, c, s);
    }
  }
  p.flags = forget_range(p.flags);
  say = forget_range(say);
  p.length = forget_range(p.length);
  forget_fields(&p);
  begin_records(&p, s, p.length + sizeof(struct segment_record));
  if (c) {
    announce_skipped(c, &p, kRecordIngress);
    announce_skipped(c, &p, kRecordEgress);
  }
  int said = 0;
  __u64 position = p.position + p.length;
  if (p.length) said = emit_payload(skb, identity, &p);
  // No payload, or its last record found no room: what else there is to say.
  if (!said && say) said = emit_bare(identity, &p, direction, p.flags, position, p.sequence + p.length, p.skipped);
  if (said && c) {
    c->said_received = p.received;
    if (direction == kRecordIngress && p.length) advance(&c->copied, position);
  }
  if (spare) spare->depth--;
  return 1;
}

SEC("cgroup_skb/ingress")
int cap_skb_ingress(struct __sk_buff* skb) {
  count(kRunsIngress, 1);
  return capture(skb, kRecordIngress);
}

SEC("cgroup_skb/egress")
int cap_skb_egress(struct __sk_buff* skb) {
  count(kRunsEgress, 1);
  return capture(skb, kRecordEgress);
}

// A record about the connection itself.
static __always_inline int emit_news(struct connection* c, struct packet* p, __u8 kind) {
  p->kind = kind;
  return emit_bare(&c->identity, p, kRecordIngress, p->flags, p->position, p->sequence, 0);
}

static __always_inline void established(struct bpf_sock_ops* ops, struct bpf_sock* sk, struct capture_settings* s,
                                        __u8 role) {
  struct connection* c = bpf_sk_storage_get(&connections, sk, 0, 0);
  struct packet p;
  if (!c) {
    c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!c) {
      count(kStorageFailed, 1);
      return;
    }
    init_connection(c, sk, s, bpf_get_socket_cookie(ops), role);
    set_creator(c, sk, s);
  }
  c->identity.role = role;
  if (role == kRecordRoleOpened) {
    // The SYN told the start; a SYN sent before the attach did not, but then nothing else was sent before it either.
    int syn_seen = (c->flags & kConnectionSynSent) && c->start[kRecordEgress];
    c->base[0] = c->base[1] = 0;
    c->sent[0] = 0;
    start_at_handshake(c, PODTAP_READ_FIELD(ops->rcv_nxt),
                       syn_seen ? c->start[kRecordEgress] : PODTAP_READ_FIELD(ops->snd_nxt));
  } else if (!(c->flags & kConnectionHasStart)) {
    start_at_handshake(c, PODTAP_READ_FIELD(ops->rcv_nxt), PODTAP_READ_FIELD(ops->snd_nxt));
  }
  c->flags &= ~(kConnectionSynSent | kConnectionLate);
  set_addresses(&c->identity, sk);
  if (c->flags & kConnectionIgnored) return;
  take_slot(c);
  bpf_sock_ops_cb_flags_set(ops, PODTAP_READ_FIELD(ops->bpf_sock_ops_cb_flags) | BPF_SOCK_OPS_STATE_CB_FLAG);
  if (!wanted(mode_of(s->mode_and_epoch), role)) return;
  begin_packet(&p);
  begin_records(&p, s, sizeof(struct segment_record));
  p.sequence = p.received_sequence = c->start[kRecordIngress];
  if (emit_news(c, &p, kRecordOpened)) c->flags |= kConnectionSaid;
}

SEC("sockops")
int cap_sock_ops(struct bpf_sock_ops* ops) {
  count(kRunsSockOps, 1);
  __u32 op = PODTAP_READ_FIELD(ops->op);
  if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
      op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_STATE_CB) {
    return 1;
  }
  if (op == BPF_SOCK_OPS_STATE_CB && PODTAP_READ_FIELD(ops->args[1]) != BPF_TCP_CLOSE) return 1;
  struct capture_settings* s = get_settings();
  struct bpf_sock* sk = ops->sk;
  if (!s || !sk) return 1;

  if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
    struct connection* c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!c) {
      count(kStorageFailed, 1);
      return 1;
    }
    // A socket may connect again after connect(AF_UNSPEC) or a refusal: nothing of the first connection may stay, and
    // the cookie, which stays the socket's, must not name two connections.
    __u32 again = c->identity.cookie ? c->connects + 1 : 0;
    if (again) return_slot(c);
    __builtin_memset(c, 0, sizeof(*c));
    c->connects = again;
    init_connection(c, sk, s, bpf_get_socket_cookie(ops) ^ (__u64)again << 48, kRecordRoleOpened);
    c->identity.flags = kRecordFromFirstByte;
    c->flags = kConnectionSynSent;
    set_creator(c, sk, s);
    if (!(c->flags & kConnectionIgnored)) {
      bpf_sock_ops_cb_flags_set(ops, PODTAP_READ_FIELD(ops->bpf_sock_ops_cb_flags) | BPF_SOCK_OPS_STATE_CB_FLAG);
    }
    return 1;
  }
  if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
    established(ops, sk, s, kRecordRoleOpened);
    return 1;
  }
  if (op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
    established(ops, sk, s, kRecordRoleAccepted);
    return 1;
  }

  struct connection* c = bpf_sk_storage_get(&connections, sk, 0, 0);
  if (!c) return 1;
  if ((c->flags & kConnectionSaid) && !(c->flags & kConnectionIgnored)) {
    struct packet p;
    begin_packet(&p);
    begin_records(&p, s, sizeof(struct segment_record));
    p.received_sequence = PODTAP_READ_FIELD(ops->rcv_nxt);
    if (c->flags & kConnectionHasStart) {
      p.received = edge_of(c, kRecordIngress, PODTAP_READ_FIELD(ops->bytes_received), p.received_sequence);
      p.acknowledged = edge_of(c, kRecordEgress, PODTAP_READ_FIELD(ops->bytes_acked), PODTAP_READ_FIELD(ops->snd_una));
    } else {
      p.flags |= kRecordNoPositions;
    }
    announce_skipped(c, &p, kRecordIngress);
    announce_skipped(c, &p, kRecordEgress);
    // An ingress RST was the credible one if it stood exactly at rcv_nxt (RFC 5961 section 3.2).
    if ((c->flags & kConnectionResetSeen) && c->reset_sequence == p.received_sequence) p.flags |= kRecordRst;
    // From these states no FIN leads to CLOSE: a RST came, or this end sends one (after this), or gave up.
    __u32 before = PODTAP_READ_FIELD(ops->args[0]);
    if (before == BPF_TCP_ESTABLISHED || before == BPF_TCP_CLOSE_WAIT) p.flags |= kRecordRst;
    p.position = p.received;
    p.sequence = p.received_sequence;
    emit_news(c, &p, kRecordClosed);
  }
  return_slot(c);
  return 1;
}

SEC("cgroup/sock_create")
int cap_sock_create(struct bpf_sock* sk) {
  count(kRunsSockCreate, 1);
  if ((sk->family != kFamilyV4 && sk->family != kFamilyV6) || sk->type != 1 /* SOCK_STREAM */) return 1;
  struct creator* creator = bpf_sk_storage_get(&creators, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!creator) {
    count(kStorageFailed, 1);
    return 1;
  }
  creator->cgroup_id = bpf_get_current_cgroup_id();
  creator->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(creator->comm, sizeof(creator->comm));
  return 1;
}

// close() of a socket. Sockets that were first seen by a packet program get no state callback: their slot comes back
// here. What they still send goes out as packets with FIN or RST; only a socket that is in CLOSE already has nothing
// more to say.
SEC("cgroup/sock_release")
int cap_sock_close(struct bpf_sock* sk) {
  count(kRunsSockClose, 1);
  struct connection* c = bpf_sk_storage_get(&connections, sk, 0, 0);
  if (!c || !(c->flags & kConnectionLate)) return 1;
  struct capture_settings* s = get_settings();
  if (s && sk->state == BPF_TCP_CLOSE && (c->flags & kConnectionSaid)) {
    struct packet p;
    begin_packet(&p);
    begin_records(&p, s, sizeof(struct segment_record));
    p.flags = kRecordNoPositions;
    emit_news(c, &p, kRecordClosed);
  }
  return_slot(c);
  return 1;
}
