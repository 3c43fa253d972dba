/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the programs share with user space: events and tables. */
#pragma once

#include "kernel.h"
#include <bpf/bpf_helpers.h>

#define PIECE 16384   /* a TLS record holds no more, nor does a read return more */
#define BULK 65536    /* bytes of data in the largest event, of large writes */
#define MAX_BULKS 256 /* of one call */
#define MAX_CALL ((__u64)MAX_BULKS * BULK)
#define FRAMES 4      /* calls in one another: TLS in TLS, a library that wraps itself */

enum dir { OUT, IN, NEITHER };

enum end { END_NONE, END_CLEAN, END_CUT }; /* as record.End */

enum kind { DATA, END, START, EXEC, EXIT, ADDRESS, NAME, LINE, REFUSED, HANDSHAKE, LOAD, WROTE, SAVED };

struct head { /* of an event; data follows */
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u64 ssl;  /* the library's pointer */
	__u64 epoch; /* with tgid and ssl: one SSL pointer of one program run */
	__u64 born; /* with the above: one connection */
	__u64 off;  /* of data in its direction's stream */
	__u32 tgid; /* as the kernel counts */
	__u32 pid;  /* the same process as the recorder sees it */
	__u32 len;  /* bytes of data */
	__u8 kind, dir, end, flags;
	__u32 library; /* the file whose functions passed the data, as attached */
	__u32 write;   /* of Go: the last one that had begun on the connection, of data written this one */
};

#define LAST 1    /* head.flags: the data ends what a call has passed */
#define PENDING 2 /* head.write had not returned when the data, or its end, was read */

struct start { /* START: head.ssl is the tgid of the parent that was recorded, if any */
	struct head head;
	__u8 comm[16];
};

/* A file that has not changed since. What its device is called in the kernel is
 * not always what stat(2) says (btrfs, overlayfs). */
struct file_id {
	__u64 ino;
	__s64 sec, nsec; /* of its last change: st_ctim */
};

struct exec { /* EXEC, REFUSED (not recorded any more): head.off is the size of all arguments */
	struct head head;
	struct file_id program; /* the executable, or the interpreter of a script */
	__u32 fresh; /* the program is not in examined */
	__u32 held;  /* the process is stopped, until user space lets it run */
	__u8 comm[16];
	__u8 file[256];
	__u8 args[4096 - 256]; /* head.len bytes, each argument ends in 0 */
};

struct line { /* LINE: head.len bytes that were typed, cut where there are more */
	struct head head;
	__u8 text[4096];
};

#define LOADED 64 /* a power of two: most programs have fewer */

struct loaded {
	__u32 n;    /* libraries that are not in examined */
	__u32 more; /* there are others that were not looked at */
	struct file_id files[LOADED];
};

struct loaded_event { /* LOAD */
	struct head head;
	struct loaded loaded;
	__u32 held, pad; /* as of an exec */
};

struct address { /* of a TCP connection; IPv4 as ::ffff:a.b.c.d */
	__u8 local[16], remote[16];
	__u16 lport, rport;
	__u32 pad;
};

struct address_event { /* ADDRESS: of the connection of head; zeros where it is in doubt */
	struct head head;
	struct address address;
};

struct name_event { /* NAME: of the server, as the connection of head asked for it */
	struct head head;
	__u8 name[256];
};

union event { /* what the ring buffer holds, for bpf2go */
	struct head head;
	struct start start;
	struct exec exec;
	struct loaded_event loaded;
	struct line line;
	struct address_event address;
	struct name_event name;
};

/* What the connection table and the table of ends are looked up by. */
struct conn_key {
	__u64 ssl, epoch;
	__u32 tgid, pad;
};

struct go_place { /* of a call of a goroutine */
	__u64 g;
	__u64 depth; /* distance of its frame from the upper end of the stack */
	__u32 tgid, pad;
};

struct conn {
	__u64 born;
	__u64 off[2]; /* bytes passed, by direction */
	__u32 pid;
	__u32 library;
	__u8 closed;  /* the peer's close_notify was read */
	__u8 nested;  /* its functions use the socket themselves */
	__u8 doubt;   /* what pointed to its socket did not agree */
	__u8 shaken;  /* the duration of its handshake was told */
	__u8 reading; /* by Go, in a call that has not returned */
	__u8 closing; /* by Go, in a call that has returned */
	__u8 pad[2];
	__u32 begun, done; /* writes of Go, which come one after the other */
	__u32 saved;       /* the last of them that was told before it returned */
	__u32 pad2;
	struct go_place writing; /* the last of them that has begun */
	__u64 handshake;     /* when it began, if it was not over at once */
	__u64 socket;        /* its socket, if that is proven */
	__u64 reads, writes; /* sockets that its last read and write point to */
};

struct stopped { /* a process that is held */
	__u64 time;
	__u32 pid; /* as the recorder sees it */
	__u32 pad;
};

