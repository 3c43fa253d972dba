package scan

import (
	"bytes"
	"math"
	"strings"
)

// A text is the sink for text in which secrets give themselves away.
type text struct {
	s      *Finder
	url    bool    // the text is a URL, if need be a relative one
	soft   bool    // the text comes in pieces that should not be held back: see pause
	loose  bool    // the text is no prose: the value of a secret's name need not look like a key
	h      Held    // the token under way
	flags  byte    // its classes
	done   int     // of it that was judged before, or let go
	tail   []byte  // the end of what came before it
	run    stretch // what may be a secret of several tokens, or nil
	finds  []find  // of the token that is judged
	alone  Held    // a token that is judged where it stands
	before []byte  // memory of what stands before it
}

// A stretch is what may be a secret that is made of several tokens.
type stretch interface {
	token(h *Held) bool // takes a complete token; false if it does not belong to the stretch, which is over then
	space(b []byte, at int64, n int)
	end()
	held() *Held
}

func (t *text) Write(p []byte, at int64, n int) {
	if t.run != nil || len(p) != n {
		if t.run == nil && len(p) == 1 && classes[p[0]] == 0 { // an escape, as a rule
			t.endToken()
			t.remember(p)
			return
		}
		t.slowly(p, at, n)
		return
	}
	if len(t.h.Text) > 0 {
		i := t.extend(p, at)
		if i == len(p) {
			return
		}
		t.endToken()
		if p, at = p[i:], at+int64(i); t.run != nil {
			t.slowly(p, at, len(p))
			return
		}
	}
	t.scan(p, at, false, false)
}

// scan takes p, before which no token is under way. With whole the token that
// p ends with is complete. With raw p is the inside of a JSON string that has
// no escapes but those of what separates tokens, and whole means that the
// string ends with it.
func (t *text) scan(p []byte, at int64, whole, raw bool) {
	for i := 0; ; {
		from, to := t.next(p, i, whole, raw)
		part := to == len(p) && !whole
		switch {
		case from == to && raw && whole: // nothing comes after it
			return
		case from == to:
			t.pass(p, raw)
			return
		case part || to-from > maxToken:
			t.pass(p[:from], raw)
			if t.extend(p[from:to], at+int64(from)); part {
				return
			}
			t.endToken()
		default:
			t.judge(p, from, to, at, raw)
		}
		if i = to; t.run != nil {
			t.pass(p[:i], raw)
			p, at = p[i:], at+int64(i)
			break
		}
	}
	if raw {
		t.unescaped(p, at)
	} else {
		t.slowly(p, at, len(p))
	}
	if whole {
		t.endToken()
	}
}

// next returns the first token from p[i] on that may hold a secret or is not
// complete: p[from:to]. Where there is none both are len(p).
func (t *text) next(p []byte, i int, whole, raw bool) (from, to int) {
	k := t.shortest()
	for from = i; from+k <= len(p); from = to {
		if from == i || breaks(p[from-1]) {
			if from = longRun(p, from, k); from == len(p) {
				break
			}
		}
		j := from + k - 1
		for j >= from && classes[p[j]] != 0 {
			j--
		}
		if to = j + 1; j >= from { // no token of k bytes begins before p[j]
			continue
		}
		n, _ := runOf(p[from+k:], plain)
		to = from + k + n
		if raw && from > 0 && p[from-1] == '\\' {
			from += escapeRest(p[:to], from)
		}
		if to == len(p) && !whole || to-from >= k && t.mayHold(p, from, to, raw) {
			return from, to
		}
	}
	if from = len(p); !whole {
		for from > i && classes[p[from-1]] != 0 {
			from--
		}
		if raw && from < len(p) {
			from += escapeRest(p, from)
		}
	}
	return from, len(p)
}

// escapeRest returns how many bytes of the token at p[i] belong to an escape
// that begins before it.
func escapeRest(p []byte, i int) int {
	k := i
	for k > 0 && p[k-1] == '\\' {
		k--
	}
	switch {
	case (i-k)%2 == 0 || i == len(p):
		return 0
	case p[i] == 'u':
		return maxEscape - 1
	}
	return 1
}

// pass remembers p, in which nothing was found or all was.
func (t *text) pass(p []byte, raw bool) {
	if !raw || bytes.IndexByte(p, '\\') < 0 {
		t.remember(p)
		return
	}
	var b [maxEscape * (maxTail + 1)]byte
	t.remember(unescapeEnd(b[:0], p, maxEscape*maxTail))
}

