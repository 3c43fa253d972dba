package scan

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"strconv"
	"strings"
)

// A form is the sink for application/x-www-form-urlencoded (WHATWG URL, section
// 5). What begins as JSON is taken for that: curl -d sends it under this type.
type form struct {
	s      *Finder
	begun  bool
	json   Sink
	name   []byte
	names  text // names, for what gives itself away
	value  Sink // of the parameter under way, or nil within its name
	usual  *value
	col    collector
	escape Held // a percent sign and what follows it
	trial  *trial
}

func newForm(s *Finder) *form {
	s.urls = true
	return &form{s: s, names: text{s: s}, usual: newValue(s), col: collector{s: s}}
}

func (f *form) Write(p []byte, at int64, n int) {
	if !f.begun && len(p) > 0 {
		f.begun = true
		if p[0] == '{' || p[0] == '[' {
			f.s.urls = false
			f.json = newValue(f.s)
		}
	}
	if f.json != nil || len(p) != n {
		f.out().Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 0
		if f.value == nil && len(f.name) == 0 && len(f.escape.Text) == 0 {
			i = f.quick(p)
		}
		switch {
		case i > 0:
		case p[0] == '&':
			f.endParameter()
		case len(f.escape.Text) > 0 || p[0] == '%':
			f.percent(p[:1], at)
		case p[0] == '=' && f.value == nil:
			f.beginValue()
		case p[0] == '+':
			f.decoded([]byte{' '}, at, 1)
		default:
			if i = bytes.IndexAny(p, "&%=+"); i < 0 {
				i = len(p)
			}
			i = max(i, 1)
			f.decoded(p[:i], at, i)
		}
		i = max(i, 1)
		p, at = p[i:], at+int64(i)
	}
}

// out returns the sink for what comes next.
func (f *form) out() Sink {
	switch {
	case f.json != nil:
		return f.json
	case f.value != nil:
		return f.value
	}
	return &f.names
}

// decoded takes a part of a name or value.
func (f *form) decoded(p []byte, at int64, n int) {
	if f.value == nil {
		f.name = append(f.name, p[:min(len(p), maxName+1-len(f.name))]...)
	}
	f.out().Write(p, at, n)
}

// percent takes a byte of an escape.
func (f *form) percent(p []byte, at int64) {
	f.escape.Add(p, at, 1)
	e := f.escape.Text
	if len(e) < 3 {
		return
	}
	c, err := strconv.ParseUint(string(e[1:3]), 16, 8)
	if err != nil {
		f.endEscape()
		return
	}
	out := []byte{byte(c)}
	for _, s := range f.escape.Places(0, 3) {
		f.decoded(out, s.At, s.N)
		out = nil
	}
	f.escape.Reset()
}

// endEscape takes what is not an escape for what it is.
func (f *form) endEscape() {
	f.escape.Feed(f.decoded, 0, len(f.escape.Text))
	f.escape.Reset()
}

func (f *form) beginValue() {
	f.names.End()
	f.value = f.usual
	if v := f.s.Profile.judgeKey(f.name); v != stays {
		f.col.begin(v, inURL)
		f.value = &f.col
	} else if string(f.name) == "query" {
		f.value = newGraphQL(f.s)
	}
}

func (f *form) endParameter() {
	f.endEscape()
	f.out().End()
	f.value, f.name = nil, f.name[:0]
}

func (f *form) End() {
	f.endParameter()
	f.s.urls, f.begun, f.json = false, false, nil
}

func (f *form) Pending() int64 { return min(f.escape.Start(0), f.out().Pending()) }

// A multipart is the sink for a multipart body (RFC 2046, section 5.1). A part
// is scanned by its own Content-Type; one with the name of a secret goes.
type multipart struct {
	s        *Finder
	level    int
	boundary []byte // with the hyphens before it; nil until the first line told
	line     Held   // what may become a delimiter, or lines of a head
	start    int    // of the last of these lines
	state    int
	part     Sink
}

// Where a multipart is.
const (
	inDelimiter   = iota // in a line break and what may be a delimiter after it
	inPart               // in a line that is no delimiter
	afterBoundary        // in the rest of a delimiter
	inPartHead           // in the fields of a part
)

// maxPartHead is the length of the longest head of a part that is looked at as one.
const maxPartHead = 64 << 10

func newMultipart(s *Finder, contentType string, level int) *multipart {
	m := &multipart{s: s, level: level + 1, part: newValue(s)}
	if _, params, err := mime.ParseMediaType(contentType); err == nil && params["boundary"] != "" {
		m.boundary = []byte("--" + params["boundary"])
	}
	return m
}

func (m *multipart) Write(p []byte, at int64, n int) {
	if len(p) != n {
		m.part.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		switch m.state {
		case inDelimiter:
			i = m.delimiter(p, at)
		case afterBoundary:
			if p[0] == '\n' {
				m.state = inPartHead
			}
		case inPartHead:
			m.head(p[:1], at)
		default:
			if i = bytes.IndexAny(p, "\r\n"); i < 0 {
				i = len(p)
			}
			if i == 0 {
				m.state = inDelimiter
				break
			}
			m.part.Write(p[:i], at, i)
		}
		p, at = p[i:], at+int64(i)
	}
}

