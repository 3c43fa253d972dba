package scan

import (
	"encoding/binary"
	"math/bits"
	"sort"
)

// A piece is a run of source bytes and the text[from:to] that they stand for.
type piece struct {
	from, to int
	at       int64
	n        int
}

// A Held is text that cannot be judged yet, with its places in the source.
type Held struct {
	Text   []byte
	pieces []piece
	places []Span // memory of Places
}

// Add appends text as [Sink.Write] is given it.
func (h *Held) Add(p []byte, at int64, n int) {
	from := len(h.Text)
	h.Text = append(h.Text, p...)
	if k := len(h.pieces) - 1; k >= 0 && len(p) == n {
		if l := &h.pieces[k]; l.to-l.from == l.n && l.n > 0 && l.at+int64(l.n) == at {
			l.to, l.n = len(h.Text), l.n+n
			return
		}
	}
	h.pieces = append(h.pieces, piece{from, len(h.Text), at, n})
}

// Reset empties h and keeps its memory, if that is not much.
func (h *Held) Reset() {
	if cap(h.Text) > maxToken {
		h.Text = nil
	}
	h.Text, h.pieces = h.Text[:0], h.pieces[:0]
}

// Drop removes the first n bytes of text.
func (h *Held) Drop(n int) {
	h.Text = h.Text[:copy(h.Text, h.Text[n:])]
	kept := h.pieces[:0]
	for _, p := range h.pieces {
		p.from, p.to = p.from-n, p.to-n
		if p.to <= 0 {
			continue
		}
		if p.from < 0 {
			if p.to-p.from == p.n {
				p.at, p.n = p.at-int64(p.from), p.n+p.from
			}
			p.from = 0
		}
		kept = append(kept, p)
	}
	h.pieces = kept
}

// Start returns the place of the first byte of text[from:], or Settled.
func (h *Held) Start(from int) int64 {
	after := h.after(from)
	if len(after) == 0 {
		return Settled
	}
	p := after[0]
	if p.to-p.from == p.n {
		return p.at + int64(max(from-p.from, 0))
	}
	return p.at
}

// after returns the pieces that end after Text[from].
func (h *Held) after(from int) []piece {
	if len(h.pieces) == 0 || h.pieces[0].to > from {
		return h.pieces
	}
	return h.pieces[sort.Search(len(h.pieces), func(i int) bool { return h.pieces[i].to > from }):]
}

// Feed gives Text[from:to] to a Sink's Write or a Held's Add.
func (h *Held) Feed(write func(p []byte, at int64, n int), from, to int) {
	for _, p := range h.after(from) {
		lo, hi := max(from, p.from), min(to, p.to)
		switch {
		case p.from > to:
			return
		case p.from == p.to && from < p.from && p.from <= to:
			write(nil, p.at, p.n)
		case lo >= hi:
		case p.to-p.from == p.n:
			write(h.Text[lo:hi], p.at+int64(lo-p.from), hi-lo)
		default:
			write(h.Text[lo:hi], p.at, p.n)
		}
	}
}

// Places returns the runs of the source that Text[from:to] stands in, which are
// valid until it is called again.
func (h *Held) Places(from, to int) []Span {
	out := h.places[:0]
	for _, p := range h.after(from) {
		if p.from > to {
			break
		}
		if p.from == to && p.to > to { // one that is empty goes with the byte before it
			continue
		}
		s := Span{At: p.at, N: p.n}
		if p.to-p.from == p.n {
			lo, hi := max(from, p.from), min(to, p.to)
			s = Span{At: p.at + int64(lo-p.from), N: hi - lo}
		}
		if k := len(out) - 1; k >= 0 && out[k].Stop() == s.At {
			out[k].N += s.N
			continue
		}
		out = append(out, s)
	}
	h.places = out
	return out
}

// A nested is the sink for JSON in a string. Its lexer is given the text without
// the escapes, byte for byte, as if that stood somewhere by itself. Where it
// really stands is told only for what has to go, or may have to.
type nested struct {
	s     Finder // of the text
	outer *Finder
	json  *lexer
	next  int64  // place in the text of what comes next
	h     Held   // the end of the text, as far as it is not decided
	base  int64  // place in the text of h
	raw   []byte // escaped text that may have to be in h, but is not yet
	at    int64  // its place in the string
	steps []step // of it
	buf   []byte // memory of text
	out   []Span // memory of places
}

