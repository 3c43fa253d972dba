/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Programs that start. One that nobody has looked at for TLS functions must
 * not say anything before that: it is stopped here, at the end of its exec,
 * where it has not run an instruction. User space looks at its file, hooks it
 * and lets it run; files that it has looked at are in the table examined.
 *
 * A stop is not without effect: the parent is told of it. Where the parent may
 * care, as a shell with job control does, nothing is done here, and user space
 * stops the program as its debugger, which takes a moment but which the parent
 * does not see.
 */
#pragma once

#include "process.h"
#include "tables.h"
#include <bpf/bpf_core_read.h>

#define SIGCHLD 17
#define SIGSTOP 19
#define SA_NOCLDSTOP 1
#define SA_SIGINFO 4
#define SA_ONSTACK 0x08000000
#define WUNTRACED 2
#define PIDTYPE_PGID 2
#define CTIME_NSEC 0x3fffffff /* the upper bits are flags of multigrain timestamps */

/* identify tells what inode is, as stat(2) does. */
static __always_inline struct file_id identify(struct inode *inode) {
	struct file_id id = {.ino = BPF_CORE_READ(inode, i_ino)};
	struct inode___old *old = (void *)inode;
	struct inode___6_6 *newer = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		id.sec = BPF_CORE_READ(inode, i_ctime_sec);
		id.nsec = BPF_CORE_READ(inode, i_ctime_nsec) & CTIME_NSEC;
	} else if (bpf_core_field_exists(newer->__i_ctime)) {
		id.sec = BPF_CORE_READ(newer, __i_ctime.tv_sec);
		id.nsec = BPF_CORE_READ(newer, __i_ctime.tv_nsec);
	} else {
		id.sec = BPF_CORE_READ(old, i_ctime.tv_sec);
		id.nsec = BPF_CORE_READ(old, i_ctime.tv_nsec);
	}
	return id;
}

/* waits_for_stops reports whether a thread of parent is in a wait(2) that ends
 * when a child is stopped, as su(1) is all the time. */
static __always_inline bool waits_for_stops(struct task_struct *parent) {
	struct wait_queue_head *queue = &BPF_CORE_READ(parent, signal)->wait_chldexit;
	struct list_head *end = __builtin_preserve_access_index(&queue->head), *at = BPF_CORE_READ(queue, head.next);

	for (int i = 0; i < 4 && at && at != end; i++) {
		struct wait_opts *w = (void *)at - bpf_core_field_offset(struct wait_opts, child_wait) -
				      bpf_core_field_offset(struct wait_queue_entry, entry);

		if (BPF_CORE_READ(w, wo_flags) & WUNTRACED)
			return true;
		bpf_probe_read_kernel(&at, sizeof(at), at);
	}
	return false;
}

/* may_care reports whether the parent of task might do something when it is
 * told that task was stopped: job control, which gives each job a process
 * group; sudo(8), which wants to know who sends it SIGCHLD, as does all of Go
 * (with a signal stack, to do nothing about it); and who waits for stops. */
static __always_inline bool may_care(struct task_struct *task) {
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	unsigned long flags = BPF_CORE_READ(parent, sighand, action[SIGCHLD - 1].sa.sa_flags);

	return BPF_CORE_READ(task, signal, pids[PIDTYPE_PGID]) != BPF_CORE_READ(parent, signal, pids[PIDTYPE_PGID]) ||
	       (flags & (SA_SIGINFO | SA_ONSTACK | SA_NOCLDSTOP)) == SA_SIGINFO || waits_for_stops(parent);
}

/* ours reports whether the recorder may let task run again: kill(2). */
static __always_inline bool ours(struct task_struct *task) {
	return !uid || uid == BPF_CORE_READ(task, cred, uid.val) || uid == BPF_CORE_READ(task, cred, suid.val);
}

/* hold stops the current process, of which task is, and reports whether it did.
 * An event must be on its way that lets it run again. */
