//go:build amd64 || arm64

package bpf

import (
	"maps"
	"math"

	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
	"ssltape/record"
)

// A snapshot is the state of the kernel's tables at a moment before which all
// events have been read. It makes up for events about connections and
// processes that found no room in the ring buffer.
type snapshot struct {
	time      uint64 // kernel's
	ends      map[object.TlsEndKey]object.TlsEndValue
	processes map[uint32]object.TlsProcess
}

// monotonic returns the kernel's time, which is that of events.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// snapshot reads the kernel's tables, and empties that of ends.
func (p *Probe) snapshot() *snapshot {
	s := &snapshot{time: uint64(monotonic()), ends: map[object.TlsEndKey]object.TlsEndValue{}, processes: map[uint32]object.TlsProcess{}}
	var ek object.TlsEndKey
	var ev object.TlsEndValue
	for it := p.table(object.TlsMapEnds).Iterate(); it.Next(&ek, &ev); {
		s.ends[ek] = ev
	}
	for k := range s.ends {
		_ = p.table(object.TlsMapEnds).Delete(k)
	}
	var tgid uint32
	var pv object.TlsProcess
	for it := p.table(object.TlsMapProcesses).Iterate(); it.Next(&tgid, &pv); {
		s.processes[tgid] = pv
	}
	return s
}

// recover passes on what s tells and events did not.
func (c *cursor) recover(s *snapshot) {
	for k, v := range s.ends {
		h := &object.TlsHead{Time: v.Time, Ssl: k.Conn.Ssl, Epoch: k.Conn.Epoch, Born: k.Born,
			Tgid: k.Conn.Tgid, Pid: v.Pid, Library: v.Library}
		if key := keyOf(h); !c.hasGone(key) {
			c.conn(key, h)
			c.end(key, v, record.Dir(k.Dir&1))
		}
	}
	c.gone = [2]map[connKey]struct{}{nil, c.gone[0]}
	c.recoverProcesses(s)
}

// unknownStatus is the status of a process whose exit was not seen, -1.
const unknownStatus = math.MaxUint64

// recoverProcesses tells of processes that were started or ended, or run
// another program, without an event.
func (c *cursor) recoverProcesses(s *snapshot) {
	for tgid, v := range s.processes {
		if pr := c.known(tgid); v.Flags&ignore == 0 && (pr == nil || pr.epoch < v.Epoch) {
			h := &object.TlsHead{Time: s.time, Epoch: v.Epoch, Tgid: tgid, Pid: v.Pid}
			if pr != nil {
				e := &object.TlsExec{Head: *h}
				copy(e.Comm[:], readProcess(pr.PID).Comm)
				c.exec(e)
			} else {
				c.process(h)
			}
		}
	}
	c.p.mu.Lock()
	missing := map[uint32]*process{}
	for tgid, pr := range c.p.procs {
		if _, ok := s.processes[tgid]; !ok && pr.epoch < s.time {
			missing[tgid] = pr
		}
	}
	c.p.mu.Unlock()
	for tgid, pr := range missing {
		c.exit(&object.TlsHead{Time: s.time, Off: unknownStatus, Tgid: tgid, Pid: uint32(pr.PID)})
	}
}

// mostGone is how many connections that have ended are remembered at least, where
// no events were lost: what two threads may still tell of one comes at once.
const mostGone = 1024

// forget drops a connection of which nothing more comes.
func (c *cursor) forget(pr *process, key connKey) {
	delete(pr.conns, key)
	if !c.lossy && len(c.gone[0]) >= mostGone {
		c.gone = [2]map[connKey]struct{}{nil, c.gone[0]}
	}
	if c.gone[0] == nil {
		c.gone[0] = map[connKey]struct{}{}
	}
	c.gone[0][key] = struct{}{}
}

func (c *cursor) hasGone(key connKey) bool {
	_, a := c.gone[0][key]
	_, b := c.gone[1][key]
	return a || b
}

// meetAll makes connections known of which all events were lost.
func (c *cursor) meetAll(match func(object.TlsConnKey) bool) {
	var k object.TlsConnKey
	var v object.TlsConn
	for it := c.p.table(object.TlsMapConns).Iterate(); it.Next(&k, &v); {
		h := &object.TlsHead{Time: v.Born, Ssl: k.Ssl, Epoch: k.Epoch, Born: v.Born, Tgid: k.Tgid, Pid: v.Pid, Library: v.Library}
		if match(k) && !c.hasGone(keyOf(h)) {
			c.conn(keyOf(h), h)
		}
	}
}

// endConn ends what is open of a connection of pr: out says how what the
// process wrote ended, and gone whether the process did.
func (c *cursor) endConn(pr *process, key connKey, out record.End, when uint64, gone bool) {
	conn, k := pr.conns[key], key.table()
	var v object.TlsConn
	there := c.p.table(object.TlsMapConns).Lookup(k, &v) == nil && v.Born == key.born
	if there {
		c.wrote(conn, v.Done) // what told that may be lost
	}
	last := conn.over
	if there && v.Begun != v.Done {
		last = v.Begun
	}
	if c.rescue(conn); gone {
		c.unended(conn, last)
	}
	in, next := record.EndCut, conn.next
	if there {
		next = [2]int64{max(next[0], int64(v.Off[0])), int64(v.Off[1])} // more than that was saved
		if v.Closed != 0 {
			in = record.EndClean
		}
		_ = c.p.table(object.TlsMapConns).Delete(k)
	}
	c.end(key, object.TlsEndValue{Time: when, Off: uint64(next[record.Out]), End: uint32(out)}, record.Out)
	c.end(key, object.TlsEndValue{Time: when, Off: uint64(next[record.In]), End: uint32(in)}, record.In)
}

// rescue passes on what was saved of a write on conn that does not return any more:
// who has the answer may end the process before that.
func (c *cursor) rescue(conn *conn) {
	s := conn.saved
	if s == nil || s.chunk.Off != conn.next[record.Out] {
		return
	}
	conn.saved = nil
	conn.next[record.Out] += int64(len(s.chunk.Data))
	c.p.rescued.Add(uint64(len(s.chunk.Data)))
	c.send(Event{Chunk: s.chunk})
	c.wrote(conn, s.write)
}

// unended counts a write on conn that has not returned when its process ends, where
// that was not saved: one that something waits for, or the last one of all.
func (c *cursor) unended(conn *conn, last uint32) {
	if len(conn.waiting) > 0 || !conn.isOver(last) {
		c.p.unended.Add(1)
	}
}

// endProcess ends the connections that pr had before epoch.
func (c *cursor) endProcess(tgid uint32, pr *process, epoch uint64, out record.End) {
	if c.lossy {
		c.meetAll(func(k object.TlsConnKey) bool { return k.Tgid == tgid && k.Epoch < epoch })
	}
	for key := range pr.conns {
		if key.epoch < epoch {
			c.endConn(pr, key, out, epoch, true)
		}
	}
}

// finish ends all connections that are open when the recording stops.
func (c *cursor) finish() {
	now := uint64(monotonic())
	c.clock = ring.Clock()
	if c.lossy {
		c.meetAll(func(object.TlsConnKey) bool { return true })
	}
	c.p.mu.Lock()
	procs := maps.Clone(c.p.procs)
	c.p.mu.Unlock()
	for _, pr := range procs {
		for key := range pr.conns {
			c.endConn(pr, key, record.EndCut, now, false)
		}
	}
}
