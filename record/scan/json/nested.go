package json

import (
	"bytes"
	"math/bits"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
)

// A nested is the sink for JSON in a string. Its lexer is given the text without
// the escapes, byte for byte, as if that stood somewhere by itself. Where it
// really stands is told only for what has to go, or may have to.
type nested struct {
	s     scan.Finder // of the text
	json  *lexer
	next  int64       // place in the text of what comes next
	h     scan.Held   // the end of the text, as far as it is not decided
	base  int64       // place in the text of h
	raw   []byte      // escaped text that may have to be in h, but is not yet
	at    int64       // its place in the string
	steps []step      // of it
	buf   []byte      // memory of text
	out   []scan.Span // memory of places
}

// A step is a place in escaped text, and that in the text.
type step struct{ raw, text int }

// Lengths of the parts that escaped text is taken in: between two steps, and
// while something before it is not decided.
const (
	stepLen = 1 << 10
	heldLen = 1 << 8
)

func newNested(s *scan.Finder, level int) *nested {
	k := &nested{}
	k.s = scan.Within(s, k.where)
	k.json = newLexer(&k.s, level)
	return k
}

// Write implements [scan.Sink].
func (k *nested) Write(p []byte, at int64, n int) {
	k.h.Add(p, at, n)
	if len(p) > 0 {
		k.give(p)
	}
}

// escaped takes p, which stands at at, up to a quote or what is no escape. It
// returns the length of that, and name with as much of its text as a name has.
func (k *nested) escaped(p []byte, at int64, name []byte) (n int, longer []byte) {
	for n < len(p) && p[n] != '"' {
		room := secret.MaxName + 1 - len(name)
		if q := k.quick(p[n:], 1); q > 0 {
			name = appendWithin(name, p[n:n+q], 0)
			n += q
			continue
		}
		part := p[n:]
		if room > 0 {
			part = part[:min(len(part), 2*secret.MaxName)]
		}
		part = part[:k.partLen(part)]
		if held := len(k.h.Text); held > 0 {
			part = part[:min(len(part), max(held, heldLen))]
		}
		size := k.unescape(part)
		if size == 0 {
			break
		}
		if room > 0 {
			name = append(name, k.buf[:min(room, len(k.buf))]...)
		}
		if k.raw, k.at = part[:size], at+int64(n); len(k.h.Text) > 0 {
			k.trace(step{})
		} else {
			k.base = k.next
		}
		k.give(k.buf)
		n += size
	}
	return n, name
}

// quick takes what of p, which is within depth strings, has no secrets for certain,
// and returns how much that is. The text of that is not made, so that places in the
// text after it are not those that they would be, but they are in order.
func (k *nested) quick(p []byte, depth int) (n int) {
	if len(k.h.Text) > 0 {
		return 0
	}
	if inner := k.json.within(); inner != nil {
		n = inner.quick(p, depth+1)
		k.json.name = appendWithin(k.json.name, p[:n], depth)
	} else if k.json.state == outside {
		n = k.json.quickWithin(p, 0, 1<<depth-1)
	}
	k.next += int64(n)
	k.base = k.next
	return n
}

// appendWithin appends to name what p, which is within depth strings and one more, stands
// for, as far as a name goes. Where that is too long for one it is any text.
func appendWithin(name, p []byte, depth int) []byte {
	room := secret.MaxName + 1 - len(name)
	if room <= 0 || len(p) == 0 {
		return name
	}
	if len(p) >= room<<(depth+1) { // a quote has as many bytes
		return append(name, p[:room]...)
	}
	for ; depth > 0; depth-- {
		p = escape.Append(nil, p, len(p))
	}
	return escape.Append(name, p, secret.MaxName+1)
}

// within returns the JSON in the string under way, or nil.
func (l *lexer) within() *nested {
	if v := l.value; l.state == inString && l.str == scan.Sink(v) && !l.keeps && v.kind == isJSON && v.level < MaxNesting {
		return v.nested()
	}
	return nil
}

