package text

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// mayBeApart reports whether a token of p that looks like a key, or the value of
// an option, stands after something.
func mayBeApart(p []byte) bool {
	start, digits, promised := 0, false, false
	for i := 0; i <= len(p); i++ {
		switch {
		case i == len(p) || char.Classes[p[i]] == 0 || p[i] == ',':
			n := i - start
			if digits && start > 0 && (promised || n >= minRemote || n >= secret.MinToken && (p[start-1] == '\'' || p[start-1] == '\t' || p[start-1] == '|' || secret.LooksMade(p[start:i]))) {
				return true
			}
			promised = promised || n >= minPromise && promiseOf(p[start:i]) != noPromise
			start, digits = i+1, false
		case char.IsDigit(p[i]):
			digits = true
		}
	}
	return bytes.Contains(p, []byte(" -")) || bytes.Contains(p, []byte(netUser)) || bytes.Contains(p, []byte("/rp "))
}

// Most of JSON is structure and short strings in which there is no secret. Here
// is what passes over that as fast as it can: with nothing held, and one look
// at each byte. All else it leaves to the lexer, which does the same token by
// token.

// MaxQuick is the length of the longest string that is looked at here: in
// longer ones there are words, which a text scanner passes over faster.
const MaxQuick = 96

// Kinds of bytes in a string.
const (
	quickEnd   = 1 << iota // a quote or a backslash
	quickOdd               // escapes others, or stands after the name of an element
	quickName              // stands after a name
	quickAt                // separates userinfo from host
	quickDigit             //
	quickGap               // is between tokens, or a comma
	quickWide              // is of a letter beyond ASCII
)

var quickKinds = func() (k [256]byte) {
	for i := range k {
		c := byte(i)
		switch {
		case c == '"' || c == '\\':
			k[c] = quickEnd
		case c == '>' || c == '%':
			k[c] = quickOdd | quickGap
		case c == '=' || c == ':':
			k[c] = quickName
		case c == '@':
			k[c] = quickAt
		case char.IsDigit(c):
			k[c] = quickDigit
		case c >= 0x80:
			k[c] = quickWide
			if char.Classes[c] == 0 {
				k[c] |= quickGap
			}
		case char.Classes[c] == 0, c == ',':
			k[c] = quickGap
		}
	}
	return k
}()

// kindsOf returns the kinds of bytes in p.
func kindsOf(p []byte) (seen byte) {
	for ; len(p) >= 8; p = p[8:] {
		q := (*[8]byte)(p)
		seen |= quickKinds[q[0]] | quickKinds[q[1]] | quickKinds[q[2]] | quickKinds[q[3]] |
			quickKinds[q[4]] | quickKinds[q[5]] | quickKinds[q[6]] | quickKinds[q[7]]
	}
	for _, c := range p {
		seen |= quickKinds[c]
	}
	return seen
}

// Glance returns the length of p up to a quote or a backslash, of which it looks
// at some more than MaxQuick bytes at most, and whether it is certain at the first
// sight that nothing of that goes by [secret.Secrets]. It is if no digit, sign or
// escape is in it that a secret needs, and no word that is as long as a key: where
// there is a space in each eight bytes none is.
func Glance(p []byte) (n int, harmless bool) {
	var odd, solid uint64
	for ; n+8 <= len(p) && n < MaxQuick; n += 8 {
		w := binary.LittleEndian.Uint64(p[n:])
		ends := char.Equal(w, '"') | char.Equal(w, '\\')
		if ends != 0 {
			k := bits.TrailingZeros64(ends) &^ 7
			odd |= oddBytes(w & (1<<k - 1))
			n += k / 8
			return n, n < secret.MinLoose || odd == 0 && (n < secret.MinKey || solid == 0)
		}
		odd |= oddBytes(w)
		if char.Equal(w, ' ') == 0 {
			solid = 1
		}
	}
	return n + escape.PlainLen(p[n:min(len(p), max(n, MaxQuick))]), false
}

