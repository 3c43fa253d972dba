package assembly

import (
	"bytes"
	"slices"
	"time"

	"ssltape/record"
)

// maxOpen is how many requests without a response are kept for pairing.
const maxOpen = 1000

// http1 reads HTTP/1.x (RFC 9112). The k-th final response answers the k-th
// request (section 9.2).
type http1 struct {
	*connection
	reqs      record.Dir // direction of the requests
	req, resp half
	open      []*pair // requests whose response has not ended, oldest first
	pipelined bool    // the client sends requests before the last one was answered
	switching *pair   // its response may end HTTP on the connection
	held      []event // what followed its request
	heldSize  int
	releasing bool   // what was held is being read
	next      func() // hands the connection to another parser
}

// A pair is an exchange as it grows.
type pair struct {
	record.Exchange
	err               error // why it will be incomplete, once both sides are over
	reqOver, respOver bool
	answered          bool // a final response began
	overlap           bool // the request began before the one before it was answered
}

func (p *pair) note(set anomalies) { note(&p.Exchange, set) }

// A half is the state of one direction.
type half struct {
	pending
	h     *http1
	dir   record.Dir
	state state
	scan  int       // no head ends in what is held before it
	t     time.Time // of the chunk being read
	from  time.Time // of the first byte of the head being read
	seen  bool      // something came in this direction
	heads int       // messages that began
	lossy bool      // bytes between messages may be missing
	ended error     // nothing follows: what that means for who waits
	// Of the message being read.
	p         *pair
	m         *record.Message // nil between messages
	framing   framing
	peeking   peekReason
	left      int64 // bytes to come of the body or the chunk, or untilEnd
	chunks    int   // seen so far
	lineEnded bool  // after the data of the last chunk
	torn      bool  // bytes of the framing were lost, but its end may be found
	atHole    bool  // they were lost just before
	grew      bool  // since the last emit
	events    *record.EventStream
	// Where there is no message.
	unsure bool    // what comes next need not be a message
	missed int64   // bytes lost just before
	finder scanner // of the next message
}

// A state says what the next bytes of a direction are.
type state uint8

const (
	startState     state = iota // a start line
	headState                   // the rest of a head
	peekState                   // body or next message, see peekReason
	bodyState                   // a body, see half.left
	chunkSizeState              // the line before a chunk
	chunkDataState              // a chunk
	trailerState                // what follows the last chunk
	rechunkState                // in a chunked body; the next chunk is looked for
	searchState                 // unknown: the next message is looked for
	holdState                   // for later: half.h.held
)

func newHTTP1(c *connection, reqs record.Dir, lost [2]bool) *http1 {
	h := &http1{connection: c, reqs: reqs}
	h.req = half{h: h, dir: reqs, finder: scanner{want: isRequest}}
	h.resp = half{h: h, dir: reqs.Peer(), finder: scanner{want: isResponse}}
	for _, s := range []*half{&h.req, &h.resp} {
		if lost[s.dir] {
			s.state = searchState
		}
	}
	return h
}

func (h *http1) half(d record.Dir) *half {
	if d == h.reqs {
		return &h.req
	}
	return &h.resp
}

func (h *http1) data(d record.Dir, t time.Time, p []byte) {
	s := h.half(d)
	s.t, s.seen = t, true
	for more := true; more && len(p) > 0 && h.next == nil; {
		p, more = s.step(p)
		h.release()
	}
	s.show()
	if h.next != nil {
		h.handOver(event{dir: d, time: t, data: p})
	}
}

// step reads what p starts with and returns the rest; more is false where
// that is held and more is needed.
func (s *half) step(p []byte) (rest []byte, more bool) {
	switch s.state {
	case startState:
		return s.start(p)
	case headState:
		return s.head(p)
	case peekState:
		return s.peek(p)
	case bodyState:
		return s.plainBody(p)
	case chunkSizeState:
		return s.chunkSize(p)
	case chunkDataState:
		return s.chunkData(p)
	case trailerState:
		return s.trailer(p)
	case rechunkState:
		return s.rechunk(p)
	case searchState:
		return s.search(p)
	}
	s.h.hold(event{dir: s.dir, time: s.t, data: bytes.Clone(p)})
	return nil, false
}

// span counts n bytes, which are of the message being read if there is one.
func (s *half) span(kind span, n int) {
	s.h.span(kind, n)
	if s.m != nil && kind != unparsedSpan {
		s.m.WireSize += int64(n)
		s.m.End = s.t
		s.grew = true
	}
}

func (s *half) note(set anomalies) {
	if set != 0 {
		s.p.note(set)
	}
}

// show passes on the exchange being read where it has grown.
func (s *half) show() {
	if s.grew && s.p != nil {
		s.grew = false
		s.h.emit(&s.p.Exchange)
	}
}

// finish ends the message being read, which is complete.
func (s *half) finish() {
	p := s.p
	s.state = startState
	if s.torn {
		s.over(record.ErrLost)
		return
	}
	s.m.Done = true
	s.over(nil)
	if s == &s.h.req {
		s.h.mayHold(p)
	}
}

// fail ends the message being read, which will not be complete. What follows
// need not be a message.
func (s *half) fail(err error) {
	s.over(err)
	s.lose()
}

// lose says that the next bytes need not start a message.
func (s *half) lose() {
	s.span(unparsedSpan, len(s.buf))
	s.state, s.unsure, s.pending, s.scan = startState, true, pending{}, 0
	s.finder = scanner{want: s.finder.want}
}

