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
	index    *index // of the patterns, or nil where there are none
}

// An index finds patterns in a text.
type index struct {
	stride int               // between the places in a text that are looked at
	bits   [gramWords]uint64 // of the hashes of grams
	last   [gramWords]int32  // the gram that was added last to each word of bits
	grams  []gram            // all of them
	first  [256][]int32      // the patterns by their first byte
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
	bytes   uint32
	pattern int32
	at      int32
	next    int32 // the gram before it whose hash has the same word in the bits, or -1
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
		} else if s.parent != nil || k.family != s.familyOf() { // it counted before this source began
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
	if m.index == nil || stride < m.index.stride {
		m.reindex(stride)
	} else {
		m.index.add(m.patterns, before)
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
	m.reindex(m.index.stride)
}

// reindex makes the index anew.
func (m *Memory) reindex(stride int) {
	m.index = &index{stride: stride}
	m.index.add(m.patterns, 0)
}

// gramBits is the number of bits of the hash of a gram, gramWords of how many words.
const (
	gramBits  = 18
	gramWords = 1 << gramBits / 64
)

// hashOf returns the hash of a gram.
func hashOf(g uint32) uint32 { return g * 0x9e3779b1 >> (32 - gramBits) }

// add adds the patterns from the given one on: each gram that may be the first one of it
// at a place of those in a text that are looked at.
func (x *index) add(patterns []pattern, from int) {
	for i, p := range patterns[from:] {
		for at := range x.stride {
			g := binary.LittleEndian.Uint32([]byte(p.text[at : at+gramLen]))
			bit := hashOf(g)
			before := int32(-1)
			if x.bits[bit/64] != 0 {
				before = x.last[bit/64]
			}
			x.bits[bit/64] |= 1 << (bit % 64)
			x.last[bit/64] = int32(len(x.grams))
			x.grams = append(x.grams, gram{g, int32(from + i), int32(at), before})
		}
		c := p.text[0]
		x.first[c] = append(x.first[c], int32(from+i))
	}
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
