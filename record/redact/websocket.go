package redact

import (
	"encoding/binary"
	"math"

	"ssltape/record/scan"
)

// A webSocket is the sink for one direction of a WebSocket connection (RFC
// 6455). Messages are unmasked to be scanned, and what stands for a secret is
// masked as its place was. Messages with an extension, such as compression,
// are not looked into.
type webSocket struct {
	scan    *scan.Finder
	inner   scan.Finder // of the messages without their masks
	message scan.Sink
	head    []byte
	opcode  byte
	final   bool
	left    int64 // bytes to come of the payload; -1 in the head of a frame
	payload []masked
}

// masked is a run of payload bytes and the mask that is on them.
type masked struct {
	from, to int64
	key      [4]byte // by position in the stream
}

// Opcodes of frames (RFC 6455, section 5.2); those from opControl on are
// control frames, which come also between the frames of a message.
const (
	opBinary  = 0x2
	opControl = 0x8
)

func newWebSocket(f *scan.Finder) *webSocket {
	w := &webSocket{scan: f, inner: scan.Finder{Profile: f.Profile, Fill: true}, left: -1}
	w.message = scan.NewBody(&w.inner, "")
	return w
}

func (w *webSocket) Write(p []byte, at int64, _ int) {
	for len(p) > 0 {
		n := 1
		if w.left < 0 {
			w.head = append(w.head, p[0])
			w.beginFrame(at + 1)
		} else {
			n = int(min(w.left, int64(len(p))))
			w.data(p[:n], at)
			w.left -= int64(n)
		}
		if w.left == 0 {
			w.endFrame()
		}
		p, at = p[n:], at+int64(n)
	}
	w.pass()
}

// beginFrame reads the head of a frame once all of it came. The payload is at
// the given place.
func (w *webSocket) beginFrame(at int64) {
	need := 2
	if len(w.head) >= need {
		switch w.head[1] & 0x7f {
		case 126:
			need += 2
		case 127:
			need += 8
		}
		if w.head[1]&0x80 != 0 {
			need += 4
		}
	}
	if len(w.head) < need {
		return
	}
	w.final = w.head[0]&0x80 != 0
	w.opcode = w.head[0] & 0x7f // with the bits of extensions
	run := masked{from: at}
	rest := w.head[2:]
	switch n := w.head[1] & 0x7f; n {
	case 126:
		w.left, rest = int64(binary.BigEndian.Uint16(rest)), rest[2:]
	case 127:
		w.left, rest = int64(binary.BigEndian.Uint64(rest)&math.MaxInt64), rest[8:]
	default:
		w.left = int64(n)
	}
	for i, c := range rest {
		run.key[(at+int64(i))%4] = c
	}
	run.to = at + min(w.left, math.MaxInt64-at)
	if w.opcode <= opBinary {
		w.payload = append(w.payload, run)
	}
	w.head = w.head[:0]
}

// data takes payload.
func (w *webSocket) data(p []byte, at int64) {
	if w.opcode > opBinary {
		return
	}
	key := w.payload[len(w.payload)-1].key
	text := make([]byte, len(p))
	for i, c := range p {
		text[i] = c ^ key[(at+int64(i))%4]
	}
	w.message.Write(text, at, len(text))
}

func (w *webSocket) endFrame() {
	w.left = -1
	if w.final && w.opcode < opControl {
		w.message.End()
	}
}

// pass hands on what was found, masked as its place was.
func (w *webSocket) pass() {
	for _, s := range w.inner.Take(scan.Settled) {
		text := []byte(s.Text)
		for _, m := range w.payload {
			for i := max(s.At, m.from); i < min(s.Stop(), m.to); i++ {
				text[i-s.At] ^= m.key[i%4]
			}
		}
		w.scan.Found++
		w.scan.Put([]scan.Span{s}, string(text))
	}
	if k := len(w.payload) - 1; k > 0 && w.message.Pending() == scan.Settled {
		w.payload = append(w.payload[:0], w.payload[k])
	}
}

// gap says that n bytes are missing, and returns whether it is known what comes
// after them.
func (w *webSocket) gap(n int64) bool {
	if w.left < n {
		return false
	}
	if w.left -= n; w.left == 0 {
		w.endFrame()
	}
	return true
}

// End implements [scan.Sink].
func (w *webSocket) End() {
	w.message.End()
	w.pass()
}

// Pending implements [scan.Sink].
func (w *webSocket) Pending() int64 { return w.message.Pending() }