// over ends the message being read.
func (s *half) over(err error) {
	p, h := s.p, s.h
	if s.m == nil {
		p.note(noRequest) // its response came, but no more of it
	}
	if s.events != nil {
		s.events.Close()
	}
	s.p, s.m, s.events, s.grew, s.torn, s.scan = nil, nil, nil, false, false, 0
	if p.err == nil {
		p.err = err
	}
	if s == &h.req {
		p.reqOver = true
		if h.resp.ended != nil && !p.respOver {
			h.drop([]*pair{p}, h.resp.ended)
			return
		}
		h.settle(p)
		return
	}
	if err == nil && !s.lossy && len(h.open) > 1 && h.open[1].overlap {
		h.pipelined = true
	}
	h.close(p)
	if len(h.open) == 0 && h.req.state == searchState {
		h.req.lose() // the client speaks next
	}
}

// close takes p out of the queue: no response to it will come.
func (h *http1) close(p *pair) {
	if i := slices.Index(h.open, p); i >= 0 {
		h.open = slices.Delete(h.open, i, i+1)
	}
	p.respOver = true
	h.settle(p)
}

// settle passes on p, a side of which is over, the last time if both are.
func (h *http1) settle(p *pair) {
	if p.reqOver && p.respOver {
		p.Err = p.err
	}
	h.emit(&p.Exchange)
}

// drop closes exchanges that will not be answered.
func (h *http1) drop(ps []*pair, err error) {
	for _, p := range slices.Clone(ps) {
		if p.err == nil {
			p.err = err
		}
		h.close(p)
	}
}

// dropHit drops exchanges whose response is in what was missed.
func (s *half) dropHit(ps []*pair) {
	if len(ps) > 0 && s.missed > 0 {
		addHole(&ps[0].Response.Message, record.Hole{Off: -1, Len: s.missed})
	}
	s.h.drop(ps, record.ErrLost)
	s.missed = 0
}

// turn is called when a request begins. A client that does not pipeline has
// had the response to the one before, so that a direction of responses that
// was lost begins anew.
func (h *http1) turn() {
	r := &h.resp
	if h.releasing {
		return // it was sent long ago
	}
	switch {
	case r.state == peekState && len(r.buf) == 0 && r.peeking != peekClose:
		r.resolve(true)
	case r.state == bodyState && r.left == untilEnd && !h.pipelined && r.p.answered && r.m.BodySize > 0:
		r.state, r.peeking = peekState, peekClose
	}
	if r.state == rechunkState && !h.pipelined {
		r.fail(record.ErrLost)
		return
	}
	if r.state == searchState && !h.pipelined {
		h.drop(h.open, record.ErrLost)
		r.lose()
	}
}

func (h *http1) gap(d record.Dir, n int64) {
	s := h.half(d)
	if s.state == holdState {
		h.hold(event{dir: d, kind: gapEvent, n: n})
		return
	}
	s.gap(n)
	s.show()
	h.release()
}

// gap skips n bytes that are missing.
func (s *half) gap(n int64) {
	if s.state == peekState {
		s.decide(s.likelyOver())
	}
	if s.state == bodyState || s.state == chunkDataState {
		if n = s.skip(n); n == 0 {
			return
		}
	}
	if s.state == chunkSizeState || s.state == rechunkState {
		s.tear(n)
		return
	}
	s.lossy = true
	h := s.h
	if s.m == nil && len(s.buf) > 0 && s.state != searchState {
		s.partialHead()
	}
	if s.p != nil {
		if s.m != nil {
			s.hole(record.Hole{Off: -1, Len: n})
		}
		s.fail(record.ErrLost)
		return
	}
	s.missed = n
	if s == &h.resp && len(h.open) > 1 && !h.pipelined {
		s.dropHit(h.open[:len(h.open)-1])
	}
	s.lose()
}

// skip skips what is missing of the body or the chunk and returns how much
// more than that is.
func (s *half) skip(n int64) (more int64) {
	k := n
	if s.left >= 0 {
		k = min(n, s.left)
		s.left -= k
	}
	s.hole(record.Hole{Off: s.m.Body.Len(), Len: k})
	s.m.BodySize += k
	if s.events != nil {
		s.events.Gap()
	}
	switch {
	case s.left == 0 && s.state == bodyState:
		s.bodyEnd()
	case s.left == 0:
		s.state = chunkSizeState
	}
	return n - k
}

// hole says that bytes of the message being read are missing.
func (s *half) hole(x record.Hole) {
	addHole(s.m, x)
	s.m.WireSize += x.Len
	s.grew = true
}

func (h *http1) end(d record.Dir, t time.Time, why error) {
	s := h.half(d)
	if s.state == holdState {
		h.hold(event{dir: d, kind: endEvent, time: t, why: why})
		return
	}
	if !t.IsZero() {
		s.t = t
	}
	s.end(why)
	if why == nil {
		why = record.ErrCut
	}
	s.ended = why
	if s == &h.resp {
		h.drop(h.open, why)
		h.release()
	}
}

// end ends what is being read.
func (s *half) end(why error) {
	if s.state == peekState {
		s.decide(s.peeking != peekClose)
	}
	if s.state == chunkSizeState && s.chunks == 0 && len(s.buf) > 0 && s == &s.h.resp {
		s.plain() // a line without end is no chunk
	}
	if s.m == nil && len(s.buf) > 0 && s.state != searchState {
		s.partialHead()
	}
	if s.p != nil {
		switch {
		case why == nil && s.m != nil && (s.state == trailerState || s.state == bodyState && s.left == untilEnd):
			s.finish()
		case s.torn:
			s.fail(record.ErrLost)
		case why == nil:
			s.fail(record.ErrCut)
		default:
			s.fail(why)
		}
	}
	s.lose()
}
