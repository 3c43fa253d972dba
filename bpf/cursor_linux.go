//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"net/netip"
	"strings"
	"time"
	"unsafe"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
	"ssltape/record"
)

// Kinds of events (enum kind of tls.c).
const (
	kindData = iota
	kindEnd
	kindStart
	kindExec
	kindExit
	kindAddress
	kindName
	kindLine
	kindRefused
	kindHandshake
	kindLoad
	kindWrote
	kindSaved
)

// Flags of an event's head: its data ends what a call has passed; it was read
// before a write had returned (LAST and PENDING of tls.c).
const (
	flagLast = 1 << iota
	flagPending
)

// A connKey tells connections apart: a pointer of one run of a program, since
// it was last freed.
type connKey struct {
	tgid             uint32
	ssl, epoch, born uint64
}

func keyOf(h *object.TlsHead) connKey { return connKey{h.Tgid, h.Ssl, h.Epoch, h.Born} }

// table returns what the kernel's table of connections has k under.
func (k connKey) table() object.TlsConnKey {
	return object.TlsConnKey{Ssl: k.ssl, Epoch: k.epoch, Tgid: k.tgid}
}

// A conn is a connection with how far each direction was passed on.
type conn struct {
	record.Conn
	next  [2]int64
	ended [2]bool
	told  bool // a chunk of it has been passed on

	over    uint32     // the last write of which nothing follows
	saved   *saved     // what one passes that has not returned, if that is known
	waiting []waiting  // in the order in which they were read
	ahead   [2][]ahead // in the order of their places
}

// A cursor turns the kernel's events into those of [Probe.Events].
type cursor struct {
	p      *Probe
	block  *block // being read
	events []byte // of block
	memory []byte // that they are in
	next   int    // where the one to read next stands
	conns  uint64 // numbered so far
	clock  int64
	yield  func(Event, error) bool
	left   bool                          // yield has returned false
	later  []Event                       // what one event of the kernel told after that
	early  map[connKey]object.TlsAddress // what block tells of connections that were not met before it
	waits  int                           // bytes of data that wait
	ended  bool                          // all that there was has been passed on

	blocks  int           // read so far
	behind  []*conn       // of which something is ahead
	lost    func() uint64 // bytes that leave holes, as the kernel counts them
	counted int64         // of them, when that was last asked
	holes   int64         // of them, those that were told of

	lossy bool                    // events were lost: there may be more than was told
	gone  [2]map[connKey]struct{} // ended lately; if lossy, since the last two snapshots
}

func newCursor(p *Probe) *cursor {
	return &cursor{p: p, memory: make([]byte, ring.BlockSize), early: map[connKey]object.TlsAddress{}, lost: p.missing}
}

// run passes events to yield until it returns false or there are no more.
func (c *cursor) run(yield func(Event, error) bool) {
	c.yield, c.left = yield, false
	pace := newPace()
	defer pace.end()
	later := c.later
	c.later = nil
	for _, e := range later {
		c.send(e)
	}
	for !c.left && !c.ended {
		if c.block == nil {
			if c.p.idle != nil && c.p.queue.idle() {
				c.p.idle()
			}
			b, err := c.p.queue.take()
			if b == nil {
				c.ended = true
				c.finish()
				if err != nil && !c.left {
					yield(Event{}, err)
				}
				return
			}
			if err := c.load(b); err != nil {
				c.ended = true
				c.finish()
				if !c.left && !c.p.queue.isClosed() {
					yield(Event{}, err)
				}
				return
			}
			c.readAddresses()
			if c.p.stopping.Load() {
				pace.set(pace.usual) // nothing is recorded any more that it could be in the way of
			} else {
				pace.set(pace.place(c.p.queue.fill()))
			}
		}
		c.readBlock()
	}
}

