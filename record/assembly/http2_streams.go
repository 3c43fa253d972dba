package assembly

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"ssltape/record"
	"ssltape/record/frame"
)

// A stream is an exchange as it grows, or a tunnel (RFC 9113, section 5).
type stream struct {
	h      *http2
	id     uint32
	x      *record.Exchange
	sides  [2]streamSide
	err    error // why the exchange will be incomplete
	events *record.EventStream
	tunnel parser // reads the data of both sides, after CONNECT
	grew   bool
}

// A streamSide is the state of one message.
type streamSide struct {
	over    bool
	hit     bool  // something of its head is missing
	missing int64 // bytes of which some may have been of it
	at      int64 // where in the body that was
}

// A side tells the two messages of a stream apart.
type side uint8

const (
	requestSide side = iota
	responseSide
)

func (v side) String() string {
	if v == requestSide {
		return "client"
	}
	return "server"
}

// side returns the side of streams that comes in this direction.
func (s *http2Half) side() side {
	if s.dir == s.h.client {
		return requestSide
	}
	return responseSide
}

// maxGone is how many streams are remembered that ended early.
const maxGone = 100

func (st *stream) message(v side) *record.Message {
	if v == requestSide {
		return &st.x.Request.Message
	}
	return &st.x.Response.Message
}

func (st *stream) grow() {
	if !st.grew {
		st.grew = true
		st.h.grown = append(st.h.grown, st)
	}
}

// open makes a stream, for which there is an exchange where x is not nil.
func (h *http2) open(id uint32, x *record.Exchange) *stream {
	if len(h.streams) >= maxOpen {
		oldest := h.streams[slices.Min(slices.Collect(maps.Keys(h.streams)))]
		if oldest.tunnel == nil {
			note(oldest.x, manyOpen)
		}
		oldest.fail(record.ErrLost)
	}
	if x == nil {
		x = new(record.Exchange)
		h.number(x)
		x.Server = h.client == record.In
	}
	st := &stream{h: h, id: id, x: x}
	h.streams[id] = st
	h.newest = max(h.newest, id)
	st.grow()
	return st
}

// headers reads a header block.
func (s *http2Half) headers(b headerBlock) {
	fs, odd, ok := s.fields(b.data)
	if !ok || b.hit {
		s.table.Lose()
		b.hit = true
	}
	k := 0
	for k < len(fs) && strings.HasPrefix(fs[k].Name, ":") {
		k++
	}
	head := streamHead{headerBlock: b, pseudo: fs[:k:k], fields: fs[k:], odd: odd}
	switch h := s.h; {
	case head.pseudo.Has(":status"):
		h.setClient(s.dir.Peer())
	case k > 0 && b.frame.Type == frame.Headers:
		h.setClient(s.dir)
	}
	switch {
	case !s.h.known:
	case b.frame.Type == frame.PushPromise:
		s.push(head)
	case s.side() == requestSide:
		s.request(head)
	default:
		s.response(head)
	}
}

// A streamHead is a header block and what it says.
type streamHead struct {
	headerBlock
	pseudo, fields record.Fields
	odd            anomalies
}

// partial reports whether what is missing may be all that tells what it is.
func (b *streamHead) partial() bool { return b.hit || b.odd&unknownField != 0 }

// begin makes b the head of a message.
func (st *stream) begin(s *http2Half, b *streamHead) *record.Message {
	m := st.message(s.side())
	m.Proto, m.Start, m.End = "HTTP/2", b.from, s.t
	m.Header = b.fields
	m.HeadSize = int64(b.size)
	if b.size > 0 {
		st.sides[s.side()].missing = 0 // nothing comes before the head
	}
	st.head(s, b)
	return m
}

// head counts b, which is a head or a trailer section.
func (st *stream) head(s *http2Half, b *streamHead) {
	note(st.x, b.odd)
	st.wire(s, b.size)
	if b.hit {
		st.sides[s.side()].hit = true
		st.lose(record.ErrLost)
	}
}

// lose says why the exchange will be incomplete, where that is not known yet.
func (st *stream) lose(err error) {
	if st.err == nil {
		st.err = err
	}
}

