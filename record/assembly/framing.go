package assembly

import (
	"bytes"
	"math"
	"strings"

	"ssltape/record"
)

// framing says how the body of a message is delimited (RFC 9112, section 6).
type framing struct {
	coded   bool  // there is a Transfer-Encoding
	chunked bool  // the word chunked is in it
	last    bool  // and it is the last coding
	length  int64 // of Content-Length, -1 for none
	longer  int64 // a second, larger one, -1 for none
	hosts   int   // Host fields
	closes  bool  // the connection ends after the message
	marks   anomalies
}

const untilEnd = -1 // left of a body that lasts until the connection ends

// framingOf reads what fs says of the body.
func framingOf(fs record.Fields) framing {
	f := framing{length: -1, longer: -1}
	for i := range fs {
		switch name := fs[i].Name; {
		case len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length"):
			f.addLengths(fs[i].Value)
		case len(name) == len("Transfer-Encoding") && strings.EqualFold(name, "Transfer-Encoding"):
			f.addCoding(fs[i].Value)
		case len(name) == len("Host") && strings.EqualFold(name, "Host"):
			f.hosts++
		case len(name) == len("Connection") && strings.EqualFold(name, "Connection"):
			f.closes = strings.EqualFold(fs[i].Value, "close")
		}
	}
	if f.chunked && !f.last {
		f.marks |= badTransferCoding
	}
	if f.coded && f.length >= 0 {
		f.marks |= lengthAndCoding
	}
	return f
}

// addCoding reads a Transfer-Encoding, which may be a list; that of a later
// field goes on with it.
func (f *framing) addCoding(v string) {
	if v == "" {
		return
	}
	f.coded = true
	if strings.EqualFold(v, "chunked") {
		if f.chunked {
			f.marks |= badTransferCoding
		}
		f.chunked, f.last = true, true
		return
	}
	tail := strings.Trim(v[strings.LastIndexByte(v, ',')+1:], " \t")
	f.last = strings.EqualFold(tail, "chunked")
	f.chunked = f.chunked || strings.Contains(strings.ToLower(strings.ReplaceAll(v, "\x00", "")), "chunked")
}

// addLengths reads a Content-Length, which may be a list (RFC 9110, section 8.6).
func (f *framing) addLengths(list string) {
	for v := range strings.SplitSeq(list, ",") {
		for more := true; more; {
			var n int64
			var exact bool
			n, exact, v = parseLength(v)
			if more = v != "" && n >= 0; !exact {
				f.marks |= badLength
			}
			switch {
			case n < 0 || n == f.length:
			case f.length < 0:
				f.length = n
			default:
				f.marks |= manyLengths
				f.length, f.longer = min(f.length, n), max(f.length, f.longer, n)
			}
		}
	}
}

// parseLength reads the first number in v, or returns -1 where there is none
// or it is negative. exact is false where there is more than a number, of
// which rest may hold another one.
func parseLength(v string) (n int64, exact bool, rest string) {
	v = strings.Trim(v, " \t\x00")
	i := strings.IndexAny(v, "0123456789")
	if i < 0 || i > 0 && v[i-1] == '-' {
		return -1, false, ""
	}
	exact = i == 0
	for ; i < len(v) && v[i] >= '0' && v[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			return -1, false, ""
		}
		n = n*10 + int64(v[i]-'0')
	}
	if strings.ContainsAny(v[i:], "0123456789") {
		rest = v[i:]
	}
	return n, exact && i == len(v), rest
}

// maxLine is how long the line of a chunk and a trailer section may be.
const maxLine = 64 << 10