// beginLen returns the length of what tells that p, the inside of a string, is JSON, or 0:
// a bracket and what follows on it.
func beginLen(p []byte) int {
	if len(p) == 0 || p[0] != '{' && p[0] != '[' {
		return 0
	}
	n := 1
	for n < len(p) && p[n] == '\\' {
		n++
	}
	return min(n+1, len(p))
}

// partLen returns how much of p is taken at once: up to the end of the string in the
// text that is under way in it, or begins first, or to where that is known for JSON.
func (k *nested) partLen(p []byte) int {
	depth := 1
	l := k.json
	for inner := l.within(); inner != nil; inner = l.within() {
		l = inner.json
		depth++
	}
	begins := l.state == outside
	for i := 0; i < len(p); i++ {
		n := bytes.IndexByte(p[i:], '"')
		if n < 0 {
			break
		}
		from := i + n
		for i += n; from > 0 && p[from-1] == '\\'; {
			from--
		}
		switch {
		case bits.TrailingZeros(uint(i-from)+1) > depth: // a quote in the string
		case begins:
			if n := beginLen(p[i+1:]); n > 0 {
				return i + 1 + n
			}
			begins = false
		default:
			return i + 1
		}
	}
	return len(p)
}

// give hands text on, and forgets what is decided.
func (k *nested) give(text []byte) {
	k.json.Write(text, k.next, len(text))
	k.next += int64(len(text))
	pending := k.json.Pending()
	switch {
	case pending >= k.next:
		k.h.Reset()
		k.base = k.next
	case k.raw != nil:
		from := len(k.steps) - 1
		for from > 0 && k.base+int64(k.steps[from].text) > pending {
			from--
		}
		k.trace(k.steps[from])
	case pending-k.base > int64(len(k.h.Text))/2:
		k.h.Drop(int(pending - k.base))
		k.base = pending
	}
	k.raw = nil
}

// unescape makes text of p up to a quote, or to what is no escape, and returns
// the length of that.
func (k *nested) unescape(p []byte) int {
	if cap(k.buf) < len(p)+8 {
		k.buf = make([]byte, len(p)+len(p)/4+8)
	}
	n, to := 0, 0
	k.steps = k.steps[:0]
	for whole := true; whole && n < len(p); {
		k.steps = append(k.steps, step{n, to})
		size, text := 0, 0
		size, text, whole = escape.Decode(k.buf[to:cap(k.buf)], p[n:min(len(p), n+stepLen)])
		if size == 0 {
			break
		}
		n, to = n+size, to+text
	}
	k.buf = k.buf[:to]
	return n
}

// trace notes in h where the text of raw stands, from a step on.
func (k *nested) trace(from step) {
	if len(k.h.Text) == 0 {
		k.base += int64(from.text)
	}
	p, at := k.raw[from.raw:], k.at+int64(from.raw)
	for text := k.buf[from.text:]; len(p) > 0; {
		n, size := 0, 1
		for n < len(p) && p[n] != '\\' {
			n++
		}
		if n > 0 {
			size = n
		} else if n = 2; p[1] == 'u' {
			n, size = escape.Max, len(escape.Append(make([]byte, 0, 4), p[:escape.Max], escape.Max))
		}
		k.h.Add(text[:size], at, n)
		p, at, text = p[n:], at+int64(n), text[size:]
	}
	k.raw = nil
}

// where returns the places in the string of places in the text.
func (k *nested) where(places []scan.Span) []scan.Span {
	if k.raw != nil {
		k.trace(step{})
	}
	out := k.out[:0]
	for _, p := range places {
		for _, s := range k.h.Places(int(p.At-k.base), int(p.Stop()-k.base)) {
			if n := len(out) - 1; n >= 0 && out[n].Stop() == s.At {
				out[n].N += s.N
				continue
			}
			out = append(out, s)
		}
	}
	k.out = out
	return out
}

// End implements [scan.Sink].
func (k *nested) End() {
	k.json.End()
	k.h.Reset()
	k.base = k.next
}

// Pending implements [scan.Sink].
func (k *nested) Pending() int64 {
	if p := k.json.Pending(); p < k.next {
		return k.h.Start(int(p - k.base))
	}
	return scan.Settled
}
