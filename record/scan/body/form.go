package body

import (
	"bytes"
	"strconv"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/scan/json"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A form is the sink for application/x-www-form-urlencoded (WHATWG URL, section
// 5). What begins as JSON is taken for that: curl -d sends it under this type.
type form struct {
	s      *scan.Finder
	begun  bool
	json   scan.Sink
	name   []byte
	names  text.Text // names, for what gives itself away
	value  scan.Sink // of the parameter under way, or nil within its name
	usual  scan.Sink
	col    json.Collector
	escape scan.Held   // a percent sign and what follows it
	trial  *scan.Trial // of a parameter without its escapes
	text   []byte      // of that
}

func newForm(s *scan.Finder) *form {
	return &form{s: s, names: json.NewText(s), usual: json.NewValue(s), col: json.NewCollector(s)}
}

// Write implements [scan.Sink].
func (f *form) Write(p []byte, at int64, n int) {
	if !f.begun && len(p) > 0 {
		f.begun, f.s.URLs = true, true
		if p[0] == '{' || p[0] == '[' {
			f.s.URLs = false
			f.json = json.NewValue(f.s)
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
func (f *form) out() scan.Sink {
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
		f.name = append(f.name, p[:min(len(p), secret.MaxName+1-len(f.name))]...)
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
	if v := f.s.Profile.InForm(f.name); v != secret.Stays {
		f.col.Begin(v, scan.InURL)
		f.value = &f.col
	} else if string(f.name) == "query" {
		f.value = json.NewGraphQL(f.s)
	}
}

func (f *form) endParameter() {
	f.endEscape()
	f.out().End()
	f.value, f.name = nil, f.name[:0]
}

// End implements [scan.Sink].
func (f *form) End() {
	f.endParameter()
	f.s.URLs, f.begun, f.json = false, false, nil
}

// Pending implements [scan.Sink].
func (f *form) Pending() int64 { return min(f.escape.Start(0), f.out().Pending()) }

// quick takes the parameter that p begins with, and what ends it, if that has no
// secrets for certain, and returns their length, or 0.
func (f *form) quick(p []byte) int {
	n := bytes.IndexByte(p, '&')
	if n < 0 || f.s.Profile != secret.Secrets {
		return 0
	}
	if f.trial == nil {
		f.trial = scan.NewTrial(f.s, json.NewValue)
	}
	name, value, _ := bytes.Cut(p[:n], []byte("="))
	f.text = escape.AppendForm(f.text[:0], name)
	k := len(f.text)
	f.text = append(escape.AppendForm(f.text, value), '"') // so that its end is seen
	if f.s.Profile.InForm(f.text[:k]) != secret.Stays || string(name) == "query" || !f.harmless(f.text[:k]) || !f.harmlessValue(f.text[k:]) {
		return 0
	}
	if cap(f.text) > 4*scan.MaxValue {
		f.text = nil
	}
	return n + 1
}

// harmlessValue is harmless of a value with a quote after it.
func (f *form) harmlessValue(p []byte) bool {
	end := len(p) - 1
	if n, harmless := text.Glance(p); harmless && n == end && n > 0 && !char.IsLead(p[0]) && p[0] != '{' && p[0] != '[' {
		return true
	}
	return f.harmless(p[:end])
}

// harmless reports whether there is nothing in p that goes.
func (f *form) harmless(p []byte) bool {
	return len(p) <= text.MaxQuick && f.names.Harmless(p) || f.trial.Clean(p)
}
