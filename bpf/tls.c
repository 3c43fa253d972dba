//go:build ignore
/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Copies what passes through the read and write functions of TLS libraries
 * into a ring buffer.
 *
 * Which connection a piece belongs to and at which position of the stream it
 * stands is decided here, where every byte is seen, also those that cannot be
 * delivered: user space sees what was lost by the jump in the positions.
 *
 * The entry of a function notes its arguments in a frame, its return reads
 * the data, since only then is known how much was passed. Programs of this
 * kind can be preempted by one another (Linux 6.0), so nothing is kept in
 * per-CPU memory but counters.
 */
#include "headers/data.h"
#include "headers/exec.h"
#include "headers/go.h"
#include "headers/loader.h"
#include "headers/process.h"
#include "headers/rust.h"
#include "headers/shell.h"
#include "headers/socket.h"
#include "headers/tables.h"
#include <bpf/bpf_tracing.h>

char __license[] SEC("license") = "Dual MIT/GPL";

/* enter notes a call, and reports whether it did. Frames at or below its stack
 * pointer are of calls that were left by longjmp or an exception. */
static __always_inline bool enter(struct pt_regs *ctx, enum dir dir, __u64 count, bool closes) {
	__u64 id = bpf_get_current_pid_tgid();
	struct process *p = recorded(id >> 32);

	if (!p)
		return false;
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	if (!t) {
		static const struct thread empty;

		bpf_map_update_elem(&threads, &id, &empty, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&threads, &id);
		if (!t) {
			COUNT(unseen, 1);
			return false;
		}
	}
	__u64 sp = PT_REGS_SP(ctx), depth = t->depth;
	for (int i = 0; i < FRAMES; i++) {
		if (depth > 0 && depth <= FRAMES && t->frames[depth - 1].sp <= sp)
			depth--;
	}
	if (depth >= FRAMES) {
		COUNT(unseen, 1);
		return false;
	}
	t->frames[depth] = (struct frame){
		.sp = sp, .ssl = PT_REGS_PARM1(ctx), .buf = PT_REGS_PARM2(ctx),
		.count = count, .time = dir == IN ? 0 : bpf_ktime_get_ns(), .epoch = p->epoch,
		.pid = p->pid, .dir = dir, .closes = closes,
		.library = library_of(ctx),
	};
	t->depth = depth + 1;
	return true;
}

/* leave_frame takes the frame of the function that returns to sp off the
 * thread's stack, and those below. */
static __always_inline bool leave_frame(struct thread *t, __u64 sp, struct frame *f) {
	for (int i = FRAMES - 1; i >= 0; i--) {
		if (i < t->depth && t->frames[i].sp == sp) {
			*f = t->frames[i];
			t->depth = i;
			return true;
		}
	}
	return false;
}

#if defined(__TARGET_ARCH_x86)
#define RETURN_SIZE 8 /* the return address, which is taken off the stack */
#else
#define RETURN_SIZE 0
#endif

#define SSL_RECEIVED_SHUTDOWN 2
#define MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY -0x7880 /* no other library returns that */

/* closed_by_peer tells close_notify from other reasons to return 0: by the
 * library's own flag where it is known where that is, else by whether the
 * thread has seen the end of a socket before. */
static __always_inline bool closed_by_peer(struct thread *t, struct frame *f) {
	__u32 flag_at = f->library >> 32, flags = 0;

	if (f->dir != IN)
		return false;
	if (!flag_at)
		return f->closes && !t->eof;
	bpf_probe_read_user(&flags, sizeof(flags), (void *)(f->ssl + flag_at));
	return flags & SSL_RECEIVED_SHUTDOWN;
}

/* handshake notes a call that returns. One that had nothing to do, since the
 * connection was established before, neither failed before it succeeded nor
 * used a socket. */
static __always_inline void handshake(struct conn_key *key, struct frame *f, __s32 ret) {
	struct conn *c = find_conn(key, f->pid, f->library);

	if (!c || c->shaken || c->off[OUT] || c->off[IN])
		return;
	if (ret != (f->closes ? 0 : 1)) {
		if (!c->handshake)
			c->handshake = f->time;
		return;
	}
	if (!c->handshake && !f->talked)
		return;
	struct head *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return;
	}
	c->shaken = 1;
	*e = conn_head(HANDSHAKE, key, c);
	e->off = e->time - (c->handshake ? c->handshake : f->time);
	submit(e, sizeof(*e));
}

/* pass delivers what a call has passed that returns. */
static __always_inline void pass(struct pt_regs *ctx, struct thread *t, struct frame *f, bool loops) {
	struct conn_key key = {f->ssl, f->epoch, bpf_get_current_pid_tgid() >> 32};
	__s32 ret = PT_REGS_RC(ctx);
	__u64 n = ret;

	if (f->dir == NEITHER) {
		handshake(&key, f, ret);
		return;
	}
	if (ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY && f->dir == IN) {
		peer_closed(&key, find_conn(&key, f->pid, f->library));
		return;
	}
	if (ret < 0 || (ret == 0 && !closed_by_peer(t, f)))
		return;
	if (ret == 0) {
		peer_closed(&key, find_conn(&key, f->pid, f->library));
		return;
	}
	if (f->count && bpf_probe_read_user(&n, sizeof(n), (void *)f->count)) {
		COUNT(unseen, 1);
		return;
	}
	if (n == 0)
		return;
	for (int i = 0; i < FRAMES; i++) { /* a call around this one with the same bytes */
		if (i < t->depth && t->frames[i].ssl == f->ssl && t->frames[i].dir == f->dir)
			t->frames[i].counted = 1;
	}
	struct load l = {.key = &key, .f = f, .thread = t, .n = n};
	deliver(&l, loops);
}

