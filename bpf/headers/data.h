/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What connections carry, and how they end. */
#pragma once

#include "process.h"
#include "socket.h"
#include "tables.h"

/* library_of returns the library that a function is of: see frame.library. */
static __always_inline __u64 library_of(struct pt_regs *ctx) { return cookies ? bpf_get_attach_cookie(ctx) & ~SHAPES : 0; }

/* pending returns PENDING for what is read from c while it is being written to. */
static __always_inline __u32 pending(struct conn *c, enum dir dir) { return dir == IN && c->done != c->begun ? PENDING : 0; }

OWN_STACK int send_end(struct conn_key *key, struct conn *c, enum dir dir, enum end end) {
	struct head *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		struct end_key k = {*key, c->born, dir};
		struct end_value v = {bpf_ktime_get_ns(), c->off[dir], end, c->pid, c->library};

		COUNT(ring_events, 1);
		if (bpf_map_update_elem(&ends, &k, &v, BPF_ANY))
			COUNT(table_events, 1);
		return 0;
	}
	*e = conn_head(END, key, c);
	e->off = c->off[dir];
	e->dir = dir;
	e->end = end;
	e->write = c->begun;
	e->flags = pending(c, dir);
	submit(e, sizeof(*e));
	return 0;
}

/* A load is what a call has passed. */
struct load {
	struct conn_key *key;
	struct conn *c; /* 0 where there was no room for it */
	struct loss *loss;
	struct frame *f;        /* the call */
	struct thread *thread;  /* which may use sockets by itself; else 0 */
	__u64 n;
	__u64 off;              /* in the stream of its direction */
	__u64 time;
	__u32 write, flags;     /* as of head */
};

#define LOSE(l, field, n) __sync_fetch_and_add(&(l)->loss->field, n)

/* load_head returns the head of an event with the n bytes at off of l. */
static __always_inline struct head load_head(struct load *l, __u64 off, __u32 n) {
	return (struct head){
		.time = l->time, .ssl = l->key->ssl, .epoch = l->key->epoch, .born = l->c->born, .off = l->off + off,
		.tgid = l->key->tgid, .pid = l->c->pid, .len = n, .kind = DATA, .dir = l->f->dir & 1, .library = l->c->library,
		.write = l->write, .flags = l->flags,
	};
}

/* send_piece copies the n <= size bytes at off of l. Its size must be a power of
 * two known at compile time, as the verifier wants that of a reservation. */
#define send_piece(l, off_, n, size)                                                \
	do {                                                                   \
		struct {                                                       \
			struct head head;                                      \
			__u8 data[size];                                       \
		} *e_ = bpf_ringbuf_reserve(&events, sizeof(*e_), 0);          \
		if (!e_) {                                                     \
			LOSE(l, ring_events, 1);                               \
			LOSE(l, ring_bytes, n);                                \
			break;                                                 \
		}                                                              \
		e_->head = load_head(l, off_, n);                              \
		__u64 n_ = n;                                                  \
		asm volatile("" : "+r"(n_)); /* shows the verifier the bound */ \
		if (n_ > size)                                                 \
			n_ = size;                                             \
		if (bpf_probe_read_user(e_->data, n_, (void *)((l)->f->buf + (off_)))) { \
			bpf_ringbuf_discard(e_, BPF_RB_NO_WAKEUP);             \
			LOSE(l, fault_events, 1);                              \
			LOSE(l, fault_bytes, n);                               \
			break;                                                 \
		}                                                              \
		LOSE(l, captured, n);                                          \
		submit(e_, sizeof(*e_));                                       \
	} while (0)

/* The functions below send a part of l that begins at off. */
static __always_inline void send_bulk(struct load *l, __u64 off) { send_piece(l, off, BULK, BULK); }

static __always_inline void send_record(struct load *l, __u64 off) { send_piece(l, off, PIECE, PIECE); }

/* send_tail sends the last part, less than a PIECE, in an event not much larger
 * than that. */
static __always_inline void send_tail(struct load *l, __u64 off) {
	__u64 n = l->n % PIECE;

	if (!n)
		return;
	l->flags |= LAST;

#define send_class(size)                                                       \
	if (n <= size) {                                                       \
		send_piece(l, off, n, size);                                   \
		return;                                                        \
	}
	send_class(64);
	send_class(256);
	send_class(512);
	send_class(1024);
	send_class(2048);
	send_class(4096);
	send_class(8192);
	send_piece(l, off, n, PIECE);
}

