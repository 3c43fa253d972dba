/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * rustls. Its functions take the address of a part of the connection: those
 * that write that of its state, a reader that of the buffer in the state that
 * it reads from. How far these are from each other depends on the version and
 * the compiler. It is learned from the first connection that is used both ways:
 * a state is longer than REACH, so that a buffer not further than that behind
 * the address of a state is in it.
 *
 * A connection may be moved after its handshake. What it has read by then is
 * taken where it is read, not where it is decrypted.
 */
#pragma once

#include "data.h"
#include "process.h"
#include "tables.h"
#include <bpf/bpf_tracing.h>

#define REACH 512 /* a state is 0x2a0 bytes in rustls 0.20, 0x338 in 0.23 */
#define SLICES 64 /* hyper writes no more at once */

/* A second word of what a function returns. */
#if defined(__TARGET_ARCH_x86)
#define RC_2(ctx) ((ctx)->dx)
#elif defined(__TARGET_ARCH_arm64)
#define RC_2(ctx) (((struct user_pt_regs *)(ctx))->regs[1])
#endif

enum rust_kind { RUST_READ, RUST_WRITE, RUST_SLICES, RUST_CHUNK };

struct rust_slice {
	__u64 ptr, len;
};

struct rust_call { /* that has not returned; a thread is in one at most */
	__u64 sp;
	__u64 args[4];
	struct rust_slice several; /* RUST_SLICES: an array, if there is more than one */
	__u64 start;               /* bytes of it that are left out */
	__u64 state;               /* what its connection is known by */
	__u64 buf, n;              /* a piece of what it passes */
	__u64 time, epoch;
	__u32 pid, library;
	__u32 kind;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* as of bpf_get_current_pid_tgid */
	__type(value, struct rust_call);
} rust_calls SEC(".maps");

struct { /* by buffer of a reader: what it has shown, to be consumed */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct conn_key);
	__type(value, struct rust_slice);
} rust_shown SEC(".maps");

struct { /* by process, and function that frees (ssl) or 0: distances of a state */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct conn_key);
	__type(value, __u64);
} rust_layout SEC(".maps");

/* rust_known reports whether there is a connection at the address at. */
static __always_inline bool rust_known(struct conn_key *key, __u64 at) {
	key->ssl = at;
	return bpf_map_lookup_elem(&conns, key);
}

/* rust_near looks for a connection from at on, upwards or downwards. It sets
 * key to that and returns its distance, which is 0 where there is none. */
static __always_inline __u64 rust_near(struct conn_key *key, __u64 at, __s64 step) {
	for (__u64 d = 8; d < REACH; d += 8) {
		at += step;
		if (rust_known(key, at))
			return d;
	}
	return 0;
}

/* rust_resolve sets key, which has the address of a state, or of the buffer in
 * it that is read from, to what its connection is known by. */
static __always_inline void rust_resolve(struct conn_key *key, bool reader) {
	struct conn_key process = {0, key->epoch, key->tgid};
	__u64 at = key->ssl, *distance = bpf_map_lookup_elem(&rust_layout, &process);

	if (distance) {
		__u64 d = *distance, state = reader ? at - d : at;

		/* The first connection may have been named by its buffer. */
		key->ssl = !rust_known(key, state) && rust_known(key, state + d) ? state + d : state;
		return;
	}
	if (!rust_known(key, at)) {
		__u64 found = rust_near(key, at, reader ? -8 : 8);
		if (!found) {
			key->ssl = at;
			if (reader) /* which is its name, then */
				bpf_map_update_elem(&rust_layout, key, &found, BPF_ANY);
			return;
		}
		bpf_map_update_elem(&rust_layout, &process, &found, BPF_ANY);
	}
}

static __always_inline int rust_enter(struct pt_regs *ctx, enum rust_kind kind) {
	__u64 id = bpf_get_current_pid_tgid();
	struct process *p = recorded(id >> 32);

	if (!p)
		return 0;
	static const struct thread empty;
	if (!bpf_map_lookup_elem(&threads, &id)) /* for what it does with sockets */
		bpf_map_update_elem(&threads, &id, &empty, BPF_NOEXIST);
	struct rust_call call = {
		.sp = PT_REGS_SP(ctx),
		.args = {PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx)},
		.time = bpf_ktime_get_ns(), .epoch = p->epoch, .pid = p->pid, .kind = kind,
		.library = library_of(ctx),
	};
	if (kind == RUST_SLICES) {
		/* enum OutboundChunks: {0, pointer, length} of one, or an
		 * array of such and the part of it that is meant */
		__u64 w[4];
		if (bpf_probe_read_user(w, sizeof(w), (void *)call.args[1])) {
			COUNT(unseen, 1);
			return 0;
		}
		call.args[1] = w[1];
		call.args[2] = w[0] ? w[3] - w[2] : w[2];
		call.several = (struct rust_slice){w[0], w[1]};
		call.start = w[2];
	}
	if (bpf_map_update_elem(&rust_calls, &id, &call, BPF_ANY))
		COUNT(unseen, 1);
	return 0;
}

