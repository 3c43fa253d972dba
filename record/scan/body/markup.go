package body

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/scan/json"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A markup is the sink for XML and HTML. The value of an attribute with the name
// of a secret goes, that of an attribute beside such a name, as in <add
// key="password" value="…"/>, and in XML the text of an element. All the rest is
// scanned as text.
type markup struct {
	s       *scan.Finder
	html    bool
	txt     *entities
	state   int
	mode    mode
	name    []byte         // of the element or attribute under way
	closes  bool           // the tag ends an element
	quote   byte           // around the value of the attribute, or 0
	pair    secret.Verdict // on the value beside a name in the tag
	value   []byte         // the beginning of the value under way, or of the text of a key
	early   scan.Held      // a value that came before its name
	isInput bool           // the tag is an input of a form
	isKey   bool           // the element names the secret in the next one
	text    secret.Verdict // on the text that comes
	next    secret.Verdict // on that of the next element
	col     json.Collector
	taken   *entities // on the way to the collector
}

// Where a markup is.
const (
	inContent    = iota
	inTagName    // after a less-than sign
	inTag        // between attributes
	inAttrName   //
	afterAttr    // after an equals sign
	inAttrValue  //
	inCharacters // of a CDATA section
)

// A mode says where text goes.
type mode int

const (
	asText mode = iota
	taken       // to the collector
	kept        // to the text and to what is early
)

func newMarkup(s *scan.Finder, html bool) *markup {
	m := &markup{s: s, html: html, txt: &entities{to: json.NewLoose(s)}, col: json.NewCollector(s)}
	m.taken = &entities{to: &m.col}
	return m
}

// Write implements [scan.Sink].
func (m *markup) Write(p []byte, at int64, n int) {
	if len(p) != n {
		m.txt.Write(p, at, n)
		return
	}
	from := 0 // of what is yet to be given on
	for i := 0; i < len(p); {
		mode := m.mode
		i += m.advance(p[i:])
		if m.mode == mode {
			continue
		}
		m.give(p[from:i], at+int64(from), mode)
		if from = i; mode == taken {
			m.taken.End()
		}
	}
	m.give(p[from:], at+int64(from), m.mode)
}

// give hands on p.
func (m *markup) give(p []byte, at int64, mode mode) {
	switch {
	case len(p) == 0:
		return
	case mode == taken:
		m.taken.Write(p, at, len(p))
		return
	case mode == kept && len(m.early.Text) < scan.MaxEarly:
		m.early.Add(p, at, len(p))
	}
	m.txt.Write(p, at, len(p))
}

// take begins a value that may go by the verdict v.
func (m *markup) take(v secret.Verdict) {
	m.col.Begin(v, scan.InText)
	m.mode = taken
}

// advance takes some of p, up to where the mode changes, and returns how much.
func (m *markup) advance(p []byte) int {
	c := p[0]
	switch m.state {
	case inContent:
		return m.content(p, '<')
	case inCharacters:
		return m.content(p, ']')
	case inTagName:
		m.tagName(c)
	case inTag:
		m.inTag(c)
	case inAttrName:
		switch {
		case c == '=':
			m.state = afterAttr
		case c == '>' || c == '/' || char.IsSpace(c):
			m.inTag(c)
		default:
			m.name = append(m.name[:min(len(m.name), secret.MaxName)], c)
		}
	case afterAttr:
		return m.beginValue(c)
	default:
		return m.attribute(p)
	}
	return 1
}

// content takes text up to what ends it.
func (m *markup) content(p []byte, end byte) int {
	k := bytes.IndexByte(p, end)
	switch {
	case k < 0:
		k = len(p)
	case m.mode == taken:
		m.mode, m.text = asText, secret.Stays
		return k
	case k == 0 && end == ']':
		m.state = inContent
		return 1
	case k == 0:
		m.state, m.name, m.closes, m.pair = inTagName, m.name[:0], false, secret.Stays
		return 1
	}
	if m.text != secret.Stays && m.mode == asText {
		if n := char.Run(p[:k], char.IsSpace); n > 0 {
			return n
		}
		m.take(m.text)
		return 0
	}
	if m.isKey {
		m.value = append(m.value, p[:min(k, secret.MaxName+1-len(m.value))]...)
	}
	return k
}

