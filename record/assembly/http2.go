package assembly

import (
	"bytes"
	"encoding/binary"
	"time"

	"ssltape/record"
	"ssltape/record/assembly/hpack"
	"ssltape/record/frame"
	"ssltape/record/frame/chain"
)

// http2 reads HTTP/2 (RFC 9113). A request and its response are the two sides
// of a stream. Streams are independent of one another but for the state of
// header compression, of which a connection has one in each direction.
type http2 struct {
	*connection
	halves  [2]http2Half // by Dir
	client  record.Dir   // who began with the preface, or sends requests
	known   bool         // client is
	streams map[uint32]*stream
	first   uint32    // the lowest stream whose request was seen, 0 for none
	newest  uint32    // the highest stream that was seen
	grown   []*stream // to be passed on
	gone    []uint32  // streams that ended early, latest last: frames of them may be on their way
	goAway  error     // why the connection is about to end
}

// A http2Half is the state of one direction.
type http2Half struct {
	pending
	h      *http2
	dir    record.Dir
	state  http2State
	frame  frame.HTTP2 // being read
	left   int         // bytes of its payload to come
	pad    int         // of which padding
	stream *stream     // of the DATA being read, nil for none
	table  hpack.Table
	block  headerBlock // being read
	finder chain.Finder
	t      time.Time // of the chunk being read
	from   time.Time // of the first byte of the frame being read
	lossy  bool      // frames are missing
	joined bool      // there were frames before the recording
	ended  error     // nothing follows: what that means for who waits
}

type http2State uint8

const (
	prefaceState http2State = iota // the start of the direction
	frameState                     // the header of a frame
	paddingState                   // how much of DATA is padding
	dataState                      // the data in it
	payloadState                   // a payload that is read as a whole
	skipState                      // one that is not read, or padding
	resyncState                    // unknown: frames are looked for
)

// A headerBlock is what HEADERS or PUSH_PROMISE and the CONTINUATION frames
// after it carry (RFC 9113, section 4.3).
type headerBlock struct {
	frame    frame.HTTP2 // the first one
	promised uint32      // stream that PUSH_PROMISE is about
	data     []byte
	size     int       // bytes of the frames
	from     time.Time // of their first one
	open     bool      // more is to come
	hit      bool      // the end of it is missing
}

func newHTTP2(c *connection, lost [2]bool) *http2 {
	h := &http2{connection: c, streams: make(map[uint32]*stream)}
	for d := range h.halves {
		s := &h.halves[d]
		*s = http2Half{h: h, dir: record.Dir(d), table: hpack.NewTable()}
		if lost[d] {
			s.resync()
			s.lossy, s.joined = false, true // what was before the recording is not missing
		}
	}
	return h
}

func (h *http2) setClient(d record.Dir) {
	if !h.known {
		h.client, h.known = d, true
	}
}

func (h *http2) data(d record.Dir, t time.Time, p []byte) {
	s := &h.halves[d]
	s.t = t
	for more := true; more && len(p) > 0; {
		p, more = s.step(p)
	}
	h.show()
}

// show passes on the exchanges that have grown.
func (h *http2) show() {
	for _, st := range h.grown {
		st.grew = false
		h.emit(st.x)
	}
	clear(h.grown)
	h.grown = h.grown[:0]
}

// step reads what p starts with and returns the rest; more is false where
// that is held and more is needed.
func (s *http2Half) step(p []byte) (rest []byte, more bool) {
	switch s.state {
	case prefaceState:
		return s.preface(p)
	case frameState:
		return s.header(p)
	case paddingState:
		return s.padding(p), true
	case dataState:
		n := min(len(p), s.left-s.pad)
		s.left -= n
		s.stream.data(s, p[:n])
		if s.left == s.pad {
			s.endData()
		}
		return p[n:], true
	case payloadState:
		return s.payload(p)
	case skipState:
		n := min(len(p), s.left)
		s.left -= n
		s.framing(n)
		s.next()
		return p[n:], true
	}
	return s.search(p)
}

// framing counts n bytes around the data of a frame.
func (s *http2Half) framing(n int) {
	s.h.span(framingSpan, n)
	s.stream.wire(s, n)
}