// unescapeEnd appends to dst what the last n bytes of p, which is raw, stand for.
func unescapeEnd(dst, p []byte, n int) []byte {
	if k := len(p) - n; k > 0 {
		for k > 0 && p[k-1] == '\\' {
			k--
		}
		p = p[k:]
	}
	return appendUnescaped(dst, p, math.MaxInt)
}

// unescaped takes p, which is raw, bit by bit.
func (t *text) unescaped(p []byte, at int64) {
	for len(p) > 0 {
		if p[0] == '\\' {
			n := separator(p)
			t.Write(appendUnescaped(nil, p[:n], n), at, n)
			p, at = p[n:], at+int64(n)
			continue
		}
		n := bytes.IndexByte(p, '\\')
		if n < 0 {
			n = len(p)
		}
		t.Write(p[:n], at, n)
		p, at = p[n:], at+int64(n)
	}
}

// remember keeps what comes before the next token.
func (t *text) remember(p []byte) {
	if len(p) >= maxTail {
		t.tail = append(t.tail[:0], p[len(p)-maxTail:]...)
		return
	}
	if len(t.tail)+len(p) > 2*maxTail {
		t.tail = t.tail[:copy(t.tail, t.tail[len(t.tail)-maxTail:])]
	}
	t.tail = append(t.tail, p...)
}

// extend adds what p continues the token under way with and returns its length.
func (t *text) extend(p []byte, at int64) int {
	i, all := runOf(p, plain)
	t.flags |= all
	for from := 0; from < i; {
		k := min(i-from, maxToken-len(t.h.Text))
		t.h.Add(p[from:from+k], at+int64(from), k)
		if from += k; len(t.h.Text) == maxToken {
			t.judgeHeld()
			t.h.Drop(maxToken - overlap)
			t.done = overlap
		}
	}
	return i
}

// slowly writes p where it is an escape or may belong to a stretch.
func (t *text) slowly(p []byte, at int64, n int) {
	if len(p) == 0 {
		if len(t.h.Text) > 0 {
			t.h.Add(p, at, n)
		} else if t.run != nil {
			t.run.space(p, at, n)
		}
		return
	}
	if len(p) != n {
		t.piece(p, at, n)
		return
	}
	for len(p) > 0 {
		i, _ := runOf(p, plain)
		i = max(i, 1)
		t.piece(p[:i], at, i)
		p, at = p[i:], at+int64(i)
		if t.run == nil && len(t.h.Text) == 0 {
			t.scan(p, at, false, false)
			return
		}
	}
}

// piece takes a run of a token, or something between tokens.
func (t *text) piece(p []byte, at int64, n int) {
	if classes[p[0]] == 0 {
		t.endToken()
		t.remember(p)
		if t.run != nil {
			t.run.space(p, at, n)
		}
		return
	}
	if len(p) == n {
		t.extend(p, at)
		return
	}
	t.flags |= classes[p[0]]
	t.h.Add(p, at, n)
	if len(t.h.Text) >= maxToken {
		t.judgeHeld()
		t.h.Drop(len(t.h.Text) - overlap)
		t.done = overlap
	}
}

// endToken judges the token under way, which is complete.
func (t *text) endToken() {
	if len(t.h.Text) > 0 {
		t.judgeHeld()
		t.remember(t.h.Text)
		t.h.Reset()
		t.flags, t.done = 0, 0
	}
}

func (t *text) End() {
	t.endToken()
	if t.run != nil {
		t.run.end()
		t.run = nil
	}
	t.tail = t.tail[:0]
}

func (t *text) Pending() int64 {
	p := t.h.Start(t.done)
	if t.run != nil {
		p = min(p, t.run.held().Start(0))
	}
	return p
}

// pause lets go what cannot become a secret whatever follows.
func (t *text) pause() {
	if len(t.h.Text) > 0 && t.run == nil && t.s.Profile != Strict &&
		t.verdict(nil, false) == stays && !t.inField(nil, false) && !t.inJar(nil, false) && !t.mayBeKin(nil, false) && t.afterOption(t.h.Text, nil, false) < 0 &&
		!isUserOption(lastWord(bytes.TrimRight(t.tail, " \"'\\"))) {
		t.done = max(t.done, settled(t.h.Text))
	}
}

