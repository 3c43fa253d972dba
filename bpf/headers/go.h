/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Go's crypto/tls. A goroutine may change threads while it is in a call, and
 * its stack may move, so that a call is known by the goroutine and by how far
 * its frame is from the upper end of the stack, which a move keeps. Sockets
 * are used on whatever thread there is: they stay unknown.
 */
#pragma once

#include "data.h"
#include "process.h"
#include "tables.h"
#include <bpf/bpf_tracing.h>

/* Registers of Go's calls (ABIInternal): the first words of the arguments, and
 * of the results, and the goroutine. */
#if defined(__TARGET_ARCH_x86)
#define GO_1(ctx) ((ctx)->ax)
#define GO_2(ctx) ((ctx)->bx)
#define GO_3(ctx) ((ctx)->cx)
#define GO_G(ctx) ((ctx)->r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_1(ctx) (((struct user_pt_regs *)(ctx))->regs[0])
#define GO_2(ctx) (((struct user_pt_regs *)(ctx))->regs[1])
#define GO_3(ctx) (((struct user_pt_regs *)(ctx))->regs[2])
#define GO_G(ctx) (((struct user_pt_regs *)(ctx))->regs[28])
#endif

/* go_place finds out where the current goroutine is. */
static __always_inline bool go_place(struct pt_regs *ctx, struct go_place *at, struct go_stack *stack) {
	*at = (struct go_place){.g = GO_G(ctx), .tgid = bpf_get_current_pid_tgid() >> 32};
	if (bpf_probe_read_user(stack, sizeof(*stack), (void *)at->g)) { /* the first field of runtime.g */
		COUNT(unseen, 1);
		return false;
	}
	at->depth = stack->hi - PT_REGS_SP(ctx);
	return true;
}

static __always_inline int go_enter(struct pt_regs *ctx, enum dir dir) {
	struct process *p = recorded(bpf_get_current_pid_tgid() >> 32);
	struct go_stack stack;
	struct go_place at;

	if (!p || !go_place(ctx, &at, &stack))
		return 0;
	struct conn_key key = {GO_1(ctx), p->epoch, at.tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	struct go_call call = {
		.frame = {
			.ssl = key.ssl, .buf = GO_2(ctx), .time = bpf_ktime_get_ns(), .epoch = p->epoch,
			.pid = p->pid, .dir = dir, .library = cookies ? bpf_get_attach_cookie(ctx) : 0,
		},
		.born = c ? c->born : 0, .len = GO_3(ctx),
	};
	if (call.frame.buf >= stack.lo && call.frame.buf < stack.hi)
		call.stack = stack.hi;
	/* A buffer that may move is not for others to read. */
	if (dir == OUT && !call.stack)
		call.frame.shared = !bpf_map_update_elem(&go_writes, &key, &at, BPF_NOEXIST);
	if (bpf_map_update_elem(&go_calls, &at, &call, BPF_ANY))
		COUNT(unseen, 1);
	return 0;
}

/* go_flush delivers a write on the connection of key that has not returned.
 * The answer to it may be read first, by another goroutine: what was read
 * proves that the handshake is over, and if the write fails after that, nothing
 * is ever written on the connection again. */
static __always_inline void go_flush(struct conn_key *key) {
	struct go_place *w = bpf_map_lookup_elem(&go_writes, key);

	if (!w)
		return;
	struct go_place at = *w;
	struct go_call *call = bpf_map_lookup_elem(&go_calls, &at);
	if (!call || call->frame.ssl != key->ssl || call->frame.dir != OUT)
		return;
	struct frame f = call->frame;
	__u64 n = call->len;
	if (n > 0)
		deliver(key, &f, n, &at);
}

/* is_eof reports whether the error whose value is at data is io.EOF, an
 * errors.errorString: that is close_notify, or the end of the socket between
 * two records, which Go takes for it. */
static __always_inline bool is_eof(__u64 data) {
	struct {
		__u64 text, len;
	} s;
	char text[3];

	return data && !bpf_probe_read_user(&s, sizeof(s), (void *)data) && s.len == sizeof(text) &&
	       !bpf_probe_read_user(text, sizeof(text), (void *)s.text) &&
	       text[0] == 'E' && text[1] == 'O' && text[2] == 'F';
}

/* func (c *Conn) Read(b []byte) (int, error) */
SEC("uprobe/go_read")
int go_read(struct pt_regs *ctx) { return go_enter(ctx, IN); }

/* func (c *Conn) Write(b []byte) (int, error) */
SEC("uprobe/go_write")
int go_write(struct pt_regs *ctx) { return go_enter(ctx, OUT); }

/* go_leave delivers what a call that returns has passed. */
static __always_inline void go_leave(struct pt_regs *ctx, struct go_place *at, struct go_call *call) {
	struct conn_key key = {call->frame.ssl, call->frame.epoch, at->tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	__s64 n = GO_1(ctx);

	if (call->born && (!c || c->born != call->born)) { /* closed meanwhile */
		go_claim(&key, at);
		return;
	}
	if (n > 0 && n <= call->len) {
		if (call->frame.dir == IN)
			go_flush(&key);
		c = deliver(&key, &call->frame, n, at);
	} else if (call->frame.shared) {
		go_claim(&key, at); /* nothing was written */
	}
	if (call->frame.dir == IN && is_eof(GO_3(ctx)))
		peer_closed(&key, c);
}

/* at each return instruction of the two: a return probe would put an address
 * on the stack that Go does not know */
SEC("uprobe/go_return")
int go_return(struct pt_regs *ctx) {
	struct go_stack stack;
	struct go_place at;

	if (!go_place(ctx, &at, &stack))
		return 0;
	struct go_call *entered = bpf_map_lookup_elem(&go_calls, &at);
	if (!entered)
		return 0;
	struct go_call call = *entered;
	if (call.stack)
		call.frame.buf += stack.hi - call.stack;
	go_leave(ctx, &at, &call);
	bpf_map_delete_elem(&go_calls, &at); /* not before go_flush has no use for it */
	return 0;
}

/* func (c *Conn) Close() error */
SEC("uprobe/go_close")
int go_close(struct pt_regs *ctx) { return release(GO_1(ctx), true); }
