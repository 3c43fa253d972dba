package pcapng

import (
	"io"
	"iter"
	"time"

	"ssltape/pcapng/tcpip"
	"ssltape/record"
)

// Read returns the chunks of a capture, pcap or pcapng, in the order in which
// they can be known. r is read once.
//
// Connections that a [Writer] wrote, told by the comment on their SYN, come
// back as they were: the same Conn, offsets, times, holes and ends. What may
// differ is where data is cut into chunks: one of more than 1000 bytes may come
// in pieces, and an End that came with data comes in a chunk of its own.
//
// All other TCP is reassembled: segments may be out of order, repeated, missing
// or cut short, and a connection may have begun before the capture. The client
// counts as the recorded process, Conn.Plain is set, and nothing is known of
// the process. A hole is passed over once the peer has acknowledged what is
// missing, else when too much waits behind it.
//
// A connection that the capture does not see end has no End chunk, unless very
// many others are open or its addresses are used again, which cut it off. Read stops
// after the first error: one that wraps [ErrFormat] or [ErrTruncated], or r's;
// all that came before it was yielded. Conn's fields may change between chunks
// as [record.Conn] says. Memory is bounded whatever r holds, except that each
// connection of a Writer costs some hundred bytes while it is open and some
// ten after that.
func Read(r io.Reader) iter.Seq2[record.Chunk, error] { return ReadWith(r, ReadOptions{}) }

// ReadOptions say what [ReadWith] tells besides chunks.
type ReadOptions struct {
	Processes record.ProcessWriter // gets, between the chunks, what a [Writer] wrote of processes; an error of it ends the loop
	Stats     *Stats               // set at the end of the loop to what the capture holds
}