// preface reads what the client begins with (RFC 9113, section 3.4).
func (s *http2Half) preface(p []byte) ([]byte, bool) {
	all := s.join(p)
	n := min(len(all), len(frame.Preface))
	if string(all[:n]) != frame.Preface[:n] {
		s.state = frameState
		return s.took(all, 0), true
	}
	if n < len(frame.Preface) {
		return s.wait(all)
	}
	s.h.setClient(s.dir)
	s.h.span(framingSpan, n)
	s.state = frameState
	return s.took(all, n), true
}

// header reads the header of a frame.
func (s *http2Half) header(p []byte) ([]byte, bool) {
	if len(s.buf) == 0 {
		s.from = s.t
	}
	all := s.join(p)
	if len(all) < frame.HTTP2Size {
		return s.wait(all)
	}
	f := frame.ParseHTTP2(all)
	if !f.Valid() || s.block.open && (f.Type != frame.Continuation || f.Stream != s.block.frame.Stream) {
		n := s.unreadable()
		s.h.span(unparsedSpan, n)
		s.doubt(int64(n))
		rest := s.took(all, n)
		s.resync()
		return rest, true
	}
	rest := s.took(all, frame.HTTP2Size)
	s.frame, s.left, s.pad, s.stream = f, f.Length, 0, nil
	switch f.Type {
	case frame.Data:
		if s.stream = s.h.streams[f.Stream]; s.stream == nil && f.Length > 0 {
			s.stream = s.orphan(f.Stream)
		}
		s.framing(frame.HTTP2Size)
		if s.state = paddingState; !f.Has(frame.FlagPadded) || f.Length == 0 {
			s.beginData()
		}
		return rest, true
	case frame.Headers, frame.PushPromise, frame.Continuation, frame.Reset, frame.GoAway:
		if f.Length == 0 {
			s.handle(nil)
			return rest, true
		}
		if f.Length <= maxHead {
			s.state = payloadState
			return rest, true
		}
		s.handle(nil)
		s.left = f.Length
		s.state = skipState
		return rest, true
	}
	s.framing(frame.HTTP2Size)
	s.state = skipState
	s.next()
	return rest, true
}

// next goes on with the next frame where this one is over.
func (s *http2Half) next() {
	if s.left == 0 {
		s.state, s.stream = frameState, nil
	}
}

// padding reads how much of a DATA frame is padding.
func (s *http2Half) padding(p []byte) []byte {
	s.pad = int(p[0])
	s.left--
	s.framing(1)
	if s.pad > s.left {
		s.resync()
		return p[1:]
	}
	s.beginData()
	return p[1:]
}

// beginData goes on where the data in a DATA frame starts.
func (s *http2Half) beginData() {
	s.state = dataState
	if s.left == s.pad {
		s.endData()
	}
}

// endData goes on after the data in a DATA frame.
func (s *http2Half) endData() {
	if st := s.stream; st != nil && (s.frame.Has(frame.FlagEndStream) || st.complete(s.side())) {
		st.end(s)
	}
	s.state = skipState
	s.next()
}

// payload reads a payload as a whole.
func (s *http2Half) payload(p []byte) ([]byte, bool) {
	all := s.join(p)
	n := s.left
	if len(all) < n {
		return s.wait(all)
	}
	s.handle(all[:n])
	return s.took(all, n), true
}

// handle reads the payload of a frame; where it is shorter than the frame says,
// the end of it is missing.
func (s *http2Half) handle(payload []byte) {
	f := s.frame
	s.left = 0
	s.next()
	switch whole := len(payload) == f.Length; {
	case f.Type == frame.Reset || f.Type == frame.GoAway:
		s.h.span(framingSpan, frame.HTTP2Size+len(payload))
		if whole && f.Type == frame.Reset {
			s.reset(f.Stream, binary.BigEndian.Uint32(payload))
		} else if whole {
			s.lastStream(payload)
		}
	case f.Type == frame.Continuation && !s.block.open: // the start of the block was lost
		s.h.span(unparsedSpan, frame.HTTP2Size+len(payload))
	default:
		s.h.span(headSpan, frame.HTTP2Size+len(payload))
		s.fragment(payload)
	}
}

