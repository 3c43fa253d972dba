package assembly

import (
	"bytes"
	"strings"

	"ssltape/record"
)

// start reads up to where a message starts: empty lines before it are skipped
// (RFC 9112, section 2.2, for requests; clients do the same).
func (s *half) start(p []byte) ([]byte, bool) {
	if n := len(s.buf); n > maxJunk && n+len(p) <= maxHead && bytes.IndexByte(p, '\n') < 0 {
		return s.wait(s.join(p)) // a line that is still long
	}
	all := s.join(p)
	n := 0
	for n < len(all) && (all[n] == '\r' || all[n] == '\n' || all[n] == ' ' || all[n] == '\t' || all[n] == 0 && s == &s.h.resp) {
		n++
	}
	if n > 0 {
		s.span(framingSpan, n)
		return s.took(all, n), true
	}
	if len(s.buf) == 0 {
		s.from = s.t
	}
	var v verdict
	if s == &s.h.req {
		v = judgeRequest(all)
		if i := bytes.IndexByte(all, '\n'); v == isRequest && s.unsure && !isStrictRequest(all[:i]) {
			v = isOther
		}
	} else {
		v = s.judgeResponse(all)
	}
	switch v {
	case undecided:
		return s.wait(all)
	case isOther:
		return s.noMessage(all)
	}
	if s == &s.h.req {
		s.h.turn()
	}
	s.state, s.unsure = headState, false
	return s.took(all, 0), true
}

// judgeRequest tells whether p starts with a request line.
func judgeRequest(p []byte) verdict {
	line, _, whole := bytes.Cut(p, []byte("\n"))
	switch {
	case !couldBeStartLine(line) || len(line) > maxHead:
		return isOther
	case !whole:
		return undecided
	}
	line = bytes.TrimRight(line, "\r ")
	if len(line) > len("GET /") && (bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.HasSuffix(line, []byte(" HTTP/1.0"))) {
		return isRequest
	}
	if _, ok := parseRequestLine(line); ok {
		return isRequest
	}
	return isOther
}

// maxPrefix is how far from the start of a response its version may be.
const maxPrefix = 12

// judgeResponse tells whether p starts with a status line. Where a response is
// due, what looks a little like one is one.
func (s *half) judgeResponse(p []byte) verdict {
	n := min(len(p), 4)
	due := !s.unsure && len(s.h.open) > 0
	switch {
	case strings.EqualFold(string(p[:n]), "HTTP"[:n]), string(p[:n]) == "ICY "[:n]:
		if n < 4 {
			return undecided
		}
		if due {
			return isResponse
		}
	case n < 4 && due:
		return undecided
	case due && (string(p[:n]) == "RTSP" || string(p[:n]) == "ICE/"):
		return isResponse
	case due && bytes.Contains(bytes.ToUpper(p[:min(len(p), maxPrefix)]), []byte("HTTP")):
		return isResponse
	case due && len(p) < maxPrefix:
		return undecided
	default:
		return isOther
	}
	line, _, whole := bytes.Cut(p, []byte("\n"))
	if !whole && len(line) <= maxHead {
		return undecided
	}
	if _, ok := parseStatusLine(line); ok && len(line) <= maxHead {
		return isResponse
	}
	return isOther
}

// noMessage goes on where all should start a message and does not.
func (s *half) noMessage(all []byte) ([]byte, bool) {
	h := s.h
	if s.bareAnswer() {
		switch n, ok := junkLine(all); {
		case !ok:
			return s.wait(all)
		case n > 0:
			h.open[0].note(junkBefore)
			s.span(framingSpan, n)
			return s.took(all, n), true
		}
		s.oldAnswer()
		return s.took(all, 0), true
	}
	if s.missed > 0 && !h.pipelined { // what was missed held the start of the head
		if s == &h.req {
			s.lostRequest()
		} else {
			s.dropHit(h.open)
		}
	}
	s.state, s.unsure, s.missed = searchState, false, 0
	return s.took(all, 0), true
}

// maxJunk is how long a line before a status line may be.
const maxJunk = 256

// junkLine returns the length of the line that p starts with where a status
// line follows it, or 0. ok is false where p is too short to tell.
func junkLine(p []byte) (n int, ok bool) {
	n = bytes.IndexByte(p[:min(len(p), maxJunk)], '\n') + 1
	if n == 0 {
		return 0, len(p) >= maxJunk
	}
	switch rest := p[n:]; {
	case bytes.HasPrefix(rest, versionMark):
		return n, true
	case bytes.HasPrefix(versionMark, rest):
		return 0, false
	}
	return 0, true
}

