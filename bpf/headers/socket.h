/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Which socket a connection uses. A function of a TLS library does not say,
 * and need not know: Node and others hand it the bytes in memory and use the
 * socket themselves. What is left is the order of things on a thread:
 *
 *   - What is sent or received within a call belongs to its connection.
 *   - Else, what a connection reads was received by the last receive before it,
 *   - and what it writes is sent by the next send after it.
 *
 * The first rule proves a binding. The other two do when they agree and the
 * sizes are possible; each alone may be wrong where other traffic goes through
 * the same thread. A connection about which two proofs disagree is in doubt
 * from then on and has no address: a wrong one would be worse than none.
 */
#pragma once

#include "process.h"
#include "tables.h"
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define MSG_PEEK 2

OWN_STACK struct conn *find_conn(struct conn_key *key, __u32 pid, __u32 library) {
	struct conn *c = bpf_map_lookup_elem(&conns, key);

	if (c)
		return c;
	struct conn new = {.born = bpf_ktime_get_ns(), .pid = pid, .library = library};
	bpf_map_update_elem(&conns, key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&conns, key);
}

static __always_inline struct head conn_head(enum kind kind, struct conn_key *key, struct conn *c) {
	return (struct head){
		.time = bpf_ktime_get_ns(), .ssl = key->ssl, .epoch = key->epoch, .born = c->born,
		.tgid = key->tgid, .pid = c->pid, .kind = kind, .library = c->library,
	};
}

/* bind tells that c uses socket, or that this is in doubt. */
static __always_inline void bind(struct conn_key *key, struct conn *c, __u64 socket, struct address *address) {
	if (c->socket == socket || c->doubt)
		return;
	struct address_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return;
	}
	e->head = conn_head(ADDRESS, key, c);
	if (c->socket) {
		c->doubt = 1;
		__builtin_memset(&e->address, 0, sizeof(e->address));
	} else {
		c->socket = socket;
		e->address = *address;
	}
	submit(e, sizeof(*e));
}

/* did_read notes that c has read n bytes. */
static __always_inline void did_read(struct thread *t, struct conn_key *key, struct conn *c, __u64 n) {
	__u64 socket = t->received.socket;

	if (c->nested || !socket || t->received.left < n)
		return;
	if (t->received.owner && t->received.owner != c->born)
		return; /* these bytes were another connection's */
	t->received.owner = c->born;
	t->received.left -= n;
	c->reads = socket;
	if (c->socket || c->writes == socket)
		bind(key, c, socket, &t->received.address);
}

/* did_write notes that c has written n bytes, which makes records of 16 KiB
 * with 17 to 64 bytes around each, and maybe a handshake before them. */
static __always_inline void did_write(struct thread *t, struct conn_key *key, struct conn *c, __u64 n) {
	__u64 records = n / 16384 + 1;

	if (c->nested)
		return;
	if (t->written.born && t->written.born != c->born) {
		t->written.max = 0; /* of two connections: nothing is sent that could be either */
		return;
	}
	if (!t->written.born) {
		t->written.min = 0;
		t->written.max = 4096;
	}
	t->written.key = *key;
	t->written.born = c->born;
	t->written.min += n + 17 * records;
	if (t->written.max)
		t->written.max += n + 64 * records;
}

/* socket_id returns what sk is known by. The pointer's upper bits say nothing; a
 * socket made of freed memory differs in a port. */
static __always_inline __u64 socket_id(struct sock *sk) {
	return (__u64)sk ^ (__u64)BPF_CORE_READ(sk, __sk_common.skc_portpair) << 32;
}

/* read_address reads the ends of sk, if it is of TCP. */
static __always_inline bool read_address(struct sock *sk, struct address *a) {
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return false;
	__builtin_memset(a, 0, sizeof(*a));
	if (family == AF_INET) {
		__be32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		__be32 remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);

		a->local[10] = a->local[11] = a->remote[10] = a->remote[11] = 0xff;
		__builtin_memcpy(a->local + 12, &local, sizeof(local));
		__builtin_memcpy(a->remote + 12, &remote, sizeof(remote));
	} else {
		BPF_CORE_READ_INTO(&a->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&a->remote, sk, __sk_common.skc_v6_daddr);
	}
	a->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	a->rport = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return true;
}

