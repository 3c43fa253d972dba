package assembly

import (
	"bytes"
	"time"

	"ssltape/record"
	"ssltape/record/assembly/socks"
	"ssltape/record/frame"
	"ssltape/record/frame/chain"
)

// opening is the parser of a connection until the bytes tell what it speaks,
// and which side asks: a recorded process may be client or server, and the
// recording may have started in the middle.
type opening struct {
	*connection
	held []event    // told so far and not yet used, in order
	buf  [2][]byte  // the bytes of held, by Dir
	lost [2]bool    // the direction did not start with a message: look for one
	scan [2]finding // how far that was looked for
	torn [2]bool    // what is held does not start with the direction

	proxied [2]bool // a handshake of SOCKS, if there was one, is over
}

// A finding looks for messages of HTTP/1 and frames of other protocols at once.
type finding struct {
	http1  scanner
	past   int // bytes that http1 is done with
	frames []chain.Finder
	end    int // of the evidence for what was found, from where that starts
}

// framed are what the finders of a finding find.
var framed = [...]verdict{isFrames, isMasked, isUnmasked}

// find returns what it found in p and where that starts; or undecided, and how
// many bytes at the start of p are of no use any more. The next call is with
// p from that position on, and more.
func (f *finding) find(p []byte) (v verdict, skip int) {
	if f.frames == nil {
		f.frames = []chain.Finder{chain.HTTP2(), chain.WebSocket(true), chain.WebSocket(false)}
	}
	v, skip = f.http1.find(p[f.past:])
	end := f.past + f.http1.end
	f.past += skip
	at, keep := f.past, f.past
	for i := range f.frames {
		start, e := f.frames[i].Find(p)
		if start >= 0 && (v == undecided || e < end) { // whichever shows first
			v, at, end = framed[i], start, e
		}
		keep = min(keep, f.frames[i].Keep())
	}
	if v != undecided {
		f.end = end - at
		return v, at
	}
	if keep < scanKeep {
		return undecided, 0 // moving bytes has to pay
	}
	f.past -= keep
	for i := range f.frames {
		f.frames[i].Drop(keep)
	}
	return undecided, keep
}

// An event is something that a parser is told.
type event struct {
	dir  record.Dir
	kind eventKind
	time time.Time
	data []byte
	n    int64
	why  error
}

type eventKind uint8

const (
	dataEvent eventKind = iota
	gapEvent
	endEvent
)

// maxHeld is how many events are held as they came. Beyond, data is joined
// with what is before it, and has its time.
const maxHeld = 1000

// hold appends e to held.
func hold(held []event, e event) []event {
	if n := len(held); n >= maxHeld && e.kind == dataEvent && held[n-1].kind == dataEvent && held[n-1].dir == e.dir {
		held[n-1].data = append(held[n-1].data, e.data...)
		return held
	}
	return append(held, e)
}

// tell tells p of e.
func (e event) tell(p parser) {
	switch e.kind {
	case dataEvent:
		p.data(e.dir, e.time, e.data)
	case gapEvent:
		p.gap(e.dir, e.n)
	case endEvent:
		p.end(e.dir, e.time, e.why)
	}
}

// A verdict is what the first bytes of a direction are.
type verdict uint8

const (
	undecided verdict = iota
	isRequest
	isResponse
	isPreface  // of HTTP/2, by the client
	isFrames   // of HTTP/2, by any side
	isMasked   // frames of a WebSocket, by the client
	isUnmasked // the same by the server
	isTLS
	isOther
	isChunk // within a body: see judgeChunk
)

// settled reports whether v decides what a connection speaks.
func (v verdict) settled() bool { return v != undecided && v != isOther }

// maxLeading is how many empty lines, in bytes, the first message may have before it.
const maxLeading = 4 << 10

// judge tells what a direction that starts with p speaks. What it says of p
// it says of everything that starts with p, unless it is undecided.
func judge(p []byte) verdict {
	all := len(p)
	p = bytes.TrimLeft(p, "\r\n \t")
	switch {
	case all-len(p) > maxLeading:
		return isOther
	case len(p) == 0:
		return undecided
	}
	if p[0] == 0x16 { // handshake record, RFC 8446, section 5.1
		if len(p) < 2 {
			return undecided
		}
		if p[1] == 3 {
			return isTLS
		}
		return isOther
	}
	if p[0] == 0 {
		return judgeSettings(p)
	}
	if n := min(len(p), len(frame.Preface)); string(p[:n]) == frame.Preface[:n] {
		if n < len(frame.Preface) {
			return undecided
		}
		return isPreface
	}
	line, _, whole := bytes.Cut(p, []byte("\n"))
	switch {
	case !couldBeStartLine(line) || len(line) > maxHead:
		return isOther
	case !whole:
		return undecided
	}
	if _, ok := parseStatusLine(line); ok {
		return isResponse
	}
	if _, ok := parseRequestLine(line); ok {
		return isRequest
	}
	return isOther
}

