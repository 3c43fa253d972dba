// Package text finds the secrets in text that give themselves away: by what they
// look like, or by what stands before them.
package text

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A Text is the sink for text in which secrets give themselves away.
type Text struct {
	s       *scan.Finder
	opener  Opener
	url     bool        // the text is a URL, if need be a relative one
	Soft    bool        // the text comes in pieces that should not be held back: see pause
	Loose   bool        // the text is no prose: the value of a secret's name need not look like a key
	h       scan.Held   // the token under way
	flags   byte        // its classes
	batch   bool        // a command came that has a password as an argument
	all     byte        // the classes that all bytes have of the token under way, or that next found
	some    byte        // those of the one that next found
	done    int         // of it that was judged before, or let go
	paused  int         // of it that Pause is to let go, if that matters
	tail    []byte      // the end of what came before it
	run     stretch     // what may be a secret of several tokens, or nil
	finds   []find      // of the token that is judged
	alone   scan.Held   // a token that is judged where it stands
	before  []byte      // memory of what stands before it
	joined  []byte      // memory of that and tail
	end     []byte      // memory of preceding
	short   *Text       // for what is decoded and short; made when it is first needed
	decoded []byte      // memory of what a token is in another form
	fields  fieldSearch // in the text that is scanned
	asks    fieldSearch // the same for asking
	inTail  fieldSearch // in tail
}

// An Opener makes the sinks for what is in text in another form.
type Opener interface {
	Decoded(s *scan.Finder) scan.Sink  // for text that was encoded
	Document(s *scan.Finder) scan.Sink // for a document of GraphQL
}

// New returns a text that reports to s, and opens with o what is in the
// text in another form.
func New(s *scan.Finder, o Opener) Text {
	return Text{s: s, opener: o, inTail: fieldSearch{last: -1}}
}

// A stretch is what may be a secret that is made of several tokens.
type stretch interface {
	token(h *scan.Held) bool // takes a complete token; false if it does not belong to the stretch, which is over then
	space(b []byte, at int64, n int)
	end()
	held() *scan.Held
}

