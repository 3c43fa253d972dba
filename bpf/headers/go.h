/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Go's crypto/tls. A goroutine may change threads while it is in a call, and
 * its stack may move, so that a call is known by the goroutine and by how far
 * its frame is from the upper end of the stack, which a move keeps.
 *
 * What is written is taken where it becomes records, by a function that is called
 * with the connection's lock of writes held, so that writes of several goroutines
 * come in their order. The answer to a write may be read by another goroutine
 * before the write returns. What is read is then marked, and user space has it
 * wait: the bytes of a write are read by who writes them, when it is known how many
 * have passed. Who has the answer may end the process before that, so that they
 * are also read with the first of it, for the case that nothing follows.
 *
 * Which socket a connection uses is in it: the number of a file. What is read
 * there may be something else, since a connection can be laid over anything.
 * It counts when the goroutine in a call, before it returns, has used just that
 * socket, or has tried to. Before Linux 5.15 that is only seen on the thread that
 * the call began on.
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
#define GO_4(ctx) ((ctx)->di)
#define GO_G(ctx) ((ctx)->r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_1(ctx) (((struct user_pt_regs *)(ctx))->regs[0])
#define GO_2(ctx) (((struct user_pt_regs *)(ctx))->regs[1])
#define GO_3(ctx) (((struct user_pt_regs *)(ctx))->regs[2])
#define GO_4(ctx) (((struct user_pt_regs *)(ctx))->regs[3])
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

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define GO_WRAPPERS 3 /* types around *net.TCPConn that are looked through */

