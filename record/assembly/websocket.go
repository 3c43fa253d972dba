package assembly

import (
	"cmp"
	"strings"
	"time"

	"ssltape/record"
	"ssltape/record/frame"
	"ssltape/record/frame/chain"
)

// Limits of what is kept of a WebSocket.
const (
	maxMessage    = frame.MaxMessage
	maxMessages   = 64 << 20 // bytes of all messages of an exchange
	messageWeight = 96       // counted for each message besides its data
)

// webSocket reads a WebSocket (RFC 6455), from the first frame on. Its
// messages are part of the exchange that began it, which is done when both
// sides have sent Close or the connection has ended.
type webSocket struct {
	*connection
	x      *record.Exchange
	client record.Dir
	halves [2]webSocketHalf // by Dir
	size   int              // of the messages that are kept
	grown  func()           // passes on x
	grew   bool             // since then
	lossy  bool             // messages may be missing
	over   bool
}

// A webSocketHalf is the state of one direction.
type webSocketHalf struct {
	pending
	w       *webSocket
	dir     record.Dir
	m       *record.Message // whose size in the stream this direction counts for
	state   webSocketState
	frame   frame.WebSocket // being read
	left    int64           // bytes of its payload to come
	pos     int64           // and bytes that came
	message partialMessage
	control partialMessage
	inflate *inflater // nil where messages are not compressed
	finder  chain.Finder
	missed  int64     // bytes lost just before
	t       time.Time // of the chunk being read
	closed  bool      // Close was sent
	ended   bool      // nothing follows
	why     error     // what that means
}

type webSocketState uint8

const (
	wsHeaderState  webSocketState = iota // the header of a frame
	wsPayloadState                       // its payload
	wsResyncState                        // unknown: frames are looked for
)

// A partialMessage is a message that is being read.
type partialMessage struct {
	open       bool
	opcode     byte
	compressed bool
	data       []byte
	lost, cut  int64
}

// deflateExtension reports whether the server agreed to permessage-deflate,
// and whether the messages of the client (0) and of the server (1) are
// compressed with what came before them (RFC 7692, section 7.1.1).
func deflateExtension(fs record.Fields) (on bool, keeps [2]bool) {
	for _, f := range fs {
		if !strings.EqualFold(f.Name, "Sec-WebSocket-Extensions") {
			continue
		}
		for extension := range strings.SplitSeq(strings.ToLower(f.Value), ",") {
			params := strings.Split(strings.ReplaceAll(extension, " ", ""), ";")
			if params[0] != "permessage-deflate" {
				continue
			}
			on, keeps = true, [2]bool{true, true}
			for _, param := range params[1:] {
				switch param {
				case "client_no_context_takeover":
					keeps[0] = false
				case "server_no_context_takeover":
					keeps[1] = false
				}
			}
		}
	}
	return on, keeps
}

// An inflater reads the compressed messages of a direction. Where those before
// one are not known, it tries all the same.
type inflater struct {
	frame.Inflater
	keeps  bool   // messages refer to the ones before them
	window []byte // the end of those that are known
}

// lose says that a message is missing.
func (f *inflater) lose() { f.window = nil }

// message returns the data of p without compression, and how much of it at its
// end is left out. Where ok is false it returns what came.
func (f *inflater) message(p *partialMessage) (data []byte, cut int64, ok bool) {
	if p.lost > 0 || p.cut > 0 {
		f.lose()
		return p.data, p.cut, false
	}
	data, err := f.Inflate(p.data, f.window)
	if err != nil {
		f.lose()
		return p.data, 0, false
	}
	if f.keeps {
		f.window = frame.Slide(f.window, data)
	}
	return data, 0, true
}

// newWebSocket returns the parser of the WebSocket that x began. It calls
// grown each time x has grown.
func newWebSocket(c *connection, x *record.Exchange, client record.Dir, grown func()) *webSocket {
	w := &webSocket{connection: c, x: x, client: client, grown: grown}
	deflate, keeps := deflateExtension(x.Response.Header)
	for d := range w.halves {
		s := &w.halves[d]
		s.w, s.dir, s.m = w, record.Dir(d), &x.Response.Message
		from := 1
		if s.dir == client {
			s.m, from = &x.Request.Message, 0
		}
		if deflate {
			s.inflate = &inflater{keeps: keeps[from]}
		}
	}
	return w
}