// fragment adds the fragment in payload to the header block being read.
func (s *http2Half) fragment(payload []byte) {
	f, b := s.frame, &s.block
	data, promised, ok := f.Fragment(payload)
	if f.Type == frame.Continuation {
		b.data = append(b.data, data...)
	} else {
		*b = headerBlock{frame: f, promised: promised, data: data, from: s.from}
	}
	b.size += frame.HTTP2Size + len(payload)
	b.hit = !ok || len(payload) < f.Length || len(b.data) > maxHead
	if f.Has(frame.FlagEndHeaders) || b.hit {
		s.endBlock()
		return
	}
	if !b.open {
		b.open, b.data = true, bytes.Clone(b.data)
	}
}

// endBlock reads the header block as far as it is there.
func (s *http2Half) endBlock() {
	b := s.block
	s.block = headerBlock{}
	s.headers(b)
}

// fields decodes a header block, and says what is odd about the fields; those
// that are not known are left out. Where ok is false the block is malformed
// from there on.
func (s *http2Half) fields(block []byte) (fs record.Fields, odd anomalies, ok bool) {
	fs = make(record.Fields, 0, 16)
	size := 0
	ok = s.table.Decode(block, func(f hpack.Field) {
		size += f.Size()
		switch {
		case f.Name == "":
			odd |= unknownField
		case size > maxHead: // a byte can stand for a field of any length
			odd |= fieldsCut
		default:
			fs = append(fs, record.Field(f))
		}
	})
	return fs, odd, ok
}

// resync says that the next bytes need not be the start of a frame.
func (s *http2Half) resync() {
	s.h.span(unparsedSpan, len(s.buf))
	s.doubt(int64(len(s.buf)))
	s.pending, s.stream, s.state, s.lossy = pending{}, nil, resyncState, true
	s.finder = chain.ResyncHTTP2()
	if s.block.open {
		s.block.hit = true
		s.endBlock()
	}
	s.table.Lose()
}

// search looks for frames.
func (s *http2Half) search(p []byte) ([]byte, bool) {
	s.buf = append(s.buf, p...)
	n, _ := s.finder.Find(s.buf)
	if n >= 0 {
		s.h.span(unparsedSpan, n)
		s.doubt(int64(n))
		s.state = frameState
		rest := s.took(s.buf, n)
		s.found = true
		return rest, true
	}
	if n = s.finder.Keep(); n > 0 {
		s.h.span(unparsedSpan, n)
		s.doubt(int64(n))
		s.finder.Drop(n)
		s.buf = append(s.buf[:0], s.buf[n:]...)
	}
	return nil, false
}

func (h *http2) gap(d record.Dir, n int64) {
	h.halves[d].gap(n)
	h.show()
}

// gap skips n bytes that are missing. A frame that they are in keeps its
// place; what they may hold of frames after it is not known.
func (s *http2Half) gap(n int64) {
	for n > 0 {
		k := 1
		switch s.state {
		case paddingState: // how much of it there is remains unknown
			s.left--
			s.beginData()
		case dataState:
			k = int(min(n, int64(s.left-s.pad)))
			s.left -= k
			s.stream.gap(s, int64(k))
			if s.left == s.pad {
				s.endData()
			}
		case payloadState:
			rest := s.left - len(s.buf)
			k = int(min(n, int64(rest)))
			s.handle(s.took(s.buf, 0))
			s.left, s.state = rest-k, skipState
			s.next()
		case skipState:
			k = int(min(n, int64(s.left)))
			s.left -= k
			s.next()
		default:
			s.resync()
			s.doubt(n)
			return
		}
		n -= int64(k)
	}
}

func (h *http2) end(d record.Dir, t time.Time, why error) {
	s := &h.halves[d]
	if !t.IsZero() {
		s.t = t
	}
	if s.state == payloadState {
		s.handle(s.took(s.buf, 0))
	}
	if s.block.open {
		s.block.hit = true
		s.endBlock()
	}
	h.span(unparsedSpan, len(s.buf))
	s.buf = nil
	s.endStreams(why)
	h.show()
}
