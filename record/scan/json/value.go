package json

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/scan/text"
	"ssltape/record/secret/char"
)

// A value is the sink for text of which it is not known what it is: JSON where
// it begins as an object or array does, else text.
type value struct {
	s     *scan.Finder
	txt   text.Text
	level int
	nests bool    // it is a string of JSON
	json  *lexer  // made when it is first needed
	inner *nested // the same of a string
	kind  int
	lead  scan.Held // a bracket that may begin JSON
	esc   *escapes
}

// What a value is.
const (
	unknown = iota
	isText
	isJSON
)

// NewValue returns the sink for text that may be JSON.
func NewValue(s *scan.Finder) scan.Sink { return &value{s: s, txt: NewText(s)} }

// NewLoose returns the sink for text that may be JSON and is no prose otherwise: a
// body, a field.
func NewLoose(s *scan.Finder) scan.Sink {
	v := &value{s: s, txt: NewText(s)}
	v.txt.Loose = true
	v.esc = &escapes{txt: &v.txt}
	return v
}

// Write implements [scan.Sink].
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
			skip := char.Run(p, char.IsLead)
			p, at, n = p[skip:], at+int64(skip), n-skip
		} else if len(p) == 1 && char.IsLead(p[0]) {
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
	rest := p[1+char.Run(p[1:], char.IsLead):]
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

func (v *value) sink() scan.Sink {
	if v.kind != isJSON || v.level >= MaxNesting {
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

// End implements [scan.Sink].
func (v *value) End() {
	if len(v.lead.Text) > 0 {
		v.decide()
	}
	v.sink().End()
	v.kind = unknown
}

// Pending implements [scan.Sink].
func (v *value) Pending() int64 {
	switch v.kind {
	case isText, isJSON:
		return v.sink().Pending()
	}
	return scan.Settled
}

// pause lets go what cannot become a secret whatever follows.
func (v *value) pause() {
	switch v.kind {
	case isText:
		v.txt.Pause()
	case isJSON:
		if v.json != nil {
			v.json.pause()
		}
	}
}

// NewText returns the sink for text that is not JSON.
func NewText(s *scan.Finder) text.Text { return text.New(s, inside{}) }

// inside makes the sinks for what is in text in another form.
type inside struct{}

// Decoded implements [text.Opener].
func (inside) Decoded(s *scan.Finder) scan.Sink { return NewLoose(s) }

// Document implements [text.Opener].
func (inside) Document(s *scan.Finder) scan.Sink { return NewGraphQL(s) }
