//go:build amd64 || arm64

package bpf

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
)

// A block holds events on their way from the ring buffer to the consumer.
type block struct {
	*ring.Block           // nil where there are none
	lossy       bool      // events were lost before
	after       *snapshot // to be looked at after them
}

// A queue has the blocks that wait for the consumer, so that a slow one does not
// lose data at once.
type queue struct {
	mu     sync.Mutex
	cond   sync.Cond // queue has changed
	blocks []block
	bytes  int   // of blocks put and not recycled
	limit  int   // of bytes
	err    error // of the sender
	done   bool  // nothing will be put any more
	closed bool  // nothing will be taken any more
}

func newQueue(limit int) *queue {
	if limit == 0 {
		limit = queueLimit(UsableMemory())
	}
	q := &queue{limit: limit}
	q.cond.L = &q.mu
	return q
}

// put hands over b.
func (q *queue) put(b block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocks = append(q.blocks, b)
	q.bytes += b.size()
	q.cond.Broadcast()
}

// size returns how many bytes there are of events.
func (b *block) size() int {
	if b.Block == nil {
		return 0
	}
	return b.Size
}

// fill returns how much waits of what may wait, from 0 to 1.
func (q *queue) fill() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return min(float64(q.bytes)/float64(q.limit), 1)
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
	q.blocks = q.blocks[1:]
	return &b, nil
}

// recycle takes back b, whose events have been consumed.
func (q *queue) recycle(b *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= b.size()
}

// isClosed reports whether close was called.
func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// close drops what was put and not taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
}

// load makes b the current block.
func (c *cursor) load(b *block) (err error) {
	c.block, c.next, c.lossy, c.events = b, 0, b.lossy, nil
	if b.Block != nil {
		c.clock = b.Clock
		c.events, err = c.p.reader.Load(b.Block, c.memory)
	}
	return err
}

// readAddresses reads the addresses that the current block tells, ahead of its
// other events: for a server that uses the socket itself, what it sends proves the
// address, which comes after what it has written, with which the first exchange
// ends.
func (c *cursor) readAddresses() {
	clear(c.early)
	for at := 0; at < len(c.events); {
		var event []byte
		event, at = ring.Event(c.events, at)
		if h := view[object.TlsHead](event); h == nil || h.Kind != kindAddress {
			continue
		}
		e := view[object.TlsAddressEvent](event)
		if e == nil {
			continue
		}
		key := keyOf(&e.Head)
		if pr := c.known(key.tgid); pr != nil && pr.conns[key] != nil {
			pr.conns[key].setAddress(&e.Address)
		} else {
			c.early[key] = e.Address
		}
	}
}

// readEvents passes on the events of the current block that are left.
func (c *cursor) readEvents() {
	for c.next < len(c.events) && !c.left {
		event, next := ring.Event(c.events, c.next)
		c.event(event)
		c.next = next
	}
	if !c.left {
		c.blocks++
		c.releaseOld()
	}
}

// readBlock passes on what the current block has.
func (c *cursor) readBlock() {
	c.readEvents()
	if c.left {
		return
	}
	b := c.block
	if b.after != nil {
		c.recover(b.after)
	}
	if b.Block != nil {
		c.p.reader.Free(b.Block)
	}
	c.p.queue.recycle(b)
	c.block = nil
}

// Priorities (setpriority(2)) of the consumer while nothing waits, and when the
// queue is half full.
const (
	lastPriority  = 10
	firstPriority = -15
)

// A pace has a consumer share the processors with what it records: with little
// in the queue it takes what is left over, and the more waits, the more it goes
// first, so that the recorded processes are slowed down rather than that
// something is lost. The last place would be too far back: who is kept from
// running for long may hold what the reader waits for.
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

// schedule has the thread, but not its children, scheduled by a policy of sched(7).
// With SCHED_BATCH it does not interrupt who is at work when it has something to do
// again, but goes on a moment later, with more to do at once. Where that is refused
// all goes on as before.
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

// startReader starts what empties the ring buffer.
func (p *Probe) startReader(o Options) (err error) {
	events := p.table(object.TlsMapEvents)
	p.queue = newQueue(o.queue)
	p.reader, err = ring.Start(events.FD(), ring.Options{Size: int(events.MaxEntries()), Limit: p.queue.limit,
		Kind: int(unsafe.Offsetof(object.TlsHead{}.Kind)), Urgent: []byte{kindExec, kindLoad}})
	if err == nil {
		calmMonitor()
		p.workers.Go(p.receive)
		p.workers.Go(p.watchLosses)
	}
	return err
}

// receive puts what comes out of the ring buffer into the queue, until p is
// stopped and it is empty.
func (p *Probe) receive() {
	defer close(p.drained)
	for {
		news, err := p.reader.Next()
		switch {
		case err == io.EOF:
			p.queue.finish(nil)
			return
		case err != nil:
			p.queue.finish(err)
			return
		case news.Block != nil:
			p.queue.put(block{Block: news.Block, lossy: p.Loss().RingEvents > 0})
		case news.Marked > 0:
			for range news.Marked {
				p.queue.put(block{lossy: true, after: <-p.snapshots})
			}
		case !p.examine(news.Urgent):
			p.reader.Dealt()
		}
	}
}

// lossPeriod is how often is looked whether something was lost.
const lossPeriod = 50 * time.Millisecond

// watchLosses has the consumer look at the kernel's tables each time that events
// were lost, after it has seen all events before that, until p is stopped. The
// last look comes after all events.
func (p *Probe) watchLosses() {
	tick := time.NewTicker(lossPeriod)
	defer tick.Stop()
	for lost, stopping := uint64(0), false; !stopping; {
		select {
		case <-tick.C:
		case <-p.stop:
			stopping = true
		case <-p.drained: // it is gone
			return
		}
		if seen := p.Loss().RingEvents; seen != lost {
			lost = seen
			select {
			case p.snapshots <- p.snapshot():
				p.reader.Mark()
			case <-p.drained:
				return
			}
		}
	}
	p.reader.Stop()
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
