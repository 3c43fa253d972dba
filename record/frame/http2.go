// Package frame reads what the frames of HTTP/2 (RFC 9113, section 4.1) and of
// WebSockets (RFC 6455, section 5.2) begin with.
package frame

import (
	"encoding/binary"
	"fmt"
)

// Types of HTTP/2 frames (RFC 9113, section 6).
const (
	Data = iota
	Headers
	Priority
	Reset
	Settings
	PushPromise
	Ping
	GoAway
	WindowUpdate
	Continuation
	PriorityUpdate = 0x10 // RFC 9218, section 7.1; the last one known
)

// Flags of HTTP/2 frames, beside those that they may be set on.
const (
	FlagEndStream  = 0x1  // DATA, HEADERS
	FlagAck        = 0x1  // SETTINGS, PING
	FlagEndHeaders = 0x4  // HEADERS, PUSH_PROMISE, CONTINUATION
	FlagPadded     = 0x8  // DATA, HEADERS, PUSH_PROMISE
	FlagPriority   = 0x20 // HEADERS
)

// Preface is what a client of HTTP/2 sends first (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// HTTP2Size is the length of an HTTP/2 frame's header in bytes.
const HTTP2Size = 9

// HTTP2 is the header of an HTTP/2 frame (RFC 9113, section 4.1).
type HTTP2 struct {
	Length int // of the payload
	Type   byte
	Flags  byte
	Stream uint32
}

// ParseHTTP2 reads the header of a frame, whatever it says. p has at least
// HTTP2Size bytes.
func ParseHTTP2(p []byte) HTTP2 {
	return HTTP2{
		Length: int(p[0])<<16 | int(p[1])<<8 | int(p[2]),
		Type:   p[3],
		Flags:  p[4],
		Stream: binary.BigEndian.Uint32(p[5:]) &^ (1 << 31),
	}
}

// Has reports whether flag is set.
func (f HTTP2) Has(flag byte) bool { return f.Flags&flag != 0 }

// Valid reports whether f may stand where a frame starts: RFC 9113 fixes the
// stream and the length of most types.
func (f HTTP2) Valid() bool {
	switch f.Type {
	case Data, Headers, Continuation:
		return f.Stream != 0
	case PushPromise:
		return f.Stream != 0 && f.Length >= 4
	case Priority:
		return f.Stream != 0 && f.Length == 5
	case Reset:
		return f.Stream != 0 && f.Length == 4
	case Settings:
		return f.Stream == 0 && f.Length%6 == 0 && (f.Length == 0 || !f.Has(FlagAck))
	case Ping:
		return f.Stream == 0 && f.Length == 8
	case GoAway:
		return f.Stream == 0 && f.Length >= 8
	case WindowUpdate:
		return f.Length == 4
	}
	return true // section 4.1: unknown types are ignored
}

// Fragment returns the part of the payload of a HEADERS, PUSH_PROMISE or
// CONTINUATION frame that is the header block (RFC 9113, sections 6.2, 6.6 and
// 6.10), and the stream that a PUSH_PROMISE is about. A payload that is cut
// short has no padding. ok is false where the payload has no such form.
func (f HTTP2) Fragment(payload []byte) (block []byte, promised uint32, ok bool) {
	pad, whole := 0, len(payload) == f.Length
	if f.Type != Continuation && f.Has(FlagPadded) {
		if len(payload) == 0 {
			return nil, 0, !whole
		}
		pad, payload = int(payload[0]), payload[1:]
	}
	skip := 0
	switch {
	case f.Type == PushPromise:
		skip = 4
		if len(payload) >= 4 {
			promised = binary.BigEndian.Uint32(payload) &^ (1 << 31)
		}
	case f.Type == Headers && f.Has(FlagPriority):
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

// ErrorName names an error code (RFC 9113, section 7).
func ErrorName(code uint32) string {
	names := [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"}
	if code < uint32(len(names)) {
		return names[code]
	}
	return fmt.Sprintf("code %#x", code)
}
