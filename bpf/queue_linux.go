//go:build amd64 || arm64

package bpf

import (
	"sync"

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