// send passes on e, or keeps it until run is called again. What data it has then
// is of the current block, or of its own.
func (c *cursor) send(e Event) {
	if c.left {
		c.later = append(c.later, e)
		return
	}
	c.left = !c.yield(e, nil)
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
	h := view[object.TlsHead](b)
	if h == nil {
		return
	}
	data := b[unsafe.Sizeof(*h):]
	key := keyOf(h)
	if h.Kind != kindData && c.hasGone(key) {
		return // another thread was still in a call
	}
	switch h.Kind {
	case kindData:
		if int(h.Len) <= len(data) {
			c.data(c.conn(key, h), h, data[:h.Len])
		}
	case kindWrote:
		c.wrote(c.conn(key, h), h.Write)
	case kindSaved:
		if conn := c.conn(key, h); int(h.Len) <= len(data) && !conn.isOver(h.Write) {
			conn.saved = &saved{h.Write, record.Chunk{Conn: &conn.Conn, Dir: record.Out,
				Off: int64(h.Off), Time: c.time(h.Time), Data: bytes.Clone(data[:h.Len])}}
		}
	case kindEnd:
		conn, dir, off := c.conn(key, h), record.Dir(h.Dir&1), int64(h.Off)
		if c.isAhead(conn, dir, off) {
			head := *h
			c.keep(conn, dir, ahead{off, c.blocks, func() { c.passEnd(conn, key, &head) }})
			return
		}
		c.passEnd(conn, key, h)
	case kindStart:
		if e := view[object.TlsStart](b); e != nil {
			c.start(e)
		}
	case kindExec, kindRefused:
		if e := view[object.TlsExec](b); e != nil {
			c.exec(e)
		}
	case kindExit:
		c.exit(h)
	case kindLine:
		if int(h.Len) <= len(data) {
			ev := c.newsEvent(Typed, c.process(h), h)
			ev.Line = string(data[:h.Len])
			c.send(Event{Process: ev})
		}
	case kindAddress:
		if e := view[object.TlsAddressEvent](b); e != nil {
			c.conn(key, h).setAddress(&e.Address)
		}
	case kindHandshake:
		c.conn(key, h).Handshake = time.Duration(h.Off)
	case kindName:
		if e := view[object.TlsNameEvent](b); e != nil {
			c.conn(key, h).ServerName = cString(e.Name[:])
		}
	}
}

// setAddress sets the addresses of n, or none where a is zeros.
func (n *conn) setAddress(a *object.TlsAddress) {
	n.Local, n.Remote = addrPort(a.Local, a.Lport), addrPort(a.Remote, a.Rport)
}

// addrPort returns the zero AddrPort for zeros.
func addrPort(addr [16]byte, port uint16) netip.AddrPort {
	if port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), port)
}

// data passes on data, or keeps it where something may come that stands before it.
func (c *cursor) data(conn *conn, h *object.TlsHead, data []byte) {
	dir, off := record.Dir(h.Dir&1), int64(h.Off)
	if c.isAhead(conn, dir, off) {
		head, own := *h, bytes.Clone(data)
		c.keep(conn, dir, ahead{off, c.blocks, func() { c.pass(conn, &head, own) }})
		return
	}
	c.pass(conn, h, data)
	c.catchUp(conn, dir)
}

// pass passes on data, or keeps it until the write is over that it may be the
// answer to.
func (c *cursor) pass(conn *conn, h *object.TlsHead, data []byte) {
	dir := record.Dir(h.Dir & 1)
	// Two threads that read at once may have been told the same place: nothing comes twice.
	off := max(int64(h.Off), conn.next[dir])
	c.tellHole(off - conn.next[dir])
	conn.next[dir], conn.told = off+int64(len(data)), true
	chunk := record.Chunk{Conn: &conn.Conn, Dir: dir, Off: off, Time: c.time(h.Time), Data: data}
	pending := h.Flags&flagPending != 0
	if dir == record.Out || pending {
		c.wrote(conn, h.Write-1) // whatever was lost of it
	} else {
		c.wrote(conn, h.Write)
	}
	if pending && !conn.isOver(h.Write) { // else it was over by the time that this was told
		late := chunk
		late.Data = bytes.Clone(data)
		c.wait(conn, waiting{h.Write, len(data), func() { c.send(Event{Chunk: late}) }})
		return
	}
	c.send(Event{Chunk: chunk})
	if dir == record.Out && h.Flags&flagLast != 0 {
		c.wrote(conn, h.Write)
	}
}

// conn returns the connection of key, a new one where it was not seen before.
// h is of an event about it.
func (c *cursor) conn(key connKey, h *object.TlsHead) *conn {
	pr := c.process(h)
	if n := pr.conns[key]; n != nil {
		return n
	}
	c.conns++
	n := &conn{Conn: record.Conn{
		ID: c.conns, PID: pr.PID, Comm: pr.Comm, Exe: pr.Exe, Library: c.p.library(pr.PID, h.Library),
	}}
	if a, ok := c.early[key]; ok {
		n.setAddress(&a)
	}
	pr.conns[key] = n
	return n
}

// process returns the process that h is about. One that is not known was
// started when there was no room in the ring buffer.
func (c *cursor) process(h *object.TlsHead) *process {
	c.p.mu.Lock()
	pr := c.p.procs[h.Tgid]
	met := pr == nil
	if met {
		pr = &process{Process: readProcess(int(h.Pid)), epoch: h.Epoch, conns: map[connKey]*conn{}}
		c.p.procs[h.Tgid] = pr
	}
	c.p.mu.Unlock()
	if met {
		c.news(Started, pr, h)
	}
	return pr
}