// request begins a request, or ends it with trailers.
func (s *http2Half) request(b streamHead) {
	h := s.h
	st := h.streams[b.frame.Stream]
	switch {
	case st == nil && len(b.pseudo) == 0 && !b.partial(), st != nil && (st.sides[requestSide].over || st.tunnel != nil):
		return // of a stream that is over
	case st != nil:
		st.x.Request.Trailer = b.fields
		st.head(s, &b)
	default:
		st = h.open(b.frame.Stream, nil)
		if h.first == 0 || st.id < h.first {
			h.first = st.id
		}
		st.begin(s, &b)
		st.setRequest(b.pseudo)
		if err := h.halves[s.dir.Peer()].ended; err != nil {
			st.fail(err)
			return
		}
	}
	if b.frame.Has(frame.FlagEndStream) {
		st.end(s)
	}
}

// setRequest sets what the pseudo-header fields say (RFC 9113, section 8.3.1;
// for CONNECT section 8.5 and RFC 8441, section 4).
func (st *stream) setRequest(pseudo record.Fields) {
	r := &st.x.Request
	for _, f := range pseudo {
		if f.Name != ":method" && f.Name != ":path" {
			r.Pseudo = append(r.Pseudo, f)
		}
	}
	r.Method = pseudo.Get(":method")
	if r.Target = pseudo.Get(":path"); r.Method == "CONNECT" && r.Target == "" {
		r.Target = pseudo.Get(":authority")
	}
}

// push makes an exchange of which the server sends the request too (RFC 9113,
// section 8.4).
func (s *http2Half) push(b streamHead) {
	if s.side() != responseSide || b.promised == 0 || s.h.streams[b.promised] != nil {
		return
	}
	st := s.h.open(b.promised, nil)
	r := &st.x.Request
	r.Proto, r.Start, r.End, r.Done = "HTTP/2", b.from, s.t, true
	r.Header, r.HeadSize, r.WireSize = b.fields, int64(b.size), int64(b.size)
	st.setRequest(b.pseudo)
	note(st.x, serverPush|b.odd)
	st.sides[requestSide].over = true
	if b.hit {
		st.lose(record.ErrLost)
	}
}

// response begins a response, or ends it with trailers.
func (s *http2Half) response(b streamHead) {
	h, status := s.h, b.pseudo.Get(":status")
	st := h.streams[b.frame.Stream]
	if st == nil {
		if slices.Contains(h.gone, b.frame.Stream) || status == "" && !b.partial() {
			return
		}
		st = h.open(b.frame.Stream, nil)
		note(st.x, noRequest)
		st.x.Request.Done, st.sides[requestSide].over = true, true
		if h.halves[s.dir.Peer()].lossy {
			st.lose(record.ErrLost)
		}
	}
	r := &st.x.Response
	switch {
	case st.tunnel != nil || st.sides[responseSide].over:
		return
	case r.Seen():
		r.Trailer = b.fields
		st.head(s, &b)
	case len(status) == 3 && status[0] == '1' && !b.frame.Has(frame.FlagEndStream): // RFC 9113, section 8.1
		code, _ := strconv.Atoi(status)
		addInterim(st.x, record.Interim{Status: code, Header: b.fields, Time: s.t}, int64(b.size))
		st.grow()
		return
	default:
		st.begin(s, &b)
		r.Status, _ = strconv.Atoi(status)
		if st.x.Request.Method == "CONNECT" && r.Status/100 == 2 {
			st.beginTunnel(s)
		} else {
			st.events = s.h.eventStream(r)
		}
	}
	if b.frame.Has(frame.FlagEndStream) {
		st.end(s)
	}
}

// wire counts n bytes of the message that s brings.
func (st *stream) wire(s *http2Half, n int) {
	if st == nil || st.tunnel != nil || st.sides[s.side()].over {
		return
	}
	if m := st.message(s.side()); m.Seen() {
		m.WireSize += int64(n)
		m.End = s.t
		st.grow()
	}
}

// data adds p, which a DATA frame carries. A nil stream is one that is not known.
func (st *stream) data(s *http2Half, p []byte) {
	switch {
	case st == nil && !slices.Contains(s.h.gone, s.frame.Stream):
		s.h.span(unparsedSpan, len(p))
		return
	case st == nil || st.sides[s.side()].over: // sent before it was known that nobody wants it
		s.h.span(framingSpan, len(p))
		return
	case st.tunnel != nil:
		st.tunnel.data(s.dir, s.t, p)
		return
	}
	m := st.unheaded(s)
	s.h.span(bodySpan, len(p))
	st.wire(s, len(p))
	m.BodySize += int64(len(p))
	if st.events != nil && s.side() == responseSide && st.events.Write(p, s.t) {
		note(st.x, eventsCut)
	}
	mark(m, s.h.keep(st.x, m, p), s.t)
}

