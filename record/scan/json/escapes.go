package json

import (
	"bytes"
	"strconv"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/scan/text"
	"ssltape/record/secret/char"
)

// An escapes is the sink for text that may hold strings of programs: it decodes
// the escapes that stand for parts of tokens.
type escapes struct {
	txt *text.Text
	h   scan.Held // an escape under way
}

// Write implements [scan.Sink].
func (e *escapes) Write(p []byte, at int64, n int) {
	if len(p) != n {
		e.flush()
		e.txt.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		if len(e.h.Text) > 0 {
			e.step(p[:1], at)
		} else if i = nextEscape(p); i > 0 {
			e.txt.Write(p[:i], at, i)
		} else {
			i = 1
			e.step(p[:1], at)
		}
		p, at = p[i:], at+int64(i)
	}
}

// nextEscape returns the place of the first backslash in p that may begin one of the
// escapes that are decoded, or len(p).
func nextEscape(p []byte) int {
	for i := 0; ; i++ {
		k := bytes.IndexByte(p[i:], '\\')
		if k < 0 {
			return len(p)
		}
		if i += k; i+1 == len(p) || p[i+1] == '/' || p[i+1] == 'x' || p[i+1] == 'u' {
			return i
		}
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
	case len(t) == len(`\x22`) && t[1] == 'x' && char.IsHex(t[2]) && char.IsHex(t[3]):
		e.decoded([]byte{char.HexValue(t[2])<<4 | char.HexValue(t[3])})
	case len(t) == escape.Max:
		if c, err := strconv.ParseUint(string(t[2:]), 16, 16); err == nil && c < 0x7f {
			e.decoded([]byte{byte(c)})
			return
		}
		e.flush()
	case len(t) == 2 && t[1] != 'u' && t[1] != 'x', len(t) > 2 && !char.IsHex(t[len(t)-1]):
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

// End implements [scan.Sink].
func (e *escapes) End() {
	e.flush()
	e.txt.End()
}

// Pending implements [scan.Sink].
func (e *escapes) Pending() int64 { return min(e.h.Start(0), e.txt.Pending()) }

// escape decodes the escape under way, if it is complete.
func (l *lexer) escape() {
	e := l.esc.Text
	if e[1] == 'u' && len(e) < 6 {
		return
	}
	out := e[1:2]
	if e[1] == 'u' {
		r, err := strconv.ParseUint(string(e[2:6]), 16, 16)
		if err != nil {
			r = 0xfffd
		}
		out = []byte(string(rune(r)))
	} else if c := escape.Letters[e[1]]; c != 0 {
		out = []byte{c}
	}
	l.state = inString
	for _, s := range l.esc.Places(0, len(e)) {
		l.content(out, s.At, s.N)
		out = nil
	}
	l.esc.Reset()
}
