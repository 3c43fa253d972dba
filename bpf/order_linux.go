//go:build amd64 || arm64

package bpf

import (
	"slices"

	"ssltape/record"
)

// maxWaiting is how many bytes may wait for writes to return.
const maxWaiting = 16 << 20

// isOver reports whether nothing follows of a write, whose number may have begun
// from 0 again.
func (n *conn) isOver(write uint32) bool { return int32(write-n.over) <= 0 }

// What is saved of a write is what it passes where it never returns.
type saved struct {
	write uint32
	chunk record.Chunk
}

// What is waiting was read before a write had returned that it may be the answer to.
type waiting struct {
	write uint32
	size  int // of its data
	pass  func()
}

// wait keeps w back until its write is over. Where too much waits, that is no
// longer done for this write.
func (c *cursor) wait(conn *conn, w waiting) {
	conn.waiting = append(conn.waiting, w)
	if c.waits += w.size; c.waits > maxWaiting {
		c.p.ahead.Add(1)
		c.wrote(conn, w.write)
	}
}

// wrote notes that nothing follows of the writes on conn up to the given one, and
// passes on what waited for that.
func (c *cursor) wrote(conn *conn, write uint32) {
	if conn.isOver(write) {
		return
	}
	conn.over = write
	if s := conn.saved; s != nil && conn.isOver(s.write) {
		conn.saved = nil
	}
	for len(conn.waiting) > 0 && int32(conn.waiting[0].write-write) <= 0 {
		w := conn.waiting[0]
		conn.waiting = conn.waiting[1:]
		c.waits -= w.size
		w.pass()
	}
}

// What is ahead has come before what stands before it in its stream. A thread finds out
// where what it has read stands, and then tells it; another one that reads the same
// connection may come between. Where the caller has a lock around each call that
// does not happen, but what Go and NSS lock is within the call.
type ahead struct {
	off   int64
	block int // in which it was
	pass  func()
}

// isAhead reports whether something may still come of the stream that stands before
// off. It cannot where the kernel has counted it as lost.
func (c *cursor) isAhead(conn *conn, dir record.Dir, off int64) bool {
	gap := off - conn.next[dir]
	return gap > 0 && (len(conn.ahead[dir]) > 0 || !c.isLost(gap))
}

// isLost reports whether the kernel has counted as many bytes as lost of which
// nothing was told.
func (c *cursor) isLost(n int64) bool {
	if c.counted-c.holes < n {
		c.counted = int64(c.lost())
	}
	return c.counted-c.holes >= n
}

// tellHole notes that n bytes are missing in what is passed on.
func (c *cursor) tellHole(n int64) {
	if n > 0 {
		c.isLost(n)
		c.holes += min(n, c.counted-c.holes)
	}
}

// patience is for how many blocks what is ahead is kept. A thread may have to wait
// for a processor between the two, for as long as others are at work; what is lost
// the kernel counts, and nobody waits for it.
const patience = 16

// keep keeps a back until what stands before it has come, or does not come in time.
func (c *cursor) keep(conn *conn, dir record.Dir, a ahead) {
	at := len(conn.ahead[dir])
	for at > 0 && conn.ahead[dir][at-1].off > a.off {
		at--
	}
	conn.ahead[dir] = slices.Insert(conn.ahead[dir], at, a)
	if !slices.Contains(c.behind, conn) {
		c.behind = append(c.behind, conn)
	}
	c.catchUp(conn, dir)
}

// catchUp passes on what was ahead and is not any more.
func (c *cursor) catchUp(conn *conn, dir record.Dir) {
	for len(conn.ahead[dir]) > 0 {
		gap := conn.ahead[dir][0].off - conn.next[dir]
		if gap > 0 && !c.isLost(gap) {
			return
		}
		c.passFirst(conn, dir)
	}
}

// release passes on all that is ahead.
func (c *cursor) release(conn *conn, dir record.Dir) {
	for len(conn.ahead[dir]) > 0 {
		c.passFirst(conn, dir)
	}
}

func (c *cursor) passFirst(conn *conn, dir record.Dir) {
	first := conn.ahead[dir][0]
	conn.ahead[dir] = conn.ahead[dir][1:]
	first.pass()
}

// releaseOld passes on what has waited for long, at the end of a block.
func (c *cursor) releaseOld() {
	still := c.behind[:0]
	for _, conn := range c.behind {
		for dir := range conn.ahead {
			for len(conn.ahead[dir]) > 0 && conn.ahead[dir][0].block <= c.blocks-patience {
				c.passFirst(conn, record.Dir(dir))
			}
			c.catchUp(conn, record.Dir(dir))
		}
		if len(conn.ahead[record.Out])+len(conn.ahead[record.In]) > 0 {
			still = append(still, conn)
		}
	}
	clear(c.behind[len(still):])
	c.behind = still
}
