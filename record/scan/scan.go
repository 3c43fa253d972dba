package scan

import (
	"math"
	"slices"
	"strings"
)

// Limits of what a scan holds back until it can decide.
const (
	maxValue = 64 << 10 // of a value whose end has not come; it goes in any case
	maxToken = 32 << 10 // of a run without a space; longer ones are judged in overlapping parts
	overlap  = 4 << 10  // the part of a long run that is judged twice
)

// Settled is what Pending returns where nothing is held back.
const Settled = math.MaxInt64

// A Sink is a stage of a scan. It is given text and told where that stands in
// the source, and reports what has to go to its [Finder].
type Sink interface {
	// Write gives the text that follows, which stands in the n bytes of the
	// source from at on: byte for byte where n is len(p), else all of p for all
	// of the n bytes, as with an escape. Where p is empty the n bytes belong to
	// the last text written. at grows from call to call; the bytes between are
	// not text. p is valid during the call.
	Write(p []byte, at int64, n int)
	// End says that the text is over. The next Write begins another one.
	End()
	// Pending returns the position in the source from which on bytes may yet
	// have to go, or Settled.
	Pending() int64
}

// A Span says that N bytes of the source from At on are to be replaced by Text.
type Span struct {
	At   int64
	N    int
	Text string
}

// Stop returns the place after s.
func (s Span) Stop() int64 { return s.At + int64(s.N) }

// A Finder collects what the sinks of one source found.
type Finder struct {
	Profile Profile
	Fill    bool   // replacements have the length of what they replace
	Found   int    // values that go, so far
	urls    bool   // they may hold only what URLs may
	depth   int    // of encodings within encodings
	spans   []Span // in order of discovery
	covered int64  // end of the last span that Take returned
}

// A piece is a run of source bytes and the text[from:to] that they stand for.
type piece struct {
	from, to int
	at       int64
	n        int
}

// A Held is text that cannot be judged yet, with its places in the source.
type Held struct {
	Text   []byte
	pieces []piece
}

// Add appends text as [Sink.Write] is given it.
func (h *Held) Add(p []byte, at int64, n int) {
	from := len(h.Text)
	h.Text = append(h.Text, p...)
	if k := len(h.pieces) - 1; k >= 0 && len(p) == n {
		if l := &h.pieces[k]; l.to-l.from == l.n && l.n > 0 && l.at+int64(l.n) == at {
			l.to, l.n = len(h.Text), l.n+n
			return
		}
	}
	h.pieces = append(h.pieces, piece{from, len(h.Text), at, n})
}

// Reset empties h and keeps its memory, if that is not much.
func (h *Held) Reset() {
	if cap(h.Text) > maxToken {
		h.Text = nil
	}
	h.Text, h.pieces = h.Text[:0], h.pieces[:0]
}

// Drop removes the first n bytes of text.
func (h *Held) Drop(n int) {
	h.Text = h.Text[:copy(h.Text, h.Text[n:])]
	kept := h.pieces[:0]
	for _, p := range h.pieces {
		p.from, p.to = p.from-n, p.to-n
		if p.to <= 0 {
			continue
		}
		if p.from < 0 {
			if p.to-p.from == p.n {
				p.at, p.n = p.at-int64(p.from), p.n+p.from
			}
			p.from = 0
		}
		kept = append(kept, p)
	}
	h.pieces = kept
}

// Start returns the place of the first byte of text[from:], or Settled.
func (h *Held) Start(from int) int64 {
	for _, p := range h.pieces {
		if p.to > from {
			if p.to-p.from == p.n {
				return p.at + int64(max(from-p.from, 0))
			}
			return p.at
		}
	}
	return Settled
}

// Feed gives Text[from:to] to a Sink's Write or a Held's Add.
func (h *Held) Feed(write func(p []byte, at int64, n int), from, to int) {
	for _, p := range h.pieces {
		lo, hi := max(from, p.from), min(to, p.to)
		switch {
		case p.from == p.to && from < p.from && p.from <= to:
			write(nil, p.at, p.n)
		case lo >= hi:
		case p.to-p.from == p.n:
			write(h.Text[lo:hi], p.at+int64(lo-p.from), hi-lo)
		default:
			write(h.Text[lo:hi], p.at, p.n)
		}
	}
}

