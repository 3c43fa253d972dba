package assembly

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"ssltape/record/assembly/hpack"
	"ssltape/record/frame"
)

// maxChains is how many possible beginnings a frameFinder follows at once.
const maxChains = 64

// A frameFinder looks for frames in a direction of which the framing was lost.
// One header is little evidence, so it believes in frames that follow one
// another. Which it finds depends on the bytes only, not on how they are cut.
type frameFinder struct {
	read   func(p []byte) frameEvidence // of the frame that p, which is not empty, starts with
	starts *[256]bool                   // the bytes that frames start with
	need   int                          // sum of the scores in a chain
	early  int                          // the same where the chain starts with the direction, 0 for need
	weak   int                          // the same where all frames of the chain are weak
	pos    int                          // where to look on
	seen   int                          // how much it took to get there
	chains []frameChain
	moved  bool // position 0 is not the start of the direction
}

// A frameEvidence is what the bytes at some position are taken for.
type frameEvidence struct {
	size  int  // of the frame
	seen  int  // bytes that were looked at
	score int  // how much they tell, which may be nothing, notFrame or needMore
	weak  bool // other protocols have many of its like
}

const (
	notFrame = -1
	needMore = -2
)

type frameChain struct {
	start, next, score int
	firm               bool // not all of its frames are weak
}

// find returns where the first chain of frames that tells enough starts in p,
// and where the evidence for it ends; start is -1 where there is none. The
// next call is with p and more.
func (f *frameFinder) find(p []byte) (start, end int) {
	for f.pos < len(p) {
		if f.pos = f.nextStart(p); f.pos == len(p) {
			break
		}
		e := f.read(p[f.pos:])
		if e.score == needMore {
			break
		}
		f.seen = max(f.seen, f.pos+e.seen)
		c := f.follow(f.pos, e)
		if c.score >= f.need && (c.firm || c.score >= f.weak) || f.early > 0 && !f.moved && c.start == 0 && c.score >= f.early {
			return c.start, f.seen
		}
		f.pos++
	}
	return -1, 0
}

// nextStart returns the next position at which a frame may start, or one has to
// since it would continue a chain.
func (f *frameFinder) nextStart(p []byte) int {
	end := len(p)
	for _, c := range f.chains {
		end = min(end, c.next)
	}
	for i := f.pos; i < end; i++ {
		if f.starts[p[i]] {
			return i
		}
	}
	return end
}

// follow adds the frame at i to the chains and returns the one that it is in.
func (f *frameFinder) follow(i int, e frameEvidence) frameChain {
	kept := f.chains[:0]
	best := frameChain{start: i}
	for _, c := range f.chains {
		if c.next != i {
			kept = append(kept, c)
		} else if c.score > best.score {
			best = c
		}
	}
	f.chains = kept
	if e.score < 0 || e.score == 0 && !best.firm {
		return frameChain{}
	}
	best.next, best.score, best.firm = i+e.size, best.score+e.score, best.firm || !e.weak
	if len(f.chains) < maxChains {
		f.chains = append(f.chains, best)
	}
	return best
}

// keep returns how many bytes at the start of p find has no use for any more.
func (f *frameFinder) keep() int {
	first := f.pos
	for _, c := range f.chains {
		first = min(first, c.start)
	}
	return first
}

// drop says that n bytes at the start of p are gone.
func (f *frameFinder) drop(n int) {
	f.moved = f.moved || n > 0
	f.pos -= n
	f.seen -= n
	for i := range f.chains {
		f.chains[i].start -= n
		f.chains[i].next -= n
	}
}

// definedFlags are the flags that RFC 9113 knows, by type.
var definedFlags = [...]byte{
	frame.Data:         frame.FlagEndStream | frame.FlagPadded,
	frame.Headers:      frame.FlagEndStream | frame.FlagEndHeaders | frame.FlagPadded | frame.FlagPriority,
	frame.Reset:        0,
	frame.Settings:     frame.FlagAck,
	frame.PushPromise:  frame.FlagEndHeaders | frame.FlagPadded,
	frame.Ping:         frame.FlagAck,
	frame.Continuation: frame.FlagEndHeaders,
}

// newHTTP2Finder returns a finder of frames that tell as much as need, or, of
// DATA alone, as weak.
func newHTTP2Finder(need, weak int) frameFinder {
	read := func(p []byte) frameEvidence { return readHTTP2(p, weak == need) }
	return frameFinder{read: read, need: need, weak: weak, starts: &http2Starts}
}

// http2Starts has the first byte of the frames that readHTTP2 knows.
var http2Starts = [256]bool{0: true}

// usualStreams bounds the streams whose DATA tells something: a length of four
// bytes before text looks like DATA of a stream beyond, and one before flags or
// zeros like that of one that servers would have begun (RFC 9113, section 5.1.1).
const usualStreams = 1 << 20