static __always_inline bool hold(__u32 tgid, __u32 pid, struct task_struct *task) {
	struct stopped h = {bpf_ktime_get_ns(), pid};
	__u32 nobody = NOBODY;

	if (!holds || !pid || bpf_map_lookup_elem(&held, &nobody) || BPF_CORE_READ(task, ptrace) || !ours(task) || may_care(task) ||
	    bpf_map_update_elem(&held, &tgid, &h, BPF_ANY))
		return false;
	if (!bpf_send_signal(SIGSTOP))
		return true;
	bpf_map_delete_elem(&held, &tgid);
	return false;
}

/* matches reports whether pattern matches name, of which the first 15 bytes
 * count. Bit i of at is set where element i is the next to match. */
static __always_inline bool matches(struct pattern *pattern, const __u8 *name) {
	__u64 stars = pattern->stars, at = 1 | (stars & 1) << 1;

	for (int i = 0; i < 15 && name[i]; i++) {
		__u64 fits = at & pattern->accepts[name[i]];

		at = (fits & ~stars) << 1 | (fits & stars);
		at |= (at & stars) << 1;
	}
	return at & pattern->end;
}

/* is_awaited reports whether a program is one that the recorder waits for. */
static __always_inline bool is_awaited(struct file_id id, const __u8 *comm) {
	if (bpf_map_lookup_elem(&executables, &id))
		return true;
	for (__u32 i = 0; i < PATTERNS && i < patterns_len; i++) {
		__u32 k = i;
		struct pattern *p = bpf_map_lookup_elem(&patterns, &k);

		if (p && matches(p, comm))
			return true;
	}
	return false;
}

/* foreign reports whether the program that task runs from now on has other
 * rights than the recorder's user, who is not root: who may trace that user's
 * processes may not trace this one (ptrace(2)). */
static __always_inline bool foreign(struct task_struct *task, struct linux_binprm *bprm) {
	return uid && (uid != BPF_CORE_READ(task, cred, uid.val) || uid != BPF_CORE_READ(task, cred, euid.val) ||
		       BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec));
}

/* await returns the process that has become a program that the recorder waits
 * for, or 0. One that is refused is in other, and not recorded. */
static __always_inline struct process *await(struct task_struct *task, struct file_id id, bool refused, struct process *other) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, pid = own_pid(task);
	__u8 comm[16];

	BPF_CORE_READ_INTO(&comm, task, comm);
	if (!pid || !is_awaited(id, comm))
		return 0;
	if (refused) {
		other->pid = pid;
		return other;
	}
	struct process *p = adopt(tgid, pid, 0, task);
	return p && !(p->flags & IGNORE) ? p : 0;
}

/* (struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx) {
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct task_struct *task = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];

	bpf_map_delete_elem(&threads, &id);
	struct file_id file = identify(BPF_CORE_READ(bprm, file, f_inode));
	bool refused = foreign(task, bprm);
	struct process other = {};
	struct process *p = find_process(tgid, task);
	if (p)
		p->epoch = bpf_ktime_get_ns(), p->library = 0; /* those of the old program mean nothing now */
	else if (awaits)
		p = await(task, file, refused, &other);
	if (!p)
		return 0;
	struct head head = process_head(refused ? REFUSED : EXEC, tgid, p);
	if (refused) {
		bpf_map_delete_elem(&wanted, &head.pid);
		bpf_map_delete_elem(&processes, &tgid);
	}
	struct exec *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	__u64 args = BPF_CORE_READ(task, mm, arg_start), n = BPF_CORE_READ(task, mm, arg_end) - args;
	e->head = head;
	e->head.off = n;
	e->program = file;
	e->held = 0;
	e->fresh = !refused && !bpf_map_lookup_elem(&examined, &file);
	asm volatile("" : "+r"(n));
	if (n > sizeof(e->args))
		n = sizeof(e->args);
	if (!bpf_probe_read_user(e->args, n, (void *)args))
		e->head.len = n;
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	e->file[0] = 0;
	bpf_probe_read_kernel_str(e->file, sizeof(e->file), BPF_CORE_READ(bprm, filename));
	if (e->fresh)
		e->held = hold(tgid, head.pid, task);
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP); /* it waits, or is to be hooked before it says anything */
	return 0;
}
