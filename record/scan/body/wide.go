package body

import (
	"strings"

	"ssltape/record/scan"
)

// A wide is the sink for a body in UTF-16. The sink within is given a byte for
// each unit, and what it finds becomes UTF-16 again.
type wide struct {
	s     *scan.Finder
	inner scan.Finder
	is    scan.Sink
	big   bool  // the more significant byte comes first
	base  int64 // of the units
	begun bool
	half  scan.Held // the first byte of a unit
	text  []byte
}

// NewWide returns the sink for a body in UTF-16, big-endian or not.
func NewWide(s *scan.Finder, contentType string, big bool) scan.Sink {
	w := &wide{s: s, inner: scan.Finder{Profile: s.Profile, Fill: s.Fill}, big: big}
	media, _, _ := strings.Cut(contentType, ";")
	w.inner.PartOf(s, func(unit int64) int64 { return w.base + 2*unit })
	w.is = newBody(&w.inner, media, 0)
	return w
}

// Write implements [scan.Sink].
func (w *wide) Write(p []byte, at int64, n int) {
	if !w.begun {
		w.begun, w.base = true, at
	}
	w.text = w.text[:0]
	unit := (at - w.base) / 2
	for i, c := range p {
		if len(w.half.Text) == 0 {
			w.half.Add(p[i:i+1], at+int64(i), 1)
			continue
		}
		high, low := w.half.Text[0], c
		if !w.big {
			high, low = low, high
		}
		if high != 0 {
			low = 0xff // a letter that is not ASCII
		}
		w.half.Reset()
		w.text = append(w.text, low)
	}
	w.is.Write(w.text, unit, len(w.text))
	w.pass()
}

// pass hands on what was found.
func (w *wide) pass() {
	for _, s := range w.inner.Take(w.is.Pending()) {
		text := make([]byte, 0, 2*len(s.Text))
		for i := range len(s.Text) {
			if w.big {
				text = append(text, 0, s.Text[i])
			} else {
				text = append(text, s.Text[i], 0)
			}
		}
		w.s.Found++
		w.s.Add(scan.Span{At: w.base + 2*s.At, N: 2 * s.N, Text: string(text)})
	}
}

// End implements [scan.Sink].
func (w *wide) End() {
	w.is.End()
	w.pass()
	w.inner.Reset() // the units of what comes next are counted anew
	w.begun = false
	w.half.Reset()
}

// Pending implements [scan.Sink].
func (w *wide) Pending() int64 {
	p := min(w.is.Pending(), w.inner.Next())
	if p != scan.Settled {
		p = w.base + 2*p
	}
	return min(p, w.half.Start(0))
}
