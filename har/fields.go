package har

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ssltape/record"
)

// urlOf returns the URL of x as importers take it.
func urlOf(x *record.Exchange) string {
	u, host := x.URL(), x.Host()
	if record.IsOpaque(u) {
		return safePath(u)
	}
	if safeAuthority(host) != host { // it may hold what looks like a path
		u = strings.Replace(u, "://"+host+"/", "://unknown/", 1)
	}
	return safeURL(u)
}

// safeURL returns u as importers take it: absolute, of printable ASCII, with a
// host and a port that can be, and without fragment.
func safeURL(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	return safeScheme(scheme) + "://" + safeAuthority(authority) + safePath(path)
}

// safePath returns s with what no URL has percent-encoded.
func safePath(s string) string {
	unsafe := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 }
	safe := 0
	for safe < len(s) && !unsafe(s[safe]) {
		safe++
	}
	if safe == len(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if unsafe(s[i]) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// escapeBytes returns s where it is UTF-8, else s with its bytes beyond ASCII
// percent-encoded.
func escapeBytes(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] < utf8.RuneSelf {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// safeScheme returns s in lower case where it is a scheme (RFC 3986, section
// 3.1), else https.
func safeScheme(s string) string {
	s = strings.ToLower(s)
	for i, c := range s {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return "https"
		}
	}
	if s == "" {
		return "https"
	}
	return s
}

func safeAuthority(a string) string {
	for i := range len(a) {
		c := a[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#%<>\\^`{|}/?", c) >= 0 {
			return "unknown"
		}
	}
	if isPlainHost(a) {
		return a
	}
	u, err := url.Parse("https://" + a)
	if err != nil || u.Hostname() == "" {
		return "unknown"
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return "unknown"
	}
	return a
}

// isPlainHost reports whether a is a name or an IPv4 address with a port or
// without, for which nothing has to be parsed.
func isPlainHost(a string) bool {
	name, port, _ := strings.Cut(a, ":")
	for i := range len(name) {
		if c := name[i]; !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return name != "" && (port != "" || len(name) == len(a)) && (len(port) < 5 || len(port) == 5 && port <= "65535")
}

// targetOf returns the request target in origin form (RFC 9112, section 3.2.1)
// that the absolute URL u was made of.
func targetOf(u string) string {
	_, rest, ok := strings.Cut(u, "://")
	if !ok || record.IsOpaque(u) {
		return u
	}
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		return "/"
	}
	if rest[i] == '?' {
		return "/" + rest[i:]
	}
	return rest[i:]
}

// portOf returns the port of the URL u, or that of its scheme; none where it is
// opaque.
func portOf(u string) word {
	if record.IsOpaque(u) {
		return ""
	}
	p, err := url.Parse(u)
	switch {
	case err == nil && p.Port() != "":
		return word(p.Port())
	case err == nil && (p.Scheme == "http" || p.Scheme == "ws"):
		return "80"
	}
	return "443"
}

func queryOf(u string) string {
	_, q, _ := strings.Cut(u, "?")
	return q
}

// parseQuery splits a query or an urlencoded form in order of appearance
// (WHATWG URL, section 5.1). What decodes to something else than UTF-8 stays
// encoded.
func parseQuery(q string) fields {
	out := fields{}
	for part := range strings.SplitSeq(q, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, nameValue{word(unescape(name)), word(unescape(value))})
	}
	return out
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil && utf8.ValidString(u) {
		return u
	}
	return asUTF8(s)
}

// requestCookies parses the Cookie fields (RFC 6265, section 4.2.1). What has no
// name is no cookie to most readers, some of which refuse a file for one: it stands
// in the field alone.
func requestCookies(fs record.Fields) []cookie {
	out := []cookie{}
	for _, f := range fs {
		if !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(asUTF8(f.Value), ";") {
			name, value, named := strings.Cut(pair, "=")
			if name = strings.TrimSpace(name); named && name != "" {
				out = append(out, cookie{Name: name, Value: strings.TrimSpace(value)})
			}
		}
	}
	return out
}

// responseCookies parses the Set-Cookie fields, without those that have no name
// (RFC 6265, section 5.2).
func responseCookies(fs record.Fields) []cookie {
	out := []cookie{}
	for _, f := range fs {
		if !strings.EqualFold(f.Name, "Set-Cookie") {
			continue
		}
		if c, named := setCookie(asUTF8(f.Value)); named {
			out = append(out, c)
		}
	}
	return out
}

func setCookie(s string) (c cookie, named bool) {
	pair, attributes, _ := strings.Cut(s, ";")
	name, value, named := strings.Cut(pair, "=")
	c = cookie{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
	for a := range strings.SplitSeq(attributes, ";") {
		key, v, _ := strings.Cut(a, "=")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "path":
			c.Path = v
		case "domain":
			c.Domain = v
		case "expires":
			c.Expires = cookieDate(v)
		case "httponly":
			c.HTTPOnly = true
		case "secure":
			c.Secure = true
		case "samesite":
			c.SameSite = v
		}
	}
	return c, named && c.Name != ""
}

// cookieDate returns the date s in RFC 3339, or "" where it is none.
func cookieDate(s string) string {
	for _, layout := range []string{
		time.RFC1123, "Mon, 02-Jan-2006 15:04:05 MST", "Monday, 02-Jan-06 15:04:05 MST",
		"Mon, 02-Jan-06 15:04:05 MST", "Mon, _2 Jan 2006 15:04:05 MST", time.ANSIC, time.RFC1123Z,
	} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() <= 9999 {
			return t.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	return ""
}
