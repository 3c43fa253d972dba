package redact

import (
	"bytes"
	"strings"
)

// A value is the sink for text of which it is not known what it is: JSON where
// it begins as an object or array does, else text.
type value struct {
	s     *scan
	txt   text
	level int
	json  *lexer // made when it is first needed
	kind  int
	lead  held // a bracket that may begin JSON
}

// What a value is.
const (
	unknown = iota
	isText
	isJSON
)

func newValue(s *scan) *value { return &value{s: s, txt: text{s: s}} }

func (v *value) write(p []byte, at int64, n int) {
	switch {
	case v.kind != unknown:
		v.sink().write(p, at, n)
	case len(v.lead.text) > 0:
		v.lead.add(p, at, n)
		if v.kind = recognise(v.lead.text); v.kind != unknown || len(v.lead.text) > maxLead {
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
			v.lead.add(p, at, n)
			return
		}
		v.write(p, at, n)
	}
}

// decide takes for text what could still become JSON, and gives it on.
func (v *value) decide() {
	if v.kind == unknown {
		v.kind = isText
	}
	v.lead.feed(v.sink().write, 0, len(v.lead.text))
	v.lead.reset()
}

// recognise tells by the first two bytes that are not white space what p is.
func recognise(p []byte) int {
	if p[0] != '{' && p[0] != '[' {
		return isText
	}
	rest := p[1+run(p[1:], isLead):]
	switch {
	case len(rest) == 0:
		return unknown
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

func (v *value) sink() sink {
	if v.kind != isJSON || v.level >= maxNesting {
		return &v.txt
	}
	if v.json == nil {
		v.json = newLexer(v.s, v.level+1)
	}
	return v.json
}

// maxLead is how much white space may be before what tells JSON.
const maxLead = 4 << 10

func (v *value) end() {
	if len(v.lead.text) > 0 {
		v.decide()
	}
	v.txt.end()
	if v.json != nil {
		v.json.end()
	}
	v.kind = unknown
}

func (v *value) pending() int64 {
	switch v.kind {
	case isText:
		return v.txt.pending()
	case isJSON:
		return v.sink().pending()
	}
	return settled
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

// A collector is the sink for a value that goes.
type collector struct {
	s       *scan
	verdict verdict
	shape   shape
	h       held
	size    int    // of what was discarded before h
	id      string // of that
}

// begin begins a value.
func (c *collector) begin(v verdict, k shape) { c.verdict, c.shape = v, k }

func (c *collector) write(p []byte, at int64, n int) {
	for k := maxValue - len(c.h.text); len(p) == n && n >= k; k = maxValue {
		c.h.add(p[:k], at, k)
		c.discard()
		p, at, n = p[k:], at+int64(k), n-k
	}
	if c.h.add(p, at, n); len(c.h.text) >= maxValue {
		c.discard()
	}
}

// discard takes out what came so far of a value that is too long to be held.
func (c *collector) discard() {
	if isStandIn(c.h.text) { // it was before
		c.h.reset()
		return
	}
	if c.size == 0 {
		c.id = identify(c.h.text)
	}
	c.size += len(c.h.text)
	c.s.discard(c.h.places(0, len(c.h.text)))
	c.h.reset()
}

func (c *collector) end() {
	v := c.h.text
	switch {
	case c.size > 0:
		c.s.stand(c.h.places(0, len(v)), c.shape, c.size+len(v), c.id)
	case len(v) == 0:
	case c.verdict == opaque && !looksOpaque(v):
		w := newValue(c.s)
		c.h.feed(w.write, 0, len(v))
		w.end()
	default:
		from := 0
		if c.shape != message {
			from = credentials(v)
		}
		c.s.redact(c.h.places(from, len(v)), v[from:], c.shape)
	}
	c.h.reset()
	c.size = 0
}

func (c *collector) pending() int64 { return c.h.start(0) }

// newBody returns the sink for a body of the given Content-Type, or for a part
// of one where level says how deep.
func newBody(s *scan, contentType string, level int) sink {
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
	}
	return newValue(s)
}
