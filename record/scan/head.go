package scan

import (
	"bytes"
	"strings"
)

// Field scans the value of the field called name (RFC 9110, section 5), which
// is h.Text[from:to].
func (s *Finder) Field(name string, h *Held, from, to int) {
	switch s.Profile.judgeField(name) {
	case goes:
		s.value(h, from+credentials(h.Text[from:to]), to)
	case cookies:
		for part := range bytes.SplitSeq(h.Text[from:to], []byte(";")) {
			s.cookie(h, from, from+len(part))
			from += len(part) + 1
		}
	case crumb:
		pair, rest, _ := bytes.Cut(h.Text[from:to], []byte(";"))
		s.cookie(h, from, from+len(pair))
		s.Freely(h, to-len(rest), to)
	default:
		if urlFields[strings.ToLower(name)] {
			s.URL(h, from, to)
		} else {
			s.Freely(h, from, to)
		}
	}
}

// urlFields are the fields whose value is a URL, often without a scheme.
var urlFields = set("location content-location referer")

// value takes out h.Text[from:to] but for the white space around it.
func (s *Finder) value(h *Held, from, to int) {
	v := h.Text[from:to]
	from += len(v) - len(bytes.TrimLeft(v, " \t\r\n"))
	v = bytes.TrimSpace(v)
	if len(v) > 0 {
		s.redact(h.Places(from, from+len(v)), v, inText)
	}
}

// cookie takes out the value of a cookie-pair (RFC 6265, section 4.1.1). One
// without a name is all value.
func (s *Finder) cookie(h *Held, from, to int) {
	s.value(h, from+bytes.IndexByte(h.Text[from:to], '=')+1, to)
}

// credentials returns the length of the scheme that value begins with
// (RFC 9110, section 11.4), with the space after it, or 0.
func credentials(value []byte) int {
	start := len(value) - len(bytes.TrimLeft(value, " \t"))
	i := start + TokenLen(value[start:])
	if i+1 >= len(value) || value[i] != ' ' || !schemes[strings.ToLower(string(value[start:i]))] {
		return 0
	}
	return i + 1
}

// schemes are the authentication schemes that stay when their credentials go.
var schemes = set("bearer basic digest token negotiate ntlm apikey api-key key hawk dpop mac oauth hoba mutual " +
	"aws4-hmac-sha256 googlelogin sapisidhash")

// TokenLen returns the length of the token (RFC 9110, section 5.6.2) that p
// begins with.
func TokenLen(p []byte) int { return run(p, isTokenChar) }

// isTokenChar reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// Freely scans h.Text[from:to] for what gives itself away.
func (s *Finder) Freely(h *Held, from, to int) {
	v := newValue(s)
	h.Feed(v.Write, from, to)
	v.End()
}

// URL scans h.Text[from:to], which is a URL or the target of a request.
func (s *Finder) URL(h *Held, from, to int) {
	v := text{s: s, url: true}
	h.Feed(v.Write, from, to)
	v.End()
}

// Freely returns v without the secrets that give themselves away.
func (p Profile) Freely(v string) string { return p.rewrite(v, (*Finder).Freely) }

// URL returns v, which is a URL or the target of a request, without its secrets.
func (p Profile) URL(v string) string { return p.rewrite(v, (*Finder).URL) }

// Field returns the value v of the field called name without its secrets.
func (p Profile) Field(name, v string) string {
	return p.rewrite(v, func(s *Finder, h *Held, from, to int) { s.Field(name, h, from, to) })
}

// rewrite returns v without what with finds in it.
func (p Profile) rewrite(v string, with func(s *Finder, h *Held, from, to int)) string {
	if v == "" {
		return v
	}
	var h Held
	h.Add([]byte(v), 0, len(v))
	s := Finder{Profile: p}
	with(&s, &h, 0, len(v))
	if len(s.spans) == 0 {
		return v
	}
	return string(Replace(nil, h.Text, 0, s.Take(Settled)))
}