// judge takes out the secrets of the token p[from:to].
func (t *text) judge(p []byte, from, to int, at int64, raw bool) {
	tok := p[from:to]
	at += int64(from)
	_, m := runOf(tok, plain)
	for _, f := range t.find(tok, m, p[:from], raw) {
		t.s.redact([]Span{{At: at + int64(f.from), N: f.to - f.from}}, f.of(tok), f.shape)
	}
	t.alone.Text, t.alone.pieces = tok, append(t.alone.pieces[:0], piece{0, len(tok), at, len(tok)})
	t.begins(&t.alone, p[:from], raw)
}

// begins begins a stretch with a token if that may be the first one of it, before
// which before stands.
func (t *text) begins(h *Held, before []byte, raw bool) {
	is := beginPEM(t.s, h.Text)
	if is == nil {
		is = beginBlock(t.s, h)
	}
	if is == nil {
		is = t.watch(h, before, raw)
	}
	if is != nil {
		t.run = is
	}
}

// judgeHeld takes out the secrets of the token under way.
func (t *text) judgeHeld() {
	tok := t.h.Text
	if t.run != nil {
		if t.run.token(&t.h) {
			return
		}
		if w, ok := t.run.(watcher); !ok || !w.watching() {
			t.run = nil
		}
	}
	if !t.url && (len(tok) < t.shortest() || !t.mayHold(tok, 0, len(tok), false)) {
		return
	}
	for _, f := range t.find(tok, t.flags, nil, false) {
		value := f.of(tok)
		if f.from = max(f.from, t.done); f.from < f.to {
			t.s.redact(t.h.Places(f.from, f.to), value, f.shape)
		}
	}
	t.begins(&t.h, nil, false)
}

// settled returns the length of the beginning of tok in which no secret
// starts, whatever tok is continued with. The first letters of a key that are
// the same in all keys are harmless.
func settled(tok []byte) int {
	n := min(len(tok), softBase64)
	if i := bytes.IndexAny(tok, "?&#=%:"); i >= 0 {
		n = min(n, i)
	}
	if i := bytes.Index(tok, []byte("://")); i >= 0 {
		n = min(n, i)
	}
	for i, t := 0, uint(0); i < n+2 && i < len(tok); i++ {
		if t = follow(t, tok[i]); i >= 2 && trigrams.has(t) && beginsKey(tok[i-2:], false) {
			return i - 2
		}
	}
	return n
}

// softBase64 is where base64 that comes in pieces is held back from, and taken
// out from: less than that says too little, and each longer word would wait for
// the word after it.
const softBase64 = 16

// A wide is the sink for a body in UTF-16. The sink within is given a byte for
// each unit, and what it finds becomes UTF-16 again.
type wide struct {
	s     *Finder
	inner Finder
	is    Sink
	big   bool  // the more significant byte comes first
	base  int64 // of the units
	begun bool
	half  Held // the first byte of a unit
	text  []byte
}

// NewWide returns the sink for a body in UTF-16, big-endian or not.
func NewWide(s *Finder, contentType string, big bool) Sink {
	w := &wide{s: s, inner: Finder{Profile: s.Profile, Fill: s.Fill}, big: big}
	media, _, _ := strings.Cut(contentType, ";")
	w.is = newBody(&w.inner, media, 0)
	return w
}

func (w *wide) Write(p []byte, at int64, n int) {
	if !w.begun {
		w.begun, w.base = true, at
	}
	w.text = w.text[:0]
	unit := (at - w.base) / 2
	for i, c := range p {
		if len(w.half.Text) == 0 {
			w.half.Add(p[i:i+1], at+int64(i), 1)
			continue
		}
		high, low := w.half.Text[0], c
		if !w.big {
			high, low = low, high
		}
		if high != 0 {
			low = 0xff // a letter that is not ASCII
		}
		w.half.Reset()
		w.text = append(w.text, low)
	}
	w.is.Write(w.text, unit, len(w.text))
	w.pass()
}

// pass hands on what was found.
func (w *wide) pass() {
	for _, s := range w.inner.Take(w.is.Pending()) {
		text := make([]byte, 0, 2*len(s.Text))
		for i := range len(s.Text) {
			if w.big {
				text = append(text, 0, s.Text[i])
			} else {
				text = append(text, s.Text[i], 0)
			}
		}
		w.s.Found++
		w.s.add(Span{At: w.base + 2*s.At, N: 2 * s.N, Text: string(text)})
	}
}

func (w *wide) End() {
	w.is.End()
	w.pass()
	w.begun = false
	w.half.Reset()
}

func (w *wide) Pending() int64 {
	p := min(w.is.Pending(), w.inner.Next())
	if p != Settled {
		p = w.base + 2*p
	}
	return min(p, w.half.Start(0))
}