// ReadWith is [Read] that tells more. Both fields of o may be nil.
func ReadWith(r io.Reader, o ReadOptions) iter.Seq2[record.Chunk, error] {
	var news func(*record.ProcessEvent) error
	if o.Processes != nil {
		news = o.Processes.WriteProcess
	}
	return func(yield func(record.Chunk, error) bool) {
		rd := reader{own: map[ownKey]*ownHalf{}}
		if o.Stats != nil {
			defer func() { *o.Stats = rd.stats() }()
		}
		rd.emit = func(c record.Chunk) {
			if !rd.stopped && !yield(c, nil) {
				rd.stopped = true
			}
		}
		rd.others.streams, rd.others.names = map[tcpip.Tuple]*streamSide{}, map[string]int{}
		rd.others.emit, rd.others.newID = rd.emit, rd.newID
		err := rd.run(r, news)
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
	src     source
	emit    func(record.Chunk)
	stopped bool // nobody wants more
	packets tcpip.Decoder
	own     map[ownKey]*ownHalf
	open    []*ownHalf // those that are in own, and some that no longer are
	others  assembler
	used    map[uint64]bool // numbers of connections
	lastID  uint64
	parts   []part
	cut     bool                  // the packet tells that its direction does not end in order
	plain   []byte                // data of a packet with FramingTLS
	moved   map[movedKey]*ownHalf // connections that go on in another one
}

func (r *reader) stats() Stats {
	s := Stats{Counts: r.packets.Counts, Streams: r.others.names}
	if b, ok := r.src.(*blockSource); ok {
		s.Secrets = b.secrets
	}
	return s
}

// A movedKey tells a connection that goes on: its interface and the number
// that it has in the file.
type movedKey struct {
	iface int
	id    uint64
}

// An ownKey tells a direction of a connection that a Writer wrote. Files that
// were merged may have the same made-up addresses at different interfaces.
type ownKey struct {
	iface int
	tcpip.Tuple
}

// An ownHalf is a direction of a connection that a Writer wrote.
type ownHalf struct {
	conn  *record.Conn
	id    uint64 // its number in the file
	key   ownKey
	dir   record.Dir
	peer  *ownHalf
	tls   bool   // FramingTLS
	seq   uint32 // of the next byte
	next  int64  // its offset
	hole  bool   // the last thing was a hole
	ended bool
}

func (r *reader) run(in io.Reader, processes func(*record.ProcessEvent) error) error {
	var err error
	if r.src, err = newSource(in, processes); err != nil {
		return err
	}
	var f captured
	for !r.stopped {
		if err := r.src.next(&f); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		p, ok := r.packets.Decode(f.link, f.data, f.size)
		if !ok {
			continue
		}
		key := ownKey{f.iface, p.Tuple}
		if p.Flags&(tcpip.SYN|tcpip.ACK) == tcpip.SYN && len(f.comments) > 0 {
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
func (r *reader) begin(key ownKey, p *tcpip.Segment, comments []string) {
	c := &record.Conn{}
	client, server := &ownHalf{dir: record.Out, seq: p.Seq + 1}, &ownHalf{}
	var off [2]int64
	for _, text := range comments {
		parseComment(text, func(k, v string) {
			switch k {
			case "role":
				if v == "server" {
					client.dir = record.In
				}
			case "framing":
				client.tls = v == "tls"
			case "out":
				off[record.Out] = parseLength(v)
			case "in":
				off[record.In] = parseLength(v)
			default:
				setConn(c, k, v)
			}
		})
	}
	client.id, client.conn, client.peer, client.key = c.ID, c, server, key
	key.Tuple = key.Reverse()
	*server = ownHalf{id: c.ID, conn: c, peer: client, key: key, dir: client.dir.Peer(), tls: client.tls}
	if before := r.moved[movedKey{key.iface, c.ID}]; before != nil && client.tls {
		delete(r.moved, movedKey{key.iface, c.ID})
		goOn(client, before)
		goOn(server, before)
	} else {
		c.ID = r.newID(c.ID)
	}
	client.next, server.next = max(client.next, off[client.dir]), max(server.next, off[server.dir])
	for _, h := range []*ownHalf{client, server} {
		if old := r.own[h.key]; old != nil {
			r.flushHole(old)
		}
		r.own[h.key] = h
	}
	r.track(client)
}

// goOn makes h the continuation of the connection that before is a half of.
func goOn(h, before *ownHalf) {
	if before.dir != h.dir {
		before = before.peer
	}
	h.conn, h.next, h.ended = before.conn, before.next, before.ended
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
func (r *reader) packet(h *ownHalf, f *captured, p *tcpip.Segment) {
	if p.Flags&tcpip.SYN != 0 {
		h.seq = p.Seq + 1
		return
	}
	lost := r.comments(h.conn, f.comments)
	r.payload(h, f.time, p, lost)
	if p.Flags&(tcpip.FIN|tcpip.RST) == 0 || h.ended {
		return
	}
	if h.tls && lost > 0 {
		r.move(h, f.time, lost)
		return
	}
	end := record.EndClean
	if p.Flags&tcpip.RST != 0 || r.cut {
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

// payload reads what p carries; lost is the length of a hole that begins here.
func (r *reader) payload(h *ownHalf, t time.Time, p *tcpip.Segment, lost int64) {
	// The sequence number is taken as the distance to the expected one, which
	// holds however long the stream is.
	distance := int64(int32(p.Seq - h.seq))
	if distance < 0 { // repeated: editcap does not do that, but others may
		n := min(-distance, int64(len(p.Data)))
		p.Seq, p.Data, distance, r.parts = p.Seq+uint32(n), p.Data[n:], distance+n, nil
	}
	n := len(p.Data) + p.Missing
	if n == 0 || distance < 0 || h.ended {
		return
	}
	h.seq = p.Seq + uint32(n)
	if h.tls {
		r.plain = appendRecords(r.plain[:0], p.Data)
		p.Data = r.plain
	}
	off := h.next + distance
	h.next, h.hole = off+int64(len(p.Data)+p.Missing), p.Missing > 0
	if lost > maxHole && h.next+lost > 0 {
		h.next += lost - maxHole
	}
	for _, part := range r.parts {
		if part.size <= 0 || part.size > len(p.Data) {
			break
		}
		r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: off, Time: t.Add(-time.Duration(part.ago)), Data: p.Data[:part.size]})
		off, p.Data = off+int64(part.size), p.Data[part.size:]
	}
	if len(p.Data) > 0 {
		r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: off, Time: t, Data: p.Data})
	}
}

// move ends a connection that goes on in another one after a hole.
func (r *reader) move(h *ownHalf, t time.Time, lost int64) {
	if h.next+lost > 0 {
		h.next += lost
	}
	r.emit(record.Chunk{Conn: h.conn, Dir: h.dir, Off: h.next, Time: t})
	delete(r.own, h.key)
	delete(r.own, h.peer.key)
	if r.moved == nil || len(r.moved) >= maxStreams {
		r.moved = map[movedKey]*ownHalf{}
	}
	r.moved[movedKey{h.key.iface, h.id}] = h
}

// comments reads the comments of a packet into c, r.parts and r.cut and returns
// the length of the hole that begins here.
func (r *reader) comments(c *record.Conn, comments []string) (lost int64) {
	r.parts, r.cut = r.parts[:0], false
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
			case "end":
				r.cut = v == "cut"
			default:
				if about {
					setConn(c, k, v)
				}
			}
		})
	}
	return lost
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
