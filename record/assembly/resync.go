package assembly

import (
	"bytes"

	"ssltape/record"
)

// A scanner looks for a message in a direction of which the framing was lost:
// bytes are missing, the recording began in the middle, or what came was not
// HTTP. It believes a start line only when a whole head of fields follows,
// since bodies quote start lines.
type scanner struct {
	want verdict // isRequest or isResponse, undecided for both
	pos  int     // where to look on
	line int     // start of the first line of the candidate's head that was not checked, 0 for none
	seen int     // that line does not end before it
	end  int     // of the evidence for what was found
}

// scanKeep is how many bytes before a version may be its request line.
const scanKeep = 8 << 10

var versionMark = []byte("HTTP/1.")

// find returns what it found in p and where that starts; or undecided, and how
// many bytes at the start of p are of no use any more. The next call is with
// p from that position on, and more.
func (s *scanner) find(p []byte) (v verdict, skip int) {
	for {
		i := bytes.Index(p[s.pos:], versionMark)
		if i < 0 {
			s.pos = max(s.pos, len(p)-len(versionMark)+1, 0)
			return undecided, s.drop(s.start(p, s.pos))
		}
		i += s.pos
		v, start, end := candidate(p, i)
		if v == undecided {
			s.pos = i
			return undecided, s.drop(s.start(p, i))
		}
		if v != isOther && (s.want == undecided || s.want == v) {
			switch c := s.confirm(p, end); {
			case c == isOther, c != undecided && s.end-start > maxHead:
			case c == undecided:
				s.pos = i
				return undecided, s.drop(start)
			default:
				skip, s.pos, s.line = start, 0, 0
				return v, skip
			}
		}
		s.pos, s.line = i+len(versionMark), 0
	}
}

// drop makes the positions of s relative to skip.
func (s *scanner) drop(skip int) int {
	s.pos -= skip
	if s.line > 0 {
		s.line -= skip
		s.seen -= skip
	}
	return skip
}

// start returns the first byte before i that may belong to the start line in
// which i is. To move bytes seldom, it says 0 until it pays.
func (s *scanner) start(p []byte, i int) int {
	if i < 2*scanKeep {
		return 0
	}
	if s.want != isResponse {
		low := max(0, i-scanKeep)
		i = low + bytes.LastIndexByte(p[low:i], '\n') + 1
	}
	return i
}

// skipMark has find look behind the first version in p.
func (s *scanner) skipMark(p []byte) { s.pos = len(versionMark) + bytes.Index(p, versionMark) }

// candidate tells which start line the version at p[i] may be a part of, where
// that starts, and where the line after it starts.
func candidate(p []byte, i int) (v verdict, start, end int) {
	rest := p[i+len(versionMark):]
	switch {
	case len(rest) < 3:
		return undecided, 0, 0
	case rest[1] == '\n':
		end = i + len(versionMark) + 2
	case rest[1] == '\r' && rest[2] == '\n':
		end = i + len(versionMark) + 3
	case rest[1] == ' ':
		n := bytes.IndexByte(rest[:min(len(rest), scanKeep)], '\n')
		switch {
		case !couldBeStatus(rest[2:]):
			return isOther, 0, 0
		case n < 0 && len(rest) < scanKeep:
			return undecided, 0, 0
		}
		end = i + len(versionMark) + n + 1
		if _, ok := parseStatusLine(p[i:end]); ok && n > 0 {
			return isResponse, i, end
		}
		return isOther, 0, 0
	default:
		return isOther, 0, 0
	}
	line := p[max(0, i-scanKeep):i]
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if start = requestStart(line); start < 0 {
		return isOther, 0, 0
	}
	return isRequest, i - len(line) + start, end
}

