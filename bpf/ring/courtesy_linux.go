//go:build amd64 || arm64

package ring

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// When there is courtesy.
const (
	// window is how long it takes to see how much comes.
	window = 100 * time.Millisecond
	// much is how many bytes in a window that is. A program that sends and receives
	// less costs next to no time to record, and somebody may be watching.
	much = 128 << 10
	// mostLag is how old may be what waits.
	mostLag = 2 * time.Second
)

// A courtesy has the recorder run only when nobody else wants to (SCHED_IDLE of
// sched(7)) while much comes. What is made of a block can wait, who is recorded
// cannot; and whoever wakes up, a server by its client, is put on a processor that
// nobody but the recorder uses as on one that is idle, which they otherwise leave
// to it. That ends while somebody would feel it: where what waits is too old or too
// much, and while a new program waits to be looked at.
//
// Who is kept from running cannot take that back: it is the business of this
// process, which always runs.
type courtesy struct {
	recorder int // process, 0 where it is left alone
	limit    int // bytes that may wait
	on       bool
	policies map[int]uint32 // what its threads had before
	children bool           // threads that others have begun before these had theirs back may be left

	start  time.Time // of the window
	came   int       // bytes in it
	queued []time.Time
	owed   int // urgent events that were told and are not dealt with
}

// newCourtesy returns that of a recorder, which the process before this one may
// have left behind.
func newCourtesy(recorder, limit int) *courtesy {
	c := &courtesy{recorder: recorder, limit: limit, policies: map[int]uint32{}}
	// What may raise priorities may also do away with SCHED_IDLE.
	if unix.Setpriority(unix.PRIO_PROCESS, 0, -20) != nil {
		c.recorder = 0
	}
	if attr, err := unix.SchedGetAttr(recorder, 0); c.recorder != 0 && err == nil {
		c.on = attr.Policy == unix.SCHED_IDLE
	}
	return c
}

// dealt says that an urgent event was dealt with, if by a process before this one
// it was told.
func (c *courtesy) dealt() { c.owed = max(0, c.owed-1) }

// usual reports whether the calling thread is scheduled like most, so that
// the policy may be changed for a while.
func usual() bool {
	attr, err := unix.SchedGetAttr(0, 0)
	return err == nil && ordinary(attr.Policy)
}

func ordinary(policy uint32) bool { return policy == unix.SCHED_NORMAL || policy == unix.SCHED_BATCH }

// put says that a block of size bytes waits from now on.
func (c *courtesy) put(size int) {
	c.came += size
	c.queued = append(c.queued, time.Now())
}

// taken says that the oldest of the blocks that wait does not any more.
func (c *courtesy) taken() { c.queued = c.queued[1:] }

// review starts or ends the courtesy; so many bytes wait, and hurry says that
// somebody does.
func (c *courtesy) review(waiting int, hurry bool) {
	if c.recorder == 0 {
		return
	}
	now := time.Now()
	most, lag := min(keep, c.limit)/4, mostLag/2
	if c.on {
		most, lag = 2*most, mostLag
	}
	fits := !hurry && c.owed == 0 && waiting < most && (len(c.queued) == 0 || now.Sub(c.queued[0]) < lag)
	if c.on && !fits {
		c.set(false)
	}
	if now.Sub(c.start) < window {
		return
	}
	if c.children && !c.on {
		c.children = false
		c.schedule()
	}
	c.set(fits && c.came >= much)
	c.start, c.came = now, 0
}

// set starts or ends the courtesy.
func (c *courtesy) set(on bool) {
	if c.on != on {
		c.on, c.children = on, !on
		c.schedule()
	}
}

// schedule has the threads of the recorder scheduled as it should be.
func (c *courtesy) schedule() {
	if os.Getppid() != c.recorder {
		return // its number may be that of another by now
	}
	tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(c.recorder) + "/task")
	for _, task := range tasks {
		id, _ := strconv.Atoi(task.Name())
		attr, err := unix.SchedGetAttr(id, 0)
		switch {
		case err != nil:
			continue // it has ended
		case c.on && ordinary(attr.Policy):
			c.policies[id] = attr.Policy
			attr.Policy = unix.SCHED_IDLE
		case !c.on && attr.Policy == unix.SCHED_IDLE:
			attr.Policy = c.policies[id] // SCHED_NORMAL where it was not there before
		default:
			continue
		}
		attr.Runtime = 0 // the slice of time is what is usual
		_ = unix.SchedSetAttr(id, attr, 0)
	}
	if !c.on {
		clear(c.policies)
	}
}