// Write implements [scan.Sink].
func (t *Text) Write(p []byte, at int64, n int) {
	if t.run != nil || len(p) != n {
		if t.run == nil && len(p) == 1 && char.Classes[p[0]] == 0 { // an escape, as a rule
			t.endToken()
			t.remember(p)
			if t.run != nil {
				t.run.space(p, at, n)
			}
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
	t.Scan(p, at, false, false)
}

// Scan takes p, before which no token is under way. With whole the token that
// p ends with is complete. With raw p is the inside of a JSON string that has
// no escapes but those of what separates tokens, and whole means that the
// string ends with it.
func (t *Text) Scan(p []byte, at int64, whole, raw bool) {
	t.fields, t.asks = fieldSearch{last: -1, ahead: ahead{text: p}}, fieldSearch{last: -1, ahead: ahead{text: p}}
	for i := 0; ; {
		from, to := t.next(p, i, whole, raw)
		part := to == len(p) && !whole
		switch {
		case from == to && raw && whole: // nothing comes after it
			return
		case from == to:
			t.pass(p, raw)
			return
		case part || to-from > scan.MaxToken:
			t.pass(p[:from], raw)
			if t.add(p[from:to], at+int64(from), t.some, t.all); part {
				return
			}
			t.endToken()
		default:
			t.judge(p[from:to], p[:from], at+int64(from), raw)
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
// complete: p[from:to]. Where there is none both are len(p). It leaves the classes
// of the token in t.some and t.all.
func (t *Text) next(p []byte, i int, whole, raw bool) (from, to int) {
	k := t.shortest()
	for from = i; from+k <= len(p); from = to {
		if from == i || char.Breaks(p[from-1]) {
			if from = char.LongRun(p, from, k); from == len(p) {
				break
			}
		}
		some, all := byte(0), byte(0xff)
		j := from + k - 1
		for j >= from && char.Classes[p[j]] != 0 {
			some |= char.Classes[p[j]]
			all &= char.Classes[p[j]]
			j--
		}
		if to = j + 1; j >= from { // no token of k bytes begins before p[j]
			continue
		}
		n, more, each := char.RunOf(p[from+k:], char.Plain)
		t.some, t.all = some|more, all&each
		to = from + k + n
		if raw && from > 0 && p[from-1] == '\\' {
			from += escape.Rest(p[:to], from)
			_, t.some, t.all = char.RunOf(p[from:to], char.Plain)
		}
		if to == len(p) && !whole || to-from >= k && t.mayHold(p[from:to], p[:from], t.some, raw) {
			return from, to
		}
	}
	if from = len(p); !whole {
		for from > i && char.Classes[p[from-1]] != 0 {
			from--
		}
		if raw && from < len(p) {
			from += escape.Rest(p, from)
		}
		_, t.some, t.all = char.RunOf(p[from:], char.Plain)
	}
	return from, len(p)
}

// pass remembers p, in which nothing was found or all was.
func (t *Text) pass(p []byte, raw bool) {
	if !raw || bytes.IndexByte(p, '\\') < 0 {
		t.remember(p)
		return
	}
	var b [escape.Max * (maxTail + 1)]byte
	t.remember(escape.AppendEnd(b[:0], p, escape.Max*maxTail))
}

// unescaped takes p, which is raw, bit by bit.
func (t *Text) unescaped(p []byte, at int64) {
	for len(p) > 0 {
		if p[0] == '\\' {
			n := escape.Separator(p)
			t.Write(escape.Append(nil, p[:n], n), at, n)
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
func (t *Text) remember(p []byte) {
	if len(p) >= maxTail {
		t.tail, t.inTail = append(t.tail[:0], p[len(p)-maxTail:]...), fieldSearch{last: -1}
		return
	}
	if n := len(t.tail) - maxTail; n+len(p) > maxTail {
		t.tail = t.tail[:copy(t.tail, t.tail[n:])]
		t.inTail.to, t.inTail.last = max(0, t.inTail.to-n), t.inTail.last-n
	}
	t.tail = append(t.tail, p...)
}

// overlap is the part of a long token that is judged twice.
const overlap = 4 << 10

// extend adds what p continues the token under way with and returns its length.
func (t *Text) extend(p []byte, at int64) int {
	i, some, all := char.RunOf(p, char.Plain)
	if len(t.h.Text) > 0 {
		all &= t.all
	}
	t.add(p[:i], at, some, all)
	return i
}

// add adds p to the token under way: all of it has the classes all by now, and some
// of p those of some.
func (t *Text) add(p []byte, at int64, some, all byte) {
	t.flags, t.all = t.flags|some, all
	for from := 0; from < len(p); {
		k := min(len(p)-from, scan.MaxToken-len(t.h.Text))
		t.h.Add(p[from:from+k], at+int64(from), k)
		if from += k; len(t.h.Text) == scan.MaxToken {
			t.judgeHeld()
			t.h.Drop(scan.MaxToken - overlap)
			t.done, t.paused = overlap, 0
		}
	}
}

// slowly writes p where it is an escape or may belong to a stretch.
func (t *Text) slowly(p []byte, at int64, n int) {
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
		i, _, _ := char.RunOf(p, char.Plain)
		i = max(i, 1)
		t.piece(p[:i], at, i)
		p, at = p[i:], at+int64(i)
		if t.run == nil && len(t.h.Text) == 0 {
			t.Scan(p, at, false, false)
			return
		}
	}
}

// piece takes a run of a token, or something between tokens.
func (t *Text) piece(p []byte, at int64, n int) {
	if char.Classes[p[0]] == 0 {
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
	t.flags, t.all = t.flags|char.Classes[p[0]], 0
	t.h.Add(p, at, n)
	if len(t.h.Text) >= scan.MaxToken {
		t.judgeHeld()
		t.h.Drop(len(t.h.Text) - overlap)
		t.done, t.paused = overlap, 0
	}
}

// endToken judges the token under way, which is complete.
func (t *Text) endToken() {
	if len(t.h.Text) > 0 {
		t.judgeHeld()
		t.remember(t.h.Text)
		t.h.Reset()
		t.flags, t.done, t.paused = 0, 0, 0
	}
}

// End implements [scan.Sink].
func (t *Text) End() {
	t.endToken()
	if t.run != nil {
		t.run.end()
		t.run = nil
	}
	t.tail, t.inTail, t.batch = t.tail[:0], fieldSearch{last: -1}, false
}

// Pending implements [scan.Sink].
func (t *Text) Pending() int64 {
	t.letGo()
	p := t.h.Start(t.done)
	if t.run != nil {
		p = min(p, t.run.held().Start(0))
	}
	return p
}

// Idle reports whether neither a token nor a stretch is under way.
func (t *Text) Idle() bool { return len(t.h.Text) == 0 && t.run == nil }

// Pause lets go what cannot become a secret whatever follows. Most tokens end, and are
// none, before anybody asks what is pending: only then is it found out what that is.
func (t *Text) Pause() {
	if t.run == nil && t.s.Profile != secret.Strict {
		t.letGo()
		t.paused = len(t.h.Text)
	}
}

// letGo lets go what the last Pause is to.
func (t *Text) letGo() {
	tok := t.h.Text[:t.paused]
	if t.paused = 0; len(tok) == 0 {
		return
	}
	n := settled(tok)
	if n > t.done &&
		t.verdict(nil, false) == secret.Stays && !t.inField(tok, nil, false) && !t.inJar(nil, false) && !t.mayBeKin(nil, false) && t.afterOption(t.continued(tok), nil, false) < 0 && !isEchoed(t.tail) && !isHashed(t.tail) &&
		!(bytes.IndexByte(tok, '/') > 0 && t.isCommand(oracleCommands, nil, false)) &&
		!isUserOption(secret.LastWord(afterUser.TrimEnd(t.tail))) {
		t.done = n
	}
}

// continued returns tok, of which more may come, as a password that it may become, until it
// is called again.
func (t *Text) continued(tok []byte) []byte {
	t.decoded = append(append(t.decoded[:0], tok...), "a0-a0-a0"...)
	return t.decoded
}

// judge takes out the secrets of tok, which next found to stand at at.
func (t *Text) judge(tok, before []byte, at int64, raw bool) {
	for _, f := range t.find(tok, t.some, before, raw) {
		t.s.Redact([]scan.Span{{At: at + int64(f.from), N: f.to - f.from}}, f.of(tok), f.shape)
	}
	t.alone.Point(tok, at)
	t.begins(&t.alone, before, raw)
}

// begins begins a stretch with a token if that may be the first one of it, before
// which before stands.
func (t *Text) begins(h *scan.Held, before []byte, raw bool) {
	is := t.beginPEM(h.Text, before, raw)
	if is == nil {
		is = t.beginBlock(h)
	}
	if is == nil {
		is = t.watch(h, before, raw)
	}
	if is != nil {
		t.run = is
	}
}

// judgeHeld takes out the secrets of the token under way.
func (t *Text) judgeHeld() {
	tok := t.h.Text
	if t.run != nil {
		if t.run.token(&t.h) {
			return
		}
		if w, ok := t.run.(watcher); !ok || !w.watching() {
			t.run = nil
		}
	}
	if !t.url {
		if len(tok) < t.shortest() {
			return
		}
		if len(tok) <= MaxQuick {
			if _, m, _ := char.RunOf(tok, char.Plain); !t.mayHold(tok, nil, m, false) {
				return
			}
		}
	}
	t.letGo()
	for _, f := range t.find(tok, t.flags, nil, false) {
		value := f.of(tok)
		if f.from = max(f.from, t.done); f.from < f.to {
			t.s.Redact(t.h.Places(f.from, f.to), value, f.shape)
		}
	}
	t.begins(&t.h, nil, false)
}

// JudgeURL takes out the secrets of h.Text[from:to], which is a URL or the target
// of a request: a single token, whatever is in it.
func (t *Text) JudgeURL(h *scan.Held, from, to int) {
	if from == to {
		return
	}
	t.url, t.Loose = true, true
	h.Feed(t.h.Add, from, to)
	for _, c := range t.h.Text {
		t.flags |= char.Classes[c]
	}
	t.all = 0
	t.judgeHeld()
}

// inParameters are the bytes around parameters and their names, and in URLs.
var inParameters = char.In("?&#=%:,")

// settled returns the length of the beginning of tok in which no secret
// starts, whatever tok is continued with. The first letters of a key that are
// the same in all keys are harmless.
func settled(tok []byte) int {
	if secret.OpenDigits(tok) {
		return 0
	}
	n, limit := 0, min(len(tok), softBase64)
	for n < limit && !inParameters[tok[n]] {
		n++
	}
	return secret.OpenKey(tok, n)
}

// softBase64 is where base64 that comes in pieces is held back from, and taken
// out from: less than that says too little, and each longer word would wait for
// the word after it.
const softBase64 = 16
