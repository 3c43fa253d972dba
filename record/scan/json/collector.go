package json

import (
	"ssltape/record/scan"
	"ssltape/record/secret"
)

// A Collector is the sink for a value that goes.
type Collector struct {
	s       *scan.Finder
	verdict secret.Verdict
	shape   scan.Shape
	h       scan.Held
	size    int    // of what was discarded before h
	id      string // of that
}

// NewCollector returns a collector that reports to s.
func NewCollector(s *scan.Finder) Collector { return Collector{s: s} }

// Begin begins a value.
func (c *Collector) Begin(v secret.Verdict, k scan.Shape) { c.verdict, c.shape = v, k }

// Write implements [scan.Sink].
func (c *Collector) Write(p []byte, at int64, n int) {
	for k := scan.MaxValue - len(c.h.Text); len(p) == n && n >= k; k = scan.MaxValue {
		c.h.Add(p[:k], at, k)
		c.discard()
		p, at, n = p[k:], at+int64(k), n-k
	}
	if c.h.Add(p, at, n); len(c.h.Text) >= scan.MaxValue {
		c.discard()
	}
}

// discard takes out what came so far of a value that is too long to be held.
func (c *Collector) discard() {
	if scan.IsStandIn(c.h.Text) { // it was before
		c.h.Reset()
		return
	}
	if c.size == 0 {
		c.id = scan.Identify(c.h.Text)
	}
	c.size += len(c.h.Text)
	c.s.Discard(c.h.Places(0, len(c.h.Text)))
	c.h.Reset()
}

// End implements [scan.Sink].
func (c *Collector) End() {
	v := c.h.Text
	switch {
	case c.size > 0:
		c.s.Stand(c.h.Places(0, len(v)), c.shape, c.size+len(v), c.id)
	case len(v) == 0:
	case !c.verdict.Confirms(v):
		w := NewValue(c.s)
		c.h.Feed(w.Write, 0, len(v))
		w.End()
	default:
		from := 0
		if c.shape != scan.Message {
			from = secret.Credentials(v)
		}
		c.s.Redact(c.h.Places(from, len(v)), v[from:], c.shape)
	}
	c.h.Reset()
	c.size = 0
}

// Pending implements [scan.Sink].
func (c *Collector) Pending() int64 { return c.h.Start(0) }
