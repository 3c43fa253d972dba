package scan

import (
	"bytes"
	"strconv"
	"strings"
)

// A value is the sink for text of which it is not known what it is: JSON where
// it begins as an object or array does, else text.
type value struct {
	s     *Finder
	txt   text
	level int
	nests bool    // it is a string of JSON
	json  *lexer  // made when it is first needed
	inner *nested // the same of a string
	kind  int
	lead  Held // a bracket that may begin JSON
	esc   *escapes
}

// What a value is.
const (
	unknown = iota
	isText
	isJSON
)

func newValue(s *Finder) *value { return &value{s: s, txt: text{s: s}} }

// newLoose returns a value that is no prose if it is text: a body, a field.
func newLoose(s *Finder) *value {
	v := newValue(s)
	v.txt.loose = true
	v.esc = &escapes{txt: &v.txt}
	return v
}

func (v *value) Write(p []byte, at int64, n int) {
	switch {
	case v.kind != unknown:
		v.sink().Write(p, at, n)
	case len(v.lead.Text) > 0:
		v.lead.Add(p, at, n)
		if v.kind = recognise(v.lead.Text); v.kind != unknown || len(v.lead.Text) > maxLead {
			v.decide()
		}
	default:
		if len(p) == n {
			skip := run(p, isLead)
			p, at, n = p[skip:], at+int64(skip), n-skip
		} else if len(p) == 1 && isLead(p[0]) {
			return
		}
		if len(p) == 0 {
			return
		}
		if v.kind = recognise(p); v.kind == unknown {
			v.lead.Add(p, at, n)
			return
		}
		v.Write(p, at, n)
	}
}

// decide takes for text what could still become JSON, and gives it on.
func (v *value) decide() {
	if v.kind == unknown {
		v.kind = isText
	}
	v.lead.Feed(v.sink().Write, 0, len(v.lead.Text))
	v.lead.Reset()
}

// recognise tells by the first two bytes that are not white space what p is.
// Prose that begins with a quote is text.
func recognise(p []byte) int {
	if p[0] != '{' && p[0] != '[' && p[0] != '"' {
		return isText
	}
	rest := p[1+run(p[1:], isLead):]
	switch {
	case len(rest) == 0:
		return unknown
	case p[0] == '"': // JSON in a string of JSON
		if rest[0] == '{' || rest[0] == '[' {
			return isJSON
		}
	case bytes.IndexByte([]byte("\"{[]}"), rest[0]) >= 0,
		p[0] == '[' && bytes.IndexByte([]byte("-0123456789tfn"), rest[0]) >= 0:
		return isJSON
	}
	return isText
}

// isLead reports whether c may stand before JSON: white space and the bytes of
// a byte order mark.
func isLead(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xef || c == 0xbb || c == 0xbf
}

func (v *value) sink() Sink {
	if v.kind != isJSON || v.level >= maxNesting {
		if v.esc != nil {
			return v.esc
		}
		return &v.txt
	}
	switch {
	case v.nests:
		return v.nested()
	case v.json == nil:
		v.json = newLexer(v.s, v.level+1)
	}
	return v.json
}

// nested returns the sink for JSON in a string.
func (v *value) nested() *nested {
	if v.inner == nil {
		v.inner = newNested(v.s, v.level+1)
	}
	return v.inner
}

// maxLead is how much white space may be before what tells JSON.
const maxLead = 4 << 10

func (v *value) End() {
	if len(v.lead.Text) > 0 {
		v.decide()
	}
	v.sink().End()
	v.kind = unknown
}

func (v *value) Pending() int64 {
	switch v.kind {
	case isText, isJSON:
		return v.sink().Pending()
	}
	return Settled
}

// pause lets go what cannot become a secret whatever follows.
func (v *value) pause() {
	switch v.kind {
	case isText:
		v.txt.pause()
	case isJSON:
		if v.json != nil {
			v.json.pause()
		}
	}
}

// An escapes is the sink for text that may hold strings of programs: it decodes
// the escapes that stand for parts of tokens.
type escapes struct {
	txt *text
	h   Held // an escape under way
}

func (e *escapes) Write(p []byte, at int64, n int) {
	if len(p) != n {
		e.flush()
		e.txt.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		if len(e.h.Text) > 0 || p[0] == '\\' {
			e.step(p[:1], at)
		} else {
			if i = bytes.IndexByte(p, '\\'); i < 0 {
				i = len(p)
			}
			e.txt.Write(p[:i], at, i)
		}
		p, at = p[i:], at+int64(i)
	}
}

// step takes one character of what may be an escape.
func (e *escapes) step(p []byte, at int64) {
	if p[0] == '\\' {
		e.flush()
	}
	e.h.Add(p, at, 1)
	switch t := e.h.Text; {
	case len(t) == 2 && t[1] == '/':
		e.decoded([]byte{'/'})
	case len(t) == len(`\x22`) && t[1] == 'x' && isHex(t[2]) && isHex(t[3]):
		e.decoded([]byte{hexValue(t[2])<<4 | hexValue(t[3])})
	case len(t) == maxEscape:
		if c, err := strconv.ParseUint(string(t[2:]), 16, 16); err == nil && c < 0x7f {
			e.decoded([]byte{byte(c)})
			return
		}
		e.flush()
	case len(t) == 2 && t[1] != 'u' && t[1] != 'x', len(t) > 2 && !isHex(t[len(t)-1]):
		e.flush()
	}
}

// decoded gives on what the escape under way stands for.
func (e *escapes) decoded(out []byte) {
	for _, s := range e.h.Places(0, len(e.h.Text)) {
		e.txt.Write(out, s.At, s.N)
		out = nil
	}
	e.h.Reset()
}

