package scan

import (
	"slices"
	"strings"

	"ssltape/record/secret"
)

// A Finder collects what the sinks of one source found.
type Finder struct {
	Profile secret.Profile
	Fill    bool    // replacements have the length of what they replace
	Found   int     // values that go, so far
	URLs    bool    // replacements may hold only what URLs may
	Safe    bool    // so do those of values that are known
	Even    bool    // these have the length of what they replace
	Depth   int     // of encodings within encodings
	Memory  *Memory // learns what is found, or nil
	Family  uint64  // of the source, or 0: see [Memory.NewFamily]
	spans   []Span  // in order of discovery
	first   int64   // where the first of them begins, if there are any
	covered int64   // end of the last span that Take returned
	inner   *Trial  // of what is decoded
	outer   *Finder // of what the source is a part of, in other words, or nil
	where   func([]Span) []Span
	source  uint64               // its number in Memory, or 0
	parent  *Finder              // of what the source is a part of, in other words or not, or nil
	place   func(at int64) int64 // of its places in that of parent, or nil where they are the same
}

// Within returns the Finder of what is written in the source of outer in other
// words. What it finds goes to outer, and stands there where where says.
func Within(outer *Finder, where func([]Span) []Span) Finder {
	return Finder{Profile: outer.Profile, Depth: outer.Depth, outer: outer, where: where}
}

// Redact takes out the value that stands at places, and learns it. Where it stands in
// several the replacement begins in the first one.
func (s *Finder) Redact(places []Span, value []byte, k Shape) {
	if s.outer != nil {
		s.outer.Redact(s.where(places), value, k)
		return
	}
	if s.Memory != nil && k != Message && len(places) > 0 && !IsStandIn(value) {
		s.Memory.learn(value, s, places[len(places)-1].Stop())
	}
	s.Hide(places, value, k)
}

// Hide is Redact of a value that may be another thing elsewhere.
func (s *Finder) Hide(places []Span, value []byte, k Shape) {
	if s.outer != nil {
		s.outer.Hide(s.where(places), value, k)
		return
	}
	if IsStandIn(value) {
		return
	}
	id := ""
	if !s.Fill || len(places) > 1 || len(places) == 1 && places[0].N >= minFilled {
		id = Identify(value)
	}
	s.Stand(places, k, len(value), id)
}

// Stand puts at places what stands for a value of size bytes.
func (s *Finder) Stand(places []Span, k Shape, size int, id string) {
	if s.outer != nil {
		s.outer.Stand(s.where(places), k, size, id)
		return
	}
	if len(places) == 0 {
		return
	}
	s.Found++
	if s.URLs && (k == InText || k == Message) {
		k = InURL
	}
	if !s.Fill {
		places[0].Text = k.placeholder(size, id)
		for _, p := range places {
			s.Add(p)
		}
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
	if n := len(s.spans); n+len(places) > cap(s.spans) {
		s.spans = slices.Grow(s.spans, n+len(places)) // twice as many
	}
	for _, p := range places {
		p.Text, text = text[:p.N], text[p.N:]
		s.Add(p)
	}
}

// Add adds p to what was found.
func (s *Finder) Add(p Span) {
	if len(s.spans) == 0 || p.At < s.first {
		s.first = p.At
	}
	s.spans = append(s.spans, p)
}

// Discard takes out places for which the replacement comes later.
func (s *Finder) Discard(places []Span) {
	if s.outer != nil {
		s.outer.Discard(s.where(places))
		return
	}
	for _, p := range places {
		if s.Fill {
			p.Text = strings.Repeat("*", p.N)
		}
		s.Add(p)
	}
}

// Take returns the spans that end at or before limit, in order and without
// overlaps, and forgets them. Nothing that is found later may begin before
// limit: what a sink has pending is the limit, or Settled at its end.
func (s *Finder) Take(limit int64) []Span {
	if limit < s.Next() || len(s.spans) == 0 {
		return nil
	}
	slices.SortStableFunc(s.spans, func(a, b Span) int { return int(min(max(a.At-b.At, -1), 1)) })
	k := 0 // those that go
	for k < len(s.spans) && s.spans[k].Stop() <= limit {
		k++
	}
	out := s.spans[:k:k]
	if s.spans = slices.Clone(s.spans[k:]); len(s.spans) > 0 {
		s.first = s.spans[0].At
	}
	return s.withoutOverlap(out)
}

// Next returns the place of the first span that Take has not returned, or
// Settled.
func (s *Finder) Next() int64 {
	if len(s.spans) == 0 {
		return Settled
	}
	return s.first
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

// Reset makes s begin anew with another source, of which nothing was found yet. The
// sinks that report to it have to be at their end.
func (s *Finder) Reset() {
	s.Found, s.URLs, s.spans, s.first, s.covered = 0, false, nil, 0, 0
	s.source, s.Family = 0, 0
}

// Clean reports whether there is nothing in p, which was decoded, that goes. It
// is scanned on its own by what sink makes.
func (s *Finder) Clean(p []byte, sink func(*Finder) Sink) bool {
	if s.inner == nil {
		s.inner = NewTrial(s.Decoded(), sink)
	}
	return s.inner.Clean(p)
}

// Decoded returns a Finder for what is decoded of the text of s.
func (s *Finder) Decoded() *Finder { return &Finder{Profile: s.Profile, Depth: s.Depth + 1} }
