package frame

import "encoding/binary"

// Opcodes of WebSocket frames (RFC 6455, section 11.8).
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
)

const (
	maxControl = 125  // bytes of a control frame's payload, RFC 6455, section 5.5
	reserved   = 0x30 // bits that no extension uses: RSV2 and RSV3
)

// WebSocket is the header of a WebSocket frame (RFC 6455, section 5.2).
type WebSocket struct {
	Final      bool
	Compressed bool // RSV1: the first frame of a compressed message (RFC 7692, section 6)
	Reserved   byte // the other bits of extensions, where they are
	Opcode     byte
	Masked     bool
	Key        [4]byte // of the mask; zeros where there is none
	Length     int64   // of the payload; negative where its first bit is set, which must not be
	Size       int     // of the header
}

// ParseWebSocket reads the header of a frame, whatever it says. more says that p
// ends before the header does: then Length and Key are not known, nor anything
// with less than two bytes.
func ParseWebSocket(p []byte) (f WebSocket, more bool) {
	if len(p) < 2 {
		return f, true
	}
	f.Final, f.Compressed, f.Reserved, f.Opcode = p[0]&0x80 != 0, p[0]&0x40 != 0, p[0]&reserved, p[0]&0xf
	f.Masked, f.Length, f.Size = p[1]&0x80 != 0, int64(p[1]&0x7f), 2
	switch f.Length {
	case 126:
		f.Size = 4
	case 127:
		f.Size = 10
	}
	extended := f.Size
	if f.Masked {
		f.Size += 4
	}
	if len(p) < f.Size {
		return f, true
	}
	switch extended {
	case 4:
		f.Length = int64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		f.Length = int64(binary.BigEndian.Uint64(p[2:]))
	}
	copy(f.Key[:], p[extended:f.Size])
	return f, false
}

// IsControl reports whether f is of a control frame, which may stand between the
// frames of a message.
func (f *WebSocket) IsControl() bool { return f.Opcode&0x8 != 0 }

// Valid reports whether f may stand where a frame starts, by what its first two
// bytes say (RFC 6455, section 5).
func (f *WebSocket) Valid() bool {
	switch {
	case f.Reserved != 0, f.Opcode > OpBinary && f.Opcode < OpClose, f.Opcode > OpPong:
		return false
	case f.IsControl():
		return f.Final && !f.Compressed && f.extended() == 0
	}
	return true
}

// ValidLength reports whether the length of f, which is known, is one, and is
// written in the shortest form, as it has to be.
func (f *WebSocket) ValidLength() bool {
	switch f.extended() {
	case 2:
		return f.Length > maxControl
	case 8:
		return f.Length > 0xffff
	}
	return true
}

// extended returns how many bytes the length takes after the second one.
func (f *WebSocket) extended() int {
	n := f.Size - 2
	if f.Masked {
		n -= 4
	}
	return n
}

// ReadWebSocket is ParseWebSocket where p need not be a frame. ok says that p
// may start with this header; where it is false for what the first two bytes
// say, only these were looked at and Size is 2.
func ReadWebSocket(p []byte) (f WebSocket, ok, more bool) {
	f, more = ParseWebSocket(p)
	if f.Size > 0 && !f.Valid() {
		f.Size = 2
		return f, false, false
	}
	return f, !more && f.ValidLength(), more
}

// XOR puts the mask on p, or takes it off, where p begins at pos in the payload.
func (f *WebSocket) XOR(p []byte, pos int64) {
	if !f.Masked {
		return
	}
	for i := range p {
		p[i] ^= f.Key[(pos+int64(i))&3]
	}
}
