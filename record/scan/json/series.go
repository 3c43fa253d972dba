package json

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A series is what is known of a value of several, one after the other or in a
// list, each of which has a piece of a string, or of an event.
type series struct {
	on     bool // the one under way is a delta
	each   bool // the values are such
	model  bool // the key "model" came in the value under way
	braces int  // open in it
}

// brace takes the beginning or the end of an object.
func (d *deltas) brace(c byte) {
	if c == '{' {
		d.braces++
		return
	}
	if d.braces--; d.braces <= 0 {
		d.braces, d.model, d.on = 0, false, false
		d.path = d.path[:0]
	}
}

// NewSeries returns the sink for JSON values one after the other, or a list of
// them. As in events strings that arrive in pieces go on from value to value.
func NewSeries(s *scan.Finder) scan.Sink {
	d := NewEventData(s)
	d.deltas.each = true
	return &stream{d}
}

// A stream is the sink for a series.
type stream struct{ *EventData }

// Write implements [scan.Sink].
func (t *stream) Write(p []byte, at int64, n int) {
	for tries := 0; len(p) > 0 && len(p) == n && t.s.Profile == secret.Secrets && (tries < patience || t.deltas.heads[0] != nil); tries++ {
		k := t.line(p, at)
		p, at, n = p[k:], at+int64(k), n-k
	}
	if n > 0 {
		t.lexer.Write(p, at, n)
	}
}

// line takes p up to the end of a line, and returns how much that is.
func (t *stream) line(p []byte, at int64) int {
	k := bytes.IndexByte(p, '\n') + 1
	if k == 0 {
		k = len(p)
	}
	i := 0
	if p[0] == '{' && t.state == outside && t.deltas.braces == 0 { // a value begins
		i = t.quick(bytes.TrimRight(p[:k], "\r\n"), at)
	}
	t.lexer.Write(p[i:k], at+int64(i), k-i)
	return k
}

// NewDocument returns the sink for JSON that may be a list of pieces.
func NewDocument(s *scan.Finder) scan.Sink { return &document{s: s} }

// A document is the sink for JSON that may be a series.
type document struct {
	s      *scan.Finder
	is     scan.Sink // what it is, once that is known
	value  scan.Sink // what it is if it is none; made when it is first needed
	series scan.Sink // the same if it is one
}

// Write implements [scan.Sink].
func (d *document) Write(p []byte, at int64, n int) {
	if d.is == nil {
		k := char.Run(p, char.IsLead)
		if k == len(p) {
			return
		}
		d.begin(p[k] == '[')
	}
	d.is.Write(p, at, n)
}

// begin begins a series, or a value that is none.
func (d *document) begin(series bool) {
	switch {
	case series && d.series == nil:
		d.series = NewSeries(d.s)
	case !series && d.value == nil:
		d.value = New(d.s)
	}
	if d.is = d.value; series {
		d.is = d.series
	}
}

// End implements [scan.Sink].
func (d *document) End() {
	if d.is != nil {
		d.is.End()
	}
	d.is = nil
}

// Pending implements [scan.Sink].
func (d *document) Pending() int64 {
	if d.is == nil {
		return scan.Settled
	}
	return d.is.Pending()
}

// A Parts is the sink for lines that have a letter or digit, a colon and JSON, as
// the data streams of Vercel's AI SDK: strings with the same letter go on from line
// to line.
type Parts struct {
	data  *EventData
	head  []byte // the letter and the colon
	begun bool   // JSON came after them
}

// NewParts returns a Parts that reports to s.
func NewParts(s *scan.Finder) *Parts { return &Parts{data: NewEventData(s)} }

// IsParts reports whether a body that begins with p is of such lines, and whether
// it may be when more has come.
func IsParts(p []byte) (yes, maybe bool) {
	if len(p) == 0 || !char.IsLowerOrDigit(p[0]) || len(p) > 1 && p[1] != ':' {
		return false, len(p) == 0
	}
	if len(p) < 3 {
		return false, true
	}
	return bytes.IndexByte([]byte("\"{["), p[2]) >= 0, false
}

// Write implements [scan.Sink].
func (t *Parts) Write(p []byte, at int64, n int) {
	for len(p) > 0 && len(p) == n {
		k := 1
		switch {
		case p[0] == '\n':
			t.data.Next()
			t.head, t.begun = t.head[:0], false
		case len(t.head) < 2:
			t.head = append(t.head, p[0])
		default:
			if !t.begun {
				if t.data.deltas.root = 0; p[0] == '"' {
					t.data.deltas.root = t.head[0]
				}
				t.begun = true
			}
			if k = bytes.IndexByte(p, '\n'); k < 0 {
				k = len(p)
			}
			t.data.lexer.Write(p[:k], at, k)
		}
		p, at, n = p[k:], at+int64(k), n-k
	}
	if len(p) > 0 || n > 0 {
		t.data.lexer.Write(p, at, n)
	}
}

// End implements [scan.Sink].
func (t *Parts) End() {
	t.data.End()
	t.head, t.begun = t.head[:0], false
}

// Pending implements [scan.Sink].
func (t *Parts) Pending() int64 { return t.data.Pending() }