/* rust_send sends a piece of the thread's call. It is verified once, not once
 * for each piece. */
__noinline int rust_send(__u64 id) {
	struct rust_call *call = bpf_map_lookup_elem(&rust_calls, &id);
	struct thread *t = bpf_map_lookup_elem(&threads, &id);

	if (!call)
		return 0;
	struct conn_key key = {call->state, call->epoch, id >> 32};
	bool out = call->kind == RUST_WRITE || call->kind == RUST_SLICES;
	struct frame f = {
		.ssl = call->state, .buf = call->buf, .time = call->time, .epoch = call->epoch,
		.pid = call->pid, .dir = out ? OUT : IN, .library = call->library,
	};
	struct load l = {.key = &key, .f = &f, .thread = t, .n = call->n};
	if (l.n)
		deliver(&l, false);
	return 0;
}

/* rust_pass sends n bytes at buf. */
static __always_inline void rust_pass(struct rust_call *call, __u64 id, __u64 buf, __u64 n) {
	call->buf = buf;
	call->n = n;
	rust_send(id);
}

/* rust_pass_slices sends n bytes of an array of slices. What is in more than
 * SLICES of them leaves a hole. */
static __always_inline void rust_pass_slices(struct rust_call *call, __u64 id, __u64 n) {
	__u64 skip = call->start, at = call->several.ptr, len = call->several.len;

	for (__u32 i = 0; i < SLICES && i < len && n; i++, at += sizeof(struct rust_slice)) {
		struct rust_slice s;
		if (bpf_probe_read_user(&s, sizeof(s), (void *)at))
			break;
		if (s.len <= skip) {
			skip -= s.len;
			continue;
		}
		__u64 part = s.len - skip < n ? s.len - skip : n;
		rust_pass(call, id, s.ptr + skip, part);
		skip = 0;
		n -= part;
	}
	rust_pass(call, id, 0, n);
}

/* rust_result reads the two words of a Result that has returned, which are in
 * registers or, of older compilers, where the first argument points to, which
 * is then what is returned. It reports whether the arguments come after that. */
static __always_inline bool rust_result(struct pt_regs *ctx, struct rust_call *call, struct rust_slice *w) {
	w->ptr = PT_REGS_RC(ctx);
	w->len = RC_2(ctx);
	if (w->ptr != call->args[0])
		return false;
	if (bpf_probe_read_user(w, sizeof(*w), (void *)call->args[0]))
		w->ptr = 1; /* as an error */
	return true;
}

/* rust_buffer returns the buffer that a Reader reads from, its first field. */
static __always_inline __u64 rust_buffer(__u64 reader) {
	__u64 buffer = 0;

	bpf_probe_read_user(&buffer, sizeof(buffer), (void *)reader);
	return buffer;
}

/* rust_leave sends what the call of a thread has passed: n bytes, with w.ptr
 * and w.len what it returned. */
static __always_inline void rust_leave(struct pt_regs *ctx, struct rust_call *call, __u64 id) {
	bool reader = call->kind == RUST_READ || call->kind == RUST_CHUNK, apart = false;
	struct rust_slice w = {0, PT_REGS_RC(ctx)}; /* Result<usize> is {0, n}, Result<&[u8]> {pointer, length} */
	__u64 self = call->args[0], buf = call->args[1], len = call->args[2];

	if (reader)
		apart = rust_result(ctx, call, &w);
	if (apart) {
		self = call->args[1];
		buf = call->args[2];
		len = call->args[3];
	}
	if (call->kind == RUST_CHUNK ? !w.ptr : w.ptr)
		return; /* an error */
	if (call->kind == RUST_CHUNK && !apart) {
		COUNT(unseen, 1); /* not known how self is passed */
		return;
	}
	struct conn_key key = {reader ? rust_buffer(self) : self, call->epoch, id >> 32}, shown = key;
	rust_resolve(&key, reader);
	call->state = key.ssl;
	if (call->kind == RUST_CHUNK) {
		if (w.len)
			bpf_map_update_elem(&rust_shown, &shown, &w, BPF_ANY);
	} else if (w.len > len) {
		COUNT(unseen, 1);
		return;
	} else if (call->several.ptr) {
		rust_pass_slices(call, id, w.len);
	} else {
		rust_pass(call, id, buf, w.len);
	}
	if (reader && !w.len && (len || call->kind == RUST_CHUNK)) /* close_notify */
		peer_closed(&key, bpf_map_lookup_elem(&conns, &key));
}

