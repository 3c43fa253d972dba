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
#define MOST_NEW 16 /* libraries that are looked at: more are told of as new */

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

/* look_at_new looks at the libraries behind the last one that was looked at, in
 * the list that begins with first. */
static __always_inline void look_at_new(struct process *p, __u64 first, struct loaded *l) {
	struct link_map m = {.next = first};

	if (p->library && bpf_probe_read_user(&m, sizeof(m), (void *)p->library))
		m.next = first;
	for (int i = 0; i < MOST_NEW && m.next && l->n < LOADED; i++) {
		__u64 at = m.next;

		if (bpf_probe_read_user(&m, sizeof(m), (void *)at))
			return;
		struct file_id id = identify_library(m.name);
		if (!bpf_map_lookup_elem(&examined, &id)) {
			l->files[l->n & (LOADED - 1)] = id;
			l->n++;
		}
		p->library = at;
	}
	l->more = m.next != 0;
}

/* void f(void). The cookie says how far the r_debug is from it, and whether it
 * is there or its address. */
SEC("uprobe/loader_changed")
int loader_changed(struct pt_regs *ctx) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);
	__u64 cookie = cookies ? bpf_get_attach_cookie(ctx) : 0, at = PT_REGS_IP(ctx) + (__s32)cookie;
	struct loaded l = {};
	struct r_debug d;

	if (!p || (cookie >> 32 && bpf_probe_read_user(&at, sizeof(at), (void *)at)) ||
	    bpf_probe_read_user(&d, sizeof(d), (void *)at))
		return 0;
	if (d.state == RT_DELETE)
		p->library = 0; /* it may be gone */
	if (d.state != RT_CONSISTENT)
		return 0;
	look_at_new(p, d.map, &l);
	if (!l.n && !l.more)
		return 0;
	struct loaded_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	e->head = process_head(LOAD, tgid, p);
	e->loaded = l;
	e->held = hold(tgid, p->pid, (void *)bpf_get_current_task());
	e->pad = 0;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}
