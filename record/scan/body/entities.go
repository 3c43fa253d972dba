package body

import (
	"bytes"
	"html"

	"ssltape/record/scan"
	"ssltape/record/secret/char"
)

// An entities is the sink for text of markup: it decodes the references that
// stand for ASCII (HTML, section 13.5).
type entities struct {
	to scan.Sink
	h  scan.Held // a reference under way
}

// maxEntity is the length of the longest reference that is decoded.
const maxEntity = len("&#x00007e;")

// Write implements [scan.Sink].
func (e *entities) Write(p []byte, at int64, n int) {
	if len(p) != n {
		e.flush()
		e.to.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		if len(e.h.Text) > 0 || p[0] == '&' {
			e.step(p[:1], at)
		} else {
			if i = bytes.IndexByte(p, '&'); i < 0 {
				i = len(p)
			}
			e.to.Write(p[:i], at, i)
		}
		p, at = p[i:], at+int64(i)
	}
}

// step takes one character of what may be a reference.
func (e *entities) step(p []byte, at int64) {
	c := p[0]
	if len(e.h.Text) > 0 && c != ';' && c != '#' && !char.IsLetterOrDigit(c) || len(e.h.Text) == maxEntity {
		e.flush()
		e.Write(p, at, 1)
		return
	}
	if e.h.Add(p, at, 1); c != ';' {
		return
	}
	out := []byte(html.UnescapeString(string(e.h.Text)))
	if len(out) != 1 {
		e.flush()
		return
	}
	for _, s := range e.h.Places(0, len(e.h.Text)) {
		e.to.Write(out, s.At, s.N)
		out = nil
	}
	e.h.Reset()
}

// flush gives on what is no reference.
func (e *entities) flush() {
	e.h.Feed(e.to.Write, 0, len(e.h.Text))
	e.h.Reset()
}

// End implements [scan.Sink].
func (e *entities) End() {
	e.flush()
	e.to.End()
}

// Pending implements [scan.Sink].
func (e *entities) Pending() int64 { return min(e.h.Start(0), e.to.Pending()) }