/* send_next sends piece i, for bpf_loop, which 1 ends. It keeps no count of
 * what is sent: the verifier would walk through it for each. */
static long send_next(__u32 i, struct load *l) {
	__u64 bulks = l->n / BULK, records = l->n % BULK / PIECE;

	if (i < bulks) {
		if (i >= MAX_BULKS)
			return 1;
		send_bulk(l, (__u64)i * BULK);
		return 0;
	}
	if (bulks >= MAX_BULKS)
		return 1;
	i -= bulks;
	if (i < records) {
		send_record(l, bulks * BULK + i * PIECE);
		return 0;
	}
	send_tail(l, bulks * BULK + records * PIECE);
	return 1;
}

/* send copies l in pieces. */
OWN_STACK int send(struct load *l) {
	if (l->n < PIECE) /* as nearly always */
		send_tail(l, 0);
	else
		bpf_loop(MAX_BULKS + BULK / PIECE, send_next, l, 0);
	return 0;
}

/* send_old is for kernels before Linux 5.17, which have no bpf_loop. The verifier
 * walks through all that these loops may do, which takes a while. */
static __always_inline void send_old(struct load *l) {
	__u64 bulks = l->n / BULK, records = l->n % BULK / PIECE, off = 0;

	for (__u32 i = 0; i < MAX_BULKS && i < bulks; i++, off += BULK)
		send_bulk(l, off);
	if (bulks >= MAX_BULKS)
		return;
	for (__u32 i = 0; i < BULK / PIECE && i < records; i++, off += PIECE)
		send_record(l, off);
	send_tail(l, off);
}

/* deliver sends the l->n > 0 bytes that the call l->f has passed. It returns
 * their connection, or 0 where there is no room for one. */
static __always_inline struct conn *deliver(struct load *l, bool loops) {
	struct frame *f = l->f;
	struct conn *c = find_conn(l->key, f->pid, f->library);
	__u32 zero = 0;

	if (c && c->closed && f->dir == IN) { /* used again without SSL_clear */
		send_end(l->key, c, OUT, END_CLEAN);
		bpf_map_delete_elem(&conns, l->key);
		c = find_conn(l->key, f->pid, f->library);
	}
	l->loss = bpf_map_lookup_elem(&losses, &zero);
	if (!l->loss)
		return 0; /* does not happen */
	LOSE(l, passed, l->n);
	l->c = c;
	if (!c) {
		LOSE(l, table_events, 1);
		LOSE(l, table_bytes, l->n);
		return 0;
	}
	if (l->thread && f->dir == IN) /* before what may end an exchange */
		did_read(l->thread, l->key, c, l->n);
	l->off = c->off[f->dir & 1];
	c->off[f->dir & 1] += l->n;
	l->time = f->dir == OUT ? f->time : bpf_ktime_get_ns();
	l->write = c->begun;
	l->flags = pending(c, f->dir);
	if (loops)
		send(l);
	else
		send_old(l);
	if (l->n > MAX_CALL) {
		LOSE(l, long_events, 1);
		LOSE(l, long_bytes, l->n - MAX_CALL);
	}
	if (l->thread && f->dir == OUT)
		did_write(l->thread, l->key, c, l->n);
	return c;
}

/* peer_closed ends what c reads, unless it has ended. */
static __always_inline void peer_closed(struct conn_key *key, struct conn *c) {
	if (c && !c->closed) {
		c->closed = 1;
		send_end(key, c, IN, END_CLEAN);
	}
}

/* end_conn ends c, whose pointer is free for another one. */
static __always_inline void end_conn(struct conn_key *key, struct conn *c) {
	send_end(key, c, OUT, END_CLEAN);
	if (!c->closed)
		send_end(key, c, IN, END_CUT);
	bpf_map_delete_elem(&conns, key);
}

/* release ends the connection of the pointer. */
static __always_inline int release(__u64 ssl, bool unused_too) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);

	if (!p)
		return 0;
	struct conn_key key = {ssl, p->epoch, tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (!c || (!unused_too && !c->off[OUT] && !c->off[IN]))
		return 0;
	end_conn(&key, c);
	return 0;
}