// bareAnswer reports whether what is no start line is a response without one.
func (s *half) bareAnswer() bool {
	if s != &s.h.resp || len(s.h.open) == 0 || s.unsure || s.lossy {
		return false
	}
	return s.heads == 0 || s.h.open[0].Request.Proto == "HTTP/0.9"
}

// oldAnswer begins a response of HTTP/0.9, which is a body and nothing else
// (RFC 1945, section 4.1). Browsers take anything for one that is no status line.
func (s *half) oldAnswer() {
	s.heads++
	s.begin(s.h.open[0], &s.h.open[0].Response.Message)
	s.p.answered = true
	s.m.Proto = "HTTP/0.9"
	s.note(oldAnswer)
	s.left, s.state, s.framing = untilEnd, bodyState, framing{length: -1}
}

// begin makes m, of p, the message being read.
func (s *half) begin(p *pair, m *record.Message) {
	s.p, s.m, s.chunks, s.lineEnded, s.lossy = p, m, 0, false, false
	m.Start, m.End = s.from, s.t
	if s.missed > 0 && s == &s.h.resp {
		s.hole(record.Hole{Off: -1, Len: s.missed})
	}
	s.missed = 0
}

// lostRequest makes an exchange of a request whose head is missing: there will
// be a response to it, and what looks like a request before that is its body.
func (s *half) lostRequest() {
	p := &pair{overlap: len(s.h.open) > 0}
	s.h.number(&p.Exchange)
	p.Server = s.h.reqs == record.In
	p.Request.Lost = []record.Hole{{Off: -1, Len: s.missed}}
	p.note(noRequest)
	p.err, p.reqOver = record.ErrLost, true
	s.h.open = append(s.h.open, p)
	if err := s.h.resp.ended; err != nil { // it was held until then
		s.h.drop([]*pair{p}, err)
	}
}

// head reads the head that the held bytes and p start with.
func (s *half) head(p []byte) ([]byte, bool) {
	all := s.join(p)
	old := s.scan == 0 && s == &s.h.req && isOldRequest(all)
	n, next := headEnd(all[:min(len(all), maxHead+maxLine)], s.scan, s == &s.h.resp)
	if old {
		n = bytes.IndexByte(all, '\n') + 1
	}
	if n < 0 && len(all) < maxHead+maxLine {
		s.scan = max(next, 1)
		return s.wait(all)
	}
	s.scan = 0
	if n < 0 || n > maxHead {
		s.state = searchState
		return s.took(all, 0), true
	}
	rest := s.took(all, n)
	if s == &s.h.req {
		s.requestHead(all[:n])
		s.requestBody()
		if old { // nothing can follow
			s.state = searchState
		}
	} else {
		s.responseHead(all[:n])
	}
	return rest, true
}

// isOldRequest reports whether p starts with a request of HTTP/0.9, which has no fields.
func isOldRequest(p []byte) bool {
	line, _, _ := bytes.Cut(p, []byte("\n"))
	return len(line) > 4 && string(line[:4]) == "GET " && !bytes.Contains(line, []byte(" HTTP/"))
}

// partialHead begins the message of which a part of the head is held.
func (s *half) partialHead() {
	head := s.buf
	if s == &s.h.req {
		line, _, whole := bytes.Cut(head, []byte("\n"))
		if l, ok := parseRequestLine(line); ok && (whole || l.proto != "HTTP/0.9") {
			s.buf = nil
			s.requestHead(head)
		}
		return
	}
	if s.state == startState && !strings.EqualFold(string(head[:min(len(head), 4)]), "HTTP") {
		if s.bareAnswer() {
			s.buf = nil
			s.oldAnswer()
			s.body(head)
		}
		return
	}
	s.buf = nil
	if p := s.response(string(head)); p.Response.Status/100 == 1 {
		s.interim()
	}
}

// requestHead begins the request with this head.
func (s *half) requestHead(head []byte) {
	h := s.h
	lines := headLines{text: wholeLines(string(head))}
	first, _ := lines.cut()
	l, _ := parseRequestLine(first)
	p := s.p
	if p == nil {
		p = &pair{overlap: len(h.open) > 0}
		h.number(&p.Exchange)
		p.Server = h.reqs == record.In
		h.open = append(h.open, p)
	}
	s.heads++
	s.begin(p, &p.Request.Message)
	p.Request.Method, p.Request.Target, p.Request.Proto = l.method, l.target, l.proto
	p.Request.Header = lines.fields()
	p.Request.HeadSize = int64(len(head))
	s.span(headSpan, len(head))
	s.note(lines.marks)
	if len(h.open) > maxOpen {
		oldest := h.open[:1]
		if h.resp.p == oldest[0] {
			oldest = h.open[1:2]
		}
		oldest[0].note(manyOpen)
		h.drop(oldest, record.ErrLost)
	}
}

