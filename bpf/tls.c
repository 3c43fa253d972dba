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
#include "headers/kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char __license[] SEC("license") = "Dual MIT/GPL";

#define PIECE 16384   /* a TLS record holds no more, nor does a read return more */
#define BULK 65536    /* bytes of data in the largest event, of large writes */
#define MAX_BULKS 256 /* of one call */
#define MAX_CALL ((__u64)MAX_BULKS * BULK)
#define FRAMES 4      /* calls in one another: TLS in TLS, a library that wraps itself */

enum dir { OUT, IN };

enum end { END_NONE, END_CLEAN, END_CUT }; /* as record.End */

enum kind { DATA, END, FORK, EXEC, EXIT };

struct head { /* of an event; data follows */
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u64 ssl;  /* the library's pointer */
	__u64 epoch; /* with tgid and ssl: one SSL pointer of one program run */
	__u64 born; /* with the above: one connection */
	__u64 off;  /* of data in its direction's stream */
	__u32 tgid; /* as the kernel counts */
	__u32 pid;  /* the same process as the recorder sees it */
	__u32 len;  /* bytes of data */
	__u8 kind, dir, end, pad;
	__u32 library; /* the file whose functions passed the data, as attached */
	__u32 pad2;
};

struct start { /* FORK: head.ssl is the tgid of the parent */
	struct head head;
	__u8 comm[16];
};

struct exec { /* EXEC: head.off is the size of all arguments */
	struct head head;
	__u8 comm[16];
	__u8 file[256];
	__u8 args[4096 - 256]; /* head.len bytes, each argument ends in 0 */
};

union event { /* what the ring buffer holds, for bpf2go */
	struct head head;
	struct start start;
	struct exec exec;
};

/* What the connection table and the table of ends are looked up by. */
struct conn_key {
	__u64 ssl, epoch;
	__u32 tgid, pad;
};

struct conn {
	__u64 born;
	__u64 off[2]; /* bytes passed, by direction */
	__u32 closed; /* the peer's close_notify was read */
	__u32 pid;
	__u32 library, pad;
};

struct end_key {
	struct conn_key conn;
	__u64 born;
	__u32 dir, pad;
};

struct end_value {
	__u64 time, off;
	__u32 end, pid, library, pad;
};

struct process {
	__u64 epoch; /* time since when it runs this program */
	__u32 pid;   /* as the recorder sees it */
	__u32 flags;
};

enum { IGNORE = 1 }; /* process.flags */

struct frame { /* a call that has not returned */
	__u64 sp;
	__u64 ssl, buf;
	__u64 count; /* where the function stores how much it passed; 0: it returns that */
	__u64 time;
	__u64 epoch;
	__u32 pid;
	__u8 dir;
	__u8 closes;  /* a return value of 0 means close_notify */
	__u8 counted; /* a call within this one has counted the same bytes */
	__u8 pad;
	__u64 library;
};

struct thread {
	__u64 depth;
	struct frame frames[FRAMES];
};

struct loss { /* bpf.Loss */
	__u64 ring_events, ring_bytes;   /* no room in the ring buffer */
	__u64 fault_events, fault_bytes; /* user page not readable */
	__u64 table_events, table_bytes; /* no room in a table */
	__u64 long_events, long_bytes;   /* beyond MAX_CALL */
	__u64 passed;                    /* bytes, lost ones included */
	__u64 captured;
};

const volatile __u64 watermark = 0; /* bytes in the ring that wake the reader */
const volatile __u32 pidns = 0;     /* inode of the recorder's pid namespace */
const volatile bool all = false;    /* record every process */
const volatile bool cookies = false; /* the kernel has bpf_get_attach_cookie (5.15) */
const volatile bool follow = false; /* record what recorded processes fork */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
	__type(value, union event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32); /* tgid */
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* as of bpf_get_current_pid_tgid */
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct conn_key);
	__type(value, struct conn);
} conns SEC(".maps");

