package pcapng

import (
	"io"
	"iter"
	"time"

	"ssltape/record"
)

// Read returns the chunks of a capture, pcap or pcapng, in the order in which
// they can be known. r is read once.
//
// Connections that a [Writer] wrote, told by the comment on their SYN, come
// back as they were: the same Conn, offsets, times, holes and ends. What may
// differ is where data is cut into chunks: one of more than 65000 bytes comes
// in pieces, and an End that came with data comes in a chunk of its own.
//
// All other TCP is reassembled: segments may be out of order, repeated, missing
// or cut short, and a connection may have begun before the capture. The client
// counts as the recorded process, Conn.Plain is set, and nothing is known of
// the process. A hole is passed over once the peer has acknowledged what is
// missing, else when too much waits behind it.
//
// A connection that the capture does not see end has no End chunk. Read stops
// after the first error: one that wraps [ErrFormat] or [ErrTruncated], or r's;
// all that came before it was yielded. Conn's fields may change between chunks
// as [record.Conn] says. Memory is bounded whatever r holds, except that an
// open connection costs some hundred bytes.
func Read(r io.Reader) iter.Seq2[record.Chunk, error] {
	return func(yield func(record.Chunk, error) bool) {
		rd := reader{own: map[ownKey]*ownHalf{}}
		rd.emit = func(c record.Chunk) {
			if !rd.stopped && !yield(c, nil) {
				rd.stopped = true
			}
		}
		rd.others.streams = map[tuple]*streamSide{}
		rd.others.emit, rd.others.newID = rd.emit, rd.newID
		err := rd.run(r)
		if !rd.stopped {
			rd.flush()
		}
		if !rd.stopped && err != nil {
			yield(record.Chunk{}, err)
		}
	}
}

// A reader is the state of Read.
type reader struct {
	emit    func(record.Chunk)
	stopped bool // nobody wants more
	frags   defragmenter
	own     map[ownKey]*ownHalf
	open    []*ownHalf // those that are in own, and some that no longer are
	others  assembler
	used    map[uint64]bool // numbers of connections
	lastID  uint64
	parts   []part
}

// An ownKey tells a direction of a connection that a Writer wrote. Files that
// were merged may have the same made-up addresses at different interfaces.
type ownKey struct {
	iface int
	tuple
}

// An ownHalf is a direction of a connection that a Writer wrote.
type ownHalf struct {
	conn  *record.Conn
	key   ownKey
	dir   record.Dir
	peer  *ownHalf
	seq   uint32 // of the next byte
	next  int64  // its offset
	hole  bool   // the last thing was a hole
	ended bool
}

func (r *reader) run(in io.Reader) error {
	src, err := newSource(in)
	if err != nil {
		return err
	}
	var f frame
	for !r.stopped {
		if err := src.next(&f); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		p, ok := r.frags.decode(&f)
		if !ok {
			continue
		}
		key := ownKey{f.iface, p.tuple}
		if p.flags&(tcpSYN|tcpACK) == tcpSYN && len(f.comments) > 0 {
			r.begin(key, &p, f.comments)
		} else if h := r.own[key]; h != nil {
			r.packet(h, &f, &p)
		} else {
			r.others.packet(&p, f.time)
		}
	}
	return nil
}

// newID returns a number for a connection: want, if it is free.
func (r *reader) newID(want uint64) uint64 {
	if r.used == nil {
		r.used = map[uint64]bool{}
	}
	for want == 0 || r.used[want] {
		r.lastID++
		want = r.lastID
	}
	r.used[want] = true
	return want
}

