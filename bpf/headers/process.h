/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Which processes are recorded, and what becomes of them. */
#pragma once

#include "tables.h"
#include <bpf/bpf_core_read.h>

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

static __always_inline struct head process_head(enum kind kind, __u32 tgid, struct process *p) {
	return (struct head){
		.time = bpf_ktime_get_ns(), .epoch = p->epoch, .tgid = tgid, .pid = p->pid, .kind = kind,
	};
}

/* send_start tells that p is recorded from now on. */
static __always_inline void send_start(__u32 tgid, struct process *p, __u32 parent, struct task_struct *task) {
	struct start *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		COUNT(ring_events, 1);
		return;
	}
	e->head = process_head(START, tgid, p);
	e->head.ssl = parent;
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	submit(e, sizeof(*e));
}

static __always_inline struct process *adopt(__u32 tgid, __u32 pid, __u32 flags, struct task_struct *task) {
	struct process new = {bpf_ktime_get_ns(), pid, flags};

	if (bpf_map_update_elem(&processes, &tgid, &new, BPF_NOEXIST))
		COUNT(table_events, 1);
	else if (!(flags & IGNORE))
		send_start(tgid, &new, 0, BPF_CORE_READ(task, group_leader));
	return bpf_map_lookup_elem(&processes, &tgid);
}

/* find_process returns the process tgid, of which task is, if it is recorded. */
static __always_inline struct process *find_process(__u32 tgid, struct task_struct *task) {
	struct process *p = bpf_map_lookup_elem(&processes, &tgid);

	if (!p && nested) {
		__u32 pid = own_pid(task), *flags = bpf_map_lookup_elem(&wanted, &pid);

		if (flags)
			p = adopt(tgid, pid, *flags, task);
	}
	return p && !(p->flags & IGNORE) ? p : 0;
}

/* recorded returns the current process if it is to be recorded. */
static __always_inline struct process *recorded(__u32 tgid) {
	struct process *p = bpf_map_lookup_elem(&processes, &tgid);

	if (p)
		return p->flags & IGNORE ? 0 : p;
	if (!all && !nested)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 pid = own_pid(task), *flags = bpf_map_lookup_elem(&wanted, &pid);
	if (!pid || (!all && !flags))
		return 0;
	p = adopt(tgid, pid, flags ? *flags : 0, task);
	return p && !(p->flags & IGNORE) ? p : 0;
}

/* (struct task_struct *parent, struct task_struct *child) */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx) {
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	__u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);

	if (!follow || ptgid == tgid || !find_process(ptgid, parent))
		return 0;
	struct process new = {bpf_ktime_get_ns(), own_pid(child)};
	if (bpf_map_update_elem(&processes, &tgid, &new, BPF_ANY)) {
		COUNT(table_events, 1);
		return 0;
	}
	send_start(tgid, &new, ptgid, child);
	return 0;
}

/* count_unended counts the writes that a thread is in when it ends: some of what they
 * were to pass may have. What is within another one of the same connection is that. */
static __always_inline void count_unended(__u64 id) {
	struct thread *t = bpf_map_lookup_elem(&threads, &id);
	__u64 n = 0;

	for (int i = 0; t && i < FRAMES; i++) {
		if (i < t->depth && t->frames[i].dir == OUT && !t->frames[i].counted &&
		    (i == 0 || t->frames[i - 1].dir != OUT || t->frames[i - 1].ssl != t->frames[i].ssl))
			n++;
	}
	if (n)
		COUNT(unseen, n);
}

/* (struct task_struct *task), for each thread */
SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx) {
	struct task_struct *task = (void *)ctx->args[0];
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct process *p = find_process(tgid, task);

	if (p)
		count_unended(id);
	bpf_map_delete_elem(&threads, &id);
	if (!p || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	if (nested)
		bpf_map_delete_elem(&wanted, &p->pid);
	if (holds)
		bpf_map_delete_elem(&held, &tgid);
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
