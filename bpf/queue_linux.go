//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
)

const (
	blockSize = 1 << 20
	maxSample = 80 << 10 // no event of tls.c is larger
	minQueue  = 256 << 20
	// maxBehind is how much may wait for a consumer before it goes first. More
	// would take memory that was not used before, and on some virtual machines
	// that is slower to come by than what a core can encrypt.
	maxBehind = 4 << 20
	// minWarm blocks are to have memory when there is much to record, and twice as
	// many each time that half of them are in use. The memory of maxFree is kept.
	minWarm, maxFree = 32, 128
)

// queueLimit bounds the memory of a consumer that is slower than the recorded
// processes: a sixteenth of what the machine has. Beyond it the ring buffer
// fills up and the kernel counts what is lost.
func queueLimit() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return minQueue
	}
	return max(minQueue, int(uint64(info.Totalram)*uint64(info.Unit)/16))
}

// A block holds events on their way from the ring buffer to the consumer.
type block struct {
	buf   []byte
	ends  []int // where each event of buf ends
	clock int64 // what to add to the kernel's time for ns since the epoch
	lossy bool  // events were lost before
	after *snapshot

	addresses []int // which events of buf tell one
}

// add takes event, which is in b.buf already, behind what it has.
func (b *block) add(event []byte) {
	if h := view[object.TlsHead](event); h != nil && h.Kind == kindAddress {
		b.addresses = append(b.addresses, len(b.ends))
	}
	b.buf = b.buf[:len(b.buf)+len(event)]
	b.ends = append(b.ends, len(b.buf))
}

// event returns event i of b.
func (b *block) event(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.buf[start:b.ends[i]]
}

// A queue takes blocks from the goroutine that empties the ring buffer to the
// consumer of events, so that a slow consumer does not lose data at once. They
// are no memory of the garbage collector's, which would have the reader wait
// and help each time that some of it is taken.
type queue struct {
	mu     sync.Mutex
	cond   sync.Cond // queue has changed
	blocks []*block
	free   []*block
	cold   []*block // free, and without memory
	rest   []byte   // of what blocks are made of
	warm   int      // free blocks that there are to be
	warms  bool     // a goroutine makes them
	bytes  int      // of memory of blocks put and not recycled
	limit  int
	err    error // of the sender
	done   bool  // nothing will be put any more
	closed bool  // nothing will be taken any more
}

func newQueue() *queue {
	q := &queue{limit: queueLimit()}
	q.cond.L = &q.mu
	// A consumer may still be at a block when the queue is closed.
	if mem, err := unix.Mmap(-1, 0, q.limit+2*maxFree*blockSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE); err == nil {
		q.rest = mem
		runtime.AddCleanup(q, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	}
	return q
}

// empty returns a block to fill. If more will be needed soon, their memory is got
// ready meanwhile.
func (q *queue) empty(more bool) *block {
	q.mu.Lock()
	defer q.mu.Unlock()
	if more && !q.warms && len(q.free) <= q.warm/2 {
		q.warm = min(max(minWarm, 2*q.warm), maxFree)
		q.warms = true
		go q.heat()
	}
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b
	}
	return q.coldest()
}

// fresh returns a block that was not used before. q.mu is held.
func (q *queue) fresh() *block {
	if len(q.rest) < blockSize {
		return &block{buf: make([]byte, 0, blockSize)}
	}
	b := &block{buf: q.rest[:0:blockSize], ends: make([]int, 0, blockSize/4096)}
	q.rest = q.rest[blockSize:]
	return b
}

// put hands over b. It blocks while the queue is full.
func (q *queue) put(b *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes >= q.limit && !q.closed {
		q.cond.Wait()
	}
	q.blocks = append(q.blocks, b)
	q.bytes += cap(b.buf)
	q.cond.Broadcast()
}

// heat makes free blocks whose memory is there already when it is needed. That
// is for the processor of what is recorded to wait for, not for the reader.
func (q *queue) heat() {
	runtime.LockOSThread() // and ends the thread with the goroutine
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), heaterPriority)
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.free) < q.warm && q.bytes < q.limit && !q.closed {
		b := q.coldest()
		q.mu.Unlock()
		page := b.buf[:cap(b.buf)]
		for i := 0; i < len(page); i += os.Getpagesize() {
			page[i] = 1
		}
		q.mu.Lock()
		q.free = append(q.free, b)
	}
	q.warms = false
}

// coldest returns a free block without memory. q.mu is held.
func (q *queue) coldest() *block {
	if n := len(q.cold); n > 0 {
		b := q.cold[n-1]
		q.cold = q.cold[:n-1]
		return b
	}
	return q.fresh()
}

