package redact

import (
	"bytes"
	"strings"

	"ssltape/record"
)

// field scans the value of the field called name, which is h.text[from:to].
func (s *scan) field(name string, h *held, from, to int) {
	switch s.profile.judgeField(name) {
	case goes:
		s.value(h, from+credentials(h.text[from:to]), to)
	case cookies:
		for part := range bytes.SplitSeq(h.text[from:to], []byte(";")) {
			s.cookie(h, from, from+len(part))
			from += len(part) + 1
		}
	case crumb:
		pair, rest, _ := bytes.Cut(h.text[from:to], []byte(";"))
		s.cookie(h, from, from+len(pair))
		s.freely(h, to-len(rest), to)
	default:
		if urlFields[strings.ToLower(name)] {
			s.url(h, from, to)
		} else {
			s.freely(h, from, to)
		}
	}
}

// urlFields are the fields whose value is a URL, often without a scheme.
var urlFields = set("location content-location referer")

// value takes out h.text[from:to] but for the white space around it.
func (s *scan) value(h *held, from, to int) {
	v := h.text[from:to]
	from += len(v) - len(bytes.TrimLeft(v, " \t\r\n"))
	v = bytes.TrimSpace(v)
	if len(v) > 0 {
		s.redact(h.places(from, from+len(v)), v, inText)
	}
}

// cookie takes out the value of a cookie-pair (RFC 6265, section 4.1.1). One
// without a name is all value.
func (s *scan) cookie(h *held, from, to int) {
	s.value(h, from+bytes.IndexByte(h.text[from:to], '=')+1, to)
}

// credentials returns the length of the scheme that value begins with
// (RFC 9110, section 11.4), with the space after it, or 0.
func credentials(value []byte) int {
	start := len(value) - len(bytes.TrimLeft(value, " \t"))
	i := start + run(value[start:], isTokenChar)
	if i+1 >= len(value) || value[i] != ' ' || !schemes[strings.ToLower(string(value[start:i]))] {
		return 0
	}
	return i + 1
}

// schemes are the authentication schemes that stay when their credentials go.
var schemes = set("bearer basic digest token negotiate ntlm apikey api-key key hawk dpop mac oauth hoba mutual " +
	"aws4-hmac-sha256 googlelogin sapisidhash")

// isTokenChar reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// freely scans h.text[from:to] for what gives itself away.
func (s *scan) freely(h *held, from, to int) {
	v := newValue(s)
	h.feed(v.write, from, to)
	v.end()
}

// url scans h.text[from:to], which is a URL, if need be a relative one.
func (s *scan) url(h *held, from, to int) {
	v := text{s: s, url: true}
	h.feed(v.write, from, to)
	v.end()
}

// freely returns v without the secrets that give themselves away.
func (p Profile) freely(v string) string { return p.text(v, (*scan).freely) }

// url returns v, which is a URL or the target of a request, without its secrets.
func (p Profile) url(v string) string { return p.text(v, (*scan).url) }

// text returns v without what with finds in it.
func (p Profile) text(v string, with func(s *scan, h *held, from, to int)) string {
	if v == "" {
		return v
	}
	var h held
	h.add([]byte(v), 0, len(v))
	s := scan{profile: p}
	with(&s, &h, 0, len(v))
	if len(s.spans) == 0 {
		return v
	}
	return string(replace(nil, h.text, 0, s.take(settled)))
}

// fields returns fs without its secrets.
func (p Profile) fields(fs record.Fields) record.Fields {
	if fs == nil {
		return nil
	}
	out := make(record.Fields, len(fs))
	for i, f := range fs {
		out[i] = record.Field{Name: f.Name, Value: p.text(f.Value, func(s *scan, h *held, from, to int) {
			s.field(f.Name, h, from, to)
		})}
	}
	return out
}
