package body

import (
	"ssltape/record/scan"
	"ssltape/record/scan/field"
)

// A fields is the sink for a message within a body (RFC 9112, section 2.1): a
// start line, fields and what follows them.
type fields struct {
	s    *scan.Finder
	head scan.Held
	body scan.Sink
	over bool // the head is
}

func newFields(s *scan.Finder, body scan.Sink) *fields { return &fields{s: s, body: body} }

// Write implements [scan.Sink].
func (f *fields) Write(p []byte, at int64, n int) {
	if f.over || len(p) != n {
		f.body.Write(p, at, n)
		return
	}
	before := max(0, len(f.head.Text)-len("\n\r"))
	f.head.Add(p, at, n)
	for i, c := range f.head.Text[before:] {
		if k := before + i; c == '\n' && k > 0 && (f.head.Text[k-1] == '\n' || k > 1 && f.head.Text[k-1] == '\r' && f.head.Text[k-2] == '\n') {
			f.endHead(k + 1)
			return
		}
	}
	if len(f.head.Text) > maxPartHead {
		f.endHead(len(f.head.Text))
	}
}

// endHead ends the head after n bytes.
func (f *fields) endHead(n int) {
	f.over = true
	rest := f.head
	f.head = scan.Held{}
	rest.Feed(f.head.Add, 0, n)
	field.ScanHead(f.s, &f.head)
	rest.Feed(f.body.Write, n, len(rest.Text))
	f.head.Reset()
}

// End implements [scan.Sink].
func (f *fields) End() {
	if !f.over {
		f.endHead(len(f.head.Text))
	}
	f.over = false
	f.body.End()
}

// Pending implements [scan.Sink].
func (f *fields) Pending() int64 { return min(f.head.Start(0), f.body.Pending()) }