// joinWebSocket returns the parser of a WebSocket whose handshake was not seen.
// What the sides agreed to is not known either.
func joinWebSocket(c *connection, client record.Dir, lost [2]bool) *webSocket {
	x := new(record.Exchange)
	c.number(x)
	note(x, noRequest)
	x.Server, x.Request.Done = client == record.In, true
	w := newWebSocket(c, x, client, func() { c.emit(x) })
	for d := range w.halves {
		s := &w.halves[d]
		s.inflate = &inflater{keeps: true}
		s.state, s.missed = wsResyncState, 1
		s.finder = s.newFinder()
		if !lost[d] {
			s.finder.FromStart()
		}
	}
	return w
}

func (w *webSocket) data(d record.Dir, t time.Time, p []byte) {
	s := &w.halves[d]
	s.t = t
	for more := true; more && len(p) > 0; {
		if w.over || s.closed {
			w.span(unparsedSpan, len(p))
			break
		}
		p, more = s.step(p)
	}
	w.show()
}

// show passes on the exchange where it has grown.
func (w *webSocket) show() {
	if w.grew {
		w.grew = false
		w.grown()
	}
}

// step reads what p starts with and returns the rest; more is false where
// that is held and more is needed.
func (s *webSocketHalf) step(p []byte) (rest []byte, more bool) {
	switch s.state {
	case wsHeaderState:
		return s.header(p)
	case wsPayloadState:
		n := int(min(int64(len(p)), s.left))
		s.payload(p[:n])
		return p[n:], true
	}
	return s.search(p)
}

// count counts n bytes of the WebSocket.
func (s *webSocketHalf) count(kind span, n int) {
	s.w.span(kind, n)
	s.m.WireSize += int64(n)
	r := &s.w.x.Response
	if s.w.x.Start().IsZero() {
		r.Start = s.t
	}
	if s.t.After(r.End) {
		r.End = s.t
	}
	s.w.grew = true
}

// header reads the header of a frame.
func (s *webSocketHalf) header(p []byte) ([]byte, bool) {
	all := s.join(p)
	f, ok, more := frame.ReadWebSocket(all)
	switch {
	case more:
		return s.wait(all)
	case !ok || !s.follows(f):
		n := s.unreadable()
		s.w.span(unparsedSpan, n)
		rest := s.took(all, n)
		s.lose(0)
		return rest, true
	}
	rest := s.took(all, f.Size)
	s.count(framingSpan, f.Size)
	s.frame, s.left, s.pos, s.state = f, f.Length, 0, wsPayloadState
	if f.IsControl() {
		s.control = partialMessage{opcode: f.Opcode}
	} else if !s.message.open {
		s.message = partialMessage{open: true, opcode: f.Opcode, compressed: f.Compressed}
		if f.Opcode == frame.OpContinuation {
			s.message.lost = s.missed
		}
		s.missed = 0
	}
	if s.left == 0 {
		s.endFrame()
	}
	return rest, true
}

// follows reports whether f may follow what came before (RFC 6455, section
// 5.4). After a loss it may be in the middle of a message.
func (s *webSocketHalf) follows(f frame.WebSocket) bool {
	if f.IsControl() {
		return true
	}
	if f.Compressed && (s.inflate == nil || f.Opcode == frame.OpContinuation) {
		return false
	}
	return s.message.open == (f.Opcode == frame.OpContinuation) || s.missed > 0 && !s.message.open
}

// reading returns the message that the frame being read is of.
func (s *webSocketHalf) reading() *partialMessage {
	if s.frame.IsControl() {
		return &s.control
	}
	return &s.message
}

// payload reads a part of the payload of a frame.
func (s *webSocketHalf) payload(p []byte) {
	s.count(bodySpan, len(p))
	m := s.reading()
	room := min(len(p), maxMessage-len(m.data))
	from := len(m.data)
	m.data = append(m.data, p[:room]...)
	s.frame.XOR(m.data[from:], s.pos)
	m.cut += int64(len(p) - room)
	s.skip(int64(len(p)))
}

// skip moves on by n bytes of the payload.
func (s *webSocketHalf) skip(n int64) {
	s.pos += n
	if s.left -= n; s.left == 0 {
		s.endFrame()
	}
}

func (s *webSocketHalf) endFrame() {
	s.state = wsHeaderState
	if s.frame.IsControl() || s.frame.Final {
		s.deliver(s.reading())
	}
}

