package pcapng

import (
	"slices"
	"time"

	"ssltape/pcapng/tcpip"
	"ssltape/record"
)

// Limits of reassembly.
const (
	maxStreams = 1 << 14 // of which the one unused for longest is cut off, for whoever reads it keeps some KB of each
	maxWaiting = 8 << 20 // bytes of a connection that wait for others: more than a window
	maxTotal   = 64 << 20
	patience   = 128             // packets of a connection after which an acknowledged hole is passed over,
	longest    = 2 * time.Second // or the time between two of them
	farOff     = 1 << 28         // distance between sequence numbers that no window allows
)

// An assembler puts TCP connections together from packets of any order.
//
// It is used in place of gopacket's reassembly, which passes over a hole by
// time only (so that a response may come before the request that it answers),
// miscounts by one where sequence numbers wrap, loses a FIN that comes out of
// order, and has offsets of 32 bits.
//
// A segment is passed on when all bytes before it were, and all bytes that it
// acknowledges: what an end of the connection had read when it wrote is
// emitted before what it wrote.
type assembler struct {
	emit    func(record.Chunk)
	newID   func(want uint64) uint64
	streams map[tcpip.Tuple]*streamSide // each stream twice
	byUse   stream                      // ring of all streams: newer is the one unused for longest
	count   int
	waiting int            // bytes, in all streams
	names   map[string]int // streams that are of a known protocol beside HTTP and TLS
}

// A stream is a TCP connection.
type stream struct {
	conn         *record.Conn
	side         [2]streamSide
	older, newer *stream // by last use
	waiting      int     // bytes that wait for others
	stuck        int     // packets since anything was passed on
	named        bool
	last         time.Time // of the last packet
}

// A streamSide is a direction of a stream: what one end sends.
type streamSide struct {
	*stream
	tcpip.Tuple
	dir   record.Dir
	known bool   // first, seq and next are
	first uint32 // sequence number of offset 0
	seq   uint32 // of the next byte to be passed on
	next  int64  // its offset
	acked int64  // offset up to which the peer has acknowledged
	queue []queued
	ended bool
}

// A queued is a segment that waits, in order of offset.
type queued struct {
	off  int64
	ack  int64 // the offset in the peer's stream that it acknowledges
	data []byte
	lost int64 // bytes after data that were not captured
	time time.Time
	end  record.End
}

// after returns the offset after what q holds.
func (q *queued) after() int64 { return q.off + int64(len(q.data)) + q.lost }

func (s *streamSide) peer() *streamSide { return &s.side[s.dir.Peer()] }

// offset returns the stream offset of a sequence number near the next one.
func (s *streamSide) offset(seq uint32) int64 { return s.next + int64(int32(seq-s.seq)) }

// advance makes off the next offset.
func (s *streamSide) advance(off int64) {
	s.seq += uint32(off - s.next)
	s.next = off
}

// startAt makes seq the sequence number of offset 0.
func (s *streamSide) startAt(seq uint32) { s.known, s.first, s.seq, s.next = true, seq, seq, 0 }

// reused reports whether a SYN with this sequence number starts another
// connection than s: it is not the one of s, come again or late.
func (s *streamSide) reused(seq uint32) bool {
	const window = 1 << 16
	return s.side[0].ended && s.side[1].ended || s.known && s.first-(seq+1) > window
}

// packet takes a packet that was captured at time t.
func (a *assembler) packet(p *tcpip.Segment, t time.Time) {
	side := a.streams[p.Tuple]
	syn := p.Flags&tcpip.SYN != 0
	if side != nil && syn && p.Flags&tcpip.ACK == 0 && side.reused(p.Seq) {
		a.remove(side.stream)
		side = nil
	}
	if side == nil {
		if !syn && len(p.Data)+p.Missing == 0 {
			return
		}
		side = a.add(p)
	}
	a.touch(side.stream)
	seq := p.Seq
	if syn {
		seq++
		if !side.known || side.next == 0 {
			side.startAt(seq)
		}
	} else if !side.known {
		side.startAt(seq)
	}
	if !side.peer().known && p.Flags&tcpip.ACK != 0 {
		side.peer().startAt(p.Ack)
	}
	if side.waiting > 0 && t.Sub(side.last) > longest {
		side.stuck = max(side.stuck, patience)
	}
	side.last = t
	a.segment(side, p, seq, t)
	a.drain(side.stream)
	for side.impatient() || side.waiting > maxWaiting || side.waiting > 0 && a.waiting > maxTotal {
		a.passOver(side.stream)
	}
}

