package scan

import (
	"encoding/binary"
	"slices"
)

// Recall returns spans, which Take returned and which are in text, and with them those of
// the values that are known, and the place up to which text is decided: what follows it may
// be the beginning of one, unless the text is at its end. It stands at at.
func (s *Finder) Recall(spans []Span, text []byte, at int64, end bool) (all []Span, to int64) {
	if s.Memory.IsEmpty() {
		return spans, at + int64(len(text))
	}
	from, added := 0, false
	for i, p := range spans {
		if lo := int(p.At - at); lo > from {
			n := len(all)
			if all, _ = s.recall(all, &search{s.Memory, text[:lo], at, s.source, true}, from); len(all) > n && !added {
				all, added = slices.Insert(all, 0, spans[:i]...), true
			}
		}
		if from = max(from, int(p.Stop()-at)); added {
			all = append(all, p)
		}
	}
	if !added {
		all = spans
	}
	all, hold := s.recall(all, &search{s.Memory, text, at, s.source, end}, from)
	return all, at + int64(hold)
}

// recall appends to spans those of the values in the text from the given place on, and
// returns them and the place of what may become one.
func (s *Finder) recall(spans []Span, in *search, from int) ([]Span, int) {
	for {
		r := in.next(from)
		if r.of == nil {
			return spans, r.from
		}
		s.Found++
		spans = append(spans, Span{At: in.at + int64(r.from), N: r.to - r.from, Text: s.standInOf(r)})
		from = r.to
	}
}

// standInOf returns what stands for r.
func (s *Finder) standInOf(r recollection) string {
	shape, id := InText, Identify([]byte(r.of.value))
	if s.Safe {
		shape = InURL
	}
	if s.Fill || s.Even {
		return shape.filler(r.to-r.from, len(r.of.value), id)
	}
	return shape.placeholder(len(r.of.value), id)
}

// Knows reports whether there is a known value in text, which stands at at, and returns the
// place up to which text is decided, as Recall does.
func (s *Finder) Knows(text []byte, at int64, end bool) (known bool, to int64) {
	if s.Memory.IsEmpty() {
		return false, at + int64(len(text))
	}
	r := (&search{s.Memory, text, at, s.source, end}).next(0)
	return r.of != nil, at + int64(r.from)
}

// A search looks for known values in a text.
type search struct {
	m      *Memory
	text   []byte
	at     int64  // where it stands
	source uint64 // in which, or 0
	end    bool   // nothing comes after it
}

// A recollection is a value that stands in a text: text[from:to], or where of is nil, what
// may become one.
type recollection struct {
	from, to int
	of       *known
}

// next returns the first value in the text from the given place on, and of those that begin
// there the longest one. Where the text goes on what it ends with may become one.
func (s *search) next(from int) recollection {
	x, text, q := s.m.index, s.text, from
	for ; q+gramLen <= len(text); q += x.stride {
		g := binary.LittleEndian.Uint32(text[q:])
		if h := hashOf(g); x.bits[h/64]>>(h%64)&1 != 0 {
			if r := s.around(q, g, from); r.from < len(text) {
				return r
			}
		}
	}
	if !s.end {
		for at := max(q-x.stride+1, from); at < len(text); at++ {
			for _, i := range x.first[text[at]] {
				if p := s.m.patterns[i]; s.begins(p, at) && s.may(p.of, at) {
					return recollection{from: at, to: len(text)}
				}
			}
		}
	}
	return recollection{from: len(text), to: len(text)}
}

// around returns the first of the values that have the gram g of the text at q, and begin
// at the given place or after it, or what begins at the end of the text.
func (s *search) around(q int, g uint32, from int) recollection {
	x, best := s.m.index, recollection{from: len(s.text), to: len(s.text)}
	for i := x.last[hashOf(g)/64]; i >= 0; i = x.grams[i].next {
		if x.grams[i].bytes != g {
			continue
		}
		p, at := s.m.patterns[x.grams[i].pattern], q-int(x.grams[i].at)
		if at < from || at > best.from || !s.may(p.of, at) {
			continue
		}
		switch to := at + len(p.text); {
		case to <= len(s.text):
			if string(s.text[at:to]) == p.text && (at < best.from || best.of != nil && to > best.to) {
				best = recollection{at, to, p.of}
			}
		case !s.end && s.begins(p, at):
			best = recollection{from: at, to: len(s.text)}
		}
	}
	return best
}

// begins reports whether text[at:] is the beginning of a value.
func (s *search) begins(p pattern, at int) bool {
	n := len(s.text) - at
	return n < len(p.text) && string(s.text[at:]) == p.text[:n]
}

// may reports whether k counts at a place in the text.
func (s *search) may(k *known, at int) bool {
	for _, o := range k.since {
		if o.source == s.source {
			return s.at+int64(at) >= o.at
		}
	}
	return true
}
