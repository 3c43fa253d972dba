//go:build amd64 || arm64

package bpf

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Priorities (setpriority(2)) of the consumer while nothing waits, and when the
// queue is half full.
const (
	lastPriority  = 10
	firstPriority = -15
)

// A pace has a consumer share the processors with what it records: with little
// in the queue it takes what is left over, and the more waits, the more it goes
// first, so that the recorded processes are slowed down rather than that
// something is lost. The last place of all is for the whole program or for none of it
// (see package ring): a thread that alone is kept from running for long may hold what
// the others wait for.
//
// Where a priority may not be raised it stays as it is, and the queue must do.
type pace struct {
	thread     int
	usual, now int // priority
	fixed      bool
}

// newPace returns the pace of the calling goroutine, which has its thread to
// itself until end is called.
func newPace() *pace {
	runtime.LockOSThread()
	p := &pace{thread: unix.Gettid()}
	usual, err := unix.Getpriority(unix.PRIO_PROCESS, p.thread)
	p.usual = 20 - usual // the system call adds 20
	p.now = firstPriority
	p.fixed = err != nil || unix.Setpriority(unix.PRIO_PROCESS, p.thread, firstPriority) != nil
	p.set(p.place(0))
	p.schedule(unix.SCHED_BATCH)
	return p
}

// place returns the priority of the consumer of a queue of which this part is
// full, from 0 to 1.
func (p *pace) place(fill float64) int {
	first, last := min(p.usual, firstPriority), max(p.usual, lastPriority)
	return last - int(min(2*fill, 1)*float64(last-first))
}

// set goes to a place.
func (p *pace) set(nice int) {
	if !p.fixed && nice != p.now {
		p.fixed = unix.Setpriority(unix.PRIO_PROCESS, p.thread, nice) != nil
		p.now = nice
	}
}

// schedule has the thread scheduled by a policy of sched(7). With SCHED_BATCH it does
// not interrupt who is at work when it has something to do again, but goes on a
// moment later, with more to do at once. Where that is refused all goes on as before.
//
// A child of the thread would inherit the policy; of its priority the flag leaves
// none that is above the usual one. It has no children: Go's runtime makes no thread
// from one that a goroutine has to itself, and commands are started by others.
func (p *pace) schedule(policy uint32) {
	attr, err := unix.SchedGetAttr(p.thread, 0)
	if err == nil && (attr.Policy == unix.SCHED_NORMAL || attr.Policy == unix.SCHED_BATCH) {
		attr.Policy = policy
		attr.Flags = 0
		if policy != unix.SCHED_NORMAL {
			attr.Flags = unix.SCHED_FLAG_RESET_ON_FORK
		}
		_ = unix.SchedSetAttr(p.thread, attr, 0)
	}
}

func (p *pace) end() {
	p.schedule(unix.SCHED_NORMAL)
	p.set(p.usual)
	runtime.UnlockOSThread()
}

// monitorSlack is how much later than it asks for the monitor may wake up.
const monitorSlack = 10 * time.Millisecond

// calmMonitor has the monitor of Go's runtime wake up less often. Where a
// program is idle for a moment every few milliseconds, as a recorder is, that
// thread sleeps for 20 µs at a time, and on virtual machines the switches from
// and to it cost more than a sixth of a processor. It is the first thread that a
// program has beside its main one. Nothing is changed for the others, from which
// commands inherit it. Where it is refused all goes on as before.
func calmMonitor() {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return
	}
	defer tasks.Close()
	ids, err := tasks.Readdirnames(2) // in the order in which they were created
	if err != nil || len(ids) < 2 {
		return
	}
	_ = os.WriteFile("/proc/"+ids[1]+"/timerslack_ns", strconv.AppendInt(nil, int64(monitorSlack), 10), 0)
}
