package scan

import (
	"bytes"
	"html"
)

// A markup is the sink for XML and HTML. The value of an attribute with the name
// of a secret goes, that of an attribute beside such a name, as in <add
// key="password" value="…"/>, and in XML the text of an element. All the rest is
// scanned as text.
type markup struct {
	s      *Finder
	html   bool
	txt    *entities
	state  int
	mode   mode
	name   []byte  // of the element or attribute under way
	closes bool    // the tag ends an element
	quote  byte    // around the value of the attribute, or 0
	pair   verdict // on the value beside a name in the tag
	value  []byte  // the beginning of the value under way, or of the text of a key
	early  Held    // a value that came before its name
	isKey  bool    // the element names the secret in the next one
	text   verdict // on the text that comes
	next   verdict // on that of the next element
	col    collector
	taken  *entities // on the way to the collector
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

func newMarkup(s *Finder, html bool) *markup {
	m := &markup{s: s, html: html, txt: &entities{to: newLoose(s)}, col: collector{s: s}}
	m.taken = &entities{to: &m.col}
	return m
}

// Write implements [Sink].
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
	case mode == kept && len(m.early.Text) < maxEarly:
		m.early.Add(p, at, len(p))
	}
	m.txt.Write(p, at, len(p))
}

// maxEarly is the length of the longest value that is kept until its name comes.
const maxEarly = 4 << 10

// take begins a value that may go by the verdict v.
func (m *markup) take(v verdict) {
	m.col.begin(v, inText)
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
		case c == '>' || c == '/' || isSpace(c):
			m.inTag(c)
		default:
			m.name = append(m.name[:min(len(m.name), maxName)], c)
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
		m.mode, m.text = asText, stays
		return k
	case k == 0 && end == ']':
		m.state = inContent
		return 1
	case k == 0:
		m.state, m.name, m.closes, m.pair = inTagName, m.name[:0], false, stays
		return 1
	}
	if m.text != stays && m.mode == asText {
		if n := run(p[:k], isSpace); n > 0 {
			return n
		}
		m.take(m.text)
		return 0
	}
	if m.isKey {
		m.value = append(m.value, p[:min(k, maxName+1-len(m.value))]...)
	}
	return k
}

// tagName takes one byte of the name of an element.
func (m *markup) tagName(c byte) {
	switch {
	case c == '/' && len(m.name) == 0:
		m.closes = true
	case isSpace(c) || c == '>' || c == '/':
		m.element(m.name[bytes.LastIndexByte(m.name, ':')+1:])
		m.inTag(c)
	default:
		m.name = append(m.name[:min(len(m.name), maxName)], c)
		if string(m.name) == "![CDATA[" {
			m.state = inCharacters
		}
	}
}

// element judges the text of the element with the given name.
func (m *markup) element(name []byte) {
	if m.isKey && m.closes {
		m.next = m.s.Profile.judgeBeside(m.value)
	}
	m.text, m.isKey = stays, false
	if m.closes || m.html {
		return
	}
	if m.isKey = isAny(name, "key", "name"); m.isKey {
		m.value = m.value[:0]
		return
	}
	if m.text = m.s.Profile.judgeKey(name); m.text == stays || m.text == words {
		m.text, m.next = m.next, stays
	}
}

// inTag takes one byte between attributes.
func (m *markup) inTag(c byte) {
	m.state = inTag
	switch {
	case c == '>':
		m.state = inContent
		m.early.Reset()
		if m.text == stays && !m.html {
			m.text = m.pair
		}
		m.pair = stays
	case c == '<':
		m.state, m.name, m.closes, m.pair = inTagName, m.name[:0], false, stays
	case c == '/':
		m.text, m.pair = stays, stays
	case !isSpace(c):
		m.state, m.name = inAttrName, append(m.name[:0], c)
	}
}

// beginValue begins the value of an attribute, or with its first byte if that
// is a quote, and returns how much it took.
func (m *markup) beginValue(c byte) int {
	switch {
	case isSpace(c):
		return 1
	case c == '>':
		m.inTag(c)
		return 1
	}
	m.state, m.quote, m.value = inAttrValue, 0, m.value[:0]
	name := m.name[bytes.LastIndexByte(m.name, ':')+1:]
	v := m.s.Profile.judgeKey(name)
	if isAny(name, "value", "content") {
		if v = m.pair; v == stays {
			m.early.Reset()
			m.mode = kept
		}
	}
	if v != stays && v != words {
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
	} else if k = run(p, func(c byte) bool { return !isSpace(c) && c != '>' }); k == len(p) {
		k = -1
	}
	if k < 0 {
		k = len(p)
	}
	m.value = append(m.value, p[:min(k, maxName+1-len(m.value))]...)
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
	v := stays
	switch {
	case isAny(m.name, "name", "key", "id", "property"):
		v = m.s.Profile.judgeBeside(m.value)
	case m.html && isAny(m.name, "type") && isAny(m.value, "password"):
		v = goes
	}
	if v == stays {
		return
	}
	m.pair = v
	if n := len(m.early.Text); n > 0 && n < maxEarly && v.confirms(m.early.Text) {
		m.s.redact(m.early.Places(0, n), m.early.Text, inText)
	}
	m.early.Reset()
}

// isAny reports whether name is one of those, but for case.
func isAny(name []byte, those ...string) bool {
	for _, n := range those {
		if bytes.EqualFold(name, []byte(n)) {
			return true
		}
	}
	return false
}

// End implements [Sink].
func (m *markup) End() {
	if m.mode == taken {
		m.taken.End()
	}
	m.txt.End()
	*m = markup{s: m.s, html: m.html, txt: m.txt, col: m.col, taken: m.taken}
}

// Pending implements [Sink].
func (m *markup) Pending() int64 {
	return min(m.txt.Pending(), m.taken.Pending(), m.early.Start(0))
}

// An entities is the sink for text of markup: it decodes the references that
// stand for ASCII (HTML, section 13.5).
type entities struct {
	to Sink
	h  Held // a reference under way
}

// maxEntity is the length of the longest reference that is decoded.
const maxEntity = len("&#x00007e;")

// Write implements [Sink].
func (e *entities) Write(p []byte, at int64, n int) {
	if len(p) != n {
		e.flush()
		e.to.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		if len(e.h.Text) > 0 || p[0] == '&' {
			e.step(p[:1], at)
		} else {
			if i = bytes.IndexByte(p, '&'); i < 0 {
				i = len(p)
			}
			e.to.Write(p[:i], at, i)
		}
		p, at = p[i:], at+int64(i)
	}
}

// step takes one character of what may be a reference.
func (e *entities) step(p []byte, at int64) {
	c := p[0]
	if len(e.h.Text) > 0 && c != ';' && c != '#' && !isLetterOrDigit(c) || len(e.h.Text) == maxEntity {
		e.flush()
		e.Write(p, at, 1)
		return
	}
	if e.h.Add(p, at, 1); c != ';' {
		return
	}
	out := []byte(html.UnescapeString(string(e.h.Text)))
	if len(out) != 1 {
		e.flush()
		return
	}
	for _, s := range e.h.Places(0, len(e.h.Text)) {
		e.to.Write(out, s.At, s.N)
		out = nil
	}
	e.h.Reset()
}

// flush gives on what is no reference.
func (e *entities) flush() {
	e.h.Feed(e.to.Write, 0, len(e.h.Text))
	e.h.Reset()
}

// End implements [Sink].
func (e *entities) End() {
	e.flush()
	e.to.End()
}

// Pending implements [Sink].
func (e *entities) Pending() int64 { return min(e.h.Start(0), e.to.Pending()) }
