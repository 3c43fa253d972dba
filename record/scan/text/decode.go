package text

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"slices"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// documentHolds reports whether p is a document of GraphQL with a secret in it.
func (t *Text) documentHolds(p []byte) bool {
	f := scan.Finder{Profile: t.s.Profile, Depth: t.s.Depth}
	g := t.opener.Document(&f)
	g.Write(p, 0, len(p))
	g.End()
	return f.Found > 0
}

// partEnds are what ends the parts of URLs, from short to long ones.
var partEnds = [...]char.Table{char.In("/?&#=;,:@"), char.In("/?&#"), char.In("")}

// percents finds parts of tok that hold a secret once their escapes are
// decoded (RFC 3986, section 2.1): the shortest parts, or else longer ones.
func (t *Text) percents(out []find, tok []byte) []find {
	if t.s.Depth >= maxDepth {
		return out
	}
	n := len(out)
	for i := range partEnds {
		for from := 0; from < len(tok); {
			n := partEnds[i].Index(tok[from:])
			if n < 0 {
				n = len(tok) - from
			}
			if value := t.percentSecret(tok[from : from+n]); value != nil {
				out = append(out, find{from, from + n, scan.InURL, value})
			}
			from += n + 1
		}
		if len(out) > n {
			return out
		}
	}
	return out
}

// percentSecret returns p without its escapes if there is a secret in that,
// with plus signs for spaces or not, else nil.
func (t *Text) percentSecret(p []byte) []byte {
	if len(p)-len("41") < secret.MinLoose || bytes.IndexByte(p, '%') < 0 {
		return nil
	}
	t.decoded = escape.AppendPercent(t.decoded[:0], p)
	if len(t.decoded) == len(p) {
		return nil
	}
	if t.HoldsSecret(t.decoded) {
		return bytes.Clone(t.decoded)
	}
	if bytes.IndexByte(p, '+') < 0 {
		return nil
	}
	t.decoded = escape.AppendPercent(t.decoded[:0], bytes.ReplaceAll(p, []byte("+"), []byte(" ")))
	if t.HoldsSecret(t.decoded) {
		return bytes.Clone(t.decoded)
	}
	return nil
}

// minBase64 is the length of the shortest run of base64 that is looked into.
const minBase64 = 24

// base64 finds runs that hold a secret once they are decoded.
func (t *Text) base64(out []find, tok []byte) []find {
	if t.s.Depth >= maxDepth {
		return out
	}
	i, end := 0, len(tok)
	if t.all&char.Sextet == 0 || end < minBase64 {
		i, end = char.LongRunOf(tok, 0, char.Sextet, minBase64)
	}
	for ; i >= 0; i, end = char.LongRunOf(tok, end, char.Sextet, minBase64) {
		if is := textual(tok[i:end]); plausible(tok[i:end], is) && t.runHoldsSecret(tok[i:end], is) {
			from := i
			if t.Soft {
				from = max(i, softBase64)
			}
			to := end
			for to < len(tok) && tok[to] == '=' {
				to++
			}
			out = append(out, find{from: from, to: to})
		}
	}
	return out
}

// leads are 1 for the sextets that a quantum of base64 begins with if it stands
// for three bytes of ASCII text.
var leads = func() (is [256]byte) {
	for _, c := range []byte("CDIJKLMNOPQRSTUVWXYZabcdef") { // those of \t \n \r and of ' ' to '~'
		is[c] = 1
	}
	return is
}()

// plausible reports whether run, of base64, which is textual in the ways is, may hold
// text: it is long, or the first sextets are as those of text in one of these.
func plausible(run []byte, is [4]bool) bool {
	return is != [4]bool{} || len(run) >= 128 || len(run) >= minHex && mayBeHex(run) || isPacked(run)
}

// textual tells for each of the ways to cut run, of base64, whether the first
// sextets are as those of text.
func textual(run []byte) (is [4]bool) {
	var a, b, c, d uint8
	whole := min(len(run), 48) &^ 3
	for i := 0; i+4 <= whole; i += 4 {
		q := (*[4]byte)(run[i:])
		a, b, c, d = a+leads[q[0]], b+leads[q[1]], c+leads[q[2]], d+leads[q[3]]
	}
	least := uint8(whole / 4 * 3 / 4)
	return [4]bool{a >= least, b >= least, c >= least, d >= least}
}

// mayBeHex reports whether there are hexadecimal digits that stand for text.
func mayBeHex(p []byte) bool {
	from, _ := char.HexRun(p, 0, minHex)
	return from >= 0
}

// maxDepth is how often encodings within encodings are decoded.
const maxDepth = 3

// runHoldsSecret reports whether p, which is textual in the ways is, holds a secret in
// base64 or in hexadecimal digits.
func (t *Text) runHoldsSecret(p []byte, is [4]bool) bool {
	for from, to := char.HexRun(p, 0, minHex); from >= 0; from, to = char.HexRun(p, to, minHex) {
		digits := p[from : to-(to-from)%2]
		if !hexText(digits[:minHex]) {
			continue
		}
		out := make([]byte, len(digits)/2)
		hex.Decode(out, digits)
		if printable(out) && t.HoldsSecret(out) {
			return true
		}
	}
	return t.base64HoldsSecret(p, is)
}

