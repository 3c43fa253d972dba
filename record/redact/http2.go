package redact

import (
	"strings"

	"golang.org/x/net/http2/hpack"

	"ssltape/record/frame"
	"ssltape/record/scan"
	"ssltape/record/scan/field"
	"ssltape/record/scan/json"
)

const (
	maxBlock   = 1 << 20 // of a field block
	maxStreams = 1000    // streams of which the body is followed
)

// An http2Stream is the sink for one direction of an HTTP/2 connection (RFC
// 9113), without the preface. Fields are replaced within their compressed form
// in such a way that the other side's table stays what it was.
type http2Stream struct {
	scan   *scan.Finder
	table  fieldTable
	head   []byte // of the frame under way, as far as it came
	left   int    // bytes to come of its payload
	pad    int    // padding at its end; -1 where its length is yet to come
	skip   int    // bytes to come before what counts
	frame  frame.HTTP2
	block  scan.Held // the field block under way
	blocks uint32    // the stream it is of
	ends   bool      // that stream ends with it
	torn   bool      // bytes of it are missing, so that the rest cannot be read
	bodies map[uint32]scan.Sink
	debug  scan.Sink // for what is said when the connection ends (RFC 9113, section 6.8)
}

func newHTTP2(f *scan.Finder) *http2Stream {
	return &http2Stream{scan: f, table: newFieldTable(), bodies: map[uint32]scan.Sink{}, debug: json.NewLoose(f)}
}

func (h *http2Stream) Write(p []byte, at int64, _ int) {
	for len(p) > 0 {
		n := 1
		switch {
		case len(h.head) < frame.HTTP2Size:
			n = min(frame.HTTP2Size-len(h.head), len(p))
			if h.head = append(h.head, p[:n]...); len(h.head) == frame.HTTP2Size {
				h.beginFrame()
			}
		case h.pad < 0:
			h.pad = int(p[0])
			h.left--
		case h.skip > 0:
			n = min(h.skip, h.left, len(p))
			h.skip -= n
			h.left -= n
		case h.left > h.pad:
			n = min(h.left-h.pad, len(p))
			h.payload(p[:n], at)
			h.left -= n
		default:
			n = min(h.left, len(p))
			h.left -= n
		}
		h.endFrame()
		p, at = p[n:], at+int64(n)
	}
}

// gap says that n bytes are missing, and returns whether it is known what comes
// after them.
func (h *http2Stream) gap(n int64) bool {
	if len(h.head) < frame.HTTP2Size || h.pad < 0 || n > int64(h.left) || h.frame.Type == frame.Data && n > int64(h.left-h.pad) {
		return false
	}
	if h.frame.Type == frame.Headers || h.frame.Type == frame.PushPromise || h.frame.Type == frame.Continuation {
		h.fields()
		h.block.Reset()
		h.torn, h.skip = true, 0
		h.table = newFieldTable() // what was lost may have changed it
	}
	h.left -= int(n)
	h.endFrame()
	return true
}

// beginFrame reads the head of a frame (RFC 9113, section 4.1).
func (h *http2Stream) beginFrame() {
	h.frame = frame.ParseHTTP2(h.head)
	h.left, h.pad, h.skip = h.frame.Length, 0, 0
	switch h.frame.Type {
	case frame.Headers, frame.PushPromise:
		h.torn = false
		h.blocks, h.ends = h.frame.Stream, h.frame.Has(frame.FlagEndStream) && h.frame.Type == frame.Headers
		if h.frame.Type == frame.PushPromise {
			h.skip = 4
		} else if h.frame.Has(frame.FlagPriority) {
			h.skip = 5
		}
		fallthrough
	case frame.Data:
		if h.frame.Has(frame.FlagPadded) && h.left > 0 {
			h.pad = -1
		}
	}
}

// payload takes what counts of the payload.
func (h *http2Stream) payload(p []byte, at int64) {
	switch h.frame.Type {
	case frame.Headers, frame.PushPromise, frame.Continuation:
		if h.torn || len(h.block.Text) >= maxBlock {
			h.omit([]scan.Span{{At: at, N: len(p)}})
			return
		}
		h.block.Add(p, at, len(p))
	case frame.GoAway:
		h.debug.Write(p, at, len(p))
	case frame.Data:
		b := h.bodies[h.frame.Stream]
		if b == nil && len(h.bodies) < maxStreams { // of which the fields were not seen
			b = json.New(h.scan)
			h.bodies[h.frame.Stream] = b
		}
		if b != nil {
			b.Write(p, at, len(p))
		}
	}
}

// omit takes out what may be a part of a value and cannot be read.
func (h *http2Stream) omit(places []scan.Span) {
	for _, p := range places {
		h.scan.Found++
		h.scan.Put([]scan.Span{p}, strings.Repeat("*", p.N))
	}
}

