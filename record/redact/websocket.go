package redact

import (
	"bytes"
	"math"

	"ssltape/record/frame"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
	"ssltape/record/scan/json"
)

// A webSocket is the sink for one direction of a WebSocket connection (RFC
// 6455). Messages are unmasked to be scanned, and what stands for a secret is
// masked as its place was. Of the extensions compression is known (RFC 7692);
// messages with another one are not looked into.
type webSocket struct {
	scan    *scan.Finder
	inner   scan.Finder // of the messages without their masks
	message *body.Messages
	control scan.Sink // for the payload of control frames
	masks   masked    // of that of the last one
	head    []byte
	headAt  int64
	frame   frame.WebSocket // under way
	left    int64           // bytes to come of the payload; -1 in the head of a frame
	payload []masked
	plain   scan.Held // what is under the masks and not decided
	ends    int64     // where that ends
	deflate *deflater // nil where messages are not compressed
	packed  packed    // the compressed message under way
}

// A packed is a compressed message that is looked into once it is complete.
type packed struct {
	open  bool
	gone  bool // it was too long and goes
	at    int64
	first byte    // of its first frame, which is at at
	key   [4]byte // of the frame under way
	text  []byte  // what came
	runs  []masked
}

// bitCompressed is in the first byte of the first frame of a message that is
// compressed (RFC 7692, section 6).
const bitCompressed = 0x40

// masked is a run of payload bytes and the mask that is on them.
type masked struct {
	from, to int64
	key      [4]byte // by position in the stream
}

// newWebSocket returns the sink for one direction, in which messages are
// compressed unless d is nil.
func newWebSocket(f *scan.Finder, d *deflater) *webSocket {
	w := &webSocket{scan: f, deflate: d, inner: scan.Finder{Profile: f.Profile, Fill: true}, left: -1}
	w.inner.PartOf(f, nil)
	w.message, w.control = body.NewMessages(&w.inner), json.NewLoose(&w.inner)
	return w
}