/* within notes that the call f of a library has used sk. */
static __always_inline void within(struct frame *f, struct sock *sk) {
	struct conn_key key = {f->ssl, f->epoch, bpf_get_current_pid_tgid() >> 32};
	struct conn *c = find_conn(&key, f->pid, f->library);
	__u64 socket = socket_id(sk);
	struct address address;

	if (!c)
		return;
	if (c->nested && c->socket == socket) { /* as nearly always */
		f->talked = 1;
		return;
	}
	if (!read_address(sk, &address))
		return;
	f->talked = 1;
	c->nested = 1;
	bind(&key, c, socket, &address);
}

/* will_read notes that n bytes were received from sk, for whoever reads them. */
static __always_inline void will_read(struct thread *t, struct sock *sk, __s32 n) {
	__u64 socket = socket_id(sk);

	if (t->received.socket != socket) {
		struct address address;

		if (!read_address(sk, &address))
			return;
		t->received.address = address;
		t->received.socket = socket;
	}
	t->received.owner = 0;
	t->received.left = n;
}

/* has_written notes that n bytes were sent to sk, by whoever has written. */
static __always_inline void has_written(struct thread *t, struct sock *sk, __s32 n) {
	struct conn_key key = t->written.key;
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	struct address address;

	if (!read_address(sk, &address))
		return;
	if (c && c->born == t->written.born && !c->nested && n >= t->written.min && n <= t->written.max) {
		__u64 socket = socket_id(sk);

		c->writes = socket;
		if (c->socket || c->reads == socket)
			bind(&key, c, socket, &address);
	}
	t->written.born = 0;
}

static __always_inline int transfer(struct sock *sk, enum dir dir, __s32 n) {
	if (n < 0) /* mostly that there is nothing to receive yet */
		return 0;
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t = bpf_map_lookup_elem(&threads, &id);

	if (!t)
		return 0;
	if (dir == IN)
		t->eof = n == 0;
	if (n == 0)
		return 0;
	__u64 depth = t->depth;
	if (depth > 0 && depth <= FRAMES)
		within(&t->frames[depth - 1], sk);
	else if (dir == IN)
		will_read(t, sk, n);
	else if (t->written.born)
		has_written(t, sk, n);
	return 0;
}

/* (struct sock *sk, int ret, int flags), Linux 6.3 */
SEC("raw_tp/sock_send_length")
int socket_send(struct bpf_raw_tracepoint_args *ctx) {
	return transfer((void *)ctx->args[0], OUT, ctx->args[1]);
}

SEC("raw_tp/sock_recv_length")
int socket_recv(struct bpf_raw_tracepoint_args *ctx) {
	if (ctx->args[2] & MSG_PEEK)
		return 0;
	return transfer((void *)ctx->args[0], IN, ctx->args[1]);
}

/* Where the kernel has no such tracepoints:
 * int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size) */
SEC("kprobe/tcp_sendmsg")
int tcp_send(struct pt_regs *ctx) {
	return transfer((void *)PT_REGS_PARM1(ctx), OUT, PT_REGS_PARM3(ctx));
}

/* int tcp_recvmsg(struct sock *sk, ...) */
SEC("kprobe/tcp_recvmsg")
int tcp_receive(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t = bpf_map_lookup_elem(&threads, &id);

	if (t)
		t->receiving = PT_REGS_PARM1(ctx);
	return 0;
}

SEC("kretprobe/tcp_recvmsg")
int tcp_received(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u64 sk = t ? t->receiving : 0;

	if (!sk)
		return 0;
	t->receiving = 0;
	return transfer((void *)sk, IN, PT_REGS_RC(ctx));
}