// flush gives on what is no escape.
func (e *escapes) flush() {
	e.h.Feed(e.txt.Write, 0, len(e.h.Text))
	e.h.Reset()
}

func (e *escapes) End() {
	e.flush()
	e.txt.End()
}

func (e *escapes) Pending() int64 { return min(e.h.Start(0), e.txt.Pending()) }

// A collector is the sink for a value that goes.
type collector struct {
	s       *Finder
	verdict verdict
	shape   shape
	h       Held
	size    int    // of what was discarded before h
	id      string // of that
}

// begin begins a value.
func (c *collector) begin(v verdict, k shape) { c.verdict, c.shape = v, k }

func (c *collector) Write(p []byte, at int64, n int) {
	for k := maxValue - len(c.h.Text); len(p) == n && n >= k; k = maxValue {
		c.h.Add(p[:k], at, k)
		c.discard()
		p, at, n = p[k:], at+int64(k), n-k
	}
	if c.h.Add(p, at, n); len(c.h.Text) >= maxValue {
		c.discard()
	}
}

// discard takes out what came so far of a value that is too long to be held.
func (c *collector) discard() {
	if isStandIn(c.h.Text) { // it was before
		c.h.Reset()
		return
	}
	if c.size == 0 {
		c.id = identify(c.h.Text)
	}
	c.size += len(c.h.Text)
	c.s.discard(c.h.Places(0, len(c.h.Text)))
	c.h.Reset()
}

func (c *collector) End() {
	v := c.h.Text
	switch {
	case c.size > 0:
		c.s.stand(c.h.Places(0, len(v)), c.shape, c.size+len(v), c.id)
	case len(v) == 0:
	case !c.verdict.confirms(v):
		w := newValue(c.s)
		c.h.Feed(w.Write, 0, len(v))
		w.End()
	default:
		from := 0
		if c.shape != message {
			from = credentials(v)
		}
		c.s.redact(c.h.Places(from, len(v)), v[from:], c.shape)
	}
	c.h.Reset()
	c.size = 0
}

func (c *collector) Pending() int64 { return c.h.Start(0) }

// NewBody returns the sink for a body of the given Content-Type.
func NewBody(s *Finder, contentType string) Sink { return newBody(s, contentType, 0) }

// newBody returns the sink for a body, or for a part of one where level says
// how deep.
func newBody(s *Finder, contentType string, level int) Sink {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case media == "text/event-stream":
		return newEvents(s)
	case media == "application/x-www-form-urlencoded":
		return newForm(s)
	case strings.HasPrefix(media, "multipart/") && level < maxNesting:
		return newMultipart(s, contentType, level)
	case strings.HasSuffix(media, "json"), strings.HasSuffix(media, "json-seq"):
		return newLexer(s, 0)
	case strings.HasSuffix(media, "xml"), media == "text/html":
		return newMarkup(s, strings.Contains(media, "html"))
	case media == "application/graphql":
		return newGraphQL(s)
	case media == "application/http", media == "message/http":
		return newFields(s, NewBody(s, ""))
	case isSettings(media):
		return newSettings(s)
	case level == 0 && (media == "" || media == "text/plain" || media == "application/octet-stream"):
		return &unlabelled{s: s}
	}
	return newLoose(s)
}

// maxPacked is the length of the longest encoded body that is looked into. A
// longer one goes unseen.
const maxPacked = 8 << 20

// An Unpack looks into text that is encoded as a whole. It returns what is to
// stand instead, of the same length or else of none, or nil where nothing has
// to go; ok is false where the text turned out not to be encoded.
type Unpack func(p []byte) (instead []byte, ok bool)

// A Packed is the sink for text that is encoded as a whole, so that nothing can
// be replaced within. If there is a secret in it all of it goes.
type Packed struct {
	s      *Finder
	unpack Unpack
	h      Held
	raw    Sink // for what turns out not to be encoded
	size   int  // of what was discarded
	gone   bool // it is too long to be looked at
}

// NewPacked returns a Packed. What is not encoded goes to raw.
func NewPacked(s *Finder, unpack Unpack, raw Sink) *Packed {
	return &Packed{s: s, unpack: unpack, raw: raw}
}

// Write implements [Sink].
func (p *Packed) Write(b []byte, at int64, n int) {
	if k := maxPacked - len(p.h.Text); !p.gone && n > k && len(b) == n {
		p.h.Add(b[:k], at, k)
		p.GiveUp()
		b, at, n = b[k:], at+int64(k), n-k
	}
	if p.h.Add(b, at, n); p.gone {
		p.discard()
	}
}

// discard takes out what came so far.
func (p *Packed) discard() {
	n := len(p.h.Text)
	if p.size == 0 {
		p.s.redact(p.h.Places(0, n), p.h.Text, inText)
	} else {
		p.s.discard(p.h.Places(0, n))
	}
	p.size += n
	p.h.Reset()
}

// End implements [Sink].
func (p *Packed) End() {
	n := len(p.h.Text)
	if n > 0 {
		instead, ok := p.unpack(p.h.Text)
		switch {
		case !ok && instead == nil:
			p.h.Feed(p.raw.Write, 0, n)
			p.raw.End()
		case instead == nil:
		case len(instead) == n && p.s.Fill:
			p.s.Found++
			p.s.Put(p.h.Places(0, n), string(instead))
		default:
			p.s.redact(p.h.Places(0, n), p.h.Text, inText)
		}
	}
	p.h.Reset()
	p.size, p.gone = 0, false
}

// Pending implements [Sink].
func (p *Packed) Pending() int64 { return p.h.Start(0) }

// GiveUp takes out all of it rather than wait for the end.
func (p *Packed) GiveUp() {
	p.gone = true
	p.discard()
}