/* socket_of returns the socket that the current process has as fd, or 0. */
static __always_inline struct sock *socket_of(__u32 fd) {
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* go_socket finds the socket of a tls.Conn: its first field is a net.Conn, of
 * which the second word leads to a net.TCPConn, or to something around one that
 * begins with a net.Conn. A net.TCPConn is the address of a netFD, which begins
 * with two words and the number. */
static __always_inline void go_socket(__u64 tls_conn, struct go_call *call) {
	__u64 at = tls_conn, fd_at;
	__u32 fd;

	for (int i = 0; i < GO_WRAPPERS; i++) {
		if (bpf_probe_read_user(&at, sizeof(at), (void *)(at + 8)) ||
		    bpf_probe_read_user(&fd_at, sizeof(fd_at), (void *)at))
			return;
		if (bpf_probe_read_user(&fd, sizeof(fd), (void *)(fd_at + 16)))
			continue;
		struct sock *sk = socket_of(fd);
		if (sk && read_address(sk, &call->address)) {
			call->socket = socket_id(sk);
			return;
		}
	}
}

#if defined(__TARGET_ARCH_x86)
#define GO_G_AT __builtin_offsetof(struct pt_regs, r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_G_AT __builtin_offsetof(struct user_pt_regs, regs[28]) /* which begins pt_regs */
#endif

/* go_user returns what go_uses has the current goroutine under, or the thread. */
static __always_inline struct go_place go_user(void) {
	__u64 id = bpf_get_current_pid_tgid();
	struct go_place user = {id, 0, id >> 32};

	if (cookies) {
		struct task_struct *task = bpf_get_current_task_btf();

		bpf_probe_read_kernel(&user.g, sizeof(user.g), (void *)bpf_task_pt_regs(task) + GO_G_AT);
	}
	return user;
}

/* go_uses_socket notes that the current goroutine uses sk. */
static __always_inline int go_uses_socket(struct sock *sk) {
	struct go_place user = go_user();
	struct go_use *use = bpf_map_lookup_elem(&go_uses, &user);

	if (!use || use->socket != socket_id(sk))
		return 0;
	struct go_place at = use->place;
	struct go_call *call = bpf_map_lookup_elem(&go_calls, &at);
	if (call && call->head.frame.time == use->time)
		call->proven = 1;
	bpf_map_delete_elem(&go_uses, &user);
	return 0;
}

/* sock_send_length and sock_recv_length, which come where nothing was passed, too */
SEC("raw_tp/go_socket")
int go_uses_sock(struct bpf_raw_tracepoint_args *ctx) { return go_uses_socket((void *)ctx->args[0]); }

/* tcp_sendmsg and tcp_recvmsg */
SEC("kprobe/go_socket")
int go_uses_tcp(struct pt_regs *ctx) { return go_uses_socket((void *)PT_REGS_PARM1(ctx)); }

/* go_tell tells up to which one the writes on c are over. The first time that makes
 * the connection known, also where nothing comes of it. */
OWN_STACK int go_tell(struct conn_key *key, struct conn *c, __u32 write) {
	struct head *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	*e = conn_head(WROTE, key, c);
	e->write = write;
	submit(e, sizeof(*e));
	return 0;
}

/* go_enter notes a call with a buffer of len bytes, which its connection waits
 * for: Close ends it while others are under way, and what these pass still counts. */
static __always_inline int go_enter(struct pt_regs *ctx, enum dir dir, __u64 buf, __u64 len) {
	struct process *p = recorded(bpf_get_current_pid_tgid() >> 32);
	struct go_stack stack;
	struct go_place at;

	if (!p || !go_place(ctx, &at, &stack))
		return 0;
	struct conn_key key = {GO_1(ctx), p->epoch, at.tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (!c && dir == NEITHER)
		return 0;
	if (!c)
		c = find_conn(&key, p->pid, library_of(ctx));
	struct go_call call = {
		.head.frame = {
			.ssl = key.ssl, .buf = buf, .time = bpf_ktime_get_ns(), .epoch = p->epoch,
			.pid = p->pid, .dir = dir, .library = library_of(ctx),
		},
		.head.len = len,
	};
	if (buf >= stack.lo && buf < stack.hi)
		call.head.stack = stack.hi;
	if (c && dir == OUT) {
		c->writing = at;
		if (!c->begun++)
			go_tell(&key, c, c->done);
	}
	if (c && dir == IN)
		c->reading = 1;
	if (dir != NEITHER && (!c || (!c->socket && !c->doubt)))
		go_socket(key.ssl, &call);
	if (bpf_map_update_elem(&go_calls, &at, &call, BPF_ANY))
		COUNT(unseen, 1);
	if (call.socket) {
		struct go_use use = {call.socket, at, call.head.frame.time};
		struct go_place user = go_user();

		bpf_map_update_elem(&go_uses, &user, &use, BPF_ANY);
	}
	return 0;
}

/* go_bind tells the socket of the connection c that the call at a place uses. */
OWN_STACK int go_bind(struct conn_key *key, struct conn *c, struct go_place *at) {
	struct go_call *call = bpf_map_lookup_elem(&go_calls, at);

	if (!c || !call || !call->proven)
		return 0;
	struct address address = call->address;
	__u64 socket = call->socket;
	if (call->head.frame.ssl == key->ssl) /* still: it may have returned meanwhile */
		bind(key, c, socket, &address);
	return 0;
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
int go_read(struct pt_regs *ctx) { return go_enter(ctx, IN, GO_2(ctx), GO_3(ctx)); }

#define RECORD_DATA 23 /* a content type of TLS (RFC 8446, B.1) */

/* func (c *Conn) writeRecordLocked(typ recordType, data []byte) (int, error) */
SEC("uprobe/go_write")
int go_write(struct pt_regs *ctx) {
	struct go_stack stack;
	struct go_place at;

	if ((__u8)GO_2(ctx) == RECORD_DATA)
		return go_enter(ctx, OUT, GO_3(ctx), GO_4(ctx));
	/* A call that ended in a panic may have been at the same place. */
	if (recorded(bpf_get_current_pid_tgid() >> 32) && go_place(ctx, &at, &stack))
		bpf_map_delete_elem(&go_calls, &at);
	return 0;
}

/* go_wrote tells that a write on c is over, which what was read meanwhile waits
 * for. told is set where the last data of it says so. */
static __always_inline void go_wrote(struct conn_key *key, struct conn *c, bool told) {
	if (!told)
		go_tell(key, c, c->begun);
	c->done = c->begun; /* not before there is an event for all of it in the ring */
}

/* save_piece tells the n <= size bytes at buf. */
#define save_piece(size)                                                       \
	do {                                                                   \
		struct {                                                       \
			struct head head;                                      \
			__u8 data[size];                                       \
		} *e_ = bpf_ringbuf_reserve(&events, sizeof(*e_), 0);          \
		if (!e_)                                                       \
			return 0;                                              \
		asm volatile("" : "+r"(n)); /* shows the verifier the bound */ \
		if (n > size)                                                  \
			n = size;                                              \
		e_->head = conn_head(SAVED, key, c);                           \
		e_->head.time = time;                                          \
		e_->head.off = c->off[OUT];                                    \
		e_->head.len = n;                                              \
		e_->head.dir = OUT;                                            \
		e_->head.write = write;                                        \
		if (bpf_probe_read_user(e_->data, n, (void *)buf)) {           \
			bpf_ringbuf_discard(e_, BPF_RB_NO_WAKEUP);             \
			return 0;                                              \
		}                                                              \
		submit(e_, sizeof(*e_));                                       \
	} while (0)

/* go_save tells what the write on c passes that has not returned and seems to be
 * answered, if that is no more than a record holds. It counts for nothing yet. */
OWN_STACK int go_save(struct conn_key *key, struct conn *c) {
	__u32 write = *(volatile __u32 *)&c->begun; /* first: of the next one it would be too late */
	struct go_place at = c->writing;
	struct go_call *call = bpf_map_lookup_elem(&go_calls, &at);

	if (!call || call->head.stack || call->head.frame.ssl != key->ssl || call->head.frame.dir != OUT)
		return 0;
	__u64 n = call->head.len, buf = call->head.frame.buf, time = call->head.frame.time;
	c->saved = write;
	if (n <= 1024)
		save_piece(1024);
	else if (n <= PIECE)
		save_piece(PIECE);
	return 0;
}

/* go_leave delivers what a call that returns has passed. */
static __always_inline void go_leave(struct pt_regs *ctx, struct go_place *at, struct go_call_head *call, bool loops) {
	struct conn_key key = {call->frame.ssl, call->frame.epoch, at->tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	struct load l = {.key = &key, .f = &call->frame, .n = GO_1(ctx)};
	enum dir dir = call->frame.dir;
	bool passed = l.n > 0 && l.n <= call->len; /* Close has no len */

	/* What was closed meanwhile begins anew: the call still has the tls.Conn, so that
	 * nothing else can be at its address. */
	if (passed) {
		go_bind(&key, find_conn(&key, call->frame.pid, call->frame.library), at);
		c = deliver(&l, loops);
	}
	if (!c)
		return;
	if (dir == OUT)
		go_wrote(&key, c, l.flags & LAST);
	if (dir == IN && passed && c->done != c->begun && c->saved != c->begun)
		go_save(&key, c);
	if (dir == IN && is_eof(GO_3(ctx)))
		peer_closed(&key, c);
	if (dir == IN)
		c->reading = 0;
	if (dir == NEITHER)
		c->closing = 1; /* not before: until then something may still be read */
	if (c->closing && !c->reading && c->done == c->begun) /* it is the last one to return */
		end_conn(&key, c);
}

static __always_inline int go_back(struct pt_regs *ctx, bool loops) {
	struct go_stack stack;
	struct go_place at;

	if (!go_place(ctx, &at, &stack))
		return 0;
	struct go_call *entered = bpf_map_lookup_elem(&go_calls, &at);
	if (!entered)
		return 0;
	/* Not its address: there is not the room. */
	struct go_call_head call = entered->head;
	if (call.stack)
		call.frame.buf += stack.hi - call.stack;
	go_leave(ctx, &at, &call, loops);
	bpf_map_delete_elem(&go_calls, &at);
	return 0;
}

/* at each return instruction of the two: a return probe would put an address
 * on the stack that Go does not know */
SEC("uprobe/go_return")
int go_return(struct pt_regs *ctx) { return go_back(ctx, true); }

/* for kernels before Linux 5.17 */
SEC("uprobe/go_return_old")
int go_return_old(struct pt_regs *ctx) { return go_back(ctx, false); }

/* func (c *Conn) Close() error */
SEC("uprobe/go_close")
int go_close(struct pt_regs *ctx) { return go_enter(ctx, NEITHER, 0, 0); }
