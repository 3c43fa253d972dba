// Package binary finds the secrets in MessagePack and CBOR (RFC 8949): by the keys
// of their maps, and in their strings. What stands for a secret has the length of
// it, so that the lengths before strings stay right.
package binary

import (
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/json"
	"ssltape/record/secret"
)

// A Format says how the items of a format begin. It returns what begins with
// head, or the number of bytes that head needs to have to tell.
type Format func(head []byte) (it item, need int)

// An item is a value, or what a value of several items begins with.
type item struct {
	kind kind
	n    int64 // bytes that follow, elements or pairs; unknown where a stop ends them
}

type kind uint8

const (
	malformed kind = iota
	scalar         // a number, and what else is no text
	text           // of n bytes
	bytes          // as text, of any bytes
	list           // of n elements
	dict           // of n pairs
	prefix         // of the item that follows: a tag
	stop           // ends what has an unknown number of elements
)

// unknown is the size of what a stop ends.
const unknown = -1

// maxDepth is how deep lists and dicts are read. What is deeper is read as text.
const maxDepth = 64

// A level is a list or dict that is under way.
type level struct {
	left    int64          // elements or pairs to come, or unknown
	kind    kind           // list, dict, or text that comes in pieces
	isValue bool           // in a dict, the value comes next
	verdict secret.Verdict // on what comes next
}

// A sink is the sink for items of a format, one after the other.
type sink struct {
	s      *scan.Finder
	inner  scan.Finder // whose replacements have the length of what they replace
	read   Format
	head   []byte // of the item under way
	levels []level
	left   int64     // bytes to come of the item under way
	str    scan.Sink // for these, or nil
	zeros  bool      // these are a number that goes
	name   []byte    // the key under way, or the last one
	named  bool      // the text under way is a key
	txt    scan.Sink
	col    json.Collector
	broken bool // the rest is no item
}

// New returns the sink for items of a format.
func New(s *scan.Finder, f Format) scan.Sink {
	b := &sink{s: s, inner: scan.Finder{Profile: s.Profile, Depth: s.Depth, Fill: true}, read: f}
	b.inner.PartOf(s, nil)
	b.txt = json.NewLoose(&b.inner)
	b.col = json.NewCollector(&b.inner)
	return b
}

// Write implements [scan.Sink].
func (b *sink) Write(p []byte, at int64, n int) {
	for len(p) > 0 {
		switch {
		case b.broken || len(p) != n:
			b.txt.Write(p, at, n)
			p = nil
			continue
		case b.left > 0:
			n = int(min(b.left, int64(len(p))))
			b.payload(p[:n], at)
			if b.left -= int64(n); b.left == 0 {
				b.endText()
			}
		default:
			n = 1
			b.begin(p[0])
		}
		p, at = p[n:], at+int64(n)
		n = len(p)
	}
	b.pass()
}

// begin takes a byte of the head of an item.
func (b *sink) begin(c byte) {
	b.head = append(b.head, c)
	it, need := b.read(b.head)
	if need > len(b.head) {
		return
	}
	b.head = b.head[:0]
	switch it.kind {
	case text, bytes, scalar:
		b.beginText(it)
	case list, dict:
		b.open(it)
	case stop:
		b.stop()
	case malformed:
		b.broken = true
	}
}

// beginText begins a string or a number.
func (b *sink) beginText(it item) {
	v, isKey := secret.Stays, false
	if n := len(b.levels); n > 0 {
		l := &b.levels[n-1]
		v, isKey = l.verdict, l.kind == dict && !l.isValue
		if l.kind == text { // a piece
			b.left = it.n
			return
		}
	}
	b.str, b.zeros = b.txt, false
	switch {
	case it.kind == scalar:
		b.str, b.zeros = nil, v == secret.Goes
	case isKey:
		b.name, b.named = b.name[:0], it.kind == text
	case v == secret.Words:
		b.col.Begin(v, scan.Message)
		b.str = &b.col
	case v != secret.Stays:
		b.col.Begin(v, scan.InText)
		b.str = &b.col
	}
	if it.n == unknown {
		b.levels = append(b.levels, level{left: unknown, kind: text})
		return
	}
	if b.left = it.n; it.n == 0 {
		b.endText()
	}
}

// payload takes bytes of the string or number under way.
func (b *sink) payload(p []byte, at int64) {
	if b.named {
		b.name = append(b.name, p[:min(len(p), secret.MaxName+1-len(b.name))]...)
	}
	switch {
	case b.str != nil:
		b.str.Write(p, at, len(p))
	case b.zeros:
		b.inner.Found++
		b.inner.Put([]scan.Span{{At: at, N: len(p)}}, strings.Repeat("\x00", len(p)))
	}
}

// endText ends the string or number under way, unless more pieces of it come.
func (b *sink) endText() {
	if n := len(b.levels); n > 0 && b.levels[n-1].kind == text {
		return
	}
	if b.str != nil {
		b.str.End()
	}
	b.str = nil
	b.ended()
}

// open begins a list or dict.
func (b *sink) open(it item) {
	l := level{left: it.n, kind: it.kind}
	if n := len(b.levels); n > 0 && it.kind == list { // its elements are the value
		l.verdict = b.levels[n-1].verdict
	}
	switch {
	case len(b.levels) >= maxDepth:
		b.broken = true
	case it.n == 0:
		b.ended()
	default:
		b.levels = append(b.levels, l)
	}
}

// stop ends what has an unknown number of elements.
func (b *sink) stop() {
	n := len(b.levels) - 1
	if n < 0 || b.levels[n].left != unknown {
		b.broken = true
		return
	}
	isText := b.levels[n].kind == text
	if b.levels = b.levels[:n]; isText {
		b.endText()
		return
	}
	b.ended()
}

// ended counts an item that has ended, and with it those that it ends.
func (b *sink) ended() {
	for n := len(b.levels) - 1; n >= 0; n-- {
		l := &b.levels[n]
		if l.kind == dict && !l.isValue {
			if l.isValue = true; b.named {
				l.verdict = b.s.Profile.Key(b.name)
			}
			b.named = false
			return
		}
		if l.isValue = false; l.kind == dict {
			l.verdict = secret.Stays
		}
		if l.left == unknown {
			return
		}
		if l.left--; l.left > 0 {
			return
		}
		b.levels = b.levels[:n]
	}
}

// pass hands on what was found.
func (b *sink) pass() {
	for _, s := range b.inner.Take(b.pending()) {
		b.s.Found++
		b.s.Add(s)
	}
}

func (b *sink) pending() int64 { return min(b.txt.Pending(), b.col.Pending()) }

// End implements [scan.Sink].
func (b *sink) End() {
	if b.str == scan.Sink(&b.col) {
		b.col.End()
	}
	b.txt.End()
	b.pass()
	b.inner.Reset() // what comes next may be another source
	b.head, b.levels, b.left, b.str, b.named, b.broken = b.head[:0], b.levels[:0], 0, nil, false, false
}

// Pending implements [scan.Sink].
func (b *sink) Pending() int64 { return min(b.pending(), b.inner.Next()) }
