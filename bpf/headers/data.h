/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What connections carry, and how they end. */
#pragma once

#include "process.h"
#include "socket.h"
#include "tables.h"

static __always_inline void send_end(struct conn_key *key, struct conn *c, enum dir dir, enum end end) {
	struct head *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		struct end_key k = {*key, c->born, dir};
		struct end_value v = {bpf_ktime_get_ns(), c->off[dir], end, c->pid, c->library};

		COUNT(ring_events, 1);
		if (bpf_map_update_elem(&ends, &k, &v, BPF_ANY))
			COUNT(table_events, 1);
		return;
	}
	*e = conn_head(END, key, c);
	e->off = c->off[dir];
	e->dir = dir;
	e->end = end;
	submit(e, sizeof(*e));
}

/* A load is what a call has passed, which is sent once. */
struct load {
	struct conn_key *key;
	struct conn *c; /* 0 where there was no room for it */
	__u64 n;
	struct go_place *place; /* of a call of Go; else 0 */
	bool shared, taken;
	__u8 dir;
};

/* go_claim reports whether the write in the call at place is the caller's to
 * send: two programs may find it in go_writes. */
static __always_inline bool go_claim(struct conn_key *key, struct go_place *place) {
	struct go_place *w = bpf_map_lookup_elem(&go_writes, key);

	return w && w->g == place->g && w->depth == place->depth && !bpf_map_delete_elem(&go_writes, key);
}

/* take reports whether l is the caller's to send. It is called when there is an
 * event for it in the ring: who finds it taken comes after that. */
static __always_inline bool take(struct load *l) {
	if (l->taken)
		return true;
	if (l->place && l->shared && !go_claim(l->key, l->place))
		return false;
	l->taken = true;
	if (l->c)
		l->c->off[l->dir & 1] += l->n;
	COUNT(passed, l->n);
	return true;
}

/* send_piece copies the n <= size bytes at buf, of the load l. Its size must be
 * a power of two known at compile time, as the verifier wants that of a
 * reservation. */
#define send_piece(l, head, buf, n, size)                                      \
	do {                                                                   \
		struct {                                                       \
			struct head head;                                      \
			__u8 data[size];                                       \
		} *e_ = bpf_ringbuf_reserve(&events, sizeof(*e_), 0);          \
		if (!take(l)) {                                                \
			if (e_)                                                \
				bpf_ringbuf_discard(e_, BPF_RB_NO_WAKEUP);     \
			return;                                                \
		}                                                              \
		if (!e_) {                                                     \
			COUNT(ring_events, 1);                                 \
			COUNT(ring_bytes, n);                                  \
			break;                                                 \
		}                                                              \
		e_->head = *(head);                                            \
		e_->head.len = n;                                              \
		__u64 n_ = n;                                                  \
		asm volatile("" : "+r"(n_)); /* shows the verifier the bound */ \
		if (n_ > size)                                                 \
			n_ = size;                                             \
		if (bpf_probe_read_user(e_->data, n_, (void *)(buf))) {        \
			bpf_ringbuf_discard(e_, BPF_RB_NO_WAKEUP);             \
			COUNT(fault_events, 1);                                \
			COUNT(fault_bytes, n);                                 \
			break;                                                 \
		}                                                              \
		COUNT(captured, n);                                            \
		submit(e_, sizeof(*e_));                                       \
	} while (0)

/* send_tail copies n < PIECE bytes, in an event not much larger than they. */
#define send_class(l, head, buf, n, size)                                      \
	if (n <= size) {                                                       \
		send_piece(l, head, buf, n, size);                             \
		return;                                                        \
	}

static __always_inline void send_tail(struct load *l, struct head *head, __u64 buf, __u64 n) {
	send_class(l, head, buf, n, 64);
	send_class(l, head, buf, n, 256);
	send_class(l, head, buf, n, 512);
	send_class(l, head, buf, n, 1024);
	send_class(l, head, buf, n, 2048);
	send_class(l, head, buf, n, 4096);
	send_class(l, head, buf, n, 8192);
	send_piece(l, head, buf, n, PIECE);
}

/* send copies the load l at buf, which head describes, in pieces. Both loops
 * are walked through by the verifier; large pieces keep that short. */
static __always_inline void send(struct load *l, struct head *head, __u64 buf) {
	__u64 n = l->n, bulks = n / BULK;

	for (__u32 i = 0; i < MAX_BULKS && i < bulks; i++) {
		send_piece(l, head, buf, BULK, BULK);
		head->off += BULK;
		buf += BULK;
	}
	if (bulks >= MAX_BULKS) {
		if (n > MAX_CALL) {
			COUNT(long_events, 1);
			COUNT(long_bytes, n - MAX_CALL);
		}
		return;
	}
	n %= BULK;
	for (__u32 i = 0; i < BULK / PIECE && n >= PIECE; i++) {
		send_piece(l, head, buf, PIECE, PIECE);
		head->off += PIECE;
		buf += PIECE;
		n -= PIECE;
	}
	if (n)
		send_tail(l, head, buf, n);
}

/* deliver sends n > 0 bytes that the call f has passed, at a place if it is
 * Go's. It returns their connection, or 0 where there is no room for one. */
static __always_inline struct conn *deliver(struct conn_key *key, struct frame *f, __u64 n, struct go_place *place) {
	struct conn *c = find_conn(key, f->pid, f->library);

	if (c && c->closed && f->dir == IN) { /* used again without SSL_clear */
		send_end(key, c, OUT, END_CLEAN);
		bpf_map_delete_elem(&conns, key);
		c = find_conn(key, f->pid, f->library);
	}
	struct load l = {.key = key, .c = c, .n = n, .place = place, .shared = f->shared, .dir = f->dir};
	if (!c) {
		if (take(&l)) {
			COUNT(table_events, 1);
			COUNT(table_bytes, n);
		}
		return 0;
	}
	__u32 dir = f->dir & 1;
	struct head head = conn_head(DATA, key, c);
	head.off = c->off[dir];
	head.dir = dir;
	if (dir == OUT)
		head.time = f->time;
	send(&l, &head, f->buf);
	return c;
}

/* peer_closed ends what c reads, unless it has ended. */
static __always_inline void peer_closed(struct conn_key *key, struct conn *c) {
	if (c && !c->closed) {
		c->closed = 1;
		send_end(key, c, IN, END_CLEAN);
	}
}

/* release ends the connection of the pointer, which is free for another one. */
static __always_inline int release(__u64 ssl, bool unused_too) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);

	if (!p)
		return 0;
	struct conn_key key = {ssl, p->epoch, tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (!c || (!unused_too && !c->off[OUT] && !c->off[IN]))
		return 0;
	send_end(&key, c, OUT, END_CLEAN);
	if (!c->closed)
		send_end(&key, c, IN, END_CUT);
	bpf_map_delete_elem(&conns, &key);
	return 0;
}
