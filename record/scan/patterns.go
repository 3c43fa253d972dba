package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
)

// A find is a secret: tok[from:to].
type find struct {
	from, to int
	shape    shape
	value    []byte // what it is once it is decoded, if not tok[from:to]
}

// of returns what was found in tok.
func (f find) of(tok []byte) []byte {
	if f.value != nil {
		return f.value
	}
	return tok[f.from:f.to]
}

// find returns the secrets of a token with the classes m in order, until it is
// called again. What stands in p before the token is before.
func (t *text) find(tok []byte, m byte, before []byte, raw bool) []find {
	out := t.finds[:0]
	if m&atSign != 0 {
		out = t.userinfo(out, tok, before, raw)
	}
	if m&equals != 0 && (m&between != 0 || t.url) {
		out = t.parameters(out, tok)
	}
	if m&colon != 0 && t.login(tok, before, raw) {
		out = append(out, find{from: 0, to: len(tok)})
	} else if m&(colon|digit) == colon|digit && t.isPgpass(tok, before, raw) {
		out = append(out, find{from: bytes.LastIndexByte(tok, ':') + 1, to: len(tok)})
	}
	if m&digit != 0 {
		out = t.assigned(out, tok, m, before, raw)
	}
	if len(tok) >= minKey {
		out = keys(out, tok)
		out = t.base64(out, tok)
		if m&percent != 0 {
			out = t.percents(out, tok)
		}
	}
	if t.s.Profile == Strict {
		out = identities(out, tok)
	}
	if t.finds = out; len(out) == 0 {
		return nil
	}
	if t.url {
		for i := range out {
			out[i].shape = inURL
		}
	}
	slices.SortStableFunc(out, func(a, b find) int { return a.from - b.from })
	kept := out[:0]
	for _, f := range out {
		if k := len(kept) - 1; k >= 0 && f.from < kept[k].to {
			if f.to > kept[k].to {
				kept[k].to, kept[k].value = f.to, nil
			}
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// parameters finds the values of secret names in the query or fragment of URLs.
func (t *text) parameters(out []find, tok []byte) []find {
	whole := t.url || bytes.Contains(tok, []byte("://"))
	for i := 0; i < len(tok); {
		k := bytes.IndexAny(tok[i:], "?&#;")
		if k < 0 {
			return out
		}
		i += k + 1
		name, _, found := bytes.Cut(tok[i:], []byte("="))
		if !found {
			return out
		}
		if !isParameter(name) {
			continue
		}
		from := i + len(name) + 1
		value := tok[from:]
		if end := bytes.IndexAny(value, "&#;?"); end >= 0 {
			value = value[:end]
		}
		if t.parameter(name, value, whole) {
			out = append(out, find{from, from + len(value), inURL, unescapeQuery(value)})
		}
		i = from
	}
	return out
}

// isParameter reports whether name may be that of a parameter rather than a
// part of a program.
func isParameter(name []byte) bool {
	for _, c := range name {
		if !isDotted(c) && bytes.IndexByte([]byte("%[]$:+*~"), c) < 0 {
			return false
		}
	}
	return true
}

// urlKeys are the names of secrets in queries that are not ones elsewhere;
// onceKeys those of what works once, or as long as a session does, where the
// value looks like that.
var (
	urlKeys  = set("key sig")
	onceKeys = set("code oobcode ticket sid magic session otp auth")
)

// parameterEnds are keyEnds and the last two letters of urlKeys and onceKeys.
var parameterEnds = func() pairSet {
	ends := keyEnds
	for _, keys := range []map[string]bool{urlKeys, onceKeys} {
		for key := range keys {
			ends.add(key[len(key)-2], key[len(key)-1])
		}
	}
	return ends
}()

// isURLKey reports whether name is one of urlKeys or onceKeys.
func isURLKey(name []byte) bool {
	if len(name) > len("oobcode") {
		return false
	}
	lower := bytes.ToLower(name)
	return urlKeys[string(lower)] || onceKeys[string(lower)]
}

// parameter reports whether the value of a parameter goes. The key of a query
// is one, the key of something else is not.
func (t *text) parameter(name, value []byte, whole bool) bool {
	if len(value) == 0 {
		return false
	}
	decoded := unescapeQuery(value)
	name = unescapeQuery(name)
	if v := t.s.Profile.judgeKey(name); v != stays {
		return v.confirms(decoded)
	}
	if whole && isURLKey(name) && (urlKeys[string(bytes.ToLower(name))] || looksOpaque(decoded)) {
		return true
	}
	return string(name) == "query" && t.s.documentHolds(decoded) || len(decoded) < len(value) && t.s.holdsSecret(decoded)
}

// documentHolds reports whether p is a document of GraphQL with a secret in it.
func (s *Finder) documentHolds(p []byte) bool {
	f := Finder{Profile: s.Profile, depth: s.depth}
	g := newGraphQL(&f)
	g.Write(p, 0, len(p))
	g.End()
	return f.Found > 0
}

func unescapeQuery(p []byte) []byte {
	if bytes.IndexByte(p, '%') < 0 {
		return p
	}
	s, err := url.QueryUnescape(string(p))
	if err != nil {
		return p
	}
	return []byte(s)
}

// percents finds parts of tok that hold a secret once their escapes are
// decoded (RFC 3986, section 2.1): the shortest parts, or else longer ones.
func (t *text) percents(out []find, tok []byte) []find {
	if t.s.depth >= maxDepth {
		return out
	}
	n := len(out)
	for _, ends := range []string{"/?&#=;,:@", "/?&#", ""} {
		for from := 0; from < len(tok); {
			n := bytes.IndexAny(tok[from:], ends)
			if n < 0 {
				n = len(tok) - from
			}
			if value := t.s.percentSecret(tok[from : from+n]); value != nil {
				out = append(out, find{from, from + n, inURL, value})
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
func (s *Finder) percentSecret(p []byte) []byte {
	if bytes.IndexByte(p, '%') < 0 {
		return nil
	}
	decoded := unescapePercent(p)
	if len(decoded) == len(p) {
		return nil
	}
	if s.holdsSecret(decoded) {
		return decoded
	}
	if bytes.IndexByte(p, '+') < 0 {
		return nil
	}
	if decoded = unescapePercent(bytes.ReplaceAll(p, []byte("+"), []byte(" "))); s.holdsSecret(decoded) {
		return decoded
	}
	return nil
}

// unescapePercent decodes the escapes of p that are valid.
func unescapePercent(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) && isHex(p[i+1]) && isHex(p[i+2]) {
			out = append(out, p[i])
			hex.Decode(out[len(out)-1:], p[i+1:i+3])
			i += 2
			continue
		}
		out = append(out, p[i])
	}
	return out
}

// minBase64 is the length of the shortest run of base64 that is looked into.
const minBase64 = 24

// base64 finds runs that hold a secret once they are decoded.
func (t *text) base64(out []find, tok []byte) []find {
	if t.s.depth >= maxDepth {
		return out
	}
	for i, end := longRunOf(tok, 0, sextet, minBase64); i >= 0; i, end = longRunOf(tok, end, sextet, minBase64) {
		if plausible(tok[i:end]) && t.s.runHoldsSecret(tok[i:end]) {
			from := i
			if t.soft {
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

// plausible reports whether run, of base64, may hold text: it is long, or the
// first sextets are as those of text in one of the four ways to cut them.
func plausible(run []byte) bool {
	if len(run) >= 128 || len(run) >= minHex && mayBeHex(run) {
		return true
	}
	return textual(run) != [4]bool{}
}

// textual tells for each of the ways to cut run, of base64, whether the first
// sextets are as those of text.
func textual(run []byte) (is [4]bool) {
	var n [4]int
	whole := min(len(run), 48) &^ 3
	for i := 0; i+4 <= whole; i += 4 {
		q := run[i : i+4]
		n[0] += int(leads[q[0]])
		n[1] += int(leads[q[1]])
		n[2] += int(leads[q[2]])
		n[3] += int(leads[q[3]])
	}
	for i := range is {
		is[i] = n[i] >= whole/4*3/4
	}
	return is
}

// mayBeHex reports whether there are hexadecimal digits that stand for text.
func mayBeHex(p []byte) bool {
	from, _ := hexRun(p, 0)
	return from >= 0
}

// hexRun returns where the first minHex hexadecimal digits in a row begin in
// p[i:], and where they end, or -1.
func hexRun(p []byte, i int) (from, to int) {
	for i+minHex <= len(p) {
		k := i + minHex
		for k > i && hexDigits[p[k-1]] {
			k--
		}
		if k > i { // none of those before p[k] begin as many
			i = k
			continue
		}
		for to = i + minHex; to < len(p) && hexDigits[p[to]]; {
			to++
		}
		return i, to
	}
	return -1, 0
}

// hexDigits are the bytes that isHex holds for.
var hexDigits = func() (is [256]bool) {
	for i := range is {
		is[i] = isHex(byte(i))
	}
	return is
}()

// maxDepth is how often encodings within encodings are decoded.
const maxDepth = 3

// runHoldsSecret reports whether p holds a secret in base64 or in hexadecimal
// digits.
func (s *Finder) runHoldsSecret(p []byte) bool {
	for from, to := hexRun(p, 0); from >= 0; from, to = hexRun(p, to) {
		digits := p[from : to-(to-from)%2]
		var first [minHex / 2]byte
		if hex.Decode(first[:], digits[:minHex]); !printable(first[:]) {
			continue
		}
		out := make([]byte, len(digits)/2)
		hex.Decode(out, digits)
		if printable(out) && s.holdsSecret(out) {
			return true
		}
	}
	return s.base64HoldsSecret(p)
}

// minHex is the length of the shortest run of hexadecimal digits that is looked
// into.
const minHex = 32

// base64HoldsSecret reports whether run holds a secret. A path before the
// base64 shifts it, so that all four ways to cut it are looked at, as far as
// they give text.
func (s *Finder) base64HoldsSecret(run []byte) bool {
	enc := base64.RawStdEncoding
	has := func(c byte) bool { return bytes.IndexByte(run, c) >= 0 }
	if has('-') || has('_') {
		if has('+') || has('/') { // of a path
			for part := range bytes.FieldsFuncSeq(run, func(r rune) bool { return r == '+' || r == '/' }) {
				if len(part) >= minBase64 && s.base64HoldsSecret(part) {
					return true
				}
			}
			return false
		}
		enc = base64.RawURLEncoding
	}
	var first [36]byte
	text := textual(run)
	for shift := range min(4, len(run)) {
		part := run[shift:]
		if !text[shift] && (shift > 0 || len(part) < 48) {
			continue
		}
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		n, _ := enc.Decode(first[:], part[:min(len(part), 48)&^3])
		if !printable(first[:n]) && (shift > 0 || len(part) < 48) {
			continue
		}
		buf := make([]byte, enc.DecodedLen(len(part)))
		n, _ = enc.Decode(buf, part)
		if s.holdsSecret(buf[:n]) {
			return true
		}
	}
	return false
}

// holdsSecret scans a decoded text.
func (s *Finder) holdsSecret(p []byte) bool {
	sub := Finder{Profile: s.Profile, depth: s.depth + 1}
	if sub.depth > maxDepth || len(p) < minLoose || s.Profile == Secrets && len(p) <= maxQuick && sub.harmlessBytes(p) {
		return false
	}
	if s.inner == nil {
		s.inner = newTrial(&sub, func(s *Finder) Sink { return newLoose(s) })
	}
	return !s.inner.clean(p)
}

func printable(p []byte) bool {
	n := 0
	for _, c := range p {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\r' || c == '\t' {
			n++
		}
	}
	return n*10 >= len(p)*9
}