SEC("uprobe/rust_return")
int rust_return(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	struct rust_call *call = bpf_map_lookup_elem(&rust_calls, &id);

	if (!call || call->sp != PT_REGS_SP(ctx) - sizeof(__u64))
		return 0;
	rust_leave(ctx, call, id);
	bpf_map_delete_elem(&rust_calls, &id);
	return 0;
}

/* fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> of a Reader */
SEC("uprobe/rust_read")
int rust_read(struct pt_regs *ctx) { return rust_enter(ctx, RUST_READ); }

/* fn into_first_chunk(self) -> io::Result<&[u8]> of a Reader */
SEC("uprobe/rust_chunk")
int rust_chunk(struct pt_regs *ctx) { return rust_enter(ctx, RUST_CHUNK); }

/* fn send_some_plaintext(&mut self, data: &[u8]) -> usize of a state */
SEC("uprobe/rust_write")
int rust_write(struct pt_regs *ctx) { return rust_enter(ctx, RUST_WRITE); }

/* fn buffer_plaintext(&mut self, payload: OutboundChunks, ...) -> usize of a state */
SEC("uprobe/rust_write_slices")
int rust_write_slices(struct pt_regs *ctx) { return rust_enter(ctx, RUST_SLICES); }

/* fn consume(&mut self, n: usize) of a Reader, of what into_first_chunk has shown */
SEC("uprobe/rust_consume")
int rust_consume(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid(), n = PT_REGS_PARM2(ctx);
	struct process *p = recorded(id >> 32);

	if (!p || !n)
		return 0;
	struct conn_key key = {rust_buffer(PT_REGS_PARM1(ctx)), p->epoch, id >> 32};
	struct rust_slice *shown = bpf_map_lookup_elem(&rust_shown, &key);
	if (!shown || n > shown->len) {
		COUNT(unseen, 1);
		return 0;
	}
	struct rust_call call = {
		.kind = RUST_CHUNK, .buf = shown->ptr, .n = n, .epoch = p->epoch, .pid = p->pid,
		.library = library_of(ctx),
	};
	shown->ptr += n;
	shown->len -= n;
	rust_resolve(&key, true);
	call.state = key.ssl;
	if (bpf_map_update_elem(&rust_calls, &id, &call, BPF_ANY)) {
		COUNT(unseen, 1);
		return 0;
	}
	rust_send(id);
	bpf_map_delete_elem(&rust_calls, &id);
	return 0;
}

/* rust_state sets key to what the connection is known by of which a state is the
 * first argument. It reports whether the process is recorded. */
static __always_inline bool rust_state(struct pt_regs *ctx, struct conn_key *key) {
	__u64 id = bpf_get_current_pid_tgid();
	struct process *p = recorded(id >> 32);

	if (!p)
		return false;
	*key = (struct conn_key){PT_REGS_PARM1(ctx), p->epoch, id >> 32};
	rust_resolve(key, false);
	return true;
}

/* fn start_outgoing_traffic(&mut self) of a state, when the handshake is over,
 * before which nothing can be read: what has was a connection that was dropped
 * after it had been moved */
SEC("uprobe/rust_begin")
int rust_begin(struct pt_regs *ctx) {
	struct conn_key key;

	if (!rust_state(ctx, &key))
		return 0;
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	return c && (c->off[IN] || c->closed) ? release(key.ssl, true) : 0;
}

/* drop_in_place of a state */
SEC("uprobe/rust_free_state")
int rust_free_state(struct pt_regs *ctx) {
	struct conn_key key;

	if (!rust_state(ctx, &key))
		return 0;
	return release(key.ssl, true);
}

/* drop_in_place of a connection, which its state is in, at a distance that is
 * the same in each call */
SEC("uprobe/rust_free")
int rust_free(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	struct process *p = recorded(id >> 32);

	if (!p)
		return 0;
	struct conn_key key = {PT_REGS_PARM1(ctx), p->epoch, id >> 32}, function = {PT_REGS_IP(ctx), p->epoch, id >> 32};
	__u64 *distance = bpf_map_lookup_elem(&rust_layout, &function), at = key.ssl;
	if (distance) {
		key.ssl += *distance;
		rust_resolve(&key, false);
	} else if (!rust_known(&key, at)) {
		__u64 found = rust_near(&key, at, 8);
		if (!found)
			return 0;
		if (!bpf_map_lookup_elem(&rust_layout, &key)) /* it is not named by its buffer */
			bpf_map_update_elem(&rust_layout, &function, &found, BPF_ANY);
	}
	return release(key.ssl, true);
}