// isChunkSpace reports whether c may stand around the size of a chunk.
func isChunkSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// chunkSize reads the size of the next chunk: RFC 9112, section 7.1, and what
// recipients take for it: space before it, and anything after the digits.
func (s *half) chunkSize(p []byte) ([]byte, bool) {
	all := s.join(p)
	n := 0
	for n < len(all) && n < maxLine && isChunkSpace(all[n]) {
		n++
	}
	if n > 0 && s.chunks > 0 { // the line end after a chunk's data
		s.lineEnded = true
		s.span(framingSpan, n)
		return s.took(all, n), true
	}
	from := max(n, s.scan)
	i := bytes.IndexByte(all[from:min(len(all), maxLine)], '\n') + from
	if i < from {
		if len(all) < maxLine && (n == len(all) || hexDigit(all[n]) >= 0 || s.chunks > 0 && !s.lineEnded) {
			s.scan = len(all)
			return s.wait(all)
		}
		return s.notChunked(all)
	}
	s.scan = 0
	size, rest := parseChunkSize(all[n:i])
	if size < 0 && s.chunks > 0 && !s.lineEnded && !s.torn { // junk after a chunk's data
		s.note(badChunk)
		s.span(framingSpan, i+1)
		s.lineEnded = true
		return s.took(all, i+1), true
	}
	if size < 0 || s.chunks == 0 && rest > maxSizeJunk {
		return s.notChunked(all)
	}
	if rest > 0 || n > 0 || s.chunks > 0 && !s.lineEnded {
		s.note(badChunk)
	}
	s.chunks++
	s.span(framingSpan, i+1)
	s.left, s.state, s.lineEnded = size, chunkDataState, false
	if size == 0 {
		s.state = trailerState
	}
	return s.took(all, i+1), true
}

// maxSizeJunk is how much may follow the size of the first chunk where it
// should not: text is no chunk because it starts with a digit.
const maxSizeJunk = 8

// notChunked goes on where p should start with the size of a chunk and does
// not. Such a request cannot be delimited; of a response, what follows is body
// to those who are not stricter.
func (s *half) notChunked(p []byte) ([]byte, bool) {
	rest := s.took(p, 0)
	s.scan = 0
	if s.torn { // what was taken for a chunk after a hole was none
		s.state = rechunkState
		return rest, true
	}
	s.note(badChunk)
	if s.dir == s.h.reqs && s.framing.last {
		s.fail(record.ErrSyntax)
		return rest, true
	}
	s.left, s.state = untilEnd, bodyState
	if s.chunks == 0 && s.framing.length >= 0 {
		s.left = s.framing.length
	}
	return rest, true
}

// plain reads what is held as a body without chunks.
func (s *half) plain() {
	p, _ := s.notChunked(s.buf)
	s.reread(p)
}

