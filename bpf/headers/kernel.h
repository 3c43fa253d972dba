/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The few kernel types that the programs need, in place of vmlinux.h. Those
 * marked CORE are looked up in the running kernel's BTF by name, so that only
 * the fields that are read are listed and their order means nothing.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { /* flags of bpf_map_update_elem, bpf_ringbuf_query and bpf_ringbuf_submit */
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs;
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
#endif

#define CORE __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} CORE;

struct pid_namespace {
	struct ns_common ns;
} CORE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} CORE;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} CORE;

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next;
};

struct wait_queue_head {
	struct list_head head;
} CORE;

struct wait_queue_entry {
	struct list_head entry;
} CORE;

struct wait_opts { /* of a wait(2) that blocks */
	int wo_flags;
	struct wait_queue_entry child_wait;
} CORE;

struct sigaction {
	unsigned long sa_flags;
} CORE;

struct k_sigaction {
	struct sigaction sa;
} CORE;

struct sighand_struct {
	struct k_sigaction action[64];
} CORE;

struct signal_struct {
	atomic_t live;
	struct wait_queue_head wait_chldexit;
	struct pid *pids[4];
} CORE;

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid, suid, euid;
} CORE;

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
} CORE;

struct inode { /* Linux 6.11 */
	unsigned short i_mode;
	unsigned long i_ino;
	__s64 i_ctime_sec;
	__u32 i_ctime_nsec;
} CORE;

struct inode___old {
	struct timespec64 i_ctime;
} CORE;

struct inode___6_6 {
	struct timespec64 __i_ctime;
} CORE;

struct file {
	struct inode *f_inode;
	void *private_data;
} CORE;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} CORE;

struct files_struct {
	struct fdtable *fdt;
} CORE;

struct socket { /* the private_data of its file */
	struct sock *sk;
} CORE;

struct mnt_namespace {
	struct ns_common ns;
} CORE;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} CORE;

struct mm_struct {
	unsigned long arg_start, arg_end;
} CORE;

struct task_struct {
	int pid, tgid, exit_code;
	unsigned int ptrace;
	struct task_struct *group_leader, *real_parent;
	struct pid *thread_pid;
	const struct cred *cred;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	struct mm_struct *mm;
	struct files_struct *files;
	__u8 comm[16];
} CORE;

struct linux_binprm {
	unsigned int secureexec : 1;
	struct file *file;
	const char *filename;
} CORE;

struct in6_addr {
	__u8 s6_addr[16]; /* not CORE: fixed, and read as a whole */
};

struct sock_common {
	unsigned short skc_family;
	__be32 skc_daddr, skc_rcv_saddr;
	__u32 skc_portpair; /* the two below */
	__be16 skc_dport;
	__u16 skc_num;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} CORE;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} CORE;

/* Makes bpf_tracing.h use the kernel's names of the registers above. */
#define __VMLINUX_H__