// endFrame acts on a frame that is complete.
func (h *http2Stream) endFrame() {
	if len(h.head) < frame.HTTP2Size || h.left > 0 {
		return
	}
	h.head = h.head[:0]
	switch h.frame.Type {
	case frame.Headers, frame.PushPromise, frame.Continuation:
		if h.frame.Has(frame.FlagEndHeaders) {
			h.endBlock()
		}
	case frame.Data:
		if h.frame.Has(frame.FlagEndStream) {
			h.endBody(h.frame.Stream)
		}
	case frame.Reset:
		h.endBody(h.frame.Stream)
	case frame.GoAway:
		h.debug.End()
	}
}

// endBlock redacts a field block and begins the body that follows it.
func (h *http2Stream) endBlock() {
	contentType, coding := h.fields()
	h.block.Reset()
	if h.ends {
		h.endBody(h.blocks)
		return
	}
	if h.bodies[h.blocks] != nil {
		return // trailers, or fields after an interim response
	}
	for id := range h.bodies {
		if len(h.bodies) < maxStreams {
			break
		}
		h.endBody(id)
	}
	h.bodies[h.blocks] = bodySink(h.scan, contentType, coding)
}

func (h *http2Stream) endBody(id uint32) {
	if b := h.bodies[id]; b != nil {
		b.End()
		delete(h.bodies, id)
	}
}

// End implements [scan.Sink].
func (h *http2Stream) End() {
	h.fields()
	h.block.Reset()
	h.debug.End()
	for id := range h.bodies {
		h.endBody(id)
	}
}

// Pending implements [scan.Sink].
func (h *http2Stream) Pending() int64 {
	p := min(h.block.Start(0), h.debug.Pending())
	for _, b := range h.bodies {
		p = min(p, b.Pending())
	}
	return p
}

// GiveUp takes out what is held back rather than wait for the end of it.
func (h *http2Stream) GiveUp() {
	for id, b := range h.bodies {
		if p, ok := b.(interface{ GiveUp() }); ok {
			p.GiveUp()
		} else if b.Pending() != scan.Settled {
			b.End()
			h.bodies[id] = json.New(h.scan)
		}
	}
}

// fields redacts the fields of a block (RFC 7541, section 6) and returns those
// that say what the body is.
func (h *http2Stream) fields() (contentType, coding string) {
	p := h.block.Text
	for i := 0; i < len(p); {
		c := p[i]
		var index, n int
		switch {
		case c&0x80 != 0:
			index, n = varint(p[i:], 7)
		case c&0xc0 == 0x40:
			index, n = varint(p[i:], 6)
		case c&0xe0 == 0x20:
			index, n = varint(p[i:], 5)
		default:
			index, n = varint(p[i:], 4)
		}
		if n == 0 {
			h.omit(h.block.Places(i, len(p)))
			return
		}
		start := i
		i += n
		var f hpack.HeaderField
		switch {
		case c&0x80 != 0:
			f, _ = h.table.field(index)
		case c&0xe0 == 0x20:
			h.table.resize(index)
			continue
		default:
			known := true
			if index > 0 {
				f, known = h.table.field(index)
			} else if f.Name, n = literal(p[i:]); n == 0 {
				h.omit(h.block.Places(start, len(p)))
				return
			}
			if index == 0 {
				h.name(f.Name, i)
				i += n
			}
			if f.Value, n = literal(p[i:]); n == 0 {
				h.omit(h.block.Places(start, len(p)))
				return
			}
			h.value(f, known, i, i+n)
			i += n
			if c&0xc0 == 0x40 {
				h.table.add(f)
			}
		}
		switch strings.ToLower(f.Name) {
		case "content-type":
			contentType = f.Value
		case "content-encoding":
			coding = f.Value
		}
	}
	return
}

// name takes out the name of a field, whose literal is at h.block.Text[from], if
// there is a secret in it. Asterisks have eight bits also in the Huffman code.
func (h *http2Stream) name(name string, from int) {
	if len(name) <= maxFieldName || field.Freely(h.scan.Profile, name) == name {
		return
	}
	length, n := varint(h.block.Text[from:], 7)
	fill := strings.Repeat("*", length)
	if h.block.Text[from]&0x80 != 0 {
		fill = string(hpack.AppendHuffmanString(nil, fill))
	}
	h.scan.Found++
	h.scan.Put(h.block.Places(from+n, from+n+length), fill)
}