// readHTTP2 is the read of a frameFinder for HTTP/2. It is stricter than Valid,
// as any bytes have to be told from frames, and looks at what the frame holds.
// known says that the connection speaks HTTP/2.
func readHTTP2(p []byte, known bool) frameEvidence {
	if p[0] != 0 { // frames of 64 KiB and more are rare
		return frameEvidence{seen: 1, score: notFrame}
	}
	if len(p) < frame.HTTP2Size {
		return frameEvidence{score: needMore}
	}
	f := frame.ParseHTTP2(p)
	size := frame.HTTP2Size + f.Length
	no := frameEvidence{seen: frame.HTTP2Size, score: notFrame}
	if int(f.Type) >= len(definedFlags) || f.Flags&^definedFlags[f.Type] != 0 || p[5]&0x80 != 0 || !f.Valid() {
		return no
	}
	if f.Type == frame.Data {
		if f.Length == 0 && f.Flags != frame.FlagEndStream {
			return no
		}
		e := frameEvidence{size: size, seen: frame.HTTP2Size, weak: true}
		if known || f.Stream&1 != 0 && f.Stream < usualStreams {
			e.score = 1
		}
		return e
	}
	if !isLikely(f) {
		return no
	}
	if len(p) < size {
		return frameEvidence{score: needMore}
	}
	if f.Length == 0 && !known { // SETTINGS of zeros, but for a byte
		return frameEvidence{size: size, seen: size, score: 1, weak: true}
	}
	return frameEvidence{size: size, seen: size, score: payloadScore(f, p[frame.HTTP2Size:size])}
}

// isLikely reports whether f, a frame other than DATA, is worth waiting for.
func isLikely(f frame.HTTP2) bool {
	switch f.Type {
	case frame.Headers, frame.PushPromise:
		return f.Has(frame.FlagEndHeaders) && f.Length > 0 && f.Length <= 16<<10
	case frame.Continuation: // of no use without the frame before it
		return false
	}
	return f.Length <= 256
}

// payloadScore says how much the payload of f, a frame other than DATA, tells.
func payloadScore(f frame.HTTP2, payload []byte) int {
	switch f.Type {
	case frame.Headers, frame.PushPromise:
		block, _, ok := f.Fragment(payload)
		if !ok || len(block) == 0 {
			return notFrame
		}
		switch request, response, ok := hpack.Inspect(block); {
		case !ok, request && response:
			return notFrame
		case request, response:
			return 2
		}
		return 1
	case frame.Settings:
		for p := payload; len(p) > 0; p = p[6:] {
			if p[0] != 0 { // identifiers are small
				return notFrame
			}
		}
		return 2
	case frame.Reset:
		if payload[0] != 0 || payload[1] != 0 { // so are error codes
			return notFrame
		}
	case frame.WindowUpdate:
		if n := binary.BigEndian.Uint32(payload); n == 0 || n>>31 != 0 {
			return notFrame
		}
	}
	return 1
}

// Evidence that a frameFinder needs, since headers of WebSocket frames are
// short: in a WebSocket, at the start of a direction, and where the protocol is
// not known.
const (
	wsResync = 5
	wsEarly  = 2
	wsNeed   = 6
)

// evidence is the read of a frameFinder in a WebSocket.
func (s *webSocketHalf) evidence(p []byte) frameEvidence {
	return readWebSocket(p, s.dir == s.w.client, s.inflate != nil)
}

// newWebSocketFinder returns a finder of frames, of the client if they are
// masked, in a direction of which the protocol is not known. Frames that most
// WebSockets do not have are not believed.
func newWebSocketFinder(masked bool) frameFinder {
	read := func(p []byte) frameEvidence {
		if !webSocketFullStarts[p[0]] { // also where one would have to follow
			return frameEvidence{seen: 1, score: notFrame}
		}
		return readWebSocket(p, masked, true)
	}
	return frameFinder{read: read, starts: &webSocketFullStarts, need: wsNeed, early: wsEarly}
}

// webSocketStarts are the first bytes of frames, and webSocketFullStarts those
// of frames that are a whole message (RFC 6455, section 5.2; RFC 7692, section 6).
var webSocketStarts, webSocketFullStarts = func() (all, full [256]bool) {
	for i := range all {
		_, ok, more := readWebSocketFrame([]byte{byte(i), 0})
		all[i] = ok || more
		full[i] = all[i] && i&0x80 != 0 && i&0xf != frame.OpContinuation
	}
	return all, full
}()

// readWebSocketFrame reads the header of a frame. more says that p is too short;
// ok that there may be such a header.
func readWebSocketFrame(p []byte) (f frame.WebSocket, ok, more bool) {
	f, more = frame.ParseWebSocket(p)
	if f.Size > 0 && !f.Valid() {
		f.Size = 2 // all that was looked at
		return f, false, false
	}
	return f, !more && f.ValidLength(), more
}

// readWebSocket tells whether p starts with a frame, by the masking that the
// sender has to use. Text that is UTF-8 tells most.
func readWebSocket(p []byte, masked, deflates bool) frameEvidence {
	f, ok, more := readWebSocketFrame(p)
	switch {
	case more:
		return frameEvidence{score: needMore}
	case !ok, f.Masked != masked, f.Compressed && (!deflates || f.Opcode == frame.OpContinuation), f.Length > maxHead/4:
		return frameEvidence{seen: f.Size, score: notFrame}
	}
	size := f.Size + int(f.Length)
	if f.Opcode != frame.OpText || f.Compressed || !f.Final || f.Length == 0 || f.Length > 4<<10 {
		return frameEvidence{size: size, seen: f.Size, score: 1}
	}
	if len(p) < size {
		return frameEvidence{score: needMore}
	}
	text := bytes.Clone(p[f.Size:size])
	f.XOR(text, 0)
	if !utf8.Valid(text) {
		return frameEvidence{seen: size, score: notFrame}
	}
	if f.Length < 8 {
		return frameEvidence{size: size, seen: size, score: 2}
	}
	return frameEvidence{size: size, seen: size, score: 3}
}
