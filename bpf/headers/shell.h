/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What people type into shells. */
#pragma once

#include "process.h"
#include "tables.h"
#include <bpf/bpf_tracing.h>

/* char *readline(const char *prompt), at its return */
SEC("uprobe/shell_line")
int shell_line(struct pt_regs *ctx) {
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = recorded(tgid);

	if (!p || !PT_REGS_RC(ctx)) /* 0: the end of the input */
		return 0;
	struct line *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(ring_events, 1);
		return 0;
	}
	e->head = process_head(LINE, tgid, p);
	__s32 n = bpf_probe_read_user_str(e->text, sizeof(e->text), (void *)PT_REGS_RC(ctx));
	if (n <= 1) { /* an empty one, or one that cannot be read */
		if (n < 0)
			COUNT(fault_events, 1);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	e->head.len = n - 1;
	submit(e, sizeof(*e));
	return 0;
}