// Places returns the runs of the source that Text[from:to] stands in.
func (h *Held) Places(from, to int) []Span {
	var out []Span
	for _, p := range h.pieces {
		empty := p.from == p.to && from < p.from && p.from <= to // goes with the byte before it
		if !empty && (p.to <= from || p.from >= to) {
			continue
		}
		s := Span{At: p.at, N: p.n}
		if p.to-p.from == p.n {
			lo, hi := max(from, p.from), min(to, p.to)
			s = Span{At: p.at + int64(lo-p.from), N: hi - lo}
		}
		if k := len(out) - 1; k >= 0 && out[k].Stop() == s.At {
			out[k].N += s.N
			continue
		}
		out = append(out, s)
	}
	return out
}

// redact takes out the value that stands at places. Where it stands in several
// the replacement begins in the first one.
func (s *Finder) redact(places []Span, value []byte, k shape) {
	if !isStandIn(value) {
		s.stand(places, k, len(value), identify(value))
	}
}

// stand puts at places what stands for a value of size bytes.
func (s *Finder) stand(places []Span, k shape, size int, id string) {
	if len(places) == 0 {
		return
	}
	s.Found++
	if s.urls && (k == inText || k == message) {
		k = inURL
	}
	if !s.Fill {
		places[0].Text = k.placeholder(size, id)
		s.spans = append(s.spans, places...)
		return
	}
	total := 0
	for _, p := range places {
		total += p.N
	}
	s.Put(places, k.filler(total, size, id))
}

// Put puts at places text, which is as long as they are.
func (s *Finder) Put(places []Span, text string) {
	for _, p := range places {
		p.Text, text = text[:p.N], text[p.N:]
		s.spans = append(s.spans, p)
	}
}

// discard takes out places for which the replacement comes later.
func (s *Finder) discard(places []Span) {
	for _, p := range places {
		if s.Fill {
			p.Text = strings.Repeat("*", p.N)
		}
		s.spans = append(s.spans, p)
	}
}

// Take returns the spans that end at or before limit, in order and without
// overlaps, and forgets them.
func (s *Finder) Take(limit int64) []Span {
	if len(s.spans) == 0 {
		return nil
	}
	slices.SortStableFunc(s.spans, func(a, b Span) int { return int(min(max(a.At-b.At, -1), 1)) })
	k := 0 // those that go
	for k < len(s.spans) && s.spans[k].Stop() <= limit {
		k++
	}
	out := s.spans[:k:k]
	s.spans = slices.Clone(s.spans[k:])
	return s.withoutOverlap(out)
}

// Next returns the place of the first span that Take has not returned, or
// Settled.
func (s *Finder) Next() int64 {
	next := int64(Settled)
	for _, p := range s.spans {
		next = min(next, p.At)
	}
	return next
}

// withoutOverlap cuts spans that two stages found, such as a key within a
// base64 text that goes as a whole, to what is not covered yet.
func (s *Finder) withoutOverlap(spans []Span) []Span {
	out := spans[:0]
	for _, p := range spans {
		if p.Stop() <= s.covered {
			continue
		}
		if p.At < s.covered {
			cut := int(s.covered - p.At)
			p.At, p.N = s.covered, p.N-cut
			if s.Fill {
				p.Text = p.Text[cut:]
			} else {
				p.Text = ""
			}
		}
		s.covered = p.Stop()
		out = append(out, p)
	}
	return out
}

// Replace appends to dst what becomes of src, which stands at at, when spans
// are replaced.
func Replace(dst, src []byte, at int64, spans []Span) []byte {
	for _, s := range spans {
		i := int(s.At - at)
		dst = append(dst, src[:i]...)
		dst = append(dst, s.Text...)
		src, at = src[i+s.N:], s.Stop()
	}
	return append(dst, src...)
}