// impatient reports whether a stream has waited long enough for what must
// have been there, since it was acknowledged.
func (s *stream) impatient() bool {
	if s.stuck < patience {
		return false
	}
	for i := range s.side {
		if x := &s.side[i]; !x.ended && x.next < x.acked {
			return true
		}
	}
	return false
}

// segment queues what p holds.
func (a *assembler) segment(s *streamSide, p *tcpip.Segment, seq uint32, t time.Time) {
	peer := s.peer()
	q := queued{off: s.offset(seq), data: p.Data, lost: int64(p.Missing), time: t}
	if p.Flags&tcpip.ACK != 0 {
		if q.ack = peer.offset(p.Ack); q.ack > peer.next+farOff {
			q.ack = 0
		}
		peer.acked = max(peer.acked, q.ack)
	}
	if s.ended || q.off > s.next+farOff || q.off < s.next-farOff {
		return
	}
	if len(q.data)+p.Missing > 0 {
		a.queue(s, q)
	}
	q.off, q.data, q.lost = q.after(), nil, 0
	switch {
	case p.Flags&tcpip.RST != 0:
		q.off, q.end = max(q.off, s.next), record.EndCut
		a.queue(s, q)
	case p.Flags&tcpip.FIN != 0:
		q.end = record.EndClean
		a.queue(s, q)
	}
}

// queue adds q to what s has to pass on; at once, if it can be. What waits is
// copied.
func (a *assembler) queue(s *streamSide, q queued) {
	if q.end == record.EndNone && q.after() <= s.next {
		return // repeated
	}
	if len(s.queue) == 0 && s.ready(&q) {
		a.pass(s, &q)
		return
	}
	i := len(s.queue)
	for i > 0 && s.queue[i-1].off > q.off {
		i--
	}
	q.data = slices.Clone(q.data)
	s.queue = slices.Insert(s.queue, i, q)
	s.waiting += len(q.data) + overhead
	a.waiting += len(q.data) + overhead
}

// overhead is what a queued segment costs besides its data.
const overhead = 128

// ready reports whether q can be passed on.
func (s *streamSide) ready(q *queued) bool {
	peer := s.peer()
	return q.off <= s.next && (q.ack <= peer.next || !peer.known || peer.ended)
}

// pass passes on what is new in q.
func (a *assembler) pass(s *streamSide, q *queued) {
	s.stuck = 0
	if s.ended {
		return
	}
	if data := q.data; q.off+int64(len(data)) > s.next {
		off := s.next
		data = data[off-q.off:]
		if off == 0 && !s.named {
			a.name(s.stream, data)
		}
		s.advance(off + int64(len(data)))
		a.emit(record.Chunk{Conn: s.conn, Dir: s.dir, Off: off, Time: q.time, Data: data})
	}
	if q.after() > s.next {
		s.advance(q.after())
		a.emit(record.Chunk{Conn: s.conn, Dir: s.dir, Off: s.next, Time: q.time})
	}
	if q.end == record.EndNone {
		return
	}
	s.ended = true
	a.emit(record.Chunk{Conn: s.conn, Dir: s.dir, Off: s.next, Time: q.time, End: q.end})
	if peer := s.peer(); q.end == record.EndCut && !peer.ended {
		for len(peer.queue) > 0 {
			a.passFirst(peer)
		}
		if !peer.ended {
			peer.ended = true
			a.emit(record.Chunk{Conn: s.conn, Dir: peer.dir, Off: peer.next, Time: q.time, End: record.EndCut})
		}
	}
}

// name counts s where b, the first data of one direction, tells its protocol.
func (a *assembler) name(s *stream, b []byte) {
	if name := protocolOf(b); name != "" {
		a.names[name]++
		s.named = true
	}
}

