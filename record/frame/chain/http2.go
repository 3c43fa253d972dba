package chain

import (
	"encoding/binary"

	"ssltape/record/assembly/hpack"
	"ssltape/record/frame"
)

// Evidence that is needed of HTTP/2: much where the protocol is not known, and
// more if it is of DATA alone.
const (
	http2Need   = 3
	http2Weak   = 6
	http2Resync = 2
)

// HTTP2 returns a finder of frames of HTTP/2 in a direction of which the
// protocol is not known.
func HTTP2() Finder {
	read := func(p []byte) evidence { return readHTTP2(p, false) }
	return Finder{read: read, starts: &http2Starts, need: http2Need, weak: http2Weak}
}

// ResyncHTTP2 is HTTP2 in a connection that speaks it.
func ResyncHTTP2() Finder {
	read := func(p []byte) evidence { return readHTTP2(p, true) }
	return Finder{read: read, starts: &http2Starts, need: http2Resync, weak: http2Resync}
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

// http2Starts has the first byte of the frames that readHTTP2 knows.
var http2Starts = [256]bool{0: true}

// usualStreams bounds the streams whose DATA tells something: a length of four
// bytes before text looks like DATA of a stream beyond, and one before flags or
// zeros like that of one that servers would have begun (RFC 9113, section 5.1.1).
const usualStreams = 1 << 20

// readHTTP2 is the read of a Finder for HTTP/2. It is stricter than Valid,
// as any bytes have to be told from frames, and looks at what the frame holds.
// known says that the connection speaks HTTP/2.
func readHTTP2(p []byte, known bool) evidence {
	if p[0] != 0 { // frames of 64 KiB and more are rare
		return evidence{seen: 1, score: notFrame}
	}
	if len(p) < frame.HTTP2Size {
		return evidence{score: needMore}
	}
	f := frame.ParseHTTP2(p)
	size := frame.HTTP2Size + f.Length
	no := evidence{seen: frame.HTTP2Size, score: notFrame}
	if int(f.Type) >= len(definedFlags) || f.Flags&^definedFlags[f.Type] != 0 || p[5]&0x80 != 0 || !f.Valid() {
		return no
	}
	if f.Type == frame.Data {
		if f.Length == 0 && f.Flags != frame.FlagEndStream {
			return no
		}
		e := evidence{size: size, seen: frame.HTTP2Size, weak: true}
		if known || f.Stream&1 != 0 && f.Stream < usualStreams {
			e.score = 1
		}
		return e
	}
	if !isLikely(f) {
		return no
	}
	if len(p) < size {
		return evidence{score: needMore}
	}
	if f.Length == 0 && !known { // SETTINGS of zeros, but for a byte
		return evidence{size: size, seen: size, score: 1, weak: true}
	}
	return evidence{size: size, seen: size, score: payloadScore(f, p[frame.HTTP2Size:size])}
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
