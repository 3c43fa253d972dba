package redact

import (
	"bytes"
	"strconv"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/field"
	"ssltape/record/secret/char"
)

const (
	maxLine      = 1 << 20  // of a line in a head
	maxStartLine = 16 << 10 // of a start line where none need be
	maxFieldName = 20       // of a name that is not looked at
	maxPipeline  = 1000     // requests that wait for a response
)

// A stream follows one direction of a connection through the messages of
// HTTP/1 (RFC 9112), as far as is needed to know what is a field and what is a
// body. Where it does not know, at first and after a loss, it is in doubt: then
// it takes for a start line what looks like one, for a field what is called
// like a secret, and scans the rest as JSON.
type stream struct {
	scan    *scan.Finder
	order   *order
	next    int64 // offset of the bytes that come next
	decided int64 // offset up to which is written what is to stand there
	state   int
	head    head
	line    scan.Held // lines of a head, or what may begin one
	start   int       // of the last line in line
	left    int64     // bytes to come of a body or chunk of known length
	body    scan.Sink
	bodies  lastBody  // what the last body went to
	hunter  hunter    // the body, in doubt
	unknown scan.Sink // what the hunter hands on to
	fresh   bool      // of the body nothing was given on yet
	lossy   bool      // of the head something is missing
	inLine  bool      // in doubt, in a line that is of no interest
}

// What a stream is in.
const (
	inDoubt = iota // a message may begin with any line
	atStart        // of the stream, where HTTP/2 shows
	inFrames
	inHead
	inBody // of known length
	inRest // a body that ends with its connection
	inChunkSize
	inChunk
	afterChunk
	inTrailer
)

// A head is what a start line and the fields after it say about the body.
type head struct {
	method      string // "" in a response
	status      int    // 0 in a request
	length      int64  // -1 where it is not given
	chunked     bool
	contentType string
	coding      string
	webSocket   bool   // it is to be the next protocol
	extensions  string // of that
}

func newStream(s *scan.Finder, o *order) *stream {
	t := &stream{scan: s, order: o}
	t.doubt()
	t.state = atStart
	return t
}

// pending returns the offset from which on bytes are undecided.
func (t *stream) Pending() int64 { return min(t.line.Start(0), t.body.Pending()) }

// write takes the n bytes at at, which follow those before but for what gap told.
func (t *stream) Write(p []byte, at int64, _ int) {
	if t.order.webSocket && t.state == inDoubt {
		t.frames(newWebSocket(t.scan, newDeflater(t.scan, t.order.extensions, "client")))
	}
	for len(p) > 0 {
		var n int
		switch {
		case t.state == atStart:
			t.line.Add(p[:1], at, 1)
			n = 1
			t.recognise()
		case t.state == inFrames:
			t.body.Write(p, at, len(p))
			return
		case t.state == inDoubt:
			n = t.doubtful(p, at)
		case t.state == inBody || t.state == inChunk || t.state == inRest:
			n = t.content(p, at)
		default:
			n = t.lines(p, at)
		}
		p, at = p[n:], at+int64(n)
	}
}

// frames goes over to another protocol.
func (t *stream) frames(to framed) {
	t.End()
	t.state, t.body = inFrames, to
}

// gap says that n bytes are missing before the next ones.
func (t *stream) gap(n int64) {
	switch t.state {
	case inBody, inChunk:
		if t.fresh {
			t.notFresh()
		}
		if n <= t.left {
			t.take(n)
			return
		}
	case inRest:
		if t.fresh {
			t.notFresh()
		}
		return
	case inHead, inTrailer:
		t.lossy = true // the value of a secret may go on after it
		return
	case inFrames:
		if t.body.(framed).gap(n) {
			return
		}
		if _, ok := t.body.(*http2Stream); ok {
			t.End()
			u := t.body.(*hunter)
			u.Sink = &blanks{scan: t.scan, left: maxBlanked, Sink: u.Sink}
			return
		}
	case inDoubt:
		if likely(t.scan.Profile, t.line.Text) != aField {
			t.line.Feed(t.body.Write, 0, len(t.line.Text))
			t.line.Reset()
			t.inLine = false
		}
		if u, ok := t.body.(*hunter); ok {
			u.flush()
		}
		return
	}
	t.End()
}

// end decides everything that is held back.
func (t *stream) End() {
	if t.state == inHead || t.state == inTrailer {
		t.field(0, len(t.line.Text))
		t.line.Reset()
	}
	if t.state == inChunkSize || t.state == afterChunk {
		t.line.Reset()
	}
	t.line.Feed(t.body.Write, 0, len(t.line.Text))
	t.doubt()
}

