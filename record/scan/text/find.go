package text

import (
	"bytes"
	"slices"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A find is a secret: tok[from:to].
type find struct {
	from, to int
	shape    scan.Shape
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
func (t *Text) find(tok []byte, m byte, before []byte, raw bool) []find {
	out := t.finds[:0]
	if m&char.AtSign != 0 {
		out = t.userinfo(out, tok, before, raw)
	}
	if m&char.Equals != 0 && (m&char.Between != 0 || t.url) {
		out = t.parameters(out, tok)
	}
	if m&char.Colon != 0 && t.login(tok, before, raw) {
		out = append(out, find{from: 0, to: len(tok)})
	} else if from, to := byColon(tok, m); from < to {
		out = append(out, find{from: from, to: to})
	} else if m&(char.Colon|char.Digit) == char.Colon|char.Digit && t.isPgpass(tok, before, raw) {
		out = append(out, find{from: bytes.LastIndexByte(tok, ':') + 1, to: len(tok)})
	}
	if m&char.Digit != 0 || len(tok) <= MaxQuick && t.isRandom(tok, before) {
		out = t.assigned(out, tok, m, before, raw)
	} else if from := wordAssigned(tok, m); from > 0 {
		out = append(out, find{from: from, to: len(tok)})
	}
	if len(tok) >= secret.MinKey {
		out = t.keys(out, tok)
		out = awsSecret(out, tok)
		out = t.pathTokens(out, tok)
		out = t.base64(out, tok)
		if m&char.Percent != 0 {
			out = t.percents(out, tok)
		}
	}
	if t.s.Profile == secret.Strict {
		out = t.identities(out, tok, before, raw)
	}
	if t.finds = out; len(out) == 0 {
		return nil
	}
	if t.url {
		for i := range out {
			out[i].shape = scan.InURL
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

// byColon returns the place of the secret in a token with the classes m that has colons, if
// from < to: of a network (WIFI:S:…;P:…;), or a token of Asana (2/…/…:…).
func byColon(tok []byte, m byte) (from, to int) {
	if m&char.Colon == 0 {
		return 0, 0
	}
	if bytes.HasPrefix(tok, []byte("WIFI:")) {
		if k := bytes.Index(tok, []byte(";P:")); k >= 0 {
			from = k + len(";P:")
			password, _, _ := bytes.Cut(tok[from:], []byte{';'})
			return from, from + len(password)
		}
	}
	if k := bytes.IndexByte(tok, ':'); k > minAsana && tok[1] == '/' && char.IsDigit(tok[0]) && len(bytes.Trim(tok[:k], "0123456789/")) == 0 &&
		char.Run(tok[k+1:], char.IsHex) == asanaLen {
		return k + 1, k + 1 + asanaLen
	}
	return 0, 0
}

// hasColon reports whether byColon finds something.
func hasColon(tok []byte, m byte) bool {
	from, to := byColon(tok, m)
	return from < to
}

// Such a token has so many hexadecimal digits after the colon, and minAsana bytes before it.
const (
	asanaLen = 32
	minAsana = 14
)

// aroundParameters are the bytes between parameters.
var aroundParameters = char.In("?&#;")

// parameters finds the values of secret names in the query or fragment of URLs.
func (t *Text) parameters(out []find, tok []byte) []find {
	whole := t.url || bytes.Contains(tok, []byte("://")) || tok[0] == '/'
	for i := 0; i < len(tok); {
		k := aroundParameters.Index(tok[i:])
		if k < 0 {
			return out
		}
		i += k + 1
		name, _, found := bytes.Cut(tok[i:], []byte("="))
		if !found {
			return out
		}
		if !secret.IsParameter(name) {
			continue
		}
		from := i + len(name) + 1
		value := tok[from:]
		if end := aroundParameters.Index(value); end >= 0 {
			value = value[:end]
		}
		if t.parameter(name, value, whole) {
			out = append(out, find{from, from + len(value), scan.InURL, escape.DecodeQuery(value)})
		}
		i = from
	}
	return out
}

// parameter reports whether the value of a parameter goes. The key of a query
// is one, the key of something else is not.
func (t *Text) parameter(name, value []byte, whole bool) bool {
	if len(value) == 0 {
		return false
	}
	decoded := escape.DecodeQuery(value)
	name = escape.DecodeQuery(name)
	if v := t.s.Profile.Key(name); v != secret.Stays && (v != secret.Shuffled || !secret.IsURLKey(name)) {
		return v.Confirms(decoded)
	}
	if string(name) == "sig" && len(decoded) >= minSig && secret.IsShuffled(decoded) { // SharedAccessSignature sr=…&sig=…
		return true
	}
	if whole && secret.IsURLKey(name) && (secret.IsQueryKey(bytes.ToLower(name)) || secret.LooksOpaque(decoded)) {
		return true
	}
	return string(name) == "query" && t.documentHolds(decoded) || len(decoded) < len(value) && t.HoldsSecret(decoded)
}

// minSig is the length of the shortest signature that is known in text that is no URL.
const minSig = 32

// awsSecretLen is the length of the secret part of a key of AWS.
const awsSecretLen = 40

// awsSecret finds the secret part of the last key in out, if that is one of AWS
// that it follows on: AKIA…:secret.
func awsSecret(out []find, tok []byte) []find {
	k := len(out) - 1
	if k < 0 || out[k].to+1 >= len(tok) || tok[out[k].from] != 'A' || bytes.IndexByte([]byte(":,;"), tok[out[k].to]) < 0 {
		return out
	}
	from := out[k].to + 1
	if char.Run(tok[from:], char.IsBase64) == awsSecretLen {
		out = append(out, find{from: from, to: from + awsSecretLen})
	}
	return out
}

// pathNames are the parts of paths that a token follows, which works once or is all
// that is asked.
var pathNames = char.Set("reset-password password-reset resetpassword passwordreset reset password verify verify-email verification " +
	"confirm confirmation activate activation invite invites invitation invitations magic magic-link magiclink unlock recover recovery " +
	"token tokens otp set-password setpassword login auth webhook webhooks hook hooks catch key IncomingWebhook")

// pathTokens finds what looks random after one of these in a URL or a path: and an
// UUID after those that tell one.
func (t *Text) pathTokens(out []find, tok []byte) []find {
	if len(tok) < minPath {
		return out
	}
	path := tok
	for _, c := range []byte("?#") {
		if end := bytes.IndexByte(path, c); end >= 0 {
			path = path[:end]
		}
	}
	if !hasLongPart(path) || !t.url && tok[0] != '/' && !bytes.Contains(tok, []byte("://")) {
		return out
	}
	var name []byte // the part before, or before a number
	for from := 0; from < len(path); {
		to := from + bytes.IndexByte(path[from:], '/')
		if to < from {
			to = len(path)
		}
		part := path[from:to]
		switch {
		case len(part) > 0 && char.IsDigit(part[0]) && char.Run(part, char.IsDigit) == len(part): // the number of a webhook
		case (len(part) >= secret.MinKey && (pathNames[string(name)] || isTeam(name)) || string(name) == "catch" && len(part) >= minHook) && isPathToken(part):
			out = append(out, find{from: from, to: to})
			name = nil
		default:
			name = part
		}
		from = to + 1
	}
	return out
}

// hasLongPart reports whether a part of path may be a token: it is as long as a key.
func hasLongPart(path []byte) bool {
	for from := 0; from+secret.MinKey <= len(path); {
		k := bytes.LastIndexByte(path[from:from+secret.MinKey], '/')
		if k < 0 {
			return true
		}
		from += k + 1
	}
	return false
}

// minPath is the length of the shortest path with a token in it.
const minPath = 20

// minHook is the length of the shortest part of a path that Zapier calls a hook.
const minHook = 6

// isTeam reports whether a part of a path is how Slack calls a team or a hook of it, which
// the token follows: T0AB12CDE.
func isTeam(part []byte) bool {
	return len(part) > 8 && (part[0] == 'T' || part[0] == 'B' || part[0] == 'E') && char.Run(part, char.IsUpperOrDigit) == len(part)
}

// isPathToken reports whether a part of a path looks random.
func isPathToken(part []byte) bool {
	n := char.Run(part, char.IsDotted)
	return n == len(part) && (secret.IsShuffled(part) || secret.IsUUID(part))
}

// keys finds keys by their beginning, and the signatures of JSON web tokens.
func (t *Text) keys(out []find, tok []byte) []find {
	nextKey := secret.NextKey
	if len(tok) > MaxQuick && t.all&char.Sextet != 0 && secret.IsSolid(tok) {
		nextKey = secret.NextSolidKey
	}
	for i := nextKey(tok, 0); i < len(tok); {
		from, to, next := secret.KeyAt(tok, i)
		if from < to {
			out = append(out, find{from: from, to: to})
		}
		i = nextKey(tok, max(next, i+1))
	}
	if from, to := secret.DashedKey(tok); from < to {
		out = append(out, find{from: from, to: to})
	}
	return out
}

// An ahead looks through a text for words, each once and ahead of what is asked for.
type ahead struct {
	text  []byte // all that came
	known bool   // all below is
	first int    // where the first word that was not told of yet ends
	next  [4]int // where the next one of each begins
}

// maxAfter is how much of the name of a field comes after what such names have in common.
const maxAfter = len(`\":`)

// tells reports whether one of words, up to four, ends in the first n bytes of the text
// that did not do so, with maxAfter bytes more, when it was asked the last time.
func (a *ahead) tells(words []word, n int) bool {
	if n > len(a.text) {
		return true // it is another text
	}
	if a.known && n < a.first {
		return false
	}
	told := false
	first := len(a.text) + 1
	for i := range words {
		w, at := &words[i], &a.next[i]
		if !a.known {
			*at = w.from(a.text, 0)
		}
		for size := len(w.text); *at+size <= n; *at = w.from(a.text, *at+1) {
			if told = true; *at+size+maxAfter > n {
				break // what makes it a name may come
			}
		}
		first = min(first, *at+len(w.text))
	}
	a.known, a.first = true, first
	return told
}

// A word is one that is looked for by a byte in it that is rare.
type word struct {
	text []byte
	rare int // where that is
}

// newWord returns the word text, in which c is rare.
func newWord(text string, c byte) word { return word{[]byte(text), strings.IndexByte(text, c)} }

// from returns the place of the first w from p[i] on, or len(p).
func (w *word) from(p []byte, i int) int {
	for i += w.rare; i < len(p); i++ {
		k := bytes.IndexByte(p[i:], w.text[w.rare])
		if k < 0 {
			break
		}
		if i += k; bytes.HasPrefix(p[i-w.rare:], w.text) {
			return i - w.rare
		}
	}
	return len(p)
}

// identities finds what says who it was: mail addresses, UUIDs (RFC 9562) and
// the names of home folders.
func (t *Text) identities(out []find, tok, before []byte, raw bool) []find {
	if end := t.preceding(before); len(end) == 0 || end[len(end)-1] == '\\' {
		b := bytes.TrimRight(t.last(before, raw), `\`)
		if n := char.Run(tok, isHomeName); n > 0 && bytes.HasSuffix(b, []byte(`\Users`)) {
			out = append(out, find{from: 0, to: n})
		}
	}
	for i := 0; ; {
		k := bytes.IndexByte(tok[i:], '@')
		if k < 0 {
			break
		}
		at := i + k
		from, to := at, at+1
		for from > 0 && isMailbox(tok[from-1]) {
			from--
		}
		to += char.Run(tok[to:], isDomain)
		for to > at && (tok[to-1] == '.' || tok[to-1] == '-') {
			to--
		}
		if from < at && bytes.IndexByte(tok[at:to], '.') > 1 {
			out = append(out, find{from: from, to: to})
		}
		i = at + 1
	}
	for i := 8; i+28 <= len(tok); i++ {
		if tok[i] == '-' && secret.IsUUID(tok[i-8:i+28]) {
			out = append(out, find{from: i - 8, to: i + 28})
			i += 27
		}
	}
	for _, home := range []string{"/home/", "/Users/"} {
		if i := bytes.Index(tok, []byte(home)); i >= 0 {
			from := i + len(home)
			if n := char.Run(tok[from:], isHomeName); n > 0 {
				out = append(out, find{from: from, to: from + n})
			}
		}
	}
	return out
}

func isMailbox(c byte) bool { return char.IsWord(c) || bytes.IndexByte([]byte(".+-%"), c) >= 0 }

func isDomain(c byte) bool { return char.IsLetterOrDigit(c) || c == '-' || c == '.' }

func isHomeName(c byte) bool { return char.IsWord(c) || c == '-' || c == '.' || c == '*' }