// behind reports whether the consumer has much left to take.
func (q *queue) behind() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes > maxBehind
}

// idle reports whether the consumer has taken all that was put.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.blocks) == 0
}

// finish tells the consumer that nothing follows.
func (q *queue) finish(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done, q.err = true, err
	q.cond.Broadcast()
}

// take returns the next block, or nil and the sender's error where there will
// be none; nil where the queue is closed.
func (q *queue) take() (*block, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.blocks) == 0 && !q.done && !q.closed {
		q.cond.Wait()
	}
	if q.closed {
		return nil, nil
	}
	if len(q.blocks) == 0 {
		return nil, q.err
	}
	b := q.blocks[0]
	q.blocks[0] = nil
	q.blocks = q.blocks[1:]
	return b, nil
}

// recycle takes back b, whose events have been consumed.
func (q *queue) recycle(b *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= cap(b.buf)
	q.cond.Broadcast()
	*b = block{buf: b.buf[:0], ends: b.ends[:0], addresses: b.addresses[:0]}
	if len(q.free) < maxFree {
		q.free = append(q.free, b)
	} else if unix.Madvise(b.buf[:cap(b.buf)], unix.MADV_DONTNEED) == nil {
		q.cold = append(q.cold, b)
	}
}

// close drops what was put and not taken, and makes put return.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
}

// Priorities (setpriority(2)) of the reader of the ring buffer, of a consumer that
// is behind, and of who gets memory for the reader.
const (
	readerPriority   = -20
	consumerPriority = -15
	heaterPriority   = -10
)

// A pace keeps a consumer from falling behind for good where it shares the
// processors with what it records: it then goes first, so that the recorded
// processes are slowed down rather than that something is lost. Where the
// priority is refused, the queue must do.
type pace struct {
	thread int
	usual  int // priority
	raised bool
}

// newPace returns the pace of the calling goroutine, which has its thread to
// itself until end is called.
func newPace() *pace {
	runtime.LockOSThread()
	usual, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		usual = 20
	}
	return &pace{thread: unix.Gettid(), usual: 20 - usual} // the system call adds 20
}

// set goes first, or as before.
func (p *pace) set(first bool) {
	if first == p.raised {
		return
	}
	p.raised = first
	nice := p.usual
	if first {
		nice = min(nice, consumerPriority)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, p.thread, nice)
}

func (p *pace) end() {
	p.set(false)
	runtime.UnlockOSThread()
}

// pollPeriod is how long an event may wait in the ring buffer, unless there
// are many: then the kernel wakes the reader.
const pollPeriod = 5 * time.Millisecond

// drain moves events from the ring buffer to the queue until p is stopped.
func (p *Probe) drain() {
	defer close(p.drained)
	// The reader competes for the processor with what it records. Where the
	// priority is refused, the ring buffer must do. The thread ends with the
	// goroutine, since it is not unlocked.
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), readerPriority)
	calmMonitor()
	p.queue.finish(p.fill())
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

func (p *Probe) fill() error {
	var rec ringbuf.Record
	var pending *snapshot
	lost := uint64(0)
	b := p.queue.empty(false)
	p.ring.SetDeadline(time.Now().Add(pollPeriod))
	for {
		if cap(b.buf)-len(b.buf) < maxSample {
			b.clock, b.lossy = clock(), p.Loss().RingEvents > 0
			p.queue.put(b)
			b = p.queue.empty(true)
		}
		rec.RawSample = b.buf[len(b.buf):]
		stopping := p.stopping.Load()
		err := p.ring.ReadInto(&rec)
		if err == nil {
			b.add(rec.RawSample)
			p.examine(rec.RawSample)
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read ring buffer: %w", err)
		}
		seen := p.Loss().RingEvents
		// A consumer that is behind gets full blocks, or few events would take much memory.
		if pending != nil || len(b.ends) > 0 && (stopping || p.queue.idle()) {
			b.clock, b.after, b.lossy = clock(), pending, seen > 0
			pending = nil
			p.queue.put(b)
			b = p.queue.empty(false)
		}
		if seen != lost {
			lost, pending = seen, p.snapshot()
		} else if stopping {
			return nil
		}
		p.ring.SetDeadline(time.Now().Add(pollPeriod))
	}
}

// monotonic returns the kernel's time, which is that of events.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// clock returns what to add to the kernel's time to have ns since the epoch.
// The difference changes when the machine is suspended or its clock set.
func clock() int64 {
	before := monotonic()
	now := time.Now().UnixNano()
	return now - before/2 - monotonic()/2
}