// giveUp takes out what is held back, or decides it as it is.
func (t *stream) giveUp() {
	p, ok := t.body.(interface{ GiveUp() })
	if ok && t.line.Start(0) == scan.Settled {
		p.GiveUp()
	} else {
		t.End()
	}
}

// doubtful takes bytes up to the end of a line at most.
func (t *stream) doubtful(p []byte, at int64) int {
	n := bytes.IndexByte(p, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(p)
	}
	if t.inLine {
		t.body.Write(p[:n], at, n)
		t.inLine = !whole
		return n
	}
	n = min(n, maxStartLine)
	t.line.Add(p[:n], at, n)
	switch what := likely(t.scan.Profile, t.line.Text); {
	case what == nothing || !whole && len(t.line.Text) >= maxStartLine:
		t.line.Feed(t.body.Write, 0, len(t.line.Text))
		t.line.Reset()
		t.inLine = !whole
	case !whole:
	case isStartLine(t.line.Text):
		t.begin()
	case what == aField:
		t.body.End()
		t.field(0, len(t.line.Text))
		t.line.Reset()
	default:
		t.line.Feed(t.body.Write, 0, len(t.line.Text))
		t.line.Reset()
	}
	return n
}

// begin begins a message with the start line in t.line.
func (t *stream) begin() {
	t.body.End()
	t.head = head{length: -1}
	text := t.line.Text
	first, rest, _ := bytes.Cut(text, []byte(" "))
	if bytes.HasPrefix(first, []byte("HTTP/")) {
		rest = bytes.TrimLeft(rest, " ")
		t.head.status, _ = strconv.Atoi(string(rest[:3]))
		field.ScanFreely(t.scan, &t.line, len(text)-len(rest), len(text))
	} else {
		t.head.method = string(first)
		field.ScanFreely(t.scan, &t.line, 0, len(first))
		field.ScanURL(t.scan, &t.line, len(first)+1, bytes.LastIndexByte(text, ' '))
	}
	t.line.Reset()
	t.state, t.start, t.lossy, t.fresh = inHead, 0, false, false
}

// lines takes bytes up to the end of a line at most.
func (t *stream) lines(p []byte, at int64) int {
	n := bytes.IndexByte(p, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(p)
	}
	if t.state == inChunkSize || t.state == afterChunk {
		if t.line.Add(p[:n], at, n); whole || len(t.line.Text) > maxStartLine {
			text := string(t.line.Text)
			if i := strings.IndexByte(text, ';'); i >= 0 { // an extension
				field.ScanFreely(t.scan, &t.line, i, len(text))
			}
			t.line.Reset()
			t.framing(strings.TrimSpace(text))
		}
		return n
	}
	t.line.Add(p[:n], at, n)
	if whole {
		t.headLine()
	} else if len(t.line.Text) > maxLine {
		t.End()
	}
	return n
}

// headLine takes the line that has come to its end. The one before it is
// complete then, unless this one continues it (RFC 9112, section 5.2).
func (t *stream) headLine() {
	line := t.line.Text[t.start:]
	switch {
	case len(bytes.TrimRight(line, "\r\n")) == 0:
		t.field(0, t.start)
		t.line.Reset()
		t.start = 0
		if t.state == inTrailer || t.lossy {
			t.doubt()
			return
		}
		t.headEnds()
	case t.lossy && isStartLine(line):
		t.field(0, t.start)
		t.line.Drop(t.start)
		t.begin()
	case t.start == 0 || line[0] == ' ' || line[0] == '\t':
		t.start = len(t.line.Text)
	default:
		t.field(0, t.start)
		t.line.Drop(t.start)
		t.start = len(t.line.Text)
	}
}

