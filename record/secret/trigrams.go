package secret

import (
	"bytes"
	"encoding/binary"

	"ssltape/record/secret/char"
)

// The beginnings of keys are looked for six places at a time.

// A trigramSet tells which three bytes keys begin with, by the lowest five bits of
// each. What it has there is what the other bits may be: see caseOf.
type trigramSet [1 << 15]uint8

// anyCase is what a trigramSet has where the first two of three bytes may be of
// several cases.
const anyCase = 1

// caseOf tells of three bytes which are small letters, capitals or signs: of the
// first two in the upper half of what it returns, and of the third one by the bit
// that is set in the lower half.
func caseOf(a, b, c byte) uint8 { return a>>5&3<<6 | b>>5&3<<4 | 1<<(c>>5&3) }

// follow returns the trigram that ends with c, where that before it is t.
func follow(t uint, c byte) uint { return (t<<5 | uint(c&31)) & (1<<15 - 1) }

func (s *trigramSet) add(a, b, c byte) {
	s.merge(follow(follow(uint(a&31), b), c), caseOf(a, b, c))
}

// merge adds what another set has for a trigram.
func (s *trigramSet) merge(t uint, is uint8) {
	if s[t] == 0 || s[t]>>4 == is>>4 {
		s[t] |= is
	} else {
		s[t] |= anyCase
	}
}

// begins reports whether p, of at least three bytes, begins with three that are in s.
func (s *trigramSet) begins(p []byte) bool {
	is := s[follow(follow(uint(p[0]&31), p[1]), p[2])]
	return is != 0 && (is&anyCase != 0 || agree(is, caseOf(p[0], p[1], p[2])))
}

// agree reports whether bytes of a case are among those that is tells.
func agree(is, of uint8) bool { return is>>4 == of>>4 && is&of&0xf != 0 }

// next returns the first place from p[i] on where three bytes begin that are in
// s, or len(p). It looks at six places at a time: those at even and at odd
// places of eight bytes, in lanes of 16 bits.
func (s *trigramSet) next(p []byte, i int) int {
	for ; i+8 <= len(p); i += 6 {
		if s.any(p[i:]) {
			if k := s.first(p[:i+8], i); k < i+6 {
				return k
			}
		}
	}
	if len(p) >= 8 && !s.any(p[len(p)-8:]) {
		return len(p)
	}
	return s.first(p, i)
}

// any reports whether three bytes of the first eight of p may be in s.
func (s *trigramSet) any(p []byte) bool {
	w := binary.LittleEndian.Uint64(p) & (0x1f * char.Ones)
	even, odd := w&lanes, w>>8&lanes
	a := even<<10 | odd<<5 | even>>16
	b := odd<<10 | even>>16<<5 | odd>>16
	return s.at(a)|s.at(a>>16)|s.at(a>>32)|s.at(b)|s.at(b>>16)|s.at(b>>32) != 0
}

// lanes has the lower byte of each lane of 16 bits.
const lanes = 0x00ff00ff00ff00ff

// first is next, one place at a time.
func (s *trigramSet) first(p []byte, i int) int {
	for ; i+3 <= len(p); i++ {
		if s.begins(p[i:]) {
			return i
		}
	}
	return len(p)
}

// at returns what s has for the trigram in the lowest 15 bits of t.
func (s *trigramSet) at(t uint64) uint8 { return s[t&(1<<15-1)] }

// A solidSet tells the beginnings of the keys that may stand among letters, digits,
// plus signs and slashes alone, as in an image: by the first three bytes of them, and
// by these as well as the three from the second one on.
type solidSet struct{ firsts, seconds trigramSet }

var solid = func() (s solidSet) {
	for _, k := range keyKinds {
		if p := k.prefix; k.where < dotted && len(p) > 2 && char.Run([]byte(p), isSolid) == len(p) {
			s.add(p, k.of)
		}
	}
	s.add(webToken, isSolid) // which is passed over if it has no dots
	for t, is := range s.firsts {
		if is != 0 {
			s.seconds.merge(uint(t), is)
		}
	}
	return s
}()

func isSolid(c byte) bool { return char.IsLetterOrDigit(c) || c == '+' || c == '/' }

// add adds what keys with a prefix begin with, after which bytes follow that of holds
// for.
func (s *solidSet) add(prefix string, of func(byte) bool) {
	if len(prefix) > 3 {
		s.firsts.add(prefix[0], prefix[1], prefix[2])
		s.seconds.add(prefix[1], prefix[2], prefix[3])
		return
	}
	s.firsts.add(prefix[0], prefix[1], prefix[2])
	for c := range byte(128) {
		if of(c) {
			s.seconds.add(prefix[1], prefix[2], c)
		}
	}
}

// IsSolid reports whether p, of base64, is of letters, digits, plus signs and slashes
// alone, and has not as many hexadecimal digits in a row as some keys.
func IsSolid(p []byte) bool {
	from, _ := char.HexRun(p, 0, minHexKey)
	return from < 0 && bytes.IndexByte(p, '-') < 0 && bytes.IndexByte(p, '_') < 0
}

// minHexKey is how many hexadecimal digits follow on a beginning of two letters at
// least.
const minHexKey = 32

// NextSolidKey is NextKey for what is solid, without what is no key there: what stands
// alone only begins it. A key that begins at one of six places is seen at an odd place
// of eight bytes, by its first byte or by its second one. In all text that would be too
// many.
func NextSolidKey(p []byte, i int) int {
	if i == 0 && len(p) > 2 && trigrams.begins(p) {
		return 0
	}
	s := &solid.seconds
	for ; i+8 <= len(p); i += 6 {
		w := binary.LittleEndian.Uint64(p[i:]) & (0x1f * char.Ones)
		even, odd := w&lanes, w>>8&lanes
		if b := odd<<10 | even>>16<<5 | odd>>16; s.at(b)|s.at(b>>16)|s.at(b>>32) == 0 ||
			!s.begins(p[i+1:]) && !s.begins(p[i+3:]) && !s.begins(p[i+5:]) { // of another case
			continue
		}
		if k := solid.firsts.first(p[:i+8], i); k < i+6 {
			return k
		}
	}
	return solid.firsts.first(p, i)
}