// tagName takes one byte of the name of an element.
func (m *markup) tagName(c byte) {
	switch {
	case c == '/' && len(m.name) == 0:
		m.closes = true
	case char.IsSpace(c) || c == '>' || c == '/':
		m.element(m.name[bytes.LastIndexByte(m.name, ':')+1:])
		m.inTag(c)
	default:
		m.name = append(m.name[:min(len(m.name), secret.MaxName)], c)
		if string(m.name) == "![CDATA[" {
			m.state = inCharacters
		}
	}
}

// element judges the text of the element with the given name.
func (m *markup) element(name []byte) {
	m.isInput = m.html && bytes.EqualFold(name, []byte("input"))
	if m.isKey && m.closes {
		m.next = m.s.Profile.Beside(m.value)
	}
	m.text, m.isKey = secret.Stays, false
	if m.closes || m.html {
		return
	}
	if m.isKey = char.IsAny(name, "key", "name"); m.isKey {
		m.value = m.value[:0]
		return
	}
	if m.text = m.s.Profile.Element(name); m.text == secret.Stays || m.text == secret.Words {
		m.text, m.next = m.next, secret.Stays
	}
}

// inTag takes one byte between attributes.
func (m *markup) inTag(c byte) {
	m.state = inTag
	switch {
	case c == '>':
		m.state = inContent
		m.early.Reset()
		if m.text == secret.Stays && !m.html {
			m.text = m.pair
		}
		m.pair = secret.Stays
	case c == '<':
		m.state, m.name, m.closes, m.pair = inTagName, m.name[:0], false, secret.Stays
	case c == '/':
		m.text, m.pair = secret.Stays, secret.Stays
	case !char.IsSpace(c):
		m.state, m.name = inAttrName, append(m.name[:0], c)
	}
}

// beginValue begins the value of an attribute, or with its first byte if that
// is a quote, and returns how much it took.
func (m *markup) beginValue(c byte) int {
	switch {
	case char.IsSpace(c):
		return 1
	case c == '>':
		m.inTag(c)
		return 1
	}
	m.state, m.quote, m.value = inAttrValue, 0, m.value[:0]
	name := m.name[bytes.LastIndexByte(m.name, ':')+1:]
	v := m.s.Profile.Key(name)
	if char.IsAny(name, "value", "content") {
		if v = m.pair; v == secret.Stays {
			m.early.Reset()
			m.mode = kept
		}
	}
	if v != secret.Stays && v != secret.Words {
		m.take(v)
	}
	if c == '"' || c == '\'' {
		m.quote = c
		return 1
	}
	return 0
}

// attribute takes the value of an attribute, up to what ends it.
func (m *markup) attribute(p []byte) int {
	k := 0
	if m.quote != 0 {
		k = bytes.IndexByte(p, m.quote)
	} else if k = char.Run(p, func(c byte) bool { return !char.IsSpace(c) && c != '>' }); k == len(p) {
		k = -1
	}
	if k < 0 {
		k = len(p)
	}
	m.value = append(m.value, p[:min(k, secret.MaxName+1-len(m.value))]...)
	if k == len(p) || k > 0 && m.mode != asText {
		if k < len(p) {
			m.mode = asText
		}
		return k
	}
	if m.mode != asText {
		m.mode = asText
		return 0
	}
	m.endValue()
	if m.state = inTag; m.quote == 0 {
		m.inTag(p[k])
	}
	return k + 1
}

// endValue ends the value of an attribute.
func (m *markup) endValue() {
	v := secret.Stays
	switch {
	case char.IsAny(m.name, "name", "key", "id", "property"):
		if v = m.s.Profile.Beside(m.value); v == secret.Stays && m.html && string(m.name) == "name" && m.isInput {
			v = m.s.Profile.InForm(m.value)
		}
	case m.html && char.IsAny(m.name, "type") && char.IsAny(m.value, "password"):
		v = secret.Goes
	}
	if v == secret.Stays {
		return
	}
	m.pair = v
	if n := len(m.early.Text); n > 0 && n < scan.MaxEarly && v.Confirms(m.early.Text) {
		m.s.Redact(m.early.Places(0, n), m.early.Text, scan.InText)
	}
	m.early.Reset()
}

// End implements [scan.Sink].
func (m *markup) End() {
	if m.mode == taken {
		m.taken.End()
	}
	m.txt.End()
	*m = markup{s: m.s, html: m.html, txt: m.txt, col: m.col, taken: m.taken}
}

// Pending implements [scan.Sink].
func (m *markup) Pending() int64 {
	return min(m.txt.Pending(), m.taken.Pending(), m.early.Start(0))
}
