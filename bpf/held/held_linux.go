// Package held looks after processes that the kernel has stopped until somebody
// has looked at what they run: it lets them run again, also when the recorder
// cannot do so any more.
package held

import (
	"structs"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// An Entry is what the kernel says of a process that it has stopped (struct
// stopped of tables.h).
type Entry struct {
	_    structs.HostLayout
	Time uint64 // of the kernel's monotonic clock, ns
	Pid  uint32 // in the pid namespace of the recorder
	Pad  uint32
}

// nobody is the key of an entry that says that nothing more is to be held
// (NOBODY of tables.h).
const nobody uint32 = 0

// A Table is the kernel's table of held processes, by tgid.
type Table struct{ *ebpf.Map }

// Resume lets a process run. It is in the table until then, so that it is never
// stopped and in nobody's care. Programs that start are held again, if
// [Table.ResumeAll] has put an end to that.
func (t Table) Resume(tgid uint32, pid int) {
	_ = t.Delete(nobody)
	t.resume(tgid, pid)
}

func (t Table) resume(tgid uint32, pid int) {
	_ = unix.Kill(pid, unix.SIGCONT) // it may have ended
	_ = t.Delete(tgid)
}

// ResumeAll lets those processes run that have been held for longer than a
// while. If there are any, no other is held until [Table.Resume] is called: each
// would have to wait as long.
func (t Table) ResumeAll(longer time.Duration) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	pids := map[uint32]int{}
	var tgid uint32
	var e Entry
	for it := t.Iterate(); it.Next(&tgid, &e); {
		if tgid != nobody && now.Nano()-int64(e.Time) >= int64(longer) {
			pids[tgid] = int(e.Pid)
		}
	}
	if len(pids) > 0 {
		_ = t.Put(nobody, Entry{}) // first: who runs on may start another one at once
	}
	for tgid, pid := range pids {
		t.resume(tgid, pid)
	}
}