struct { /* of connections, for which there was no room in the ring */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct end_key);
	__type(value, struct end_value);
} ends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loss);
} losses SEC(".maps");

#define COUNT(field, n)                                                        \
	do {                                                                   \
		__u32 zero_ = 0;                                               \
		struct loss *loss_ = bpf_map_lookup_elem(&losses, &zero_);     \
		if (loss_)                                                     \
			__sync_fetch_and_add(&loss_->field, n);                \
	} while (0)

/* submit hands over an event of size bytes. A wake-up costs more than the copy
 * of the data, so the reader, which also looks every few ms, is only woken
 * when this event fills the ring up to the watermark. */
static __always_inline void submit(void *event, __u64 size) {
	__u64 avail = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	bool crossed = avail >= watermark && avail - size < watermark;

	bpf_ringbuf_submit(event, crossed ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* ---- processes ---- */

/* own_pid returns the id of task in the recorder's pid namespace, or 0 where
 * it is not visible from there. */
static __always_inline __u32 own_pid(struct task_struct *task) {
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);

	for (__u32 i = 0; i < 8 && i <= level; i++) {
		struct upid *upid = (void *)numbers + i * bpf_core_type_size(struct upid);

		if (BPF_CORE_READ(upid, ns, ns.inum) == pidns)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

/* recorded returns the current process if it is to be recorded. */
static __always_inline struct process *recorded(__u32 tgid) {
	struct process *p = bpf_map_lookup_elem(&processes, &tgid);

	if (p)
		return p->flags & IGNORE ? 0 : p;
	if (!all)
		return 0;
	struct process new = {bpf_ktime_get_ns(), own_pid((void *)bpf_get_current_task())};
	if (!new.pid)
		return 0;
	if (bpf_map_update_elem(&processes, &tgid, &new, BPF_NOEXIST))
		COUNT(table_events, 1);
	return bpf_map_lookup_elem(&processes, &tgid);
}

/* ---- connections ---- */

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
	*e = (struct head){
		.time = bpf_ktime_get_ns(), .ssl = key->ssl, .epoch = key->epoch,
		.born = c->born, .off = c->off[dir], .tgid = key->tgid, .pid = c->pid,
		.kind = END, .dir = dir, .end = end, .library = c->library,
	};
	submit(e, sizeof(*e));
}

static __always_inline struct conn *find_conn(struct conn_key *key, struct frame *f) {
	struct conn *c = bpf_map_lookup_elem(&conns, key);

	if (c)
		return c;
	struct conn new = {.born = bpf_ktime_get_ns(), .pid = f->pid, .library = f->library};
	bpf_map_update_elem(&conns, key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&conns, key);
}

/* ---- data ---- */

/* send_piece copies the n <= size bytes at buf. Its size must be a power of
 * two known at compile time, as the verifier wants that of a reservation. */
#define send_piece(head, buf, n, size)                                         \
	do {                                                                   \
		struct {                                                       \
			struct head head;                                      \
			__u8 data[size];                                       \
		} *e_ = bpf_ringbuf_reserve(&events, sizeof(*e_), 0);          \
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
#define send_class(head, buf, n, size)                                         \
	if (n <= size) {                                                       \
		send_piece(head, buf, n, size);                                \
		return;                                                        \
	}

static __always_inline void send_tail(struct head *head, __u64 buf, __u64 n) {
	send_class(head, buf, n, 64);
	send_class(head, buf, n, 256);
	send_class(head, buf, n, 512);
	send_class(head, buf, n, 1024);
	send_class(head, buf, n, 2048);
	send_class(head, buf, n, 4096);
	send_class(head, buf, n, 8192);
	send_piece(head, buf, n, PIECE);
}

/* send copies the n bytes at buf, which head describes, in pieces. Both loops
 * are walked through by the verifier; large pieces keep that short. */
static __always_inline void send(struct head *head, __u64 buf, __u64 n) {
	__u64 bulks = n / BULK;

	for (__u32 i = 0; i < MAX_BULKS && i < bulks; i++) {
		send_piece(head, buf, BULK, BULK);
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
		send_piece(head, buf, PIECE, PIECE);
		head->off += PIECE;
		buf += PIECE;
		n -= PIECE;
	}
	if (n)
		send_tail(head, buf, n);
}

/* ---- calls ---- */

/* enter notes a call. Frames at or below its stack pointer are of calls that
 * were left by longjmp or an exception. */
static __always_inline int enter(struct pt_regs *ctx, enum dir dir, __u64 count, bool closes) {
	__u64 id = bpf_get_current_pid_tgid();
	struct process *p = recorded(id >> 32);

	if (!p)
		return 0;
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	if (!t) {
		static const struct thread empty;

		bpf_map_update_elem(&threads, &id, &empty, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&threads, &id);
		if (!t) {
			COUNT(table_events, 1);
			return 0;
		}
	}
	__u64 sp = PT_REGS_SP(ctx), depth = t->depth;
	for (int i = 0; i < FRAMES; i++) {
		if (depth > 0 && depth <= FRAMES && t->frames[depth - 1].sp <= sp)
			depth--;
	}
	if (depth >= FRAMES) {
		COUNT(table_events, 1);
		return 0;
	}
	t->frames[depth] = (struct frame){
		.sp = sp, .ssl = PT_REGS_PARM1(ctx), .buf = PT_REGS_PARM2(ctx),
		.count = count, .time = bpf_ktime_get_ns(), .epoch = p->epoch,
		.pid = p->pid, .dir = dir, .closes = closes,
		.library = cookies ? bpf_get_attach_cookie(ctx) : 0,
	};
	t->depth = depth + 1;
	return 0;
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

static __always_inline void pass(struct thread *t, struct frame *f, __u32 tgid, __s32 ret) {
	struct conn_key key = {f->ssl, f->epoch, tgid};
	__u64 n = ret;

	if (ret < 0 || (ret == 0 && !f->closes))
		return;
	struct conn *c = find_conn(&key, f);
	if (ret == 0) {
		if (c && !c->closed) {
			c->closed = 1;
			send_end(&key, c, IN, END_CLEAN);
		}
		return;
	}
	if (f->count && bpf_probe_read_user(&n, sizeof(n), (void *)f->count)) {
		COUNT(fault_events, 1);
		return;
	}
	if (n == 0)
		return;
	for (int i = 0; i < FRAMES; i++) { /* a call around this one with the same bytes */
		if (i < t->depth && t->frames[i].ssl == f->ssl && t->frames[i].dir == f->dir)
			t->frames[i].counted = 1;
	}
	COUNT(passed, n);
	if (!c) {
		COUNT(table_events, 1);
		COUNT(table_bytes, n);
		return;
	}
	__u32 dir = f->dir & 1;
	struct head head = {
		.time = dir == OUT ? f->time : bpf_ktime_get_ns(), .ssl = key.ssl,
		.epoch = key.epoch, .born = c->born, .off = c->off[dir], .tgid = tgid,
		.pid = f->pid, .kind = DATA, .dir = dir, .library = f->library,
	};
	c->off[dir] += n;
	send(&head, f->buf, n);
}

SEC("uprobe/tls_return")
int tls_return(struct pt_regs *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	struct frame f;

	if (t && leave_frame(t, PT_REGS_SP(ctx) - RETURN_SIZE, &f) && !f.counted)
		pass(t, &f, id >> 32, PT_REGS_RC(ctx));
	return 0;
}

/* int f(ssl, buf, len), which returns how much it passed */
SEC("uprobe/tls_read")
int tls_read(struct pt_regs *ctx) { return enter(ctx, IN, 0, true); }

SEC("uprobe/tls_write")
int tls_write(struct pt_regs *ctx) { return enter(ctx, OUT, 0, false); }

/* int f(ssl, buf, len, size_t *n), which stores it; 0 is any failure */
SEC("uprobe/tls_read_ex")
int tls_read_ex(struct pt_regs *ctx) { return enter(ctx, IN, PT_REGS_PARM4(ctx), false); }

SEC("uprobe/tls_write_ex")
int tls_write_ex(struct pt_regs *ctx) { return enter(ctx, OUT, PT_REGS_PARM4(ctx), false); }

/* int f(ssl, buf, len, flags, size_t *n) */
SEC("uprobe/tls_write_ex2")
int tls_write_ex2(struct pt_regs *ctx) { return enter(ctx, OUT, PT_REGS_PARM5(ctx), false); }

/* OpenSSL's ssl_read_internal: as read_ex, but 0 is close_notify */
SEC("uprobe/tls_read_inner")
int tls_read_inner(struct pt_regs *ctx) { return enter(ctx, IN, PT_REGS_PARM4(ctx), true); }

/* void f(ssl): the pointer is free for another connection */
SEC("uprobe/tls_free")
int tls_free(struct pt_regs *ctx) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);

	if (!p)
		return 0;
	struct conn_key key = {PT_REGS_PARM1(ctx), p->epoch, tgid};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (!c)
		return 0;
	send_end(&key, c, OUT, END_CLEAN);
	if (!c->closed)
		send_end(&key, c, IN, END_CUT);
	bpf_map_delete_elem(&conns, &key);
	return 0;
}

/* ---- process events ---- */

static __always_inline struct head process_head(enum kind kind, __u32 tgid, struct process *p) {
	return (struct head){
		.time = bpf_ktime_get_ns(), .epoch = p->epoch, .tgid = tgid, .pid = p->pid, .kind = kind,
	};
}

/* (struct task_struct *parent, struct task_struct *child) */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx) {
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	__u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	struct process *p = bpf_map_lookup_elem(&processes, &ptgid);

	if (!follow || ptgid == tgid || !p || p->flags & IGNORE)
		return 0;
	struct process new = {bpf_ktime_get_ns(), own_pid(child)};
	if (bpf_map_update_elem(&processes, &tgid, &new, BPF_ANY)) {
		COUNT(table_events, 1);
		return 0;
	}
	struct start *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	e->head = process_head(FORK, tgid, &new);
	e->head.ssl = ptgid;
	BPF_CORE_READ_INTO(&e->comm, child, comm);
	submit(e, sizeof(*e));
	return 0;
}

/* (struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &tgid);

	bpf_map_delete_elem(&threads, &id);
	if (!p || p->flags & IGNORE)
		return 0;
	p->epoch = bpf_ktime_get_ns(); /* the pointers of the old program mean nothing now */
	struct exec *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	struct task_struct *task = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	__u64 args = BPF_CORE_READ(task, mm, arg_start), n = BPF_CORE_READ(task, mm, arg_end) - args;
	e->head = process_head(EXEC, tgid, p);
	e->head.off = n;
	asm volatile("" : "+r"(n));
	if (n > sizeof(e->args))
		n = sizeof(e->args);
	if (!bpf_probe_read_user(e->args, n, (void *)args))
		e->head.len = n;
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	e->file[0] = 0;
	bpf_probe_read_kernel_str(e->file, sizeof(e->file), BPF_CORE_READ(bprm, filename));
	submit(e, sizeof(*e));
	return 0;
}

/* (struct task_struct *task), for each thread */
SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx) {
	struct task_struct *task = (void *)ctx->args[0];
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &tgid);

	bpf_map_delete_elem(&threads, &id);
	if (!p || p->flags & IGNORE || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	struct head head = process_head(EXIT, tgid, p);
	head.off = BPF_CORE_READ(task, exit_code);
	if (bpf_map_delete_elem(&processes, &tgid))
		return 0; /* another thread told it */
	struct head *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	*e = head;
	submit(e, sizeof(*e));
	return 0;
}