// deliver adds m, of which no more will come, to the messages.
func (s *webSocketHalf) deliver(p *partialMessage) {
	m := record.WebSocketMessage{Time: s.t, FromClient: s.dir == s.w.client, Opcode: p.opcode, Lost: p.lost, Cut: p.cut}
	if p.compressed {
		var ok bool
		if p.data, m.Cut, ok = s.inflate.message(p); !ok {
			m.Deflated = true
		}
	}
	s.w.keep(m, p.data)
	*p = partialMessage{}
	if m.Opcode == frame.OpClose {
		s.closed = true
		if s.w.halves[s.dir.Peer()].closed {
			s.w.finish()
		}
	}
}

// keep adds m with this data as far as the limits allow.
func (w *webSocket) keep(m record.WebSocketMessage, data []byte) {
	limit := maxMessages
	if n := w.a.opts.MaxBody; n > 0 && n < int64(limit) {
		limit = int(n)
	}
	w.grew = true
	if w.a.opts.NoBodies {
		return
	}
	room := max(0, min(len(data), limit-w.size))
	cut := int64(len(data) - room)
	if cut > 0 {
		note(w.x, messagesCut)
		w.x.Response.Cut += cut
		w.a.stats.Cut += cut
	}
	if w.size >= limit { // the exchange would grow without bound
		note(w.x, messagesCut)
		return
	}
	m.Data, m.Cut = string(data[:room]), m.Cut+cut
	w.size += room + messageWeight
	w.x.WebSocket = append(w.x.WebSocket, m)
}

func (w *webSocket) gap(d record.Dir, n int64) {
	if s := &w.halves[d]; !w.over && !s.closed {
		s.gap(n)
	}
	w.show()
}

// gap skips n bytes that are missing.
func (s *webSocketHalf) gap(n int64) {
	addHole(s.m, record.Hole{Off: -1, Len: n})
	s.m.WireSize += n
	s.w.grew = true
	if s.state == wsPayloadState {
		k := min(n, s.left)
		n -= k
		s.reading().lost += k
		s.skip(k)
	}
	if n > 0 && !s.w.over {
		s.lose(n)
	}
}

// lose says that the next bytes need not be the start of a frame, since n are
// missing before them.
func (s *webSocketHalf) lose(n int64) {
	s.w.span(unparsedSpan, len(s.buf))
	s.pending = pending{}
	if s.message.open {
		s.message.lost += n
		s.deliver(&s.message)
	}
	if s.inflate != nil {
		s.inflate.lose()
	}
	s.missed = max(1, s.missed+n)
	s.state, s.w.lossy = wsResyncState, true
	s.finder = s.newFinder()
}

// newFinder returns a finder of the next frames.
func (s *webSocketHalf) newFinder() chain.Finder {
	return chain.ResyncWebSocket(s.dir == s.w.client, s.inflate != nil)
}

// search looks for frames.
func (s *webSocketHalf) search(p []byte) ([]byte, bool) {
	s.buf = append(s.buf, p...)
	n, _ := s.finder.Find(s.buf)
	if n >= 0 {
		s.w.span(unparsedSpan, n)
		s.state = wsHeaderState
		rest := s.took(s.buf, n)
		s.found = true
		return rest, true
	}
	if n = s.finder.Keep(); n > 0 {
		s.w.span(unparsedSpan, n)
		s.finder.Drop(n)
		s.buf = append(s.buf[:0], s.buf[n:]...)
	}
	return nil, false
}

func (w *webSocket) end(d record.Dir, t time.Time, why error) {
	s := &w.halves[d]
	if !t.IsZero() {
		s.t = t
	}
	w.span(unparsedSpan, len(s.buf))
	s.buf, s.ended, s.why = nil, true, why
	if w.over {
		return
	}
	if s.state == wsPayloadState {
		m := s.reading()
		m.cut += s.left
		if s.why = cmp.Or(why, record.ErrCut); s.frame.IsControl() {
			s.deliver(m)
		}
	}
	if s.message.open {
		s.why = cmp.Or(why, record.ErrCut)
		s.deliver(&s.message)
	}
	if w.halves[d.Peer()].ended && !w.over {
		w.finish()
	}
	w.show()
}

// finish ends the exchange. A WebSocket that no side has closed was cut off,
// whatever became of the connection (RFC 6455, section 7.1.5).
func (w *webSocket) finish() {
	w.over, w.grew = true, true
	out, in := &w.halves[record.Out], &w.halves[record.In]
	x := w.x
	switch {
	case w.lossy:
		x.Err = record.ErrLost
	case !out.closed && !in.closed:
		x.Err = cmp.Or(out.why, in.why)
	}
	if x.Err == nil && !x.Request.Done {
		x.Err = record.ErrCut
	}
	x.Response.Done = x.Err == nil
}
