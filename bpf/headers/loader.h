/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Libraries that are loaded. The loader calls an empty function when it has
 * mapped some, and has run none of their code, for debuggers to stop there
 * (link.h). A library that nobody has looked at for TLS functions stops the
 * process here, as a new program does: see exec.h.
 */
#pragma once

#include "exec.h"
#include "process.h"
#include "tables.h"
#include <bpf/bpf_tracing.h>

#define RT_CONSISTENT 0
#define RT_DELETE 2
/* Libraries that are looked at: more are told of as new. Before Linux 5.17 the
 * verifier walks through the look at each of them. */
#define MOST_NEW 4096
#define MOST_NEW_OLD 16

struct r_debug { /* of link.h, as the process has it */
	__u64 version, map, brk;
	__u32 state, pad;
};

struct link_map { /* likewise */
	__u64 addr, name, dynamic, next;
};

#define NAME_WORDS 24 /* what is beyond does not tell longer names apart */

/* hash_name is not static, so that the verifier walks through it once, and not
 * at each call. */
__attribute__((noinline)) __u64 hash_name(__u64 name) {
	__u64 words[NAME_WORDS] = {}, hash = 14695981039346656037ULL;

	bpf_probe_read_user_str(words, sizeof(words), (void *)name);
	for (int i = 0; i < NAME_WORDS; i++) {
		hash = (hash ^ words[i]) * 1099511628211ULL; /* FNV-1a, but by words */
		hash ^= hash >> 32;
	}
	return hash;
}

/* identify_library makes an id of the path name of a library, and of the mount
 * namespace that this leads to the file in. There is no other of its kind. */
static __always_inline struct file_id identify_library(__u64 name) {
	struct task_struct *task = (void *)bpf_get_current_task();

	return (struct file_id){hash_name(name), BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum), -1};
}

/* What is handed from one look at a library to the next. */
struct look {
	struct process *p;
	struct loaded *l;
	__u64 next; /* the link_map to look at, or 0 */
};

/* look_at_next looks at a library, for bpf_loop, which 1 ends. */
static long look_at_next(__u32 i, struct look *k) {
	struct link_map m;
	__u32 n = k->l->n;

	if (!k->next || n >= LOADED)
		return 1;
	if (bpf_probe_read_user(&m, sizeof(m), (void *)k->next)) {
		k->next = 0;
		return 1;
	}
	struct file_id id = identify_library(m.name);
	if (!bpf_map_lookup_elem(&examined, &id)) {
		k->l->files[n & (LOADED - 1)] = id;
		k->l->n = n + 1;
	}
	k->p->library = k->next;
	k->next = m.next;
	return 0;
}

/* look_at_new looks at the libraries behind the last one that was looked at, in
 * the list that begins with first. */
static __always_inline void look_at_new(struct process *p, __u64 first, struct loaded *l, bool loops) {
	struct look k = {p, l, first};
	struct link_map m;

	l->n = 0;
	if (p->library && !bpf_probe_read_user(&m, sizeof(m), (void *)p->library))
		k.next = m.next;
	if (loops)
		bpf_loop(MOST_NEW, look_at_next, &k, 0);
	else
		for (int i = 0; i < MOST_NEW_OLD; i++)
			if (look_at_next(i, &k))
				break;
	l->more = k.next != 0;
}

/* look tells of new libraries of the process whose loader has called the function
 * with the given cookie: how far the r_debug is from it, and whether it is there
 * or its address. */
static __always_inline int look(struct pt_regs *ctx, bool loops) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);
	__u64 cookie = cookies ? bpf_get_attach_cookie(ctx) : 0, at = PT_REGS_IP(ctx) + (__s32)cookie;
	struct r_debug d;

	if (!p || (cookie >> 32 && bpf_probe_read_user(&at, sizeof(at), (void *)at)) ||
	    bpf_probe_read_user(&d, sizeof(d), (void *)at))
		return 0;
	if (d.state == RT_DELETE)
		p->library = 0; /* it may be gone */
	if (d.state != RT_CONSISTENT)
		return 0;
	struct loaded_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	look_at_new(p, d.map, &e->loaded, loops);
	if (!e->loaded.n && !e->loaded.more) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	e->head = process_head(LOAD, tgid, p);
	e->held = hold(tgid, p->pid, (void *)bpf_get_current_task());
	e->pad = 0;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* void f(void) */
SEC("uprobe/loader_changed")
int loader_changed(struct pt_regs *ctx) { return look(ctx, true); }

SEC("uprobe/loader_changed_old")
int loader_changed_old(struct pt_regs *ctx) { return look(ctx, false); }