// requestBody goes on after the head of a request.
func (s *half) requestBody() {
	f := framingOf(s.m.Header)
	if f.hosts != 1 && s.m.Proto == "HTTP/1.1" {
		f.marks |= noHost
	}
	s.note(f.marks)
	s.framing = f
	if s.p.Request.Method == "CONNECT" { // has no content: RFC 9110, section 9.3.6
		s.finish()
		return
	}
	if (f.chunked || f.length > 0) && strings.EqualFold(s.m.Header.Get("Expect"), "100-continue") {
		s.state, s.peeking = peekState, peekExpected
		return
	}
	s.beginBody()
}

// beginBody goes on where the body of the message starts: RFC 9112, section
// 6.3, rules 3 to 8.
func (s *half) beginBody() {
	f := &s.framing
	if f.chunked && s.m.Proto == "HTTP/1.0" {
		s.note(chunkedOldVersion)
	}
	response := s == &s.h.resp
	s.left, s.state = f.length, bodyState
	switch {
	case f.last || f.chunked && !response: // a request has no other end
		s.left, s.state = 0, chunkSizeState
	case f.length >= 0 && (!f.coded || response && !f.chunked):
	case f.coded || response:
		s.left = untilEnd
	default:
		s.left = 0
	}
	if response {
		s.events = s.h.eventStream(&s.p.Response)
	}
	if s.left == 0 && s.state == bodyState {
		s.bodyEnd()
	}
}

// bodyEnd goes on after a body of known length.
func (s *half) bodyEnd() {
	if f := &s.framing; f.longer > f.length && s == &s.h.resp && !f.chunked {
		s.state, s.peeking = peekState, peekLonger
		return
	}
	s.finish()
}

// answering returns the exchange to which the next response belongs. Where no
// request is known there is one without: the recording began later, it was
// lost, or the server spoke first (408, RFC 9110, section 15.5.9).
func (h *http1) answering() *pair {
	if len(h.open) > 0 {
		return h.open[0]
	}
	p := &pair{}
	h.number(&p.Exchange)
	p.Server = h.reqs == record.In
	h.open = append(h.open, p)
	if h.req.p == nil && len(h.req.buf) > 0 && (h.req.state == startState || h.req.state == headState) {
		h.req.p = p // answered before it was whole
		return p
	}
	p.note(noRequest)
	p.Request.Done, p.reqOver = true, true
	if h.req.lossy {
		p.err = record.ErrLost
	}
	return p
}

// responseHead begins the response with this head: RFC 9112, section 6.3,
// rules 1 and 2, and interim responses.
func (s *half) responseHead(head []byte) {
	p := s.response(string(head))
	f, status := &s.framing, p.Response.Status
	bodied, interim := f.coded || f.length > 0, status/100 == 1
	switch {
	case status == 101 && (p.Response.Header.Has("Upgrade") || !bodied):
		s.switchTo(p)
		return
	case status/100 == 2 && p.Request.Method == "CONNECT":
		s.switchTo(p)
		return
	case (interim || status == 204 || status == 304) && (bodied || f.closes) && p.Request.Method != "HEAD":
		s.state, s.peeking = peekState, peekNoBody
	case interim:
		s.interim()
	case status == 204, status == 304, p.Request.Method == "HEAD":
		s.finish()
	case p.Request.Method == "" && bodied:
		s.state, s.peeking = peekState, peekHead
	default:
		s.beginBody()
	}
	if !interim {
		p.answered = true
	}
}

// response begins the response with this head, which may be unfinished, and
// returns the exchange to which it belongs.
func (s *half) response(head string) *pair {
	p := s.h.answering()
	lines := headLines{text: wholeLines(head), loose: true}
	first, _ := lines.cut()
	l, ok := parseStatusLine(first)
	if !ok {
		l = looseStatusLine(first)
		p.note(badStatusLine)
	}
	s.heads++
	s.begin(p, &p.Response.Message)
	p.Response.Status, p.Response.Reason, p.Response.Proto = l.status, l.reason, l.proto
	p.Response.Header = lines.fields()
	p.Response.HeadSize = int64(len(head))
	s.span(headSpan, len(head))
	s.framing = framingOf(p.Response.Header)
	s.note(lines.marks | s.framing.marks)
	return p
}

// interim makes the response being read one that comes before the real one.
func (s *half) interim() {
	r := &s.p.Response
	addInterim(&s.p.Exchange, record.Interim{Status: r.Status, Reason: r.Reason, Header: r.Header, Time: s.t}, r.HeadSize)
	s.p.Response = record.Response{Interim: r.Interim}
	p := s.p
	s.heads--
	s.p, s.m, s.state, s.grew = nil, nil, startState, false
	s.h.emit(&p.Exchange)
}
