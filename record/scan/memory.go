package scan

import (
	"encoding/binary"
	"slices"

	"ssltape/record/secret"
)

// Limits of what a [Memory] keeps.
const (
	maxKnown   = 256 // values; then the older half of them is forgotten
	minPattern = secret.MinMemorable
	gramLen    = 4
	maxStride  = 13
)

// A Memory has the values that were taken out of a recording, so that they are found again
// where nothing tells what they are: in prose, in an echo, in a message about an error. It
// finds them as they are and in base64, hexadecimal, percent-encoded and with escapes. It
// is not for use by several goroutines. The zero Memory knows nothing.
type Memory struct {
	Version  int // grows with each value that is learned
	known    map[string]*known
	order    []*known // as they were learned
	sources  uint64   // that were told from one another
	patterns []pattern
	stride   int // between the places in a text that are looked at
	bits     [1 << (gramBits - 6)]uint64
	grams    map[uint32][]gram
	first    [256][]int32 // the patterns by their first byte
}

// A known is a value that was taken out.
type known struct {
	value  string
	family uint64   // of the sources that it was learned from
	since  []origin // in these it counts only after the place where it was found
}

// An origin is a place in a source.
type origin struct {
	source uint64
	at     int64
}

// A pattern is how a value may be written.
type pattern struct {
	text string
	of   *known
}

// A gram is gramLen bytes of a pattern: those from at on.
type gram struct {
	pattern int32
	at      int32
}

// NewFamily returns a number for sources of which one says in other words what another
// one says.
func (m *Memory) NewFamily() uint64 {
	m.sources++
	return m.sources
}

// IsEmpty reports whether nothing was learned. A nil Memory learns nothing.
func (m *Memory) IsEmpty() bool { return m == nil || len(m.patterns) == 0 }

// learn keeps value, which ends at at in the source of s, and what is known with it.
func (m *Memory) learn(value []byte, s *Finder, at int64) {
	for _, v := range secret.Memories(value) {
		k := m.known[string(v)]
		if k == nil {
			k = m.add(string(v))
			k.family = s.familyOf()
		} else if k.family != s.familyOf() {
			continue
		}
		place := at
		for f := s; f != nil; f = f.parent {
			source := f.sourceOf()
			if !slices.ContainsFunc(k.since, func(o origin) bool { return o.source == source }) {
				k.since = append(k.since, origin{source, place})
			}
			if f.place != nil {
				place = f.place(place)
			}
		}
	}
}

// add adds value.
func (m *Memory) add(value string) *known {
	if len(m.order) == maxKnown {
		m.forget()
	}
	if m.known == nil {
		m.known = map[string]*known{}
	}
	k := &known{value: value}
	m.known[value] = k
	m.order = append(m.order, k)
	m.Version++
	before := len(m.patterns)
	for _, text := range spellings(value) {
		m.patterns = append(m.patterns, pattern{text, k})
	}
	stride := maxStride
	for _, p := range m.patterns[before:] {
		stride = min(stride, len(p.text)-gramLen+1)
	}
	if before > 0 && stride >= m.stride {
		m.index(before)
	} else {
		m.reindex(stride)
	}
	return k
}

// forget forgets the older half.
func (m *Memory) forget() {
	n := len(m.order) / 2
	gone := map[*known]bool{}
	for _, k := range m.order[:n] {
		gone[k] = true
		delete(m.known, k.value)
	}
	m.order = slices.Delete(m.order, 0, n)
	m.patterns = slices.DeleteFunc(m.patterns, func(p pattern) bool { return gone[p.of] })
	m.reindex(m.stride)
}

// reindex makes the index anew.
func (m *Memory) reindex(stride int) {
	m.stride, m.grams = stride, map[uint32][]gram{}
	clear(m.bits[:])
	clear(m.first[:])
	m.index(0)
}

// gramBits is the number of bits of the hash of a gram.
const gramBits = 18

// bitOf returns the place of a gram in bits.
func bitOf(g uint32) uint32 { return g * 0x9e3779b1 >> (32 - gramBits) }

// index adds the patterns from the given one on to the index: each gram that is the first
// one in a pattern of those that are stride bytes apart in a text.
func (m *Memory) index(from int) {
	for i, p := range m.patterns[from:] {
		for at := range m.stride {
			g := binary.LittleEndian.Uint32([]byte(p.text[at : at+gramLen]))
			bit := bitOf(g)
			m.bits[bit/64] |= 1 << (bit % 64)
			m.grams[g] = append(m.grams[g], gram{int32(from + i), int32(at)})
		}
		c := p.text[0]
		m.first[c] = append(m.first[c], int32(from+i))
	}
}