// parseChunkSize reads the hexadecimal number that line starts with, or
// returns -1 where there is none or it is too large. junk is the length of what
// follows that is no extension.
func parseChunkSize(line []byte) (n int64, junk int) {
	i := 0
	for ; i < len(line) && hexDigit(line[i]) >= 0; i++ {
		if n > math.MaxInt64>>8 {
			return -1, 0
		}
		n = n<<4 | int64(hexDigit(line[i]))
	}
	if i == 0 {
		return -1, 0
	}
	rest := bytes.Trim(line[i:], " \t\r")
	if len(rest) > 0 && rest[0] == ';' {
		return n, 0
	}
	return n, len(rest)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func (s *half) chunkData(p []byte) ([]byte, bool) {
	rest := s.body(p)
	if s.left == 0 {
		s.state = chunkSizeState
	}
	return rest, true
}

// plainBody reads a body of known length, or one that lasts until the end.
func (s *half) plainBody(p []byte) ([]byte, bool) {
	rest := s.body(p)
	if s.left == 0 {
		s.bodyEnd()
	}
	return rest, true
}

// body keeps what p has of the body or the chunk and returns the rest.
func (s *half) body(p []byte) (rest []byte) {
	if s.left >= 0 {
		n := min(int64(len(p)), s.left)
		s.left -= n
		p, rest = p[:n], p[n:]
	}
	m := s.m
	s.span(bodySpan, len(p))
	m.BodySize += int64(len(p))
	if s.events != nil && s.events.Write(p, s.t) {
		s.note(eventsCut)
	}
	mark(m, s.h.keep(&s.p.Exchange, m, p), s.t)
	return rest
}

// trailer reads the trailer section after the last chunk (RFC 9112, section 7.1.2).
func (s *half) trailer(p []byte) ([]byte, bool) {
	all := s.join(p)
	n := 0
	switch {
	case all[0] == '\n':
		n = 1
	case len(all) > 1 && all[0] == '\r' && all[1] == '\n':
		n = 2
	}
	if n > 0 {
		s.span(framingSpan, n)
		s.finish()
		return s.took(all, n), true
	}
	if n, s.scan = headEnd(all[:min(len(all), maxLine)], s.scan, false); n < 0 {
		if len(all) < maxLine {
			return s.wait(all)
		}
		s.scan = 0
		s.note(badField)
		s.finish()
		return s.took(all, 0), true
	}
	s.scan = 0
	lines := headLines{text: string(all[:n])}
	s.m.Trailer = lines.fields()
	s.note(lines.marks)
	s.span(headSpan, n)
	s.finish()
	return s.took(all, n), true
}

// A peekReason says why the next bytes of a direction may be those of the
// message being read or those of the next one.
type peekReason uint8

const (
	peekNoBody   peekReason = iota // the status allows no body, and yet there may be one
	peekHead                       // the request was not seen and may have been HEAD
	peekExpected                   // the client waits for 100 (RFC 9110, section 10.1.1)
	peekLonger                     // there was a larger Content-Length too
	peekClose                      // the body lasts until the end, and yet there is another request
)

// peek decides whether p belongs to the message being read.
func (s *half) peek(p []byte) ([]byte, bool) {
	all := s.join(p)
	v := isOther
	if s.peeking != peekExpected {
		v = startsResponse(all)
	} else if s.p.answered {
		next := bytes.TrimLeft(all, "\r\n")
		v = judgeRequest(next)
		if i := bytes.IndexByte(next, '\n'); v == isRequest && !isStrictRequest(next[:i]) {
			v = isOther
		}
	}
	if v == undecided {
		return s.wait(all)
	}
	rest := s.took(all, 0)
	s.resolve(v != isOther)
	return rest, true
}

// startsResponse tells whether p starts with a version, after empty lines.
func startsResponse(p []byte) verdict {
	p = bytes.TrimLeft(p, "\r\n")
	n := min(len(p), len("HTTP/"))
	switch {
	case !strings.EqualFold(string(p[:n]), "HTTP/"[:n]):
		return isOther
	case n < len("HTTP/"):
		return undecided
	}
	return isResponse
}

// resolve ends a peek: the message is over, or its body begins.
func (s *half) resolve(over bool) {
	switch {
	case over && s.peeking == peekNoBody && s.p.Response.Status < 200:
		s.interim()
	case over && s.peeking == peekExpected:
		if s.p.answered {
			s.note(bodyNotSent)
			s.finish()
			return
		}
		s.beginBody()
	case over:
		s.finish()
	case s.peeking == peekClose:
		s.state = bodyState
	case s.peeking == peekLonger:
		f := &s.framing
		s.left, s.state = f.longer-f.length, bodyState
		f.length = f.longer
	case s.peeking == peekNoBody:
		s.note(bodyNotAllowed)
		s.p.answered = true
		s.beginBody()
	default:
		s.beginBody()
	}
}

// decide is resolve where nothing more will tell: what is held is read.
func (s *half) decide(over bool) {
	p := s.buf
	s.buf = nil
	s.resolve(over)
	s.reread(p)
}

// reread reads p, which was held.
func (s *half) reread(p []byte) {
	for more := true; more && len(p) > 0; {
		p, more = s.step(p)
	}
}

// likelyOver is what a peek comes to where the next bytes cannot tell.
func (s *half) likelyOver() bool {
	switch s.peeking {
	case peekExpected:
		return s.p.answered
	case peekClose:
		return false
	}
	return s.peeking != peekHead || s.m.BodySize > 0
}
