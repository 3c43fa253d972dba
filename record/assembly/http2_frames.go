package assembly

import (
	"encoding/binary"
	"fmt"

	"ssltape/record/assembly/hpack"
)

// Types of frames (RFC 9113, section 6) that are read; others are skipped.
const (
	frameData = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
	framePriorityUpdate = 0x10 // RFC 9218, section 7.1; the last one known
)

// Flags of frames.
const (
	flagEndStream  = 0x1 // DATA, HEADERS
	flagAck        = 0x1 // SETTINGS, PING
	flagEndHeaders = 0x4 // HEADERS, PUSH_PROMISE, CONTINUATION
	flagPadded     = 0x8 // DATA, HEADERS, PUSH_PROMISE
	flagPriority   = 0x20
)

const frameHeaderSize = 9

// A frameHeader is what each frame starts with (RFC 9113, section 4.1).
type frameHeader struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

func parseFrameHeader(p []byte) frameHeader {
	return frameHeader{
		length: int(p[0])<<16 | int(p[1])<<8 | int(p[2]),
		kind:   p[3],
		flags:  p[4],
		stream: binary.BigEndian.Uint32(p[5:]) &^ (1 << 31),
	}
}

func (f frameHeader) has(flag byte) bool { return f.flags&flag != 0 }

// valid reports whether f may stand where a frame starts: RFC 9113 fixes the
// stream and the length of most types.
func (f frameHeader) valid() bool {
	switch f.kind {
	case frameData, frameHeaders, frameContinuation:
		return f.stream != 0
	case framePushPromise:
		return f.stream != 0 && f.length >= 4
	case framePriority:
		return f.stream != 0 && f.length == 5
	case frameReset:
		return f.stream != 0 && f.length == 4
	case frameSettings:
		return f.stream == 0 && f.length%6 == 0 && (f.length == 0 || !f.has(flagAck))
	case framePing:
		return f.stream == 0 && f.length == 8
	case frameGoAway:
		return f.stream == 0 && f.length >= 8
	case frameWindowUpdate:
		return f.length == 4
	}
	return true // section 4.1: unknown types are ignored
}

// frameFlags are the flags that are defined, by type.
var frameFlags = [...]byte{
	frameData:         flagEndStream | flagPadded,
	frameHeaders:      flagEndStream | flagEndHeaders | flagPadded | flagPriority,
	frameReset:        0,
	frameSettings:     flagAck,
	framePushPromise:  flagEndHeaders | flagPadded,
	framePing:         flagAck,
	frameContinuation: flagEndHeaders,
}

// fragment returns the part of the payload of a HEADERS, PUSH_PROMISE or
// CONTINUATION frame that is the header block (RFC 9113, sections 6.2, 6.6 and
// 6.10), and the stream that a PUSH_PROMISE is about. A payload that is cut
// short has no padding. ok is false where the payload has no such form.
func (f frameHeader) fragment(payload []byte) (block []byte, promised uint32, ok bool) {
	pad, whole := 0, len(payload) == f.length
	if f.kind != frameContinuation && f.has(flagPadded) {
		if len(payload) == 0 {
			return nil, 0, !whole
		}
		pad, payload = int(payload[0]), payload[1:]
	}
	skip := 0
	switch {
	case f.kind == framePushPromise:
		skip = 4
		if len(payload) >= 4 {
			promised = binary.BigEndian.Uint32(payload) &^ (1 << 31)
		}
	case f.kind == frameHeaders && f.has(flagPriority):
		skip = 5
	}
	if !whole {
		pad = 0
		skip = min(skip, len(payload))
	}
	if skip+pad > len(payload) {
		return nil, 0, false
	}
	return payload[skip : len(payload)-pad], promised, true
}