// judgeSettings tells whether p starts with SETTINGS, which is what a server of
// HTTP/2 begins with (RFC 9113, section 3.4).
func judgeSettings(p []byte) verdict {
	if len(p) >= 4 && p[3] != frame.Settings || len(p) >= 2 && p[1] != 0 {
		return isOther
	}
	if len(p) < frame.HTTP2Size {
		return undecided
	}
	if f := frame.ParseHTTP2(p); f.Flags == 0 && f.Valid() {
		return isFrames
	}
	return isOther
}

// couldBeStartLine reports whether p, a line or as much of it as has come, may
// be a request line or a status line.
func couldBeStartLine(p []byte) bool {
	i := 0
	for i < len(p) && isTokenByte(p[i]) {
		i++
	}
	if i == len(p) {
		return i <= maxMethod
	}
	if p[i] == '/' {
		return isProtocol(string(p[:i]))
	}
	return i > 0 && i <= maxMethod && (p[i] == ' ' || p[i] == '\t')
}

func (o *opening) data(d record.Dir, t time.Time, p []byte) {
	if o.held == nil && !o.lost[d] { // nearly always the first bytes tell at once
		if v := judge(p); v.settled() {
			o.start(d, v)
			o.parser.data(d, t, p)
			return
		}
	}
	o.held = hold(o.held, event{dir: d, time: t, data: bytes.Clone(p)})
	o.buf[d] = append(o.buf[d], p...)
	if n := len(o.buf[d]); !o.lost[d] && n-len(p) > maxLeading+len(frame.Preface) && n <= maxHead && bytes.IndexByte(p, '\n') < 0 {
		return // a start line that is still long: nothing else is undecided for so long
	}
	o.look(d)
}

// look judges what d has brought so far.
func (o *opening) look(d record.Dir) {
	v := undecided
	if !o.lost[d] {
		v = judge(o.buf[d])
		if v == isOther && !o.proxied[d] {
			n, more := socks.Handshake(o.buf[d])
			if more {
				return
			}
			o.proxied[d] = true
			torn := o.torn[d]
			o.forget(d, n)
			v, o.torn[d] = judge(o.buf[d]), torn
		}
		if v == isOther {
			o.lost[d] = true
		}
	}
	if o.lost[d] {
		var skip int
		v, skip = o.scan[d].find(o.buf[d])
		o.forget(d, skip)
	}
	if v.settled() {
		held := o.held
		o.start(d, v)
		for _, e := range held {
			e.tell(o.parser)
		}
	}
}

// start hands the connection to the parser for v, which d speaks.
func (o *opening) start(d record.Dir, v verdict) {
	switch v {
	case isRequest:
		o.become(protoHTTP1, newHTTP1(o.connection, d, o.lost))
	case isResponse:
		o.become(protoHTTP1, newHTTP1(o.connection, d.Peer(), o.lost))
	case isPreface, isFrames:
		h := newHTTP2(o.connection, o.lost)
		if o.lost[d] {
			h.join(d, o.buf[d][:o.scan[d].end])
		}
		o.become(protoHTTP2, h)
	case isMasked, isUnmasked:
		client := d
		if v == isUnmasked {
			client = d.Peer()
		}
		o.become(protoWebSocket, joinWebSocket(o.connection, client, o.torn))
	case isTLS:
		o.become(protoTLS, opaque{o.connection})
	}
}

// forget drops the first n bytes held of d: they belong to no message.
func (o *opening) forget(d record.Dir, n int) {
	if n == 0 {
		return
	}
	o.torn[d] = true
	o.a.stats.Unparsed += int64(n)
	o.buf[d] = o.buf[d][n:]
	kept := o.held[:0]
	for _, e := range o.held {
		if e.dir == d && e.kind == dataEvent {
			k := min(n, len(e.data))
			e.data, n = e.data[k:], n-k
			if len(e.data) == 0 {
				continue
			}
		}
		kept = append(kept, e)
	}
	o.held = kept
}

func (o *opening) gap(d record.Dir, n int64) {
	// What was held before the gap ended inside of something.
	o.forget(d, len(o.buf[d]))
	o.lost[d], o.torn[d], o.scan[d] = true, true, finding{}
}

func (o *opening) end(d record.Dir, t time.Time, why error) {
	if !o.ended[d.Peer()] {
		o.held = append(o.held, event{dir: d, kind: endEvent, time: t, why: why})
		return
	}
	for d, p := range o.buf {
		if o.torn == [2]bool{} && len(o.buf[1-d]) == 0 && isControl(p) {
			o.span(framingSpan, len(p))
			o.become(protoHTTP2, opaque{o.connection})
			return
		}
	}
	o.forget(record.Out, len(o.buf[record.Out]))
	o.forget(record.In, len(o.buf[record.In]))
}

// isControl reports whether p is frames of HTTP/2 about the connection itself, and
// nothing else: what is still read of one that the program has closed.
func isControl(p []byte) bool {
	for len(p) >= frame.HTTP2Size {
		f := frame.ParseHTTP2(p)
		end := frame.HTTP2Size + f.Length
		if f.Type > frame.WindowUpdate || f.Stream != 0 || f.Flags&^frame.FlagAck != 0 || !f.Valid() || len(p) < end {
			return false
		}
		if p = p[end:]; len(p) == 0 {
			return true
		}
	}
	return false
}
