package redact

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"ssltape/record/frame"
	"ssltape/record/scan"
	"ssltape/record/scan/json"
	"ssltape/record/secret/char"
)

// A hunter is the sink for a stretch of a connection of which it is not known
// what it is. It scans that as JSON and text, until it finds a HEADERS frame of
// HTTP/2 in it: the recording began after the connection did, or something was
// lost. The values of fields are compressed and would be seen by nothing else.
type hunter struct {
	scan.Sink
	scan  *scan.Finder
	found func() scan.Sink // goes over to frames and returns the sink for them
	early scan.Held        // what came first, as long as it may be the rest of a field block
	past  bool             // it is not
	h     scan.Held        // what may be such a frame
	is    scan.Sink        // the sink for frames, once one was found
}

// Limits of a HEADERS frame that is looked for: the largest payload that a peer
// must take unasked (RFC 9113, section 4.2), and the fewest fields.
const (
	maxHunted = 16 << 10
	minFields = 2
)

// doubt begins a stretch of which it is not known what it is.
func (t *stream) doubt() {
	if t.body != nil {
		t.body.End()
	}
	t.line.Reset()
	t.state, t.start, t.left, t.lossy, t.inLine = inDoubt, 0, 0, false, false
	if t.unknown == nil {
		t.unknown = json.New(t.scan)
		t.hunter.scan = t.scan
		t.hunter.found = func() scan.Sink {
			t.unknown.End()
			t.state, t.body = inFrames, newHTTP2(t.scan)
			return t.body
		}
	}
	t.hunter.reset(t.unknown)
	t.body = &t.hunter
}

// reset makes u begin anew, and hand on to to.
func (u *hunter) reset(to scan.Sink) {
	u.h.Reset()
	u.early.Reset()
	*u = hunter{Sink: to, scan: u.scan, found: u.found, early: u.early, h: u.h}
}

// Write implements [scan.Sink].
func (u *hunter) Write(p []byte, at int64, n int) {
	if u.is != nil {
		u.is.Write(p, at, n)
		return
	}
	if len(p) != n || len(u.h.Text) == 0 && !mayBegin(p) {
		u.flush()
		u.pass(p, at, n)
		return
	}
	u.h.Add(p, at, n)
	from, whole := huntFrame(u.h.Text)
	u.h.Feed(u.pass, 0, from)
	if whole {
		u.blank()
		u.is = u.found()
		u.h.Feed(u.is.Write, from, len(u.h.Text))
		u.h.Reset()
		return
	}
	u.h.Drop(from)
}

func (u *hunter) flush() {
	u.h.Feed(u.pass, 0, len(u.h.Text))
	u.h.Reset()
}

// pass hands on what is no frame, once it cannot be the rest of a field block.
func (u *hunter) pass(p []byte, at int64, n int) {
	if u.past {
		u.Sink.Write(p, at, n)
		return
	}
	u.early.Add(p, at, n)
	if k := len(u.early.Text); k > maxHunted || k >= minText && isPlain(u.early.Text) {
		u.release()
	}
}

// minText is the number of bytes that tell text from compressed fields.
const minText = 64

func (u *hunter) release() {
	u.past = true
	u.early.Feed(u.Sink.Write, 0, len(u.early.Text))
	u.early.Reset()
}

// blank takes out what stands before the first frame that was found, unless it is
// text: it may be the rest of a field block, in which values cannot be told.
func (u *hunter) blank() {
	if isPlain(u.early.Text) {
		u.release()
	}
	for _, p := range u.early.Places(0, len(u.early.Text)) {
		u.scan.Found++
		u.scan.Put([]scan.Span{p}, strings.Repeat("*", p.N))
	}
	u.early.Reset()
}

// isPlain reports whether p has no control characters and is in UTF-8.
func isPlain(p []byte) bool {
	return utf8.Valid(p) && bytes.IndexFunc(p, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) < 0
}

// End implements [scan.Sink].
func (u *hunter) End() {
	if u.is == nil {
		u.flush()
		u.release()
		u.Sink.End()
	}
}

// Pending implements [scan.Sink].
func (u *hunter) Pending() int64 {
	if u.is != nil {
		return u.is.Pending()
	}
	return min(u.h.Start(0), u.early.Start(0), u.Sink.Pending())
}

// A framed is a sink for a protocol that is made of frames.
type framed interface {
	scan.Sink
	gap(n int64) bool
}

// maxBlanked is the number of bytes that go after a loss in HTTP/2 if no frame
// shows: they may be the rest of a field block, in which values cannot be told.
const maxBlanked = 4 * maxHunted

// A blanks takes out the first bytes that it is given, and hands on the rest.
type blanks struct {
	scan.Sink
	scan *scan.Finder
	left int
}