// hexText reports whether what the hexadecimal digits p stand for is printable.
func hexText(p []byte) bool {
	others, odd := len(p)/20, 0
	for i := 0; i < len(p); i += 2 {
		odd += int(oddDigits[p[i]])
	}
	if odd > others { // as a rule
		return false
	}
	for ; len(p) > 1; p = p[2:] {
		if !isPrintable(char.HexValue(p[0])<<4 | char.HexValue(p[1])) {
			if others--; others < 0 {
				return false
			}
		}
	}
	return true
}

// oddDigits are 1 for the hexadecimal digits that nothing printable begins with.
var oddDigits = func() (is [256]byte) {
	for _, c := range []byte("189abcdefABCDEF") {
		is[c] = 1
	}
	return is
}()

// minHex is the length of the shortest run of hexadecimal digits that is looked
// into.
const minHex = 32

// base64HoldsSecret reports whether run, which is textual in the ways is, holds a
// secret. A path before the
// base64 shifts it, so that all four ways to cut it are looked at, as far as
// they give text.
func (t *Text) base64HoldsSecret(run []byte, is [4]bool) bool {
	packed := isPacked(run)
	if is == [4]bool{} && len(run) < minBlind && !packed && bytes.IndexByte(run, '+') < 0 && bytes.IndexByte(run, '/') < 0 {
		return false
	}
	enc := base64.RawStdEncoding
	has := func(c byte) bool { return bytes.IndexByte(run, c) >= 0 }
	if has('-') || has('_') {
		if has('+') || has('/') { // of a path
			for part := range bytes.FieldsFuncSeq(run, func(r rune) bool { return r == '+' || r == '/' }) {
				if len(part) >= minBase64 && t.base64HoldsSecret(part, textual(part)) {
					return true
				}
			}
			return false
		}
		enc = base64.RawURLEncoding
	}
	if packed {
		out := make([]byte, enc.DecodedLen(len(run)))
		n, _ := enc.Decode(out, run)
		if t.HoldsSecret(unpack(out[:n])) {
			return true
		}
	}
	var first [36]byte
	for shift := range min(4, len(run)) {
		part := run[shift:]
		if !is[shift] && (shift > 0 || len(part) < minBlind) {
			continue
		}
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		n, _ := enc.Decode(first[:], part[:min(len(part), 48)&^3])
		if !printable(first[:n]) && (shift > 0 || len(part) < minBlind) {
			continue
		}
		t.decoded = slices.Grow(t.decoded[:0], enc.DecodedLen(len(part)))
		n, _ = enc.Decode(t.decoded[:cap(t.decoded)], part)
		if t.HoldsSecret(t.decoded[:n]) {
			return true
		}
	}
	return false
}

// minBlind is the length from which on a run is decoded whatever it begins with.
const minBlind = 48

// isPacked reports whether run, of base64, may begin what gzip (RFC 1952) or zlib
// (RFC 1950) compressed.
func isPacked(run []byte) bool {
	if len(run) < minPacked || run[0] != 'H' && run[0] != 'e' {
		return false
	}
	switch string(run[:3]) { // 0x78 0x01, 0x5e, 0x9c and 0xda
	case "H4s", "eAE", "eAF", "eAG", "eAH", "eF4", "eF5", "eF6", "eF7", "eJw", "eJx", "eJy", "eJz", "eNo", "eNp", "eNq", "eNr":
		return true
	}
	return false
}

// minPacked is the length of the shortest run that is decompressed.
const minPacked = 32

// maxUnpacked is how much of a compressed text is looked at.
const maxUnpacked = 1 << 20

// unpack returns the beginning of what p is once it is decompressed, or nothing.
func unpack(p []byte) []byte {
	var r io.Reader
	var err error
	if src := bytes.NewReader(p); len(p) > 0 && p[0] == 0x1f {
		r, err = gzip.NewReader(src)
	} else {
		r, err = zlib.NewReader(src)
	}
	if err != nil {
		return nil
	}
	out, _ := io.ReadAll(io.LimitReader(r, maxUnpacked)) // what is cut off counts, too
	return out
}

// HoldsSecret scans a decoded text.
func (t *Text) HoldsSecret(p []byte) bool {
	if t.s.Depth >= maxDepth || len(p) < secret.MinLoose {
		return false
	}
	if t.s.Profile == secret.Secrets && len(p) <= MaxQuick {
		if t.short == nil {
			short := New(t.s.Decoded(), t.opener)
			t.short = &short
		}
		if t.short.Harmless(p) {
			return false
		}
	}
	return !t.s.Clean(p, t.opener.Decoded)
}

func printable(p []byte) bool {
	others := len(p) / 10 // those that may be there
	for _, c := range p {
		if !isPrintable(c) {
			if others--; others < 0 {
				return false
			}
		}
	}
	return true
}

func isPrintable(c byte) bool { return ' ' <= c && c < 0x7f || c == '\n' || c == '\r' || c == '\t' }
