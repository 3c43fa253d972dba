//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"strings"
	"time"
	"unsafe"

	"ssltape/record"
)

// Kinds of events (enum kind of tls.c).
const (
	kindData = iota
	kindEnd
	kindFork
	kindExec
	kindExit
)

// A connKey tells connections apart: a pointer of one run of a program, since
// it was last freed.
type connKey struct {
	tgid             uint32
	ssl, epoch, born uint64
}

func (k connKey) table() tlsConnKey { return tlsConnKey{Ssl: k.ssl, Epoch: k.epoch, Tgid: k.tgid} }

// A conn is a connection with how far each direction was passed on.
type conn struct {
	record.Conn
	next  [2]int64
	ended [2]bool
}

// A cursor turns the kernel's events into those of [Probe.Events].
type cursor struct {
	p     *Probe
	block *block // being read
	index int    // of the event of block to read next
	conns uint64 // numbered so far
	clock int64
	yield func(Event, error) bool
	left  bool // yield has returned false
	ended bool // all that there was has been passed on
}

func newCursor(p *Probe) *cursor { return &cursor{p: p} }

// run passes events to yield until it returns false or there are no more.
func (c *cursor) run(yield func(Event, error) bool) {
	c.yield, c.left = yield, false
	for !c.left && !c.ended {
		if c.block == nil {
			b, err := c.p.queue.take()
			if err != nil {
				c.ended = true
				c.left = !yield(Event{}, err)
			}
			if b == nil {
				c.finish()
				c.ended = true
				return
			}
			c.block, c.index, c.clock = b, 0, b.clock
		}
		c.readBlock()
	}
}

// readBlock passes on the events of the current block.
func (c *cursor) readBlock() {
	b := c.block
	for c.index < len(b.ends) && !c.left {
		start := 0
		if c.index > 0 {
			start = b.ends[c.index-1]
		}
		c.event(b.buf[start:b.ends[c.index]])
		c.index++
	}
	if c.left {
		return
	}
	if b.after != nil {
		c.recover(b.after)
	}
	c.p.queue.recycle(b)
	c.block = nil
}

// send passes on e.
func (c *cursor) send(e Event) {
	if !c.left {
		c.left = !c.yield(e, nil)
	}
}

func (c *cursor) time(kernel uint64) time.Time { return time.Unix(0, int64(kernel)+c.clock) }

// view returns the event in b as a T, or nil where b is too short.
func view[T any](b []byte) *T {
	if len(b) < int(unsafe.Sizeof(*new(T))) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(b)))
}

// event passes on the event in b, which is as tls.c laid it out.
func (c *cursor) event(b []byte) {
	h := view[tlsHead](b)
	if h == nil {
		return
	}
	data := b[unsafe.Sizeof(*h):]
	key := connKey{h.Tgid, h.Ssl, h.Epoch, h.Born}
	switch h.Kind {
	case kindData:
		if int(h.Len) <= len(data) {
			c.data(key, h, data[:h.Len])
		}
	case kindEnd:
		c.conn(key, h.Pid, h.Library)
		c.end(key, tlsEndValue{Time: h.Time, Off: h.Off, End: uint32(h.End)}, record.Dir(h.Dir&1))
	case kindFork:
		if e := view[tlsStart](b); e != nil {
			c.fork(e)
		}
	case kindExec:
		if e := view[tlsExec](b); e != nil {
			c.exec(e)
		}
	case kindExit:
		c.exit(h)
	}
}

func (c *cursor) data(key connKey, h *tlsHead, data []byte) {
	conn, dir := c.conn(key, h.Pid, h.Library), record.Dir(h.Dir&1)
	conn.next[dir] = int64(h.Off) + int64(len(data))
	c.send(Event{Chunk: record.Chunk{
		Conn: &conn.Conn, Dir: dir, Off: int64(h.Off), Time: c.time(h.Time), Data: data,
	}})
}

// conn returns the connection of key, a new one where it was not seen before.
func (c *cursor) conn(key connKey, pid, library uint32) *conn {
	pr := c.process(key.tgid, int(pid))
	if n := pr.conns[key]; n != nil {
		return n
	}
	c.conns++
	n := &conn{Conn: record.Conn{ID: c.conns, PID: pr.PID, Comm: pr.Comm, Exe: pr.Exe, Library: c.p.library(pr, library)}}
	pr.conns[key] = n
	return n
}

// process returns the process of tgid, which All may have met.
func (c *cursor) process(tgid uint32, pid int) *process {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	pr := c.p.procs[tgid]
	if pr == nil {
		pr = &process{Process: readProcess(pid), conns: map[connKey]*conn{}}
		c.p.procs[tgid] = pr
	}
	return pr
}