// A recollection is a value that stands in a text: text[from:to], or where of is nil, what
// may become one.
type recollection struct {
	from, to int
	of       *known
}

// next returns the first value in text[from:], and of those that begin there the longest
// one. At the end of the text nothing is waited for; else it may be that what text ends
// with becomes one. Only what may returns true for counts.
func (m *Memory) next(text []byte, from int, end bool, may func(k *known, at int) bool) recollection {
	q := from
	for ; q+gramLen <= len(text); q += m.stride {
		g := binary.LittleEndian.Uint32(text[q:])
		if bit := bitOf(g); m.bits[bit/64]>>(bit%64)&1 == 0 {
			continue
		}
		best := recollection{from: len(text)}
		for _, g := range m.grams[g] {
			p, at := m.patterns[g.pattern], q-int(g.at)
			if at < from || at > best.from || !may(p.of, at) {
				continue
			}
			switch n := len(p.text); {
			case n <= len(text)-at:
				if string(text[at:at+n]) == p.text && (at < best.from || best.of != nil && at+n > best.to) {
					best = recollection{at, at + n, p.of}
				}
			case !end && string(text[at:]) == p.text[:len(text)-at]:
				best = recollection{from: at, to: len(text)}
			}
		}
		if best.from < len(text) {
			return best
		}
	}
	if q -= m.stride; end {
		return recollection{from: len(text), to: len(text)}
	}
	for at := max(q+1, from); at < len(text); at++ {
		for _, i := range m.first[text[at]] {
			if p := m.patterns[i]; len(p.text) > len(text)-at && string(text[at:]) == p.text[:len(text)-at] && may(p.of, at) {
				return recollection{from: at, to: len(text)}
			}
		}
	}
	return recollection{from: len(text), to: len(text)}
}

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
			if all, _ = s.recall(all, text[:lo], at, recollection{from: from}, true); len(all) > n && !added {
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
	all, hold := s.recall(all, text, at, recollection{from: from}, end)
	return all, at + int64(hold)
}

// recall appends to spans those of the values in text, of which those after the given one,
// and returns them and the place of what may become one.
func (s *Finder) recall(spans []Span, text []byte, at int64, r recollection, end bool) ([]Span, int) {
	may := s.may(at)
	for to := r.from; ; to = r.to {
		if r = s.Memory.next(text, to, end, may); r.of == nil {
			return spans, r.from
		}
		s.Found++
		spans = append(spans, Span{At: at + int64(r.from), N: r.to - r.from, Text: s.standInOf(r)})
	}
}

// may returns what reports whether a value counts at a place in a text that stands at at.
func (s *Finder) may(at int64) func(k *known, i int) bool {
	return func(k *known, i int) bool {
		for _, o := range k.since {
			if o.source == s.source {
				return at+int64(i) >= o.at
			}
		}
		return true
	}
}

// standInOf returns what stands for r.
func (s *Finder) standInOf(r recollection) string {
	id := Identify([]byte(r.of.value))
	switch {
	case s.Fill || s.Even:
		return InURL.filler(r.to-r.from, len(r.of.value), id)
	case s.Safe:
		return InURL.placeholder(len(r.of.value), id)
	}
	return InText.placeholder(len(r.of.value), id)
}

// Knows reports whether there is a known value in text, which stands at at, and returns the
// place up to which text is decided, as Recall does.
func (s *Finder) Knows(text []byte, at int64, end bool) (known bool, to int64) {
	if s.Memory.IsEmpty() {
		return false, at + int64(len(text))
	}
	r := s.Memory.next(text, 0, end, s.may(at))
	return r.of != nil, at + int64(r.from)
}

// sourceOf returns the number of the source of s.
func (s *Finder) sourceOf() uint64 {
	if s.source == 0 {
		s.source = s.Memory.NewFamily()
	}
	return s.source
}

// familyOf returns the family of the source of which that of s is a part, or is one.
func (s *Finder) familyOf() uint64 {
	for s.parent != nil {
		s = s.parent
	}
	if s.Family == 0 {
		return s.sourceOf()
	}
	return s.Family
}

// PartOf makes what s finds known in the source of outer, too, where place says that it
// stands, in which it is written in other words; with nil the places are the same.
func (s *Finder) PartOf(outer *Finder, place func(at int64) int64) {
	s.Memory, s.parent, s.place = outer.Memory, outer, place
}