func (w *webSocket) Write(p []byte, at int64, _ int) {
	for len(p) > 0 {
		n := 1
		if w.left < 0 {
			if w.head = append(w.head, p[0]); len(w.head) == 1 {
				w.headAt = at
			}
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
	f, more := frame.ParseWebSocket(w.head)
	if more {
		return
	}
	w.frame, w.left = f, f.Length&math.MaxInt64
	run := masked{from: at, to: at + min(w.left, math.MaxInt64-at)}
	for i, c := range f.Key {
		run.key[(at+int64(i))%4] = c
	}
	switch k := &w.packed; {
	case w.deflate != nil && !k.open && f.Compressed && f.Reserved == 0 && f.Opcode <= frame.OpBinary:
		*k = packed{open: true, at: w.headAt, first: w.head[0], key: run.key, text: k.text[:0], runs: k.runs[:0]}
	case k.open && w.isPlain() && f.Opcode == frame.OpContinuation:
		k.key = run.key
	case w.isPlain():
		w.payload = append(w.payload, run)
	case f.IsControl():
		w.masks = run
	}
	w.head = w.head[:0]
}

// isPlain reports whether the frame under way is of a message, and no extension
// has changed that.
func (w *webSocket) isPlain() bool {
	return w.frame.Opcode <= frame.OpBinary && !w.frame.Compressed && w.frame.Reserved == 0
}

// data takes payload.
func (w *webSocket) data(p []byte, at int64) {
	if w.packed.open && !w.frame.IsControl() {
		w.pack(p, at)
		return
	}
	is, key := w.control, w.masks.key
	switch {
	case w.frame.IsControl():
	case w.isPlain():
		is, key = w.message, w.payload[len(w.payload)-1].key
	default:
		return
	}
	text := make([]byte, len(p))
	for i, c := range p {
		text[i] = c ^ key[(at+int64(i))%4]
	}
	if w.frame.Masked { // else it is seen as it passes
		w.plain.Add(text, at, len(text))
		w.ends = at + int64(len(text))
	}
	is.Write(text, at, len(text))
}

func (w *webSocket) endFrame() {
	w.left = -1
	if w.frame.IsControl() {
		w.control.End()
		w.pass() // before the masks of another one come
	}
	if w.packed.open && !w.frame.IsControl() {
		if w.frame.Final {
			w.unpack()
		}
		return
	}
	if w.frame.Final && w.isPlain() {
		w.message.Next()
	}
}

// pack takes payload of a compressed message.
func (w *webSocket) pack(p []byte, at int64) {
	k := &w.packed
	for i, c := range p {
		k.text = append(k.text, c^k.key[(at+int64(i))%4])
	}
	k.runs = append(k.runs, masked{at, at + int64(len(p)), k.key})
	if k.gone || len(k.text) > maxPackedMessage {
		w.omit()
	}
}

// maxPackedMessage is the length of the longest compressed message that is
// looked into.
const maxPackedMessage = 8 << 20

// unpack looks into the compressed message, which is complete.
func (w *webSocket) unpack() {
	if k := &w.packed; k.gone {
		w.omit()
	} else {
		w.write(w.deflate.add(*k))
	}
	w.packed.open = false
}

// write puts what stands for messages that are decided in their places.
func (w *webSocket) write(decided []deflated) {
	for _, m := range decided {
		instead, isPlain := w.deflate.write(m)
		if isPlain {
			w.put(m.at, []byte{m.first &^ bitCompressed}, [4]byte{})
		}
		w.spread(m.runs, instead)
	}
}

// omit takes out what came of the compressed message, and with that what later
// ones refer to.
func (w *webSocket) omit() {
	k := &w.packed
	w.write(w.deflate.end())
	if !k.gone {
		w.put(k.at, []byte{k.first &^ bitCompressed}, [4]byte{})
	}
	w.spread(k.runs, bytes.Repeat([]byte("*"), len(k.text)))
	k.runs = k.runs[:0]
	k.gone, w.deflate.lost = true, true
	k.text = k.text[:0]
}

// spread puts text, if it is not nil, in the place of runs.
func (w *webSocket) spread(runs []masked, text []byte) {
	for _, run := range runs {
		if n := int(run.to - run.from); n <= len(text) {
			w.put(run.from, text[:n], run.key)
			text = text[n:]
		}
	}
}

// put puts text at a place, masked.
func (w *webSocket) put(at int64, text []byte, key [4]byte) {
	masked := make([]byte, len(text))
	for i, c := range text {
		masked[i] = c ^ key[(at+int64(i))%4]
	}
	w.scan.Found++
	w.scan.Put([]scan.Span{{At: at, N: len(masked)}}, string(masked))
}

// pass hands on what was found, masked as its place was.
func (w *webSocket) pass() {
	for _, s := range w.take() {
		text := []byte(s.Text)
		for _, m := range w.payload {
			m.mask(s.At, text)
		}
		w.masks.mask(s.At, text)
		w.scan.Found++
		w.scan.Put([]scan.Span{s}, string(text))
	}
	if k := len(w.payload) - 1; k > 0 && w.message.Pending() == scan.Settled {
		w.payload = append(w.payload[:0], w.payload[k])
	}
}

// take returns what is decided of what goes: what was found, and what is known and under a
// mask.
func (w *webSocket) take() []scan.Span {
	limit := w.pending()
	spans := w.inner.Take(limit)
	limit = min(limit, w.inner.Next())
	if len(w.plain.Text) == 0 || w.plain.Start(0) >= limit {
		return spans
	}
	var all []scan.Span
	done := 0 // of the text
	w.plain.Feed(func(p []byte, at int64, n int) {
		stop := at + int64(n)
		if at >= limit {
			return
		}
		k := 0
		for k < len(spans) && spans[k].At < stop {
			k++
		}
		p = p[:min(int64(n), limit-at)]
		over := w.left < 0 || stop < w.ends
		known, to := w.inner.Recall(spans[:k:k], p, at, over && len(p) == n)
		all, spans = append(all, known...), spans[k:]
		done += int(to - at)
	}, 0, len(w.plain.Text))
	w.plain.Drop(done)
	return append(all, spans...)
}

// mask puts the mask on what of text, which stands at at, is in m.
func (m *masked) mask(at int64, text []byte) {
	for i := max(at, m.from); i < min(at+int64(len(text)), m.to); i++ {
		text[i-at] ^= m.key[i%4]
	}
}

// pending returns the place of the first byte of messages and control frames that
// is not decided.
func (w *webSocket) pending() int64 { return min(w.message.Pending(), w.control.Pending()) }

// gap says that n bytes are missing, and returns whether it is known what comes
// after them.
func (w *webSocket) gap(n int64) bool {
	if w.deflate != nil {
		w.write(w.deflate.end())
		w.deflate.lost = true
	}
	if w.packed.open {
		w.omit()
	}
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
	if w.packed.open {
		w.omit()
		w.packed.open = false
	}
	if w.deflate != nil {
		w.write(w.deflate.end())
	}
	w.message.End()
	w.control.End()
	w.left = -1
	w.pass()
}

// Pending implements [scan.Sink].
func (w *webSocket) Pending() int64 {
	p := min(w.pending(), w.inner.Next(), w.plain.Start(0))
	if w.packed.open && !w.packed.gone {
		p = min(p, w.packed.at)
	}
	if w.deflate != nil && len(w.deflate.waiting) > 0 {
		p = min(p, w.deflate.waiting[0].at)
	}
	if w.deflate != nil && len(w.head) > 0 && w.head[0]&bitCompressed != 0 {
		p = min(p, w.headAt) // the bit may have to go
	}
	return p
}