static __always_inline int leave(struct pt_regs *ctx, bool loops) {
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	struct frame f;

	if (t && leave_frame(t, PT_REGS_SP(ctx) - RETURN_SIZE, &f) && !f.counted)
		pass(ctx, t, &f, loops);
	return 0;
}

SEC("uprobe/tls_return")
int tls_return(struct pt_regs *ctx) { return leave(ctx, true); }

/* for kernels before Linux 5.17 */
SEC("uprobe/tls_return_old")
int tls_return_old(struct pt_regs *ctx) { return leave(ctx, false); }

/* int f(ssl, buf, len), which returns how much it passed */
SEC("uprobe/tls_read")
int tls_read(struct pt_regs *ctx) { return enter(ctx, IN, 0, true), 0; }

SEC("uprobe/tls_write")
int tls_write(struct pt_regs *ctx) { return enter(ctx, OUT, 0, false), 0; }

/* int f(ssl, buf, len, size_t *n), which stores it; 0 is any failure */
SEC("uprobe/tls_read_ex")
int tls_read_ex(struct pt_regs *ctx) { return enter(ctx, IN, PT_REGS_PARM4(ctx), false), 0; }

SEC("uprobe/tls_write_ex")
int tls_write_ex(struct pt_regs *ctx) { return enter(ctx, OUT, PT_REGS_PARM4(ctx), false), 0; }

/* int f(ssl, buf, len, flags, size_t *n) */
SEC("uprobe/tls_write_ex2")
int tls_write_ex2(struct pt_regs *ctx) { return enter(ctx, OUT, PT_REGS_PARM5(ctx), false), 0; }

/* OpenSSL's ssl_read_internal: as read_ex, but 0 is close_notify */
SEC("uprobe/tls_read_inner")
int tls_read_inner(struct pt_regs *ctx) { return enter(ctx, IN, PT_REGS_PARM4(ctx), true), 0; }

/* int f(ssl), which returns 1 when the connection is established */
SEC("uprobe/tls_handshake")
int tls_handshake(struct pt_regs *ctx) { return enter(ctx, NEITHER, 0, false), 0; }

/* likewise, but 0 */
SEC("uprobe/tls_handshake0")
int tls_handshake0(struct pt_regs *ctx) { return enter(ctx, NEITHER, 0, true), 0; }

#define PR_MSG_PEEK 2

/* peeks reports whether a function of NSS leaves what it reads there. */
static __always_inline bool peeks(struct pt_regs *ctx) { return PT_REGS_PARM4(ctx) & PR_MSG_PEEK; }

/* NSS's ssl_SecureRecv: int f(socket, buf, len, flags) */
SEC("uprobe/tls_recv")
int tls_recv(struct pt_regs *ctx) { return peeks(ctx) || enter(ctx, IN, 0, true), 0; }

/* tls_call is all of the above and tls_return, as the shape in the cookie says,
 * for kernels where one program may be at both ends of a function (6.13). It
 * answers 1 to the beginning of a call that is of no interest, of which the
 * kernel then does not trap the end: for processes that are not recorded, that
 * is a third of what the probes cost. */
SEC("uprobe/tls_call")
int tls_call(struct pt_regs *ctx) {
	__u64 shape = bpf_get_attach_cookie(ctx), count4 = PT_REGS_PARM4(ctx), count5 = PT_REGS_PARM5(ctx);

	if (PT_REGS_IP(ctx) != bpf_get_func_ip(ctx)) /* it is where the call returns to */
		return leave(ctx, true);
	if (shape & SHAPE_PEEKS && peeks(ctx))
		return 1;
	asm volatile("" : "+r"(count4), "+r"(count5)); /* the verifier wants each read as it is */
	__u64 count = shape & SHAPE_COUNT_4 ? count4 : shape & SHAPE_COUNT_5 ? count5 : 0;
	return !enter(ctx, shape & SHAPE_NEITHER ? NEITHER : shape & SHAPE_IN ? IN : OUT, count, shape & SHAPE_CLOSES);
}

/* void f(ssl) */
SEC("uprobe/tls_free")
int tls_free(struct pt_regs *ctx) { return release(PT_REGS_PARM1(ctx), true); }

/* int f(ssl), which OpenSSL also calls itself before a handshake */
SEC("uprobe/tls_clear")
int tls_clear(struct pt_regs *ctx) { return release(PT_REGS_PARM1(ctx), false); }

#define SSL_CTRL_SET_TLSEXT_HOSTNAME 55

/* long f(ssl, cmd, long, name), which SSL_set_tlsext_host_name is a macro for */
SEC("uprobe/tls_ctrl")
int tls_ctrl(struct pt_regs *ctx) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p;

	if ((__s32)PT_REGS_PARM2(ctx) != SSL_CTRL_SET_TLSEXT_HOSTNAME || !PT_REGS_PARM4(ctx) || !(p = recorded(tgid)))
		return 0;
	struct conn_key key = {PT_REGS_PARM1(ctx), p->epoch, tgid};
	struct conn *c = find_conn(&key, p->pid, library_of(ctx));
	struct name_event *e = c ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : 0;
	if (!e)
		return 0; /* the name also stands in what the connection carries */
	e->head = conn_head(NAME, &key, c);
	e->name[0] = 0;
	bpf_probe_read_user_str(e->name, sizeof(e->name), (void *)PT_REGS_PARM4(ctx));
	submit(e, sizeof(*e));
	return 0;
}
