//go:build amd64 || arm64

package bpf

import "sync"

const (
	blockSize = 1 << 20
	maxSample = 80 << 10 // no event of tls.c is larger
	// queueLimit bounds the memory of a consumer that is slower than the
	// recorded processes. Beyond it the ring buffer fills up and the kernel
	// counts what is lost.
	queueLimit = 256 << 20
)

// A block holds events on their way from the ring buffer to the consumer.
type block struct {
	buf   []byte
	ends  []int // where each event of buf ends
	clock int64 // what to add to the kernel's time for ns since the epoch
	lossy bool  // events were lost before
	after *snapshot
}

// A queue takes blocks from the goroutine that empties the ring buffer to the
// consumer of events, so that a slow consumer does not lose data at once.
type queue struct {
	mu     sync.Mutex
	cond   sync.Cond // queue has changed
	blocks []*block
	free   []*block
	bytes  int
	limit  int
	err    error // of the sender
	done   bool  // nothing will be put any more
	closed bool  // nothing will be taken any more
}

func newQueue() *queue {
	q := &queue{limit: queueLimit}
	q.cond.L = &q.mu
	return q
}

// empty returns a block to fill.
func (q *queue) empty() *block {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b
	}
	return &block{buf: make([]byte, 0, blockSize)}
}

// put hands over b. It blocks while the queue is full.
func (q *queue) put(b *block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes >= q.limit && !q.closed {
		q.cond.Wait()
	}
	q.blocks = append(q.blocks, b)
	q.bytes += len(b.buf)
	q.cond.Broadcast()
}

// finish tells the consumer that nothing follows.
func (q *queue) finish(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done, q.err = true, err
	q.cond.Broadcast()
}

// take returns the next block, or nil and the sender's error where there will
// be none.
func (q *queue) take() (*block, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.blocks) == 0 && !q.done {
		q.cond.Wait()
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
	q.bytes -= len(b.buf)
	q.cond.Broadcast()
	if len(q.free) < 8 {
		*b = block{buf: b.buf[:0], ends: b.ends[:0]}
		q.free = append(q.free, b)
	}
}

// close makes put return.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
}
