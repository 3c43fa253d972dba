package char

import (
	"bytes"
	"strings"
)

// Lower appends the ASCII word in lower case to b, if b has the room for it, else
// nothing.
func Lower(b, word []byte) []byte {
	if len(word) > cap(b)-len(b) {
		return b
	}
	for _, c := range word {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// IsASCII reports whether all bytes of p are of ASCII.
func IsASCII(p []byte) bool {
	for _, c := range p {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// A PairSet is a set of two bytes of ASCII.
type PairSet [128][128 / 8]byte

// Add adds the two bytes to s.
func (s *PairSet) Add(a, b byte) { s[a][b>>3] |= 1 << (b & 7) }

// Has reports whether the two bytes are in s.
func (s *PairSet) Has(a, b byte) bool { return s[a&127][b>>3&15]>>(b&7)&1 != 0 }

// Ends returns the set of the last two bytes of words, which have as many.
func Ends(words map[string]bool) (s PairSet) {
	for w := range words {
		s.Add(w[len(w)-2], w[len(w)-1])
	}
	return s
}

// A Table is a set of bytes.
type Table [256]bool

// In returns the table of the bytes of s.
func In(s string) (is Table) {
	for i := range len(s) {
		is[s[i]] = true
	}
	return is
}

// Index returns the place of the first byte of p that is in t, or -1.
func (t *Table) Index(p []byte) int {
	for i, c := range p {
		if t[c] {
			return i
		}
	}
	return -1
}

// Len returns the length of the beginning of p whose bytes are in t.
func (t *Table) Len(p []byte) int {
	for i, c := range p {
		if !t[c] {
			return i
		}
	}
	return len(p)
}

// TrimEnd returns p without the bytes at its end that are in t.
func (t *Table) TrimEnd(p []byte) []byte {
	n := len(p)
	for n > 0 && t[p[n-1]] {
		n--
	}
	return p[:n]
}

// IsAny reports whether name is one of those, but for case.
func IsAny(name []byte, those ...string) bool {
	for _, n := range those {
		if bytes.EqualFold(name, []byte(n)) {
			return true
		}
	}
	return false
}

// Set returns the set of words, which spaces separate.
func Set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// Trim returns p[from:to] without the white space around it.
func Trim(p []byte, from, to int) (int, int) {
	for from < to && IsSpace(p[from]) {
		from++
	}
	for from < to && IsSpace(p[to-1]) {
		to--
	}
	return from, to
}
