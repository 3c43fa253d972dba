package scan

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
)

// anchors are what the secrets that give themselves away begin with.
var anchors = [][]byte{[]byte("sk-"), []byte("ghp_"), []byte("gho_"), []byte("ghu_"), []byte("ghs_"), []byte("ghr_"),
	[]byte("AKIA"), []byte("eyJ"), []byte("://"), []byte(pemBegin)}

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

// find returns the secrets of a token in order.
func (t *text) find(tok []byte, m byte) []find {
	var out []find
	if m&atSign != 0 && m&colon != 0 {
		out = userinfo(out, tok)
	}
	if m&equals != 0 && (m&between != 0 || t.url) {
		out = t.parameters(out, tok)
	}
	if len(tok) >= 16 {
		out = patterns(out, tok)
		out = t.base64(out, tok)
	}
	if t.s.Profile == Strict {
		out = identities(out, tok)
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

// userinfo finds the user:password of URLs (RFC 3986, section 3.2.1). A user
// alone stays, and so does what is a template.
func userinfo(out []find, tok []byte) []find {
	for i := 0; ; {
		k := bytes.Index(tok[i:], []byte("://"))
		if k < 0 {
			return out
		}
		i += k + len("://")
		authority := tok[i:]
		if end := bytes.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		if at := bytes.LastIndexByte(authority, '@'); at > 0 && bytes.IndexByte(authority[:at], ':') >= 0 {
			out = append(out, find{i, i + at, inURL, unescapeQuery(authority[:at])})
		}
	}
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
		if bytes.ContainsAny(name, "?&#;") {
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

// parameter reports whether the value of a parameter goes. The key of a query
// is one, the key of something else is not.
func (t *text) parameter(name, value []byte, whole bool) bool {
	if len(value) == 0 {
		return false
	}
	decoded := unescapeQuery(value)
	switch name = unescapeQuery(name); t.s.Profile.judgeKey(name) {
	case goes, words:
		return true
	case opaque:
		return looksOpaque(decoded)
	}
	return whole && bytes.EqualFold(name, []byte("key")) || bytes.IndexByte(value, '%') >= 0 && t.s.holdsSecret(decoded)
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

// patterns finds keys by their beginning, and the signatures of JSON web tokens.
func patterns(out []find, tok []byte) []find {
	for _, p := range []struct {
		anchor string
		judge  func(tok []byte, i int) (from, to, next int)
	}{{"sk-", secretKey}, {"gh", githubToken}, {"AKIA", accessKey}, {"eyJ", signature}} {
		for i := 0; ; {
			k := bytes.Index(tok[i:], []byte(p.anchor))
			if k < 0 {
				break
			}
			from, to, next := p.judge(tok, i+k)
			if from < to {
				out = append(out, find{from: from, to: to})
			}
			i = next
		}
	}
	return out
}

// Each of the functions below judges what begins at tok[i], and returns where
// the secret is, if from < to, and where the next one can begin. They pass over
// what they have looked at, so that no token takes time by the square of its
// length.

// secretKey judges sk-… keys. What has neither a long run of letters and digits
// nor digits and capitals is a name with hyphens.
func secretKey(tok []byte, i int) (from, to, next int) {
	n := run(tok[i:], isBase64URL)
	key := tok[i : i+n]
	tried := false
	for k := 0; k < n; k++ {
		d := bytes.Index(key[k:], []byte("sk-"))
		if d < 0 {
			break
		}
		k += d
		if rest, ok := bytes.CutPrefix(key[k:], []byte("sk-ant-")); ok {
			kind := run(rest[:min(len(rest), 20)], isLowerOrDigit)
			if kind > 0 && kind+1+8 <= len(rest) && rest[kind] == '-' {
				return i + k, i + n, i + n
			}
		}
		if !tried && atWord(tok, i+k) {
			if n-k >= 20 && isRandom(key[k+3:]) {
				return i + k, i + n, i + n
			}
			tried = true // what is left of the run looks like a key even less
		}
	}
	return 0, 0, i + n
}

// isRandom reports whether key looks like one.
func isRandom(key []byte) bool {
	var digit, upper bool
	longest, length := 0, 0
	for _, c := range key {
		digit, upper = digit || isDigit(c), upper || 'A' <= c && c <= 'Z'
		if length++; c == '-' || c == '_' {
			length = 0
		}
		longest = max(longest, length)
	}
	return longest >= 16 || digit && upper
}

// githubToken judges gh[pousr]_… tokens.
func githubToken(tok []byte, i int) (from, to, next int) {
	if i+4 > len(tok) || tok[i+3] != '_' || bytes.IndexByte([]byte("pousr"), tok[i+2]) < 0 || !atWord(tok, i) {
		return 0, 0, i + 2
	}
	to = i + 4 + run(tok[i+4:], isWord)
	if to-i < 20 {
		return 0, 0, to
	}
	return i, to, to
}

// accessKey judges AKIA… access key ids: twenty capitals and digits.
func accessKey(tok []byte, i int) (from, to, next int) {
	if n := run(tok[i:min(i+21, len(tok))], isUpperOrDigit); n == 20 && atWord(tok, i) {
		return i, i + n, i + n
	}
	return 0, 0, i + 4
}

// signature judges JSON web tokens (RFC 7515, section 7.1), of which the
// signature goes, or all that follows the second part of an encrypted one (RFC
// 7516, section 7.1).
func signature(tok []byte, i int) (from, to, next int) {
	from = i
	for range 2 {
		n := run(tok[from:], isBase64URL)
		from += n
		if next == 0 {
			next = from
		}
		if n < 6 || from == len(tok) || tok[from] != '.' {
			return 0, 0, next
		}
		from++
	}
	n := run(tok[from:], func(c byte) bool { return isBase64URL(c) || c == '.' })
	if n = len(bytes.TrimRight(tok[from:from+n], ".")); n < 16 {
		return 0, 0, next
	}
	return from, from + n, from + n
}

// base64 finds runs that hold a secret once they are decoded.
func (t *text) base64(out []find, tok []byte) []find {
	if t.s.depth >= maxDepth {
		return out
	}
	for i := 0; i < len(tok); {
		n := run(tok[i:], isBase64)
		if n >= 24 && t.s.base64HoldsSecret(tok[i:i+n]) {
			from := i
			if t.soft {
				from = max(i, softBase64)
			}
			to := i + n
			for to < len(tok) && tok[to] == '=' {
				to++
			}
			out = append(out, find{from: from, to: to})
		}
		i += n + 1
	}
	return out
}

// maxDepth is how often encodings within encodings are decoded.
const maxDepth = 3

// base64HoldsSecret reports whether run holds a secret. A path before the
// base64 shifts it, so that all four ways to cut it are looked at, as far as
// they give text.
func (s *Finder) base64HoldsSecret(run []byte) bool {
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		if bytes.ContainsAny(run, "+/") {
			run = run[bytes.LastIndexAny(run, "+/")+1:]
		}
		enc = base64.RawURLEncoding
	}
	buf := make([]byte, enc.DecodedLen(len(run)))
	for shift := range min(4, len(run)) {
		part := run[shift:]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		if shift > 0 {
			n, _ := enc.Decode(buf, part[:min(len(part), 48)&^3])
			if !printable(buf[:n]) {
				continue
			}
		}
		n, _ := enc.Decode(buf, part)
		if s.holdsSecret(buf[:n]) {
			return true
		}
	}
	return false
}

// holdsSecret scans a decoded text.
func (s *Finder) holdsSecret(p []byte) bool {
	sub := Finder{Profile: s.Profile, depth: s.depth + 1}
	if sub.depth > maxDepth {
		return false
	}
	v := newValue(&sub)
	v.Write(p, 0, len(p))
	v.End()
	return sub.Found > 0
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

// run returns the length of the beginning of p for whose bytes ok holds.
func run(p []byte, ok func(byte) bool) int {
	for i, c := range p {
		if !ok(c) {
			return i
		}
	}
	return len(p)
}

// atWord reports whether a word may begin at tok[i].
func atWord(tok []byte, i int) bool { return i == 0 || !isLetterOrDigit(tok[i-1]) }

func isDigit(c byte) bool         { return '0' <= c && c <= '9' }
func isLetterOrDigit(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c) }
func isUpperOrDigit(c byte) bool  { return 'A' <= c && c <= 'Z' || isDigit(c) }
func isLowerOrDigit(c byte) bool  { return 'a' <= c && c <= 'z' || isDigit(c) }
func isWord(c byte) bool          { return isLetterOrDigit(c) || c == '_' }
func isBase64URL(c byte) bool     { return isWord(c) || c == '-' }
func isBase64(c byte) bool        { return isBase64URL(c) || c == '+' || c == '/' }
