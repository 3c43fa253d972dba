// Package field finds the secrets in the fields of messages (RFC 9110, section 5).
package field

import (
	"bytes"
	"strings"
	"sync"

	"ssltape/record/scan"
	"ssltape/record/scan/json"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// crumbLen returns the length of the first Set-Cookie field that p begins with:
// others may follow it on a line of their own, as in a HAR file, or after a comma,
// if another name does.
func crumbLen(p []byte) int {
	for i, c := range p {
		if c == '\n' {
			return i
		}
		if c == ',' && bytes.IndexByte(p[:i], ';') >= 0 {
			name := bytes.TrimLeft(p[i+1:], " ")
			if n := char.TokenLen(name); n > 0 && n < len(name) && name[n] == '=' {
				return i
			}
		}
	}
	return len(p)
}

// ScanHead scans the lines of h: fields, and what else there may be.
func ScanHead(s *scan.Finder, h *scan.Held) {
	for from := 0; from < len(h.Text); {
		to := len(h.Text)
		if k := bytes.IndexByte(h.Text[from:], '\n'); k >= 0 {
			to = from + k + 1
		}
		name, _, ok := bytes.Cut(h.Text[from:to], []byte(":"))
		if ok && char.TokenLen(name) == len(name) {
			Scan(s, string(name), h, from+len(name)+1, to)
		} else {
			ScanFreely(s, h, from, to)
		}
		from = to
	}
}

// offers takes the tokens out of a list of protocols that a WebSocket is asked to
// speak (RFC 6455, section 11.3.4), where browsers have no other place for them:
// what looks random, or what follows on the last dot in that.
func scanOffers(s *scan.Finder, h *scan.Held, from, to int) {
	for part := range bytes.SplitSeq(h.Text[from:to], []byte(",")) {
		end := from + len(part)
		a, b := char.Trim(h.Text, from, end)
		item := h.Text[a:b]
		if !bytes.HasPrefix(item, []byte("eyJ")) {
			a += bytes.LastIndexByte(item, '.') + 1
		}
		if item = h.Text[a:b]; len(item) >= secret.MinKey && secret.IsShuffled(item) {
			scanValue(s, h, a, b)
		} else {
			ScanFreely(s, h, from, end)
		}
		from = end + 1
	}
}

// holdsData reports whether p, what follows the name of a scheme, is data rather
// than parameters (RFC 9110, section 11.2).
func holdsData(p []byte) bool {
	p = bytes.TrimSpace(p)
	return len(p) >= secret.MinKey && char.Run(bytes.TrimRight(p, "="), isMarkedBase64) == len(bytes.TrimRight(p, "="))
}

func isMarkedBase64(c byte) bool { return char.IsBase64(c) || c == '.' || c == '~' }

// Scan scans the value of the field called name (RFC 9110, section 5), which
// is h.Text[from:to].
func Scan(s *scan.Finder, name string, h *scan.Held, from, to int) {
	switch v := s.Profile.Field(name); v {
	case secret.Goes:
		scanValue(s, h, from+secret.Credentials(h.Text[from:to]), to)
	case secret.Cookies:
		for part := range bytes.SplitSeq(h.Text[from:to], []byte(";")) {
			scanCookie(s, h, from, from+len(part))
			from += len(part) + 1
		}
	case secret.Crumb:
		for from < to {
			end := from + crumbLen(h.Text[from:to])
			pair, rest, _ := bytes.Cut(h.Text[from:end], []byte(";"))
			scanCookie(s, h, from, from+len(pair))
			ScanFreely(s, h, end-len(rest), end)
			from = end + 1
		}
	case secret.Offers:
		scanOffers(s, h, from, to)
	default:
		if v != secret.Stays && goes(v, h.Text[from:to]) {
			scanValue(s, h, from+secret.Credentials(h.Text[from:to]), to)
		} else if IsURL(name) {
			ScanURL(s, h, from, to)
		} else {
			ScanFreely(s, h, from, to)
		}
	}
}

// goes reports whether the value of a field goes by the verdict v on its name, but
// for its scheme.
func goes(v secret.Verdict, value []byte) bool {
	k := secret.Credentials(value)
	if v == secret.Challenge {
		return k > 0 && holdsData(value[k:])
	}
	return v.Confirms(bytes.TrimSpace(value[k:]))
}

// urlFields are the fields whose value is a URL, often without a scheme.
var urlFields = char.Set("location content-location referer refresh origin destination sourcemap link")

// IsURL reports whether the value of the field called name is a URL.
func IsURL(name string) bool {
	if n := len(name) - len("-url"); n >= 0 && (strings.EqualFold(name[n:], "-url") || strings.EqualFold(name[n:], "-uri")) {
		return true
	}
	var b [len("content-location")]byte
	return urlFields[string(char.Lower(b[:0], []byte(name)))]
}

// scanValue takes out h.Text[from:to] but for the white space around it.
func scanValue(s *scan.Finder, h *scan.Held, from, to int) {
	if from, to = char.Trim(h.Text, from, to); from < to {
		s.Redact(h.Places(from, to), h.Text[from:to], scan.InText)
	}
}

// scanCookie takes out the value of a cookie-pair (RFC 6265, section 4.1.1). One
// without a name is all value.
func scanCookie(s *scan.Finder, h *scan.Held, from, to int) {
	if a, b := char.Trim(h.Text, from, to); scan.IsStandIn(h.Text[a:b]) { // for one without a name
		return
	}
	n := bytes.IndexByte(h.Text[from:to], '=')
	name := bytes.TrimSpace(h.Text[from : from+max(n, 0)])
	from, to = char.Trim(h.Text, from+n+1, to)
	switch value := h.Text[from:to]; {
	case len(value) == 0:
	case secret.IsMemorableCookie(name, value):
		s.Redact(h.Places(from, to), value, scan.InText)
	default:
		s.Hide(h.Places(from, to), value, scan.InText)
	}
}

// ScanFreely scans h.Text[from:to] for what gives itself away.
func ScanFreely(s *scan.Finder, h *scan.Held, from, to int) {
	if from, to = char.Trim(h.Text, from, to); s.Profile == secret.Secrets && harmless(h.Text[from:to]) {
		return
	}
	v := json.NewLoose(s)
	h.Feed(v.Write, from, to)
	v.End()
}

// ScanURL scans h.Text[from:to], which is a URL or the target of a request: a
// single token, whatever is in it.
func ScanURL(s *scan.Finder, h *scan.Held, from, to int) {
	if from, to = char.Trim(h.Text, from, to); s.Profile == secret.Secrets && harmless(h.Text[from:to]) {
		return
	}
	t := json.NewText(s)
	t.JudgeURL(h, from, to)
}

// Freely returns v without the secrets that give themselves away.
func Freely(p secret.Profile, v string) string { return (&Texts{Profile: p}).Freely(v) }

// URL returns v, which is a URL or the target of a request, without its secrets.
func URL(p secret.Profile, v string) string { return (&Texts{Profile: p}).URL(v) }

// Value returns the value v of the field called name without its secrets.
func Value(p secret.Profile, name, v string) string { return (&Texts{Profile: p}).Value(name, v) }

// A Texts rewrites short texts.
type Texts struct {
	Profile secret.Profile
	Memory  *scan.Memory // of what is known, which learns what is found, or nil
}

// Freely returns v without the secrets that give themselves away.
func (t *Texts) Freely(v string) string {
	if t.Profile == secret.Secrets && harmless(v) {
		return t.Recall(v, false)
	}
	return t.rewrite(v, ScanFreely, false)
}

// URL returns v, which is a URL or the target of a request, without its secrets.
func (t *Texts) URL(v string) string {
	if t.Profile == secret.Secrets && harmless(v) {
		return t.Recall(v, true)
	}
	return t.rewrite(v, ScanURL, true)
}

// Value returns the value v of the field called name without its secrets.
func (t *Texts) Value(name, v string) string {
	if t.Profile == secret.Secrets && harmless(v) && t.Profile.Field(name) == secret.Stays {
		return t.Recall(v, IsURL(name))
	}
	return t.rewrite(v, func(s *scan.Finder, h *scan.Held, from, to int) { Scan(s, name, h, from, to) }, IsURL(name))
}

// Recall returns v, which is a URL or not, without the values that are known.
func (t *Texts) Recall(v string, isURL bool) string {
	if t.Memory.IsEmpty() || v == "" {
		return v
	}
	return t.rewrite(v, func(*scan.Finder, *scan.Held, int, int) {}, isURL)
}

// rewrite returns v, which is a URL or not, without what with finds in it, and without the
// values that are known.
func (t *Texts) rewrite(v string, with func(s *scan.Finder, h *scan.Held, from, to int), isURL bool) string {
	if v == "" {
		return v
	}
	var h scan.Held
	h.Add([]byte(v), 0, len(v))
	s := scan.Finder{Profile: t.Profile, Memory: t.Memory, Safe: isURL}
	with(&s, &h, 0, len(v))
	spans, _ := s.Recall(s.Take(scan.Settled), h.Text, 0, true)
	if s.Found == 0 {
		return v
	}
	return string(scan.Replace(nil, h.Text, 0, spans))
}

// maxHarmless is the length of the longest value that harmless looks at.
const maxHarmless = 256

// A glass is what harmless looks with.
type glass struct {
	text  text.Text
	value [maxHarmless]byte
}

// glasses are not in use.
var glasses = sync.Pool{New: func() any {
	return &glass{text: json.NewText(&scan.Finder{Profile: secret.Secrets})}
}}

// harmless reports whether nothing of v goes by [secret.Secrets] for certain.
func harmless[bytes []byte | string](v bytes) bool {
	if len(v) < secret.MinLoose {
		return true
	}
	if len(v) > maxHarmless {
		return false
	}
	g := glasses.Get().(*glass)
	defer glasses.Put(g)
	return g.text.Harmless(g.value[:copy(g.value[:], v)])
}