// Write implements [scan.Sink].
func (b *blanks) Write(p []byte, at int64, n int) {
	if k := min(b.left, n); k > 0 {
		b.scan.Found++
		b.scan.Put([]scan.Span{{At: at, N: k}}, strings.Repeat("*", k))
		b.left -= k
		p, at, n = p[k:], at+int64(k), n-k
	}
	if n > 0 {
		b.Sink.Write(p, at, n)
	}
}

// mayBegin reports whether a frame that is looked for may begin in p.
func mayBegin(p []byte) bool {
	return bytes.IndexByte(p[max(0, len(p)-frame.HTTP2Size):], 0) >= 0 || bytes.Contains(p, []byte{frame.Headers}) && bytes.IndexByte(p, 0) >= 0
}

// huntFrame returns where the first HEADERS frame in p begins, if it is whole,
// or where one begins that is not, or len(p).
func huntFrame(p []byte) (from int, whole bool) {
	for i := 0; i < len(p); i++ {
		k := bytes.IndexByte(p[i:], 0)
		if k < 0 {
			return len(p), false
		}
		i += k
		size, ok := isHeaders(p[i:])
		switch {
		case !ok:
		case len(p)-i < frame.HTTP2Size+size || size == 0:
			return i, false
		case holdsFields(p[i : i+frame.HTTP2Size+size]):
			return i, true
		}
	}
	return len(p), false
}

// isHeaders reports whether p may begin with the head of a HEADERS frame that
// has all of its fields, and returns the length of its payload, 0 where it is
// not all there.
func isHeaders(p []byte) (size int, ok bool) {
	const known = frame.FlagEndStream | frame.FlagEndHeaders | frame.FlagPadded | frame.FlagPriority
	for i, c := range p[:min(len(p), frame.HTTP2Size)] {
		switch {
		case i == 0 && c != 0, i == 1 && c > maxHunted>>8, i == 3 && c != frame.Headers,
			i == 4 && (c&^known != 0 || c&frame.FlagEndHeaders == 0), i == 5 && c != 0:
			return 0, false
		}
	}
	if len(p) < frame.HTTP2Size {
		return 0, true
	}
	f := frame.ParseHTTP2(p)
	return f.Length, f.Length > minFields && f.Length <= maxHunted && f.Stream != 0
}

// holdsFields reports whether the payload of the HEADERS frame p is a whole field
// block (RFC 7541, section 6).
func holdsFields(p []byte) bool {
	p, _, ok := frame.ParseHTTP2(p).Fragment(p[frame.HTTP2Size:])
	if !ok {
		return false
	}
	fields := 0
	for ; len(p) > 0; fields++ {
		n := fieldLen(p)
		if n == 0 {
			return false
		}
		p = p[n:]
	}
	return fields >= minFields
}

// fieldLen returns the length of the representation that p begins with, or 0
// where it is not complete or not valid.
func fieldLen(p []byte) int {
	c, bits := p[0], 4
	switch {
	case c&0x80 != 0:
		index, n := varint(p, 7)
		if index == 0 {
			return 0
		}
		return n
	case c&0xe0 == 0x20:
		_, n := varint(p, 5)
		return n
	case c&0xc0 == 0x40:
		bits = 6
	}
	index, size := varint(p, bits)
	if size == 0 {
		return 0
	}
	if index == 0 {
		name, n := literal(p[size:])
		if n == 0 || name == "" || char.TokenLen([]byte(name)) < len(name) && name[0] != ':' {
			return 0
		}
		size += n
	}
	value, n := literal(p[size:])
	if n == 0 || bytes.ContainsAny([]byte(value), "\x00\r\n") {
		return 0
	}
	return size + n
}

// preface is what the client's direction of HTTP/2 begins with (RFC 9113,
// section 3.4). The server's begins with a SETTINGS frame.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// recognise tells by its beginning what a stream is.
func (t *stream) recognise() {
	text := string(t.line.Text)
	n := len(text)
	isClient := strings.HasPrefix(preface, text)
	isServer := n <= frame.HTTP2Size
	for i := 0; i < n && isServer; i++ {
		isServer = text[i] == 0 || i == 2 && text[i]%6 == 0 || i == 3 && text[i] == 4
		isServer = isServer && (i != 3 || text[i] == 4)
	}
	switch {
	case isClient && n == len(preface):
		t.line.Reset()
		t.frames(newHTTP2(t.scan))
	case isServer && n == frame.HTTP2Size:
		begin := t.line
		t.line = scan.Held{}
		t.frames(newHTTP2(t.scan))
		begin.Feed(t.body.Write, 0, n)
	case !isClient && !isServer:
		begin := t.line
		t.line = scan.Held{}
		t.state = inDoubt
		begin.Feed(t.Write, 0, n)
	}
}