// A step is a place in escaped text, and that in the text.
type step struct{ raw, text int }

// Lengths of the parts that escaped text is taken in: between two steps, and
// while something before it is not decided.
const (
	stepLen = 1 << 10
	partLen = 1 << 8
)

func newNested(s *Finder, level int) *nested {
	k := &nested{outer: s, s: Finder{Profile: s.Profile, depth: s.depth}}
	k.s.within = k
	k.json = newLexer(&k.s, level)
	return k
}

// Write implements [Sink].
func (k *nested) Write(p []byte, at int64, n int) {
	k.h.Add(p, at, n)
	if len(p) > 0 {
		k.give(p)
	}
}

// escaped takes p, which stands at at, up to a quote or what is no escape. It
// returns the length of that, and name with as much of its text as a name has.
func (k *nested) escaped(p []byte, at int64, name []byte) (n int, longer []byte) {
	for n < len(p) {
		part := p[n:]
		if held := len(k.h.Text); held > 0 && len(part) > max(held, partLen) {
			part = part[:max(held, partLen)]
		}
		size := k.unescape(part)
		if size == 0 {
			break
		}
		if room := maxName + 1 - len(name); room > 0 {
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
		size, text, whole = unescapeTo(k.buf[to:cap(k.buf)], p[n:min(len(p), n+stepLen)])
		if size == 0 {
			break
		}
		n, to = n+size, to+text
	}
	k.buf = k.buf[:to]
	return n
}

// unescapeTo makes text of p, up to a quote or what is no escape, in dst, which
// is longer than p by 8 bytes. It returns the lengths of both, and whether the
// end of p, or of the last whole escape in it, was reached.
func unescapeTo(dst, p []byte) (n, to int, whole bool) {
	for n < len(p) {
		if n+8 <= len(p) {
			w := binary.LittleEndian.Uint64(p[n:])
			binary.LittleEndian.PutUint64(dst[to:], w)
			ends := equal(w, '"') | equal(w, '\\')
			if ends == 0 {
				n, to = n+8, to+8
				continue
			}
			k := bits.TrailingZeros64(ends) / 8
			n, to = n+k, to+k
		}
		switch c := p[n]; {
		case c == '"':
			return n, to, false
		case c != '\\':
			dst[to] = c
			n, to = n+1, to+1
		case n+1 < len(p) && unescaped[p[n+1]] != 0:
			dst[to] = unescaped[p[n+1]]
			n, to = n+2, to+1
		case n+1 == len(p), p[n+1] == 'u' && n+maxEscape > len(p):
			return n, to, true
		case p[n+1] == 'u' && isHexFour(p[n+2:n+maxEscape]):
			to += len(appendUnescaped(dst[to:to], p[n:n+maxEscape], maxEscape))
			n += maxEscape
		default:
			return n, to, false
		}
	}
	return n, to, true
}

// equal returns a word in which the top bit of the first byte that is c in w is
// the first one that is set.
func equal(w uint64, c byte) uint64 {
	w ^= ones * uint64(c)
	return (w - ones) &^ w & tops
}

// plainLen returns the length of p up to a quote or a backslash.
func plainLen(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		if ends := equal(w, '"') | equal(w, '\\'); ends != 0 {
			return i + bits.TrailingZeros64(ends)/8
		}
	}
	for i < len(p) && quickKinds[p[i]]&quickEnd == 0 {
		i++
	}
	return i
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
			n, size = maxEscape, len(appendUnescaped(make([]byte, 0, 4), p[:maxEscape], maxEscape))
		}
		k.h.Add(text[:size], at, n)
		p, at, text = p[n:], at+int64(n), text[size:]
	}
	k.raw = nil
}

// where returns the places in the string of places in the text.
func (k *nested) where(places []Span) []Span {
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

// End implements [Sink].
func (k *nested) End() {
	k.json.End()
	k.h.Reset()
	k.base = k.next
}

// Pending implements [Sink].
func (k *nested) Pending() int64 {
	if p := k.json.Pending(); p < k.next {
		return k.h.Start(int(p - k.base))
	}
	return Settled
}