// unheaded returns the message that s brings data of. Where its head was lost
// it begins here.
func (st *stream) unheaded(s *http2Half) *record.Message {
	m := st.message(s.side())
	if !m.Seen() {
		st.begin(s, &streamHead{headerBlock: headerBlock{from: s.from, hit: true}})
	}
	return m
}

// gap says that n bytes of data are missing.
func (st *stream) gap(s *http2Half, n int64) {
	switch {
	case st == nil || st.sides[s.side()].over:
		return
	case st.tunnel != nil:
		st.tunnel.gap(s.dir, n)
		return
	}
	m := st.unheaded(s)
	addHole(m, record.Hole{Off: m.Body.Len(), Len: n})
	m.BodySize += n
	m.WireSize += n
	st.eventsGap(s)
	st.grow()
}

func (st *stream) eventsGap(s *http2Half) {
	if st.events != nil && s.side() == responseSide {
		st.events.Gap()
	}
}

// doubt says that n bytes are missing that may be of any stream.
func (s *http2Half) doubt(n int64) {
	for _, id := range s.h.ids() {
		st := s.h.streams[id]
		v := &st.sides[s.side()]
		switch {
		case v.over || n == 0:
			continue
		case st.tunnel != nil:
			st.tunnel.gap(s.dir, n)
			continue
		case v.missing == 0:
			v.at = st.message(s.side()).Body.Len()
		}
		v.missing += n
		st.eventsGap(s)
	}
}

// complete reports whether the message v has all the body that its head says,
// where it is not known whether the frame that ends it was lost.
func (st *stream) complete(v side) bool {
	if st.sides[v].missing == 0 || st.tunnel != nil {
		return false
	}
	m := st.message(v)
	n, _, _ := parseLength(m.Header.Get("Content-Length"))
	return m.BodySize == n
}

// resolve tells whether the message v, which ended, lacks something.
func (st *stream) resolve(v side) {
	s, m := &st.sides[v], st.message(v)
	if s.missing == 0 {
		return
	}
	length, _, _ := parseLength(m.Header.Get("Content-Length"))
	lost := length - m.BodySize
	if m.Seen() && length >= 0 && lost >= 0 && lost <= s.missing {
		if lost > 0 {
			addHole(m, record.Hole{Off: s.at, Len: lost})
			m.BodySize += lost
			m.WireSize += lost
		}
		return
	}
	addHole(m, record.Hole{Off: -1, Len: s.missing})
	s.hit = true
	st.lose(record.ErrLost)
}

// end ends the message that s brings, all of which came.
func (st *stream) end(s *http2Half) {
	v := &st.sides[s.side()]
	if v.over {
		return
	}
	v.over = true
	if st.tunnel != nil {
		st.tunnel.end(s.dir, s.t, nil)
	} else {
		st.resolve(s.side())
		st.message(s.side()).Done = !v.hit
		st.grow()
	}
	st.settle()
}

// fail ends both messages, of which more should have come.
func (st *stream) fail(err error) {
	h := st.h
	for _, v := range []side{requestSide, responseSide} {
		if st.sides[v].over {
			continue
		}
		st.sides[v].over = true
		if st.tunnel != nil {
			d := h.client
			if v == responseSide {
				d = d.Peer()
			}
			st.tunnel.end(d, h.halves[d].t, err)
		} else {
			if n := st.sides[v].missing; n > 0 {
				addHole(st.message(v), record.Hole{Off: -1, Len: n})
				st.lose(record.ErrLost)
			}
			st.lose(err)
		}
	}
	st.settle()
}

// settle ends the stream where both sides are over.
func (st *stream) settle() {
	h := st.h
	if !st.sides[requestSide].over || !st.sides[responseSide].over {
		return
	}
	delete(h.streams, st.id)
	if st.tunnel != nil {
		return
	}
	if st.events != nil {
		st.events.Close()
	}
	if st.x.Err = st.err; st.err != nil {
		h.forget(st.id)
	}
	st.grow()
}