// begin starts a connection at the SYN that a Writer wrote.
func (r *reader) begin(key ownKey, p *tcpPacket, comments []string) {
	c := &record.Conn{}
	client := &ownHalf{conn: c, key: key, dir: record.Out, seq: p.seq + 1}
	for _, text := range comments {
		parseComment(text, func(k, v string) {
			setConn(c, k, v)
			if k == "role" && v == "server" {
				client.dir = record.In
			}
		})
	}
	c.ID = r.newID(c.ID)
	key.tuple = key.reverse()
	server := &ownHalf{conn: c, key: key, dir: client.dir.Peer(), peer: client}
	client.peer = server
	for _, h := range []*ownHalf{client, server} {
		if old := r.own[h.key]; old != nil {
			r.flushHole(old)
		}
		r.own[h.key] = h
	}
	r.track(client)
}

// track keeps the order of the connections, for flush.
func (r *reader) track(h *ownHalf) {
	if len(r.open) > 2*len(r.own) {
		kept := r.open[:0]
		for _, o := range r.open {
			if r.own[o.key] == o {
				kept = append(kept, o)
			}
		}
		clear(r.open[len(kept):])
		r.open = kept
	}
	r.open = append(r.open, h)
}

// packet reads a packet that a Writer wrote.
func (r *reader) packet(h *ownHalf, f *frame, p *tcpPacket) {
	if p.flags&tcpSYN != 0 {
		h.seq = p.seq + 1
		return
	}
	lost := r.comments(h.conn, f.comments)
	// The sequence number is taken as the distance to the expected one, which
	// holds however long the stream is.
	distance := int64(int32(p.seq - h.seq))
	if distance < 0 { // repeated: editcap does not do that, but others may
		n := min(-distance, int64(len(p.data)))
		p.seq, p.data, distance, r.parts = p.seq+uint32(n), p.data[n:], distance+n, nil
	}
	off := h.next + distance
	if n := len(p.data) + p.missing; n > 0 && distance >= 0 && !h.ended {
		h.next, h.seq, h.hole = off+int64(n), p.seq+uint32(n), p.missing > 0
		if lost > maxHole && h.next+lost > 0 {
			h.next += lost - maxHole
		}
		if len(p.data) > 0 {
			r.data(h, off, f.time, p.data)
		}
	}
	if p.flags&(tcpFIN|tcpRST) == 0 || h.ended {
		return
	}
	end := record.EndClean
	if p.flags&tcpRST != 0 {
		end = record.EndCut
	}
	h.ended, h.hole = true, false
	if len(r.parts) == 1 && r.parts[0].size == 0 {
		f.time = f.time.Add(-time.Duration(r.parts[0].ago))
	}
	r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: h.next, Time: f.time, End: end})
	if h.peer.ended {
		delete(r.own, h.key)
		delete(r.own, h.peer.key)
	}
}

// comments reads the comments of a packet into c and r.parts and returns the
// length of the hole that begins here.
func (r *reader) comments(c *record.Conn, comments []string) (lost int64) {
	r.parts = r.parts[:0]
	for _, text := range comments {
		about := false
		parseComment(text, func(k, v string) {
			switch k {
			case "conn":
				about = true // c.ID stays: it may have been changed
			case "parts":
				r.parts = parseParts(r.parts, v)
			case "lost":
				lost = parseLength(v)
			default:
				if about {
					setConn(c, k, v)
				}
			}
		})
	}
	return lost
}

// data emits the chunks that a packet holds.
func (r *reader) data(h *ownHalf, off int64, t time.Time, data []byte) {
	for _, p := range r.parts {
		if p.size <= 0 || p.size > len(data) {
			break
		}
		r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: off, Time: t.Add(-time.Duration(p.ago)), Data: data[:p.size]})
		off, data = off+int64(p.size), data[p.size:]
	}
	if len(data) > 0 {
		r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: off, Time: t, Data: data})
	}
}

// flushHole tells of a hole that nothing came after.
func (r *reader) flushHole(h *ownHalf) {
	if h.hole && !h.ended {
		r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: h.next})
	}
	h.hole = false
}

// flush emits what is known at the end of the capture.
func (r *reader) flush() {
	for _, h := range r.open {
		if r.own[h.key] == h {
			r.flushHole(h)
			r.flushHole(h.peer)
		}
	}
	r.others.flush()
}
