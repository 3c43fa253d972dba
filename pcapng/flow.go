package pcapng

import (
	"cmp"
	"slices"
	"strings"

	"ssltape/pcapng/tcpip"
	"ssltape/record"
)

// A flow is what was written of a connection.
type flow struct {
	key       *record.Conn
	conn      record.Conn // *key as the file describes it so far
	iface     *iface
	ends      endpoints
	client    record.Dir  // direction of the bytes that the client sent
	started   bool        // there was a handshake
	half      [2]half     // by Dir
	announced []announced // exchanges whose first packet is to come
	tls       *session    // with FramingTLS, once started
	host      string      // the server name that the session gives
	alpn      string      // the protocol that it is said to carry
	restarts  uint64      // how often it started anew
}

// A half is one direction of a flow.
type half struct {
	isn   uint32
	next  int64 // stream offset after the last byte that came
	told  int64 // stream offset after the last byte in the file
	shown int64 // sequence number of the next packet less isn+1
	acked int64 // what the peer has acknowledged of shown
	ready bool  // the first line has come
	ended bool
	reset bool
	head  []byte // bytes held back
	parts []part // chunks in head; ago is the absolute time
}

// A packet is what is particular to one packet.
type packet struct {
	time    int64 // ns since 1970
	flags   uint8
	data    []byte
	missing int    // bytes after data that were lost
	drops   uint64 // events lost since the packet before
}

// flow returns what was written of c.
func (w *Writer) flow(c *record.Conn) (*flow, error) {
	if f := w.flows[c]; f != nil {
		return f, nil
	}
	i, err := w.iface(c)
	if err != nil {
		return nil, err
	}
	f := &flow{key: c, iface: i}
	w.flows[c] = f
	return f, nil
}

// isn returns an initial sequence number: Wireshark takes a connection that
// reuses addresses for a new one only where the number differs. The function is
// the finalizer of SplitMix64.
func isn(id, side uint64) uint32 {
	z := (2*id + side) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return uint32((z ^ z>>31) >> 32)
}

// data writes the data of c, of which the file has nothing yet, or holds it
// back until there is a first line.
func (w *Writer) data(f *flow, d record.Dir, t int64, c record.Chunk) {
	h := &f.half[d]
	ago := t - nanos(c.Time)
	if !h.ready && len(h.head) == 0 && wholeLine(c.Data) {
		h.ready = true
	}
	if h.ready {
		if ago == 0 {
			w.emit(f, d, t, load{data: c.Data})
		} else {
			w.emit(f, d, t, load{c.Data, []part{{len(c.Data), ago}}})
		}
		return
	}
	n := min(len(c.Data), maxHead-len(h.head))
	h.head = append(h.head, c.Data[:n]...)
	h.parts = append(h.parts, part{n, t - ago})
	if wholeLine(h.head) {
		w.release(f, d, t)
	}
	if rest := c.Data[n:]; len(rest) > 0 {
		c.Data = rest
		w.data(f, d, t, c)
	}
}

// release writes what was held back of a direction.
func (w *Writer) release(f *flow, d record.Dir, t int64) {
	h := &f.half[d]
	if len(h.head) == 0 {
		return
	}
	h.ready = true
	for i := range h.parts {
		h.parts[i].ago = t - h.parts[i].ago
	}
	w.emit(f, d, t, load{h.head, h.parts})
	h.head, h.parts = nil, nil
}

// held returns the flows that hold something back, in order of their numbers.
func (w *Writer) held() []*flow {
	var held []*flow
	for _, f := range w.flows {
		if len(f.half[record.Out].head)+len(f.half[record.In].head) > 0 {
			held = append(held, f)
		}
	}
	slices.SortFunc(held, func(a, b *flow) int { return cmp.Compare(a.key.ID, b.key.ID) })
	return held
}

// A load is data to be written, and the parts that it is made of, which are told
// where they differ from one chunk.
type load struct {
	data  []byte
	parts []part
}

// emit writes l, at time t, in as many packets as it needs.
func (w *Writer) emit(f *flow, d record.Dir, t int64, l load) {
	data, parts := l.data, l.parts
	w.start(f, d, t, data)
	w.describe(f)
	if d == f.client {
		first := t
		if len(parts) > 0 {
			first -= parts[0].ago
		}
		w.noteRequest(f, first, data)
	}
	for line := f.firstLine(data); len(data) > 0; line = 0 {
		n := w.fit(f, data, line)
		if len(parts) > 1 || len(parts) > 0 && parts[0].ago != 0 {
			n, parts = w.noteParts(parts, n, line)
		} else if room := n; n > len(data) {
			if n = len(data); !fits(n+3, room) && n > minPiece/2 {
				n -= minBlock // for there is no block that could follow in the page
			}
		}
		p := packet{time: t, flags: tcpip.ACK, data: data[:n]}
		if f.tls != nil {
			w.records = f.tls.appendData(w.records[:0], f.side(d), p.data)
			p.data = w.records
		}
		f.half[d].told += int64(n)
		if data = data[n:]; len(data) == 0 {
			p.flags |= tcpip.PSH
		}
		w.packet(f, d, p)
		if h := &f.half[d]; len(data) == 0 || h.shown-h.acked >= maxInFlight {
			w.acknowledge(f, d, t)
		}
	}
}