// field takes the field in t.line.text[from:to].
func (t *stream) field(from, to int) {
	text := t.line.Text[from:to]
	i := bytes.IndexByte(text, ':')
	if i < 0 {
		field.ScanFreely(t.scan, &t.line, from, to)
		return
	}
	name, value := string(bytes.TrimSpace(text[:i])), text[i+1:]
	if len(name) > maxFieldName {
		field.ScanFreely(t.scan, &t.line, from, from+i)
	}
	field.Scan(t.scan, name, &t.line, from+i+1, to)
	if t.state != inHead {
		return
	}
	var b [len("sec-websocket-extensions")]byte
	switch string(char.Lower(b[:0], []byte(name))) {
	case "content-length":
		first, _, _ := strings.Cut(string(value), ",")
		n, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
		if err != nil || n < 0 || t.head.length >= 0 && t.head.length != n {
			t.lossy = true // its end cannot be told
		}
		t.head.length = n
	case "transfer-encoding":
		t.head.chunked = bytes.Contains(bytes.ToLower(value), []byte("chunked"))
	case "content-type":
		t.head.contentType = strings.TrimSpace(string(value))
	case "upgrade":
		t.head.webSocket = strings.EqualFold(strings.TrimSpace(string(value)), "websocket")
	case "sec-websocket-extensions":
		t.head.extensions += "," + strings.ToLower(string(value))
	case "content-encoding":
		t.head.coding += "," + strings.TrimSpace(string(value))
	}
}

// headEnds begins the body, if there is one (RFC 9112, section 6.3).
func (t *stream) headEnds() {
	h, method := &t.head, t.head.method
	if h.status != 0 {
		method = t.order.answered(h.status)
	} else if len(t.order.methods) < maxPipeline {
		t.order.methods = append(t.order.methods, method)
	}
	response := h.status != 0
	switch {
	case h.status == 101 && h.webSocket:
		t.order.webSocket, t.order.extensions = true, h.extensions
		t.frames(newWebSocket(t.scan, newDeflater(t.scan, h.extensions, "server")))
		return
	case response && (h.status < 200 || h.status == 204 || h.status == 304 || method == "HEAD"),
		response && method == "CONNECT" && h.status < 300,
		!h.chunked && h.length == 0,
		!h.chunked && h.length < 0 && !response:
		t.doubt()
		return
	case h.chunked:
		t.state = inChunkSize
	case h.length > 0:
		t.state, t.left = inBody, h.length
	default:
		t.state = inRest
	}
	t.fresh = true
	t.body = t.newBody()
}

// newBody returns the sink for the body of the message under way.
func (t *stream) newBody() scan.Sink {
	last, h := &t.bodies, &t.head
	if last.is == nil || last.contentType != h.contentType || last.coding != h.coding {
		*last = lastBody{h.contentType, h.coding, bodySink(t.scan, h.contentType, h.coding)}
	}
	return last.is
}

// content takes bytes of a body.
func (t *stream) content(p []byte, at int64) int {
	n := len(p)
	if t.state != inRest {
		n = int(min(int64(n), t.left-int64(len(t.line.Text))))
	}
	if !t.fresh {
		t.body.Write(p[:n], at, n)
		t.take(int64(n))
		return n
	}
	if i := bytes.IndexByte(p[:n], '\n'); i >= 0 {
		n = i + 1
	}
	n = min(n, maxStartLine)
	if len(t.line.Text) == 0 && n > 0 && likely(t.scan.Profile, p[:n]) != aStart {
		t.fresh = false
		return t.content(p[:n], at)
	}
	t.line.Add(p[:n], at, n)
	switch text := t.line.Text; {
	case likely(t.scan.Profile, text) == aStart && isStartLine(text):
		// The body that was announced never came: the response was to a HEAD that
		// was not seen, or the request was answered before its body.
		t.begin()
	case likely(t.scan.Profile, text) != aStart, len(text) >= maxStartLine, text[len(text)-1] == '\n',
		t.state != inRest && int64(len(text)) == t.left:
		t.notFresh()
	}
	return n
}

// notFresh gives on the beginning of a body.
func (t *stream) notFresh() {
	t.fresh = false
	n := len(t.line.Text)
	t.line.Feed(t.body.Write, 0, n)
	t.line.Reset()
	if n > 0 {
		t.take(int64(n))
	}
}

// take counts n bytes of the body and ends what they complete.
func (t *stream) take(n int64) {
	if t.state == inRest {
		return
	}
	if t.left -= n; t.left > 0 {
		return
	}
	if t.state == inChunk {
		t.state = afterChunk
		return
	}
	t.doubt()
}

// framing takes a line that frames a chunk (RFC 9112, section 7.1).
func (t *stream) framing(line string) {
	if t.state == afterChunk {
		t.state = inChunkSize
		if line == "" {
			return
		}
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
	switch {
	case err != nil:
		t.doubt()
	case n == 0:
		t.body.End()
		t.state = inTrailer
	default:
		t.state, t.left = inChunk, int64(n)
	}
}