// delimiter takes a byte of what may be a delimiter, if it is one so far, and
// returns 1, else 0.
func (m *multipart) delimiter(p []byte, at int64) int {
	text := m.line.Text
	lead := 0 // the line break
	if lead < len(text) && text[lead] == '\r' {
		lead++
	}
	if lead < len(text) && text[lead] == '\n' {
		lead++
	}
	c := p[0]
	so := text[lead:]
	switch {
	case m.boundary == nil && len(so) >= 2 && (c == '\r' || c == '\n'):
		m.boundary = bytes.Clone(so)
	case c == '\n' && (len(text) == 0 || len(text) == 1 && text[0] == '\r'), c == '\r' && len(text) == 0:
		m.line.Add(p[:1], at, 1)
		return 1
	case m.boundary == nil && len(so) < 100 && (len(so) >= 2 || c == '-'), // RFC 2046 allows 70
		len(so) < len(m.boundary) && c == m.boundary[len(so)]:
		m.line.Add(p[:1], at, 1)
		if len(so)+1 < len(m.boundary) || m.boundary == nil {
			return 1
		}
		m.endPart()
		return 1
	default:
		m.line.Feed(m.part.Write, 0, len(text))
		m.line.Reset()
		m.state = inPart
		return 0
	}
	m.endPart()
	return 0
}

// endPart ends a part at a delimiter.
func (m *multipart) endPart() {
	m.part.End()
	m.line.Reset()
	m.start = 0
	m.part = newValue(m.s)
	m.state = afterBoundary
}

// head takes a byte of the fields of a part.
func (m *multipart) head(p []byte, at int64) {
	m.line.Add(p, at, 1)
	if p[0] != '\n' && len(m.line.Text) < maxPartHead {
		return
	}
	line := bytes.TrimRight(m.line.Text[m.start:], "\r\n")
	m.start = len(m.line.Text)
	if len(line) > 0 && len(m.line.Text) < maxPartHead {
		return
	}
	m.part = m.choose(string(m.line.Text))
	m.s.head(&m.line)
	m.line.Reset()
	m.start, m.state = 0, inPart
}

// choose returns the sink for a part with the given head.
func (m *multipart) choose(head string) Sink {
	var contentType, coding string
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-type":
			contentType = value
		case "content-transfer-encoding":
			coding = strings.ToLower(value)
		case "content-disposition":
			_, params, _ := mime.ParseMediaType(value)
			if v := m.s.Profile.judgeKey([]byte(params["name"])); v != stays {
				c := &collector{s: m.s}
				if c.begin(v, inText); v == words {
					c.shape = message
				}
				return c
			}
		}
	}
	if coding == "base64" {
		return NewPacked(m.s, m.s.unpackBase64, newValue(m.s))
	}
	return newBody(m.s, contentType, m.level)
}

func (m *multipart) End() {
	if m.state == inPartHead {
		m.s.Freely(&m.line, 0, len(m.line.Text))
	} else {
		m.line.Feed(m.part.Write, 0, len(m.line.Text))
	}
	m.line.Reset()
	m.part.End()
	m.start, m.state = 0, inDelimiter
}

func (m *multipart) Pending() int64 { return min(m.line.Start(0), m.part.Pending()) }

// unpackBase64 looks into a part with the transfer encoding base64 (RFC 2045,
// section 6.8).
func (s *Finder) unpackBase64(p []byte) (instead []byte, ok bool) {
	d := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p))
	out, err := io.ReadAll(d)
	if s.holdsSecret(out) {
		return []byte{}, true
	}
	return nil, err == nil
}

// A fields is the sink for a message within a body (RFC 9112, section 2.1): a
// start line, fields and what follows them.
type fields struct {
	s    *Finder
	head Held
	body Sink
	over bool // the head is
}

func newFields(s *Finder, body Sink) *fields { return &fields{s: s, body: body} }

// Write implements [Sink].
func (f *fields) Write(p []byte, at int64, n int) {
	if f.over || len(p) != n {
		f.body.Write(p, at, n)
		return
	}
	before := max(0, len(f.head.Text)-len("\n\r"))
	f.head.Add(p, at, n)
	for i, c := range f.head.Text[before:] {
		if k := before + i; c == '\n' && k > 0 && (f.head.Text[k-1] == '\n' || k > 1 && f.head.Text[k-1] == '\r' && f.head.Text[k-2] == '\n') {
			f.endHead(k + 1)
			return
		}
	}
	if len(f.head.Text) > maxPartHead {
		f.endHead(len(f.head.Text))
	}
}

// endHead ends the head after n bytes.
func (f *fields) endHead(n int) {
	f.over = true
	rest := f.head
	f.head = Held{}
	rest.Feed(f.head.Add, 0, n)
	f.s.head(&f.head)
	rest.Feed(f.body.Write, n, len(rest.Text))
	f.head.Reset()
}

// End implements [Sink].
func (f *fields) End() {
	if !f.over {
		f.endHead(len(f.head.Text))
	}
	f.over = false
	f.body.End()
}

// Pending implements [Sink].
func (f *fields) Pending() int64 { return min(f.head.Start(0), f.body.Pending()) }

// head scans the lines of h: fields, and what else there may be.
func (s *Finder) head(h *Held) {
	for from := 0; from < len(h.Text); {
		to := len(h.Text)
		if k := bytes.IndexByte(h.Text[from:], '\n'); k >= 0 {
			to = from + k + 1
		}
		name, _, ok := bytes.Cut(h.Text[from:to], []byte(":"))
		if ok && TokenLen(name) == len(name) {
			s.Field(string(name), h, from+len(name)+1, to)
		} else {
			s.Freely(h, from, to)
		}
		from = to
	}
}