/* A pattern of names, of up to 63 elements: a character, or a star. */
struct pattern {
	__u64 accepts[256]; /* elements, as bits, that fit the character */
	__u64 stars;        /* elements that fit any number of characters */
	__u64 end;          /* the bit after the last element */
};

#define PATTERNS 16

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
	__u64 library; /* where it has the last one that was looked at: see loader.h */
};

enum { IGNORE = 1 }; /* process.flags */

struct frame { /* a call that has not returned */
	__u64 sp;
	__u64 ssl, buf;
	__u64 count; /* where the function stores how much it passed; 0: it returns that */
	__u64 time;
	__u64 epoch;
	__u32 pid;
	__u8 dir;     /* NEITHER: a handshake; of Go, Close */
	__u8 closes;  /* a return value of 0 means close_notify; of a handshake, success */
	__u8 counted; /* a call within this one has counted the same bytes */
	__u8 talked;  /* a socket was used within it */
	__u64 library; /* cookie: number of the library, and << 32 where its flags are in *ssl */
};

/* How tls_call finds out what a function is like: bits of its cookie. */
#define SHAPE_IN (1 << 24)
#define SHAPE_NEITHER (1 << 25)
#define SHAPE_CLOSES (1 << 26)  /* frame.closes */
#define SHAPE_COUNT_4 (1 << 27) /* frame.count is this argument */
#define SHAPE_COUNT_5 (1 << 28)
#define SHAPE_PEEKS (1 << 29)   /* there are flags, as of tls_recv */
#define SHAPES 0xff000000ull

struct thread {
	__u64 depth;
	struct frame frames[FRAMES];
	/* Use of sockets outside of the functions, by programs that hand the
	 * bytes over in memory: see socket.h. */
	__u64 eof;       /* the last receive found the end of the stream */
	__u64 receiving; /* the struct sock of a receive that has not returned */
	struct {
		__u64 socket, owner, left;
		struct address address;
	} received; /* last */
	struct {
		struct conn_key key;
		__u64 born, min, max;
	} written; /* since the last send; born is 0 where there is nothing */
};

struct go_stack { /* runtime.stack of a goroutine */
	__u64 lo, hi;
};

struct go_call { /* of crypto/tls that has not returned */
	struct go_call_head {
		struct frame frame; /* without sp */
		__u64 stack;        /* the upper end of the stack, if the buffer is on it */
		__u64 len;          /* of the buffer */
	} head;
	__u64 socket;           /* what the connection seems to use, 0 where unknown */
	__u64 proven;           /* the call has used it */
	struct address address; /* of the socket */
};

struct go_use { /* what a goroutine may prove: that a call uses its socket */
	__u64 socket;
	struct go_place place; /* of the call */
	__u64 time;            /* of the call */
};

struct loss { /* bpf.Loss */
	__u64 ring_events, ring_bytes;   /* no room in the ring buffer */
	__u64 fault_events, fault_bytes; /* user page not readable */
	__u64 table_events, table_bytes; /* no room in a table */
	__u64 long_events, long_bytes;   /* beyond MAX_CALL */
	__u64 unseen;                    /* calls of which not even the length is known */
	__u64 passed;                    /* bytes, lost ones included */
	__u64 captured;
};

const volatile __u64 watermark = 0; /* bytes in the ring that wake the reader */
const volatile __u32 pidns = 0;     /* inode of the recorder's pid namespace */
const volatile bool nested = false; /* which is not the first pid namespace */
const volatile bool all = false;    /* record every process */
const volatile bool cookies = false; /* the kernel has bpf_get_attach_cookie and bpf_task_pt_regs (5.15) */
const volatile bool holds = false;   /* programs wait until they have been examined */
const volatile bool awaits = false;  /* record processes that become a certain program */
const volatile __u32 patterns_len = 0;
const volatile __u32 uid = 0;        /* of the recorder */
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

struct { /* if nested: processes to record of which the tgid is not known yet */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);   /* pid, as the recorder sees it */
	__type(value, __u32); /* process.flags */
} wanted SEC(".maps");

struct { /* files that user space has looked at for TLS functions */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct file_id);
	__type(value, __u8);
} examined SEC(".maps");

#define NOBODY 0 /* with an entry for this tgid, nothing more is held */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__type(value, struct stopped);
} held SEC(".maps");

struct { /* if awaits: of names (comm) of programs to record */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PATTERNS);
	__type(key, __u32);
	__type(value, struct pattern);
} patterns SEC(".maps");

struct { /* if awaits: programs to record */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct file_id);
	__type(value, __u8);
} executables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* as of bpf_get_current_pid_tgid */
	__type(value, struct thread);
} threads SEC(".maps");

struct { /* calls that never return, as when the process is killed, make room */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct go_place);
	__type(value, struct go_call);
} go_calls SEC(".maps");

struct { /* calls of goroutines, while their socket is not proven */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct go_place); /* without depth */
	__type(value, struct go_use);
} go_uses SEC(".maps");

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

/* Of a function with a stack of its own: a program has 512 bytes, and may use
 * more than it has at once. */
#define OWN_STACK static __attribute__((noinline))

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
