package redact

import (
	"bytes"
	"strconv"
)

// A form is the sink for application/x-www-form-urlencoded (WHATWG URL, section
// 5). What begins as JSON is taken for that: curl -d sends it under this type.
type form struct {
	s      *scan
	begun  bool
	json   sink
	name   []byte
	names  text // names, for what gives itself away
	value  sink // of the parameter under way, or nil within its name
	usual  *value
	col    collector
	escape held // a percent sign and what follows it
}

func newForm(s *scan) *form {
	s.urls = true
	return &form{s: s, names: text{s: s}, usual: newValue(s), col: collector{s: s}}
}

func (f *form) write(p []byte, at int64, n int) {
	if !f.begun && len(p) > 0 {
		f.begun = true
		if p[0] == '{' || p[0] == '[' {
			f.s.urls = false
			f.json = newValue(f.s)
		}
	}
	if f.json != nil || len(p) != n {
		f.out().write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		switch {
		case p[0] == '&':
			f.endParameter()
		case len(f.escape.text) > 0 || p[0] == '%':
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
		p, at = p[i:], at+int64(i)
	}
}

// out returns the sink for what comes next.
func (f *form) out() sink {
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
	f.out().write(p, at, n)
}

// percent takes a byte of an escape.
func (f *form) percent(p []byte, at int64) {
	f.escape.add(p, at, 1)
	e := f.escape.text
	if len(e) < 3 {
		return
	}
	c, err := strconv.ParseUint(string(e[1:3]), 16, 8)
	if err != nil {
		f.endEscape()
		return
	}
	out := []byte{byte(c)}
	for _, s := range f.escape.places(0, 3) {
		f.decoded(out, s.at, s.n)
		out = nil
	}
	f.escape.reset()
}

// endEscape takes what is not an escape for what it is.
func (f *form) endEscape() {
	f.escape.feed(f.decoded, 0, len(f.escape.text))
	f.escape.reset()
}

func (f *form) beginValue() {
	f.names.end()
	f.value = f.usual
	if v := f.s.profile.judgeKey(f.name); v != stays {
		f.col.begin(v, inURL)
		f.value = &f.col
	}
}

func (f *form) endParameter() {
	f.endEscape()
	f.out().end()
	f.value, f.name = nil, f.name[:0]
}

func (f *form) end() {
	f.endParameter()
	f.s.urls, f.begun, f.json = false, false, nil
}

func (f *form) pending() int64 { return min(f.escape.start(0), f.out().pending()) }