const (
	// maxInFlight keeps what is not acknowledged below the window.
	maxInFlight = 8 * maxSegment
	// maxHole is the length from which on a hole is shown as one of this
	// length, so that it does not fill the file; the comment has the real one.
	maxHole = 1 << 28
)

// side returns the side of f's session that sends direction d.
func (f *flow) side(d record.Dir) int {
	if d == f.client {
		return 0
	}
	return 1
}

// lose writes a hole of n bytes.
func (w *Writer) lose(f *flow, d record.Dir, t int64, n int64) {
	h := &f.half[d]
	h.next += n
	h.told += n
	h.ready = true
	f.iface.holes++
	if w.opts.Framing == FramingTLS {
		w.restart(f, d, t, n)
		return
	}
	w.start(f, d, t, nil)
	w.describe(f)
	w.note(newComment(w.scratch).addUint("lost", uint64(n)))
	drops := uint64(1)
	for n := min(n, maxHole); n > 0; {
		m := min(n, maxSegment)
		w.packet(f, d, packet{time: t, flags: tcpip.ACK, missing: int(m), drops: drops})
		if n -= m; n == 0 || h.shown-h.acked >= maxInFlight {
			w.acknowledge(f, d, t)
		}
		drops = 0
	}
}

// restart ends the TLS session of f because of a hole of n bytes. The next
// packet starts another one, which tells what offsets it starts at.
func (w *Writer) restart(f *flow, d record.Dir, t int64, n int64) {
	if !f.started {
		return
	}
	w.describe(f)
	w.note(newComment(w.scratch).addUint("lost", uint64(n)))
	w.packet(f, d, packet{time: t, flags: tcpip.RST | tcpip.ACK, drops: 1})
	f.started = false
	f.restarts++
	for i := range f.half {
		f.half[i].shown, f.half[i].acked, f.half[i].reset = 0, 0, false
	}
}

// finish ends the direction of c: with FIN in order, with RST where it was cut.
// Where the peer had closed the connection in order before, nothing tells what
// this end would yet have sent, but it was no reset: a FIN, with a comment.
func (w *Writer) finish(f *flow, t int64, c record.Chunk) {
	d := c.Dir
	w.start(f, d, t, nil)
	w.describe(f)
	if ago := t - nanos(c.Time); ago != 0 {
		w.note(append(newComment(w.scratch), " parts="...).addPart(part{0, ago}))
	}
	h, peer := &f.half[d], &f.half[d.Peer()]
	h.ended = true
	closed := peer.ended && !peer.reset
	if c.End != record.EndClean && closed {
		w.note(newComment(w.scratch).add("end", "cut"))
	}
	if c.End == record.EndClean || closed {
		w.packet(f, d, packet{time: t, flags: tcpip.FIN | tcpip.ACK})
		w.acknowledge(f, d, t)
	} else {
		h.reset = true
		w.packet(f, d, packet{time: t, flags: tcpip.RST | tcpip.ACK})
	}
	if peer.ended {
		delete(w.flows, f.key)
	}
}

// acknowledge writes the peer's acknowledgement of direction d, if it has not
// acknowledged all; doing so twice would look like a lost packet.
func (w *Writer) acknowledge(f *flow, d record.Dir, t int64) {
	if h := &f.half[d]; h.acked < h.shown && !f.half[d.Peer()].reset {
		w.packet(f, d.Peer(), packet{time: t, flags: tcpip.ACK})
	}
}

// start writes the handshake, if there was none. head, in direction d, is the
// first that is known of the connection.
func (w *Writer) start(f *flow, d record.Dir, t int64, head []byte) {
	if f.started {
		return
	}
	f.started = true
	f.conn = *f.key
	if f.restarts == 0 {
		f.client = clientSide(&f.conn, d, head)
	}
	f.ends = w.endpoints(f, head)
	id := f.conn.ID + f.restarts<<48
	f.half[record.Out].isn = isn(id, 0)
	f.half[record.In].isn = isn(id, 1)
	w.name(f.ends[f.client.Peer()].Addr(), hostName(f.conn.ServerName))
	if w.opts.Framing == FramingTLS {
		f.tls = newSession(id)
		w.out.secrets(f.tls.keyLog())
	}
	w.introduce(f)
	w.handshake(f, t, []packet{{flags: tcpip.SYN}, {flags: tcpip.SYN | tcpip.ACK}, {flags: tcpip.ACK}})
	if f.tls != nil {
		const flags = tcpip.PSH | tcpip.ACK
		flights := f.tls.handshake(f.session(head))
		w.handshake(f, t, []packet{{flags: flags, data: flights[0]}, {flags: flags, data: flights[1]},
			{flags: flags, data: flights[2]}, {flags: flags, data: flights[3]}, {flags: tcpip.ACK}})
	}
}