// value redacts the value of f, whose literal is h.block.Text[from:to]. One with
// a name that is not known goes.
func (h *http2Stream) value(f hpack.HeaderField, known bool, from, to int) {
	length, n := varint(h.block.Text[from:], 7)
	if length == 0 {
		return
	}
	start := from + n
	name := f.Name
	if !known {
		name = "authorization"
	}
	if h.block.Text[from]&0x80 == 0 {
		redactField(h.scan, name, &h.block, start, to)
		return
	}
	for _, fill := range []bool{false, true} {
		enc, found := h.encode(hpack.HeaderField{Name: name, Value: f.Value}, h.block.Start(start), length, fill)
		if !found {
			return
		}
		if len(enc) == length {
			h.scan.Put(h.block.Places(start, to), string(enc))
			return
		}
	}
	h.scan.Put(h.block.Places(from, from+1), string(rune(h.block.Text[from]&0x7f))) // not Huffman
	h.scan.Put(h.block.Places(start, to), scan.Filler(length, f.Value))
}

// encode returns the value of a field, which stands at at, without its secrets in the
// Huffman code, padded to n bytes if it is not longer: an asterisk has eight bits (RFC
// 7541, appendix B).
func (h *http2Stream) encode(field hpack.HeaderField, at int64, n int, fill bool) (enc []byte, found bool) {
	f := scan.Finder{Profile: h.scan.Profile, Fill: fill, Safe: true}
	f.PartOf(h.scan, func(int64) int64 { return at })
	var held scan.Held
	held.Add([]byte(field.Value), 0, len(field.Value))
	redactField(&f, field.Name, &held, 0, len(field.Value))
	spans, _ := f.Recall(f.Take(scan.Settled), held.Text, 0, true)
	if len(spans) == 0 {
		return nil, false
	}
	text := string(scan.Replace(nil, held.Text, 0, spans))
	if pad := n - int(hpack.HuffmanEncodeLength(text)); pad > 0 {
		spans[0].Text += strings.Repeat("*", pad)
		text = string(scan.Replace(nil, held.Text, 0, spans))
	}
	return hpack.AppendHuffmanString(nil, text), true
}

// redactField redacts the value of a field, which is h.Text[from:to].
func redactField(f *scan.Finder, name string, h *scan.Held, from, to int) {
	if name == ":path" {
		field.ScanURL(f, h, from, to)
	} else {
		field.Scan(f, name, h, from, to)
	}
}

// varint reads an integer with a prefix of the given bits (RFC 7541, section
// 5.1) and returns its length, or 0 where it is not complete or too large.
func varint(p []byte, bits int) (v, n int) {
	if len(p) == 0 {
		return 0, 0
	}
	limit := 1<<bits - 1
	if v = int(p[0]) & limit; v < limit {
		return v, 1
	}
	for n, shift := 1, 0; n < len(p) && shift < 28; n, shift = n+1, shift+7 {
		v += int(p[n]&0x7f) << shift
		if p[n]&0x80 == 0 {
			return v, n + 1
		}
	}
	return 0, 0
}

// literal reads a string literal (RFC 7541, section 5.2) and returns its length
// with the one before it, or 0 where it is not complete or not valid.
func literal(p []byte) (s string, n int) {
	length, n := varint(p, 7)
	if n == 0 || length > len(p)-n {
		return "", 0
	}
	raw := p[n : n+length]
	if p[0]&0x80 == 0 {
		return string(raw), n + length
	}
	s, err := hpack.HuffmanDecodeToString(raw)
	if err != nil {
		return "", 0
	}
	return s, n + length
}

// A fieldTable is the table of one direction's compression (RFC 7541, section
// 2.3).
type fieldTable struct {
	static  []hpack.HeaderField
	dynamic []hpack.HeaderField // newest last
	size    int
	max     int
}

func newFieldTable() fieldTable {
	t := fieldTable{max: 4096}
	d := hpack.NewDecoder(0, func(f hpack.HeaderField) { t.static = append(t.static, f) })
	for i := range byte(61) {
		d.Write([]byte{0x80 | (i + 1)})
	}
	return t
}

func (t *fieldTable) field(index int) (f hpack.HeaderField, ok bool) {
	switch k := len(t.dynamic) + len(t.static) - index; {
	case index < 1 || k < 0:
		return f, false
	case index <= len(t.static):
		return t.static[index-1], true
	default:
		return t.dynamic[k], true
	}
}

func (t *fieldTable) add(f hpack.HeaderField) {
	t.dynamic = append(t.dynamic, f)
	t.size += int(f.Size())
	t.evict()
}

func (t *fieldTable) resize(limit int) {
	t.max = min(limit, maxBlock)
	t.evict()
}

func (t *fieldTable) evict() {
	k := 0
	for ; t.size > t.max && k < len(t.dynamic); k++ {
		t.size -= int(t.dynamic[k].Size())
	}
	t.dynamic = append(t.dynamic[:0], t.dynamic[k:]...)
}