// known returns the process of tgid, or nil.
func (c *cursor) known(tgid uint32) *process {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.p.procs[tgid]
}

// passEnd is pass for the end of a direction.
func (c *cursor) passEnd(conn *conn, key connKey, h *object.TlsHead) {
	v := object.TlsEndValue{Time: h.Time, Off: h.Off, End: uint32(h.End)}
	if h.Flags&flagPending != 0 && !conn.isOver(h.Write) {
		c.wait(conn, waiting{h.Write, 0, func() { c.end(key, v, record.In) }})
		return
	}
	c.end(key, v, record.Dir(h.Dir&1))
}

// end ends one direction of a connection, whose final length is v.Off.
func (c *cursor) end(key connKey, v object.TlsEndValue, dir record.Dir) {
	pr := c.known(key.tgid)
	if pr == nil || pr.conns[key] == nil {
		return
	}
	conn := pr.conns[key]
	c.release(conn, dir)
	if n := len(conn.waiting); n > 0 {
		c.wrote(conn, conn.waiting[n-1].write)
	}
	if conn.ended[dir] {
		return
	}
	conn.ended[dir] = true
	if conn.ended[dir.Peer()] {
		c.forget(pr, key)
	}
	if conn.told = conn.told || v.Off > 0; !conn.told {
		return // it never carried anything
	}
	off := max(int64(v.Off), conn.next[dir])
	c.tellHole(off - conn.next[dir])
	c.send(Event{Chunk: record.Chunk{Conn: &conn.Conn, Dir: dir, Off: off, Time: c.time(v.Time), End: record.End(v.End)}})
}

func (c *cursor) start(e *object.TlsStart) {
	pr := &process{epoch: e.Head.Epoch, conns: map[connKey]*conn{}}
	if parent := c.known(uint32(e.Head.Ssl)); parent != nil {
		pr.PPID, pr.Exe = parent.PID, parent.Exe
	} else {
		pr.Process = readProcess(int(e.Head.Pid))
	}
	pr.PID, pr.Comm = int(e.Head.Pid), cString(e.Comm[:])
	c.p.mu.Lock()
	c.p.procs[e.Head.Tgid] = pr
	c.p.mu.Unlock()
	c.news(Started, pr, &e.Head)
}

func (c *cursor) exec(e *object.TlsExec) {
	pr := c.process(&e.Head)
	c.endProcess(e.Head.Tgid, pr, e.Head.Epoch, record.EndClean)
	pr.epoch, pr.Comm, pr.Exe = e.Head.Epoch, cString(e.Comm[:]), exeOf(e)
	ev := c.newsEvent(Exec, pr, &e.Head)
	ev.Args = argsOf(e)
	if e.Head.Kind == kindRefused {
		ev.Kind = Refused
		c.p.mu.Lock()
		delete(c.p.procs, e.Head.Tgid)
		c.p.mu.Unlock()
	}
	c.send(Event{Process: ev})
}

// exeOf returns the path of the program, as it was named where the process is
// gone or may not be looked at.
func exeOf(e *object.TlsExec) string {
	if exe := readExe(int(e.Head.Pid)); exe != "" {
		return exe
	}
	return cString(e.File[:])
}

func argsOf(e *object.TlsExec) []string {
	raw := e.Args[:min(int(e.Head.Len), len(e.Args))]
	if len(raw) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(raw, []byte{0})), "\x00")
}

func (c *cursor) exit(h *object.TlsHead) {
	pr := c.process(h)
	if h.Epoch != 0 && h.Epoch < pr.epoch {
		return // its id is that of another process by now
	}
	out := record.EndClean
	if h.Off&0x7f != 0 { // by a signal
		out = record.EndCut
	}
	c.endProcess(h.Tgid, pr, h.Time, out)
	c.p.mu.Lock()
	delete(c.p.procs, h.Tgid)
	c.p.mu.Unlock()
	c.news(Exited, pr, h)
}

func (c *cursor) newsEvent(kind ProcessKind, pr *process, h *object.TlsHead) *ProcessEvent {
	ev := &ProcessEvent{Kind: kind, Process: pr.Process, Time: c.time(h.Time)}
	if kind == Exited {
		ev.Status = int(h.Off)
	}
	return ev
}

func (c *cursor) news(kind ProcessKind, pr *process, h *object.TlsHead) {
	c.send(Event{Process: c.newsEvent(kind, pr, h)})
}