// oddBytes returns other than 0 if w has a digit, one of :;<=>? or a percent sign.
func oddBytes(w uint64) uint64 { return char.Equal(w&(0xf0*char.Ones), '0') | char.Equal(w, '%') }

// HarmlessString reports whether nothing of str, which is no JSON and has no escapes,
// goes by [secret.Secrets] for certain.
func (t *Text) HarmlessString(str []byte) bool {
	switch {
	case len(str) >= minTime && str[10] == 'T' && isTime(str):
		return true
	case secret.IsNumber(str):
		return len(str) < minBase64 || !t.runMayHold(str, true)
	}
	return t.harmlessText(str, kindsOf(str))
}

// Lengths of times (RFC 3339, section 5.6): with a fraction they are not longer than
// what is so called here.
const (
	minTime = len("2006-01-02T15:04:05Z")
	maxTime = len("2006-01-02T15:04:05.999999999+07:00")
)

// isTime reports whether p, not shorter than minTime, is a time: nothing in it is as
// long as a key.
func isTime(p []byte) bool {
	return len(p) <= maxTime && p[4] == '-' && p[7] == '-' && p[13] == ':' && p[16] == ':' && char.Run(p, isOfTime) == len(p)
}

func isOfTime(c byte) bool {
	return char.IsDigit(c) || c == '-' || c == ':' || c == '.' || c == '+' || c == 'T' || c == 'Z'
}

// harmlessText reports whether nothing of str goes by [secret.Secrets] for certain, in
// which bytes of the given kinds were seen.
func (t *Text) harmlessText(str []byte, seen byte) bool {
	switch {
	case len(str) < secret.MinLoose:
		return true
	case seen&quickOdd != 0, seen&(quickAt|quickName) == quickAt|quickName,
		seen&quickName != 0 && (namesSecret(str) || bytes.Contains(str, []byte("curl "))), seen&(quickDigit|quickGap) == quickDigit|quickGap && (mayBeApart(str) || seen&quickName != 0 && bytes.Contains(str, []byte("odes")) || seen&quickWide != 0 && bytes.Contains(str, []byte(wideColon))):
		return false
	case len(str) < secret.MinKey:
		return seen&quickDigit == 0 || !secret.MayBear(str)
	}
	return !t.mayBeKey(str, true, seen&quickDigit != 0) && (len(str) < minPath || bytes.IndexByte(str, '/') < 0 || len(t.pathTokens(nil, str)) == 0)
}

// namesSecret reports whether one of the names in str, before a colon or an equals
// sign, can be that of a secret.
func namesSecret(str []byte) bool {
	for i, c := range str {
		if c != ':' && c != '=' {
			continue
		}
		if i < 2 || !char.IsLetterOrDigit(str[i-1]) {
			return true
		}
		if str[i-1] == 'I' && bytes.HasSuffix(str[:i], []byte("WIFI")) || i > minAsana && str[i-1] <= '9' && len(str)-i > asanaLen { // as byColon has it
			return true
		}
		if !secret.EndsParameter(str[i-2], str[i-1]) {
			continue
		}
		name := secret.LastWord(str[:i])
		if k := i - len(name); k > 0 && !char.IsSpace(str[k-1]) || string(name) == "query" || bytes.HasPrefix(name, []byte("u0026")) ||
			secret.Secrets.Key(name) != secret.Stays || secret.IsURLKey(name) || isKeyVariable(name) || isFiller(name) || string(name) == "es" || string(name) == "lautet" {
			return true
		}
	}
	return false
}

// Harmless is [harmlessText] of text that may also be JSON or have escapes.
func (t *Text) Harmless(str []byte) bool {
	seen := kindsOf(str)
	if seen&quickEnd != 0 || len(str) > 0 && (char.IsLead(str[0]) || str[0] == '{' || str[0] == '[') {
		return false
	}
	return t.harmlessText(str, seen)
}
