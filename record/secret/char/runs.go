package char

import (
	"encoding/binary"
	"math/bits"
)

// Equal returns a word in which the top bit of the first byte that is c in w is
// the first one that is set.
func Equal(w uint64, c byte) uint64 {
	w ^= Ones * uint64(c)
	return (w - Ones) &^ w & tops
}

// Run returns the length of the beginning of p for whose bytes ok holds.
func Run(p []byte, ok func(byte) bool) int {
	for i, c := range p {
		if !ok(c) {
			return i
		}
	}
	return len(p)
}

// RunOf returns the length of the beginning of p whose bytes are all of a class,
// the classes that are among these, and those that all of them have.
func RunOf(p []byte, class byte) (n int, some, all byte) {
	all = 0xff
	for ; n+4 <= len(p); n += 4 {
		q := (*[4]byte)(p[n:])
		a, b, c, d := Classes[q[0]], Classes[q[1]], Classes[q[2]], Classes[q[3]]
		each := a & b & c & d
		if each&class == 0 {
			break
		}
		some |= a | b | c | d
		if all &= each; n >= longRun {
			k, more, most := longRunOf(p[n+4:], class)
			n, some, all = n+k, some|more, all&most
		}
	}
	for ; n < len(p) && Classes[p[n]]&class != 0; n++ {
		some |= Classes[p[n]]
		all &= Classes[p[n]]
	}
	return n, some, all
}

// longRun is the length from which on a run is taken for one of thousands, as that of
// an image.
const longRun = 128

// longRunOf is RunOf, but may stop up to 8 bytes early. It takes eight at a time.
func longRunOf(p []byte, class byte) (n int, some, all byte) {
	all = 0xff
	for ; n+8 <= len(p); n += 8 {
		q := (*[8]byte)(p[n:])
		a, b, c, d := Classes[q[0]], Classes[q[1]], Classes[q[2]], Classes[q[3]]
		e, f, g, h := Classes[q[4]], Classes[q[5]], Classes[q[6]], Classes[q[7]]
		each := a & b & c & d & e & f & g & h
		if each&class == 0 {
			break
		}
		some |= a | b | c | d | e | f | g | h
		all &= each
	}
	return n, some, all
}

// LongRunOf returns where the first run of at least min bytes of a class is that
// begins at p[i] or later, or -1.
func LongRunOf(p []byte, i int, class byte, min int) (from, to int) {
	for i+min <= len(p) {
		k := i + min
		for k-4 >= i {
			if q := p[k-4 : k]; Classes[q[0]]&Classes[q[1]]&Classes[q[2]]&Classes[q[3]]&class == 0 {
				break
			}
			k -= 4
		}
		for k > i && Classes[p[k-1]]&class != 0 {
			k--
		}
		if k == i {
			n, _, _ := RunOf(p[i+min:], class)
			return i, i + min + n
		}
		i = k // none of those before p[k] begin as many
	}
	return -1, 0
}

// HexRun returns where the first run of at least min hexadecimal digits is that begins
// at p[i] or later, or -1.
func HexRun(p []byte, i, min int) (from, to int) {
	for i+min <= len(p) {
		k := i + min
		for k > i && HexDigits[p[k-1]] {
			k--
		}
		if k > i { // none of those before p[k] begin as many
			i = k
			continue
		}
		for to = i + min; to < len(p) && HexDigits[p[to]]; {
			to++
		}
		return i, to
	}
	return -1, 0
}

// In what is mostly words the tokens that are long enough to hold a secret are
// few. They are looked for eight bytes at a time and without a branch for each
// byte: the length of words cannot be foretold.

// Ones has a byte of one in each place: times a byte it is a word of that byte.
const (
	Ones = 0x0101010101010101
	tops = 0x80 * Ones
)

// Breaks reports whether c ends the runs that LongRun finds. Not all bytes that
// end tokens do.
func Breaks(c byte) bool { return c <= ' ' || c >= 0x7f || c == '\\' }

// inRun returns a word in which the top bit of each byte is set whose byte in w
// does not break.
func inRun(w uint64) uint64 {
	low := w &^ tops
	printing := low + (0x7f-' ')*Ones         // over ' '
	slash := (low ^ '\\'*Ones) + 0x7f*Ones    // other than a backslash
	del := (low ^ 0x7f*Ones) + 0x7f*Ones      // other than DEL
	return printing & slash & del &^ w & tops // and ASCII
}

// topBits returns the top bits of the bytes of w, of which no other is set.
func topBits(w uint64) uint64 { return w >> 7 * 0x0102040810204080 >> 56 }

// lastRuns returns a bit for each byte of p, which are up to 64, that is set
// where the byte does not break.
func lastRuns(p []byte) (mask uint64) {
	j := 0
	for ; j+8 <= len(p); j += 8 {
		mask |= topBits(inRun(binary.LittleEndian.Uint64(p[j:]))) << j
	}
	for ; j < len(p); j++ {
		if !Breaks(p[j]) {
			mask |= 1 << j
		}
	}
	return mask
}

// starts leaves of mask the bits after which, with them, k are set.
func starts(mask uint64, k int) uint64 {
	for n := 1; n < k; { // leave the bits that begin n, then more of them
		step := min(n, k-n)
		mask &= mask >> step
		n += step
	}
	return mask
}

// mayRun reports whether k bytes of ASCII follow each other in p, which are 64.
func mayRun(p []byte, k int) bool {
	var mask uint64
	for j := 0; j < 64; j += 8 {
		mask |= topBits(^binary.LittleEndian.Uint64(p[j:])&tops) << j
	}
	return starts(mask, k) != 0
}

// LongRun returns the start of the first run of at least k bytes, up to 16,
// that begins at p[i] or later, or len(p).
func LongRun(p []byte, i, k int) int {
	for i+k <= len(p) {
		var mask uint64
		if i+64 <= len(p) {
			block := p[i : i+64]
			// In what is no text next to none run, which is found out sooner.
			if binary.LittleEndian.Uint64(block)&tops == 0 || mayRun(block, k) {
				for j := 0; j < 64; j += 8 {
					mask |= topBits(inRun(binary.LittleEndian.Uint64(block[j:]))) << j
				}
			}
		} else {
			mask = lastRuns(p[i:])
		}
		if mask = starts(mask, k); mask != 0 {
			return i + bits.TrailingZeros64(mask)
		}
		i += 64 - (k - 1)
	}
	return len(p)
}