// handshake writes packets that client and server send by turns.
func (w *Writer) handshake(f *flow, t int64, packets []packet) {
	from := f.client
	for _, p := range packets {
		p.time = t
		w.packet(f, from, p)
		from = from.Peer()
	}
}

// introduce tells on the next packet, a SYN, what f is.
func (w *Writer) introduce(f *flow) {
	role := "client"
	if f.client == record.In {
		role = "server"
	}
	c := newComment(w.scratch).addUint("conn", f.conn.ID).addUint("pid", uint64(f.conn.PID))
	c = c.addConn(&f.conn, &record.Conn{}).add("role", role)
	if f.tls != nil {
		c = c.add("framing", "tls")
		c = c.addUint("out", uint64(f.half[record.Out].told)).addUint("in", uint64(f.half[record.In].told))
	}
	w.note(c)
}

// session returns the server name and the protocol of f's TLS session. head is
// the first that is known of the connection.
func (f *flow) session(head []byte) (name, alpn string) {
	switch {
	case isHTTP2(head):
		f.alpn = "h2"
	case isRequest(head), isResponse(head):
		f.alpn = "http/1.1"
	}
	_, host, _ := requestHead(head)
	f.host = cmp.Or(hostName(f.conn.ServerName), hostName(string(host)), f.host)
	return f.host, f.alpn
}

// describe tells on the next packet what has become known of the connection.
func (w *Writer) describe(f *flow) {
	c := f.key
	if *c == f.conn {
		return
	}
	w.note(newComment(w.scratch).addUint("conn", c.ID).addConn(c, &f.conn))
	w.name(f.ends[f.client.Peer()].Addr(), hostName(c.ServerName))
	f.conn = *c
}

// noteRequest tells on the next packet, which holds data of time t, what it
// asks for, if it starts a request.
func (w *Writer) noteRequest(f *flow, t int64, data []byte) {
	target, host, ok := requestHead(data)
	c := newComment(w.scratch)
	for i, e := range f.announced {
		if e.start == t {
			c, ok = c.addUint("exchange", e.id), true
			f.announced = f.announced[i+1:]
			break
		}
	}
	if !ok {
		return
	}
	c = c.addUint("pid", uint64(f.conn.PID))
	if target != nil {
		w.name(f.ends[f.client.Peer()].Addr(), hostName(string(host)))
		url := f.url(string(target), string(host))
		c = c.add("url", url[:min(len(url), maxURL)])
	}
	w.note(c)
}

// url returns the URL of a request in f (RFC 9112, section 3.3).
func (f *flow) url(target, host string) string {
	if strings.Contains(target, "://") {
		return target
	}
	scheme := "https://"
	if f.conn.Plain {
		scheme = "http://"
	}
	server := f.conn.Remote
	if f.client == record.In {
		server = f.conn.Local
	}
	if host == "" {
		host = cmp.Or(f.conn.ServerName, server.String())
	}
	if !strings.HasPrefix(target, "/") { // authority and asterisk form
		return scheme + cmp.Or(strings.TrimPrefix(target, "*"), host)
	}
	return scheme + host + target
}

// packet writes a packet with the comments that were noted for it.
func (w *Writer) packet(f *flow, d record.Dir, p packet) {
	h, peer := &f.half[d], &f.half[d.Peer()]
	s := segment{src: f.ends[d], dst: f.ends[d.Peer()], fromSYN: d == f.client,
		seq: h.isn + 1 + uint32(h.shown), flags: p.flags, data: p.data, missing: p.missing}
	if p.flags&tcpip.SYN != 0 {
		s.seq = h.isn
	}
	if p.flags&tcpip.ACK != 0 {
		s.ack = peer.isn + 1 + uint32(peer.shown)
		peer.acked = peer.shown
	}
	h.shown += int64(len(p.data) + p.missing)
	if p.flags&tcpip.FIN != 0 {
		h.shown++
	}

	w.block(f.iface, d, &p, &s)
}

// block writes the block of a packet.
func (w *Writer) block(i *iface, d record.Dir, p *packet, s *segment) {
	b := &w.out
	b.begin(blockEnhanced)
	b.uint32(i.id)
	b.uint32(uint32(p.time >> 32))
	b.uint32(uint32(p.time))
	size := s.headerSize() + len(p.data)
	b.uint32(uint32(size))
	b.uint32(uint32(size + p.missing))
	b.buf = appendFrame(b.buf, s)
	b.pad(size)
	b.buf = append(b.buf, w.notes...)
	w.notes = w.notes[:0]
	direction := uint32(flagOutbound)
	if d == record.In {
		direction = flagInbound
	}
	b.optionUint32(optFlags, direction)
	if p.drops > 0 {
		b.optionUint64(optDropCount, p.drops)
	}
	b.option(optProcess, 8)
	b.uint32(i.pid)
	b.uint32(0) // thread
	b.optionUint32(optDarwin, i.darwin)
	b.option(optEnd, 0)
	b.end()

	if i.packets == 0 {
		i.first = p.time
	}
	i.packets, i.last = i.packets+1, p.time
	if len(b.buf) >= flushSize {
		w.out.flush() // its error is kept
	}
}