// couldBeStatus reports whether p may start with a status.
func couldBeStatus(p []byte) bool {
	for _, c := range p[:min(len(p), 3)] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// requestStart returns where the request line starts whose version follows
// line, or -1. A body that ended without a line end may stand before it.
func requestStart(line []byte) int {
	if len(line) == 0 || line[len(line)-1] != ' ' {
		return -1
	}
	target := bytes.LastIndexByte(line[:len(line)-1], ' ')
	start := target
	for start > 0 && start > target-maxMethod && (line[start-1] >= 'A' && line[start-1] <= 'Z' || line[start-1] == '-') {
		start--
	}
	if target-start < 3 {
		return -1
	}
	return start
}

// isStrictRequest reports whether line is a request line as it should be.
func isStrictRequest(line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\r"))
	i := len(line) - len(versionMark) - 1
	return i > 0 && bytes.HasPrefix(line[i:], versionMark) && requestStart(line[:i]) == 0
}

// confirm tells whether lines of fields and an empty line follow p[:end].
func (s *scanner) confirm(p []byte, end int) verdict {
	if s.line == 0 {
		s.line, s.seen = end, end
	}
	for {
		i := bytes.IndexByte(p[s.seen:], '\n')
		if i < 0 {
			s.seen = len(p)
			if len(p)-end > maxHead {
				return isOther
			}
			return undecided
		}
		i += s.seen - s.line
		line := bytes.TrimRight(p[s.line:s.line+i], "\r")
		if len(line) == 0 {
			if s.line == end {
				return isOther // a head without a field is not evidence enough
			}
			s.end = s.line + i + 1
			return isRequest
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if fold := s.line > end && (line[0] == ' ' || line[0] == '\t'); !fold && (!ok || !isToken(string(name))) {
			return isOther
		}
		s.line += i + 1
		s.seen = s.line
	}
}

// search looks for the next message.
func (s *half) search(p []byte) ([]byte, bool) {
	all := s.join(p)
	dropped := 0
	if s.found { // it could not be read
		s.found = false
		s.finder.skipMark(all)
	}
	for {
		v, skip := s.finder.find(all)
		s.span(unparsedSpan, skip)
		all, dropped = all[skip:], dropped+skip
		if v == undecided {
			if dropped > 0 || len(s.buf) == 0 { // what is kept is small, all may be large
				s.buf = append(make([]byte, 0, len(all)+scanKeep), all...)
			}
			return nil, false
		}
		if s.believes() {
			break
		}
		s.finder.skipMark(all)
	}
	s.finder = scanner{want: s.finder.want}
	s.pending, s.from, s.state = pending{found: true}, s.t, headState
	if s == &s.h.req {
		s.h.turn()
	}
	return all, true
}

// believes reports whether a message may begin at this point of the
// conversation: one that is found elsewhere is a quotation.
func (s *half) believes() bool {
	h := s.h
	if s == &h.resp {
		return len(h.open) > 0 || h.req.state == searchState || h.req.lossy || !h.req.seen
	}
	return !s.lossy || len(h.open) == 0 || h.pipelined || h.resp.lossy || h.resp.state == searchState || h.open[0].answered
}

// tear says that n bytes are missing where chunks are framed. What comes next
// is often a chunk all the same: a lost read is a whole number of them.
func (s *half) tear(n int64) {
	s.span(framingSpan, len(s.buf))
	s.buf, s.scan = nil, 0
	s.hole(record.Hole{Off: s.m.Body.Len(), Len: n})
	if s.events != nil {
		s.events.Gap()
	}
	s.torn, s.atHole, s.lineEnded, s.state = true, true, false, rechunkState
}

// rechunk looks for the line of a chunk, or the next message, at the hole and
// after each line end.
func (s *half) rechunk(p []byte) ([]byte, bool) {
	all := s.join(p)
	dropped := 0
	for len(all) > 0 {
		v := isOther
		if s.atHole || s.lineEnded {
			v = s.judgeChunk(all)
		}
		switch v {
		case undecided:
			if dropped > 0 {
				s.buf = nil
			}
			return s.wait(all)
		case isChunk:
			s.state, s.lineEnded = chunkSizeState, true
			return s.took(all, 0), true
		case isRequest, isResponse:
			rest := s.took(all, 0)
			s.fail(record.ErrLost)
			return rest, true
		}
		n := bytes.IndexByte(all, '\n') + 1
		if s.atHole, s.lineEnded = false, n > 0; n == 0 {
			n = len(all)
		}
		s.span(framingSpan, n)
		all, dropped = all[n:], dropped+n
	}
	s.buf = nil
	return nil, false
}

// maxChunkLine is how long the line before a chunk may be for judgeChunk to
// believe it.
const maxChunkLine = 256

// judgeChunk tells whether a chunk starts at p. At a hole its line is enough;
// elsewhere the chunk must end where the line says.
func (s *half) judgeChunk(p []byte) verdict {
	if s.atHole {
		all := len(p)
		if p = bytes.TrimLeft(p, "\r\n"); all-len(p) > maxLine {
			return isOther
		}
	}
	i := bytes.IndexByte(p[:min(len(p), maxChunkLine)], '\n')
	switch {
	case i < 0 && len(p) >= maxChunkLine:
		return isOther
	case i < 0:
		return undecided
	}
	size, junk := parseChunkSize(p[:i])
	if size < 0 || junk > 0 || size > maxLine {
		if _, ok := parseStatusLine(p[:i]); ok && s == &s.h.resp {
			return isResponse
		}
		if s == &s.h.req && isStrictRequest(p[:i]) {
			return isRequest
		}
		return isOther
	}
	if s.atHole {
		return isChunk
	}
	rest := p[i+1:]
	switch n := int(size); {
	case len(rest) < n+2:
		return undecided
	case rest[n] != '\r' || rest[n+1] != '\n':
		return isOther
	}
	return isChunk
}
