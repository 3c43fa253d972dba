package body

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/field"
	"ssltape/record/scan/json"
	"ssltape/record/secret"
)

// A multipart is the sink for a multipart body (RFC 2046, section 5.1). A part
// is scanned by its own Content-Type; one with the name of a secret goes.
type multipart struct {
	s        *scan.Finder
	level    int
	boundary []byte    // with the hyphens before it; nil until the first line told
	told     bool      // it is in the Content-Type
	line     scan.Held // what may become a delimiter, or lines of a head
	start    int       // of the last of these lines
	state    int
	part     scan.Sink
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

func newMultipart(s *scan.Finder, contentType string, level int) *multipart {
	m := &multipart{s: s, level: level + 1, part: json.NewValue(s)}
	if _, params, err := mime.ParseMediaType(contentType); err == nil && params["boundary"] != "" {
		m.boundary, m.told = []byte("--"+params["boundary"]), true
	}
	return m
}

// Write implements [scan.Sink].
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
	m.part = json.NewValue(m.s)
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
	field.ScanHead(m.s, &m.line)
	m.line.Reset()
	m.start, m.state = 0, inPart
}

// choose returns the sink for a part with the given head.
func (m *multipart) choose(head string) scan.Sink {
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
			if v := m.s.Profile.Key([]byte(params["name"])); v != secret.Stays {
				c, shape := json.NewCollector(m.s), scan.InText
				if v == secret.Words {
					shape = scan.Message
				}
				c.Begin(v, shape)
				return &c
			}
		}
	}
	if coding == "base64" {
		return NewPacked(m.s, m.unpackBase64, nil, json.NewValue(m.s))
	}
	return newBody(m.s, contentType, m.level)
}

// End implements [scan.Sink].
func (m *multipart) End() {
	if m.state == inPartHead {
		field.ScanFreely(m.s, &m.line, 0, len(m.line.Text))
	} else {
		m.line.Feed(m.part.Write, 0, len(m.line.Text))
	}
	m.line.Reset()
	m.part.End()
	m.part, m.start, m.state = json.NewValue(m.s), 0, inDelimiter
	if !m.told {
		m.boundary = nil
	}
}

// Pending implements [scan.Sink].
func (m *multipart) Pending() int64 { return min(m.line.Start(0), m.part.Pending()) }

// unpackBase64 looks into a part with the transfer encoding base64 (RFC 2045,
// section 6.8).
func (m *multipart) unpackBase64(p []byte, at int64) (instead []byte, ok bool) {
	d := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p))
	out, err := io.ReadAll(d)
	t := json.NewText(m.s)
	if known, _ := m.s.Knows(out, at, true); known || t.HoldsSecret(out) {
		return []byte{}, true
	}
	return nil, err == nil
}