// readHTTP2 is the read of a frameFinder for HTTP/2. It is stricter than valid,
// as any bytes have to be told from frames, and looks at what the frame holds.
func readHTTP2(p []byte) frameEvidence {
	if p[0] != 0 { // frames of 64 KiB and more are rare
		return frameEvidence{seen: 1, score: notFrame}
	}
	if len(p) < frameHeaderSize {
		return frameEvidence{score: needMore}
	}
	f := parseFrameHeader(p)
	size := frameHeaderSize + f.length
	no := frameEvidence{seen: frameHeaderSize, score: notFrame}
	if int(f.kind) >= len(frameFlags) || f.flags&^frameFlags[f.kind] != 0 || p[5]&0x80 != 0 || !f.valid() {
		return no
	}
	if f.kind == frameData {
		if f.length == 0 && f.flags != flagEndStream {
			return no
		}
		return frameEvidence{size: size, seen: frameHeaderSize, score: 1}
	}
	if !f.likely() {
		return no
	}
	if len(p) < size {
		return frameEvidence{score: needMore}
	}
	return frameEvidence{size: size, seen: size, score: f.evidence(p[frameHeaderSize:size])}
}

// likely reports whether a frame other than DATA is worth waiting for.
func (f frameHeader) likely() bool {
	switch f.kind {
	case frameHeaders, framePushPromise:
		return f.has(flagEndHeaders) && f.length > 0 && f.length <= 16<<10
	case frameContinuation: // of no use without the frame before it
		return false
	}
	return f.length <= 256
}

// evidence says how much the payload of a frame other than DATA tells.
func (f frameHeader) evidence(payload []byte) int {
	switch f.kind {
	case frameHeaders, framePushPromise:
		block, _, ok := f.fragment(payload)
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
	case frameSettings:
		for p := payload; len(p) > 0; p = p[6:] {
			if p[0] != 0 { // identifiers are small
				return notFrame
			}
		}
		return 2
	case frameReset:
		if payload[0] != 0 || payload[1] != 0 { // so are error codes
			return notFrame
		}
	case frameWindowUpdate:
		if n := binary.BigEndian.Uint32(payload); n == 0 || n>>31 != 0 {
			return notFrame
		}
	}
	return 1
}

// resetReason names an error code (RFC 9113, section 7).
func resetReason(code uint32) string {
	names := [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"}
	if code < uint32(len(names)) {
		return names[code]
	}
	return fmt.Sprintf("code %#x", code)
}

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
	pos    int                          // where to look on
	seen   int                          // how much it took to get there
	chains []frameChain
	moved  bool // position 0 is not the start of the direction
}

// A frameEvidence is what the bytes at some position are taken for.
type frameEvidence struct {
	size  int // of the frame
	seen  int // bytes that were looked at
	score int // how much they tell, notFrame or needMore
}

const (
	notFrame = -1
	needMore = 0
)

type frameChain struct{ start, next, score int }

func newHTTP2Finder(need int) frameFinder {
	return frameFinder{read: readHTTP2, need: need, starts: &http2Starts}
}

// http2Starts has the first byte of the frames that readHTTP2 knows.
var http2Starts = [256]bool{0: true}

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
		if c.score >= f.need || f.early > 0 && !f.moved && c.start == 0 && c.score >= f.early {
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
	if e.score < 0 {
		return frameChain{}
	}
	best.next, best.score = i+e.size, best.score+e.score
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

// A pending holds bytes until there are more.
type pending struct{ buf []byte }

// join returns what is held with p after it.
func (b *pending) join(p []byte) []byte {
	if len(b.buf) == 0 {
		return p
	}
	b.buf = append(b.buf, p...)
	return b.buf
}

// wait holds all, which join returned.
func (b *pending) wait(all []byte) ([]byte, bool) {
	if len(b.buf) == 0 {
		b.buf = append(b.buf, all...)
	}
	return nil, false
}

// took returns what follows the first n bytes of all, which join returned.
func (b *pending) took(all []byte, n int) []byte {
	b.buf = nil
	return all[n:]
}
