package body

import (
	"ssltape/record/scan"
	"ssltape/record/scan/json"
)

// maxPacked is the length of the longest encoded body that is looked into. A
// longer one goes unseen.
const maxPacked = 8 << 20

// maxKept is how much memory is kept for the text that comes next.
const maxKept = 256 << 10

// An Unpack looks into text that is encoded as a whole, and ends at at. It returns what is to
// stand instead, of the same length or else of none, or nil where nothing has
// to go; ok is false where the text turned out not to be encoded.
type Unpack func(p []byte, at int64) (instead []byte, ok bool)

// A Begins reports whether text that begins with p, and goes on, may be encoded.
type Begins func(p []byte) bool

// A Packed is the sink for text that is encoded as a whole, so that nothing can
// be replaced within. If there is a secret in it all of it goes.
type Packed struct {
	s      *scan.Finder
	unpack Unpack
	begins Begins
	h      scan.Held
	raw    scan.Sink // for what turns out not to be encoded
	is     scan.Sink // what is left of it, once that is known before its end; else nil
	size   int       // of what was discarded
	end    int64     // where the text ends
	gone   bool      // it is too long to be looked at
}

// NewPacked returns a Packed. What is not encoded goes to raw. Where begins is nil
// nothing shows that before the end.
func NewPacked(s *scan.Finder, unpack Unpack, begins Begins, raw scan.Sink) *Packed {
	return &Packed{s: s, unpack: unpack, begins: begins, raw: raw}
}

// Write implements [scan.Sink].
func (p *Packed) Write(b []byte, at int64, n int) {
	if k := maxPacked - len(p.h.Text); !p.gone && p.is == nil && n > k && len(b) == n {
		p.h.Add(b[:k], at, k)
		p.GiveUp()
		b, at, n = b[k:], at+int64(k), n-k
	}
	if p.is != nil {
		p.is.Write(b, at, n)
		return
	}
	p.end = at + int64(n)
	if p.h.Add(b, at, n); p.gone {
		p.discard()
	}
}

// discard takes out what came so far.
func (p *Packed) discard() {
	n := len(p.h.Text)
	if p.size == 0 {
		p.s.Redact(p.h.Places(0, n), p.h.Text, scan.InText)
	} else {
		p.s.Discard(p.h.Places(0, n))
	}
	p.size += n
	p.h.Reset()
}

// End implements [scan.Sink].
func (p *Packed) End() {
	if p.is != nil {
		p.is.End()
		p.is = nil
		return
	}
	n := len(p.h.Text)
	if n > 0 {
		instead, ok := p.unpack(p.h.Text, p.end)
		switch {
		case !ok && instead == nil:
			p.h.Feed(p.raw.Write, 0, n)
			p.raw.End()
		case instead == nil:
		case len(instead) == n && p.s.Fill:
			p.s.Found++
			p.s.Put(p.h.Places(0, n), string(instead))
		default:
			p.s.Redact(p.h.Places(0, n), p.h.Text, scan.InText)
		}
	}
	text := p.h.Text[:0]
	if p.h.Reset(); cap(text) <= maxKept {
		p.h.Text = text
	}
	p.size, p.gone = 0, false
}

// Pending implements [scan.Sink].
func (p *Packed) Pending() int64 {
	if p.is != nil {
		return p.is.Pending()
	}
	return p.h.Start(0)
}

// GiveUp takes out all of it rather than wait for the end, unless its beginning
// shows that it is not encoded.
func (p *Packed) GiveUp() {
	switch {
	case p.is != nil:
		p.is.End()
		p.is = json.New(p.s)
		return
	case !p.gone && p.begins != nil && !p.begins(p.h.Text):
		p.is = p.raw
		p.h.Feed(p.is.Write, 0, len(p.h.Text))
		p.h.Reset()
		return
	}
	p.gone = true
	p.discard()
}
