package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Classes of bytes. Those with a class make up tokens, which are judged as a
// whole; all others end one.
const (
	plain   = 1 << iota
	atSign  // separates userinfo from host
	equals  // separates the name of a parameter from its value
	between // stands before a parameter
	colon
	percent
	sextet // of base64, of both alphabets
	digit
)

// classes of all bytes: a URL is one token, whatever text it stands in.
var classes = func() (c [256]byte) {
	for b := byte('!'); b < 0x7f; b++ {
		c[b] = plain
		if isBase64(b) {
			c[b] |= sextet
		}
		if isDigit(b) {
			c[b] |= digit
		}
	}
	for _, b := range []byte("\"'<>`\\{}|^[]") {
		c[b] = 0
	}
	c['@'], c['='], c[':'], c['%'] = plain|atSign, plain|equals, plain|colon, plain|percent
	c['?'], c['&'], c['#'] = plain|between, plain|between, plain|between
	return c
}()

// Lengths from which on a token may hold a secret: that of a://b:c@d and of
// ?a=b with the shortest name of a secret, that of ?ip=1, that of a password.
const (
	minToken  = 8
	minStrict = 5
	minLoose  = 6
)

// shortest returns the length of the shortest token that may hold a secret.
func (t *text) shortest() int {
	switch {
	case t.s.Profile == Strict:
		return minStrict
	case t.loose:
		return minLoose
	}
	return minToken
}

// mayHold reports whether the token p[from:to] can hold a secret. It says yes to
// all that do, and no to nearly all others.
func (t *text) mayHold(p []byte, from, to int, raw bool) bool {
	tok := p[from:to]
	var m byte
	for _, c := range tok {
		m |= classes[c]
	}
	n := len(tok)
	switch {
	case t.s.Profile == Strict, m&percent != 0, m&(atSign|colon) == atSign|colon:
		return true
	case m&(equals|colon) != 0 && t.mayAssign(tok):
		return true
	case m&digit != 0 && (t.loose || n >= minKey) && t.verdict(p[:from], raw) != stays:
		return true
	case n >= len(pemBegin) && tok[n-1] == pemBegin[len(pemBegin)-1] && tok[n-2] == pemBegin[len(pemBegin)-2]:
		return true
	case n < minKey:
		return false
	}
	return t.s.mayBeKey(tok, false)
}

// mayBeKey reports whether p may hold a key, or holds a secret in base64, or may
// be the first line of that unless it is whole.
func (s *Finder) mayBeKey(p []byte, whole bool) bool {
	start := 0 // of the run of base64
	for i, t := 0, uint(0); i < len(p); i++ {
		if t = follow(t, p[i]); trigrams.has(t) && i >= 2 && beginsKey(p[i-2:]) {
			return true
		}
		if classes[p[i]]&sextet == 0 {
			if i-start >= minBase64 && s.runMayHold(p[start:i], whole) {
				return true
			}
			start = i + 1
		}
	}
	return len(p)-start >= minBase64 && s.runMayHold(p[start:], whole)
}

// runMayHold reports whether a run of base64 may hold a secret. Only short ones
// are looked into: that of others is looked at later in any case.
func (s *Finder) runMayHold(run []byte, whole bool) bool {
	if !plausible(run) || s.depth >= maxDepth {
		return false
	}
	return len(run) > maxQuick || !whole && len(run) >= minLine || s.runHoldsSecret(run)
}

// mayAssign reports whether tok has the name of a secret before an equals sign
// or colon, or may have it before tok.
func (t *text) mayAssign(tok []byte) bool {
	for i, c := range tok {
		switch {
		case classes[c]&(equals|colon) == 0:
		case i < 2, !isLetterOrDigit(tok[i-1]):
			return true
		case keyEnds.has(tok[i-2]|0x20, tok[i-1]|0x20):
			if name := lastWord(tok[:i]); t.s.Profile.judgeKey(name) != stays || urlKeys[string(bytes.ToLower(name))] {
				return true
			}
		}
	}
	return false
}

// In what is mostly words the tokens that are long enough to hold a secret are
// few. They are looked for eight bytes at a time and without a branch for each
// byte: the length of words cannot be foretold.

const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// breaks reports whether c ends the runs that longRun finds. Not all bytes that
// end tokens do.
func breaks(c byte) bool { return c <= ' ' || c >= 0x7f || c == '\\' }

// inRun returns a word in which the top bit of each byte is set whose byte in w
// does not break.
func inRun(w uint64) uint64 {
	low := w &^ tops
	printing := low + (0x7f-' ')*ones         // over ' '
	slash := (low ^ '\\'*ones) + 0x7f*ones    // other than a backslash
	del := (low ^ 0x7f*ones) + 0x7f*ones      // other than DEL
	return printing & slash & del &^ w & tops // and ASCII
}

// lastRuns returns a bit for each byte of p, which are up to 64, that is set
// where the byte does not break.
func lastRuns(p []byte) (mask uint64) {
	j := 0
	for ; j+8 <= len(p); j += 8 {
		mask |= (inRun(binary.LittleEndian.Uint64(p[j:])) >> 7 * 0x0102040810204080 >> 56) << j
	}
	for ; j < len(p); j++ {
		if !breaks(p[j]) {
			mask |= 1 << j
		}
	}
	return mask
}

// longRun returns the start of the first run of at least k bytes, up to 16,
// that begins at p[i] or later, or len(p).
func longRun(p []byte, i, k int) int {
	for i+k <= len(p) {
		var mask uint64
		if i+64 <= len(p) {
			block := p[i : i+64]
			for j := 0; j < 64; j += 8 {
				mask |= (inRun(binary.LittleEndian.Uint64(block[j:])) >> 7 * 0x0102040810204080 >> 56) << j
			}
		} else {
			mask = lastRuns(p[i:])
		}
		for n := 1; n < k; { // leave the bits that begin n, then more of them
			step := min(n, k-n)
			mask &= mask >> step
			n += step
		}
		if mask != 0 {
			return i + bits.TrailingZeros64(mask)
		}
		i += 64 - (k - 1)
	}
	return len(p)
}