// end ends one direction of a connection, whose final length is v.Off.
func (c *cursor) end(key connKey, v tlsEndValue, dir record.Dir) {
	conn := c.process(key.tgid, 0).conns[key]
	if conn == nil || conn.ended[dir] {
		return
	}
	conn.ended[dir] = true
	c.send(Event{Chunk: record.Chunk{
		Conn: &conn.Conn, Dir: dir, Off: int64(v.Off), Time: c.time(v.Time), End: record.End(v.End),
	}})
	if conn.ended[dir.Peer()] {
		delete(c.process(key.tgid, 0).conns, key)
	}
}

// endConn ends what is open of a connection: out says how what the process
// wrote ended, what it read was cut.
func (c *cursor) endConn(key connKey, out record.End, when uint64) {
	pr := c.process(key.tgid, 0)
	conn := pr.conns[key]
	if conn == nil {
		return
	}
	next := conn.next
	var v tlsConn
	if k := key.table(); c.p.objs.Conns.Lookup(k, &v) == nil && v.Born == key.born {
		next = [2]int64{int64(v.Off[0]), int64(v.Off[1])}
		_ = c.p.objs.Conns.Delete(k)
	}
	c.end(key, tlsEndValue{Time: when, Off: uint64(next[record.Out]), End: uint32(out)}, record.Out)
	c.end(key, tlsEndValue{Time: when, Off: uint64(next[record.In]), End: uint32(record.EndCut)}, record.In)
}

// endProcess ends the connections of the program that a process ran.
func (c *cursor) endProcess(pr *process, out record.End, when uint64) {
	for key := range pr.conns {
		c.endConn(key, out, when)
	}
}

func (c *cursor) fork(e *tlsStart) {
	parent := c.process(uint32(e.Head.Ssl), 0)
	pr := &process{Process: parent.Process, epoch: e.Head.Epoch, conns: map[connKey]*conn{}}
	pr.PID, pr.PPID, pr.Comm = int(e.Head.Pid), parent.PID, cString(e.Comm[:])
	c.p.mu.Lock()
	c.p.procs[e.Head.Tgid] = pr
	c.p.mu.Unlock()
	c.news(Started, pr, &e.Head)
}

func (c *cursor) exec(e *tlsExec) {
	pr := c.process(e.Head.Tgid, int(e.Head.Pid))
	c.endProcess(pr, record.EndClean, e.Head.Time)
	pr.epoch, pr.Comm, pr.Exe = e.Head.Epoch, cString(e.Comm[:]), readExe(pr.PID)
	if pr.Exe == "" {
		pr.Exe = cString(e.File[:])
	}
	ev := c.newsEvent(Exec, pr, &e.Head)
	if raw := e.Args[:min(int(e.Head.Len), len(e.Args))]; len(raw) > 0 {
		ev.Args = strings.Split(string(bytes.TrimSuffix(raw, []byte{0})), "\x00")
	}
	c.send(Event{Process: ev})
}

func (c *cursor) exit(h *tlsHead) {
	pr := c.process(h.Tgid, int(h.Pid))
	out := record.EndClean
	if h.Off&0x7f != 0 { // by a signal
		out = record.EndCut
	}
	c.endProcess(pr, out, h.Time)
	c.p.mu.Lock()
	delete(c.p.procs, h.Tgid)
	c.p.mu.Unlock()
	c.news(Exited, pr, h)
}

func (c *cursor) newsEvent(kind ProcessKind, pr *process, h *tlsHead) *ProcessEvent {
	ev := &ProcessEvent{Kind: kind, Process: pr.Process, Time: c.time(h.Time)}
	if kind == Exited {
		ev.Status = int(h.Off)
	}
	return ev
}

func (c *cursor) news(kind ProcessKind, pr *process, h *tlsHead) {
	c.send(Event{Process: c.newsEvent(kind, pr, h)})
}

// recover passes on what s tells and events did not.
func (c *cursor) recover(s *snapshot) {
	for k, v := range s.ends {
		key := connKey{k.Conn.Tgid, k.Conn.Ssl, k.Conn.Epoch, k.Born}
		c.conn(key, v.Pid, v.Library)
		c.end(key, v, record.Dir(k.Dir&1))
	}
}

// finish ends all connections that are open when the recording stops.
func (c *cursor) finish() {
	now := uint64(monotonic())
	c.clock = clock()
	for _, pr := range c.p.procs {
		c.endProcess(pr, record.EndCut, now)
	}
}