// passFirst passes on the first of s's queue, and so over a hole before it.
func (a *assembler) passFirst(s *streamSide) {
	q := s.queue[0]
	s.queue = s.queue[1:]
	s.waiting -= len(q.data) + overhead
	a.waiting -= len(q.data) + overhead
	if q.off > s.next {
		s.advance(q.off)
	}
	a.pass(s, &q)
}

// drain passes on what waits and need not any longer.
func (a *assembler) drain(s *stream) {
	s.stuck++
	for progress := true; progress; {
		progress = false
		for i := range s.side {
			x := &s.side[i]
			for len(x.queue) > 0 && x.ready(&x.queue[0]) {
				a.passFirst(x)
				progress = true
			}
		}
	}
}

// passOver gives up waiting for what s needs next: it takes missing bytes that
// were acknowledged for a hole, else those before the first segment.
func (a *assembler) passOver(s *stream) {
	for i := range s.side {
		x := &s.side[i]
		if !x.ended && x.next < x.acked {
			to := x.acked
			if len(x.queue) > 0 {
				to = min(to, x.queue[0].off)
			}
			if to > x.next {
				x.advance(to)
				s.stuck = 0
				a.emit(record.Chunk{Conn: s.conn, Dir: x.dir, Off: to})
				a.drain(s)
				return
			}
		}
	}
	first := &s.side[0]
	if len(first.queue) == 0 || len(s.side[1].queue) > 0 && s.side[1].queue[0].time.Before(first.queue[0].time) {
		first = &s.side[1]
	}
	if len(first.queue) > 0 {
		a.passFirst(first)
	}
	s.stuck = 0
	a.drain(s)
}

// add makes a stream for a packet of an unknown connection.
func (a *assembler) add(p *tcpip.Segment) *streamSide {
	if a.count >= maxStreams {
		a.remove(a.byUse.newer)
	}
	client := p.Tuple
	if !sentByClient(p) {
		client = client.Reverse()
	}
	s := &stream{conn: &record.Conn{ID: a.newID(0), Local: client.Src, Remote: client.Dst, Plain: true}}
	s.side[record.Out] = streamSide{stream: s, Tuple: client, dir: record.Out}
	s.side[record.In] = streamSide{stream: s, Tuple: client.Reverse(), dir: record.In}
	for i := range s.side {
		a.streams[s.side[i].Tuple] = &s.side[i]
	}
	a.count++
	s.older, s.newer = s, s
	return a.streams[p.Tuple]
}

// sentByClient reports whether the client sent p: it sends the SYN, and
// requests, and has the higher port.
func sentByClient(p *tcpip.Segment) bool {
	switch {
	case p.Flags&tcpip.SYN != 0:
		return p.Flags&tcpip.ACK == 0
	case isRequest(p.Data):
		return true
	case isResponse(p.Data):
		return false
	}
	return p.Src.Port() >= p.Dst.Port()
}

// touch makes s the one used last.
func (a *assembler) touch(s *stream) {
	if a.byUse.newer == nil {
		a.byUse.older, a.byUse.newer = &a.byUse, &a.byUse
	}
	s.older.newer, s.newer.older = s.newer, s.older
	s.older, s.newer = a.byUse.older, &a.byUse
	s.older.newer, a.byUse.older = s, s
}

// remove passes on what waits in s and forgets it. Its reader forgets it too:
// nothing more will come of it under its number.
func (a *assembler) remove(s *stream) {
	for s.waiting > 0 {
		a.passOver(s)
	}
	for i := range s.side {
		x := &s.side[i]
		if !x.ended {
			x.ended = true
			a.emit(record.Chunk{Conn: s.conn, Dir: x.dir, Off: x.next, Time: s.last, End: record.EndCut})
		}
		delete(a.streams, x.Tuple)
	}
	s.older.newer, s.newer.older = s.newer, s.older
	a.count--
}

// flush passes on all that waits.
func (a *assembler) flush() {
	for s := a.byUse.newer; s != nil && s != &a.byUse; s = s.newer {
		for s.waiting > 0 {
			a.passOver(s)
		}
	}
}
