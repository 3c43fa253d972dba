package scan

import "bytes"

// Classes of bytes. Those with a class make up tokens, which are judged as a
// whole; all others end one.
const (
	plain   = 1 << iota
	atSign  // separates userinfo from host
	equals  // separates the name of a parameter from its value
	between // stands before a parameter
	colon
	percent
)

// classes of all bytes: a URL is one token, whatever text it stands in.
var classes = func() (c [256]byte) {
	for b := byte('!'); b < 0x7f; b++ {
		c[b] = plain
	}
	for _, b := range []byte("\"'<>`\\{}|^[]") {
		c[b] = 0
	}
	c['@'], c['='], c[':'], c['%'] = plain|atSign, plain|equals, plain|colon, plain|percent
	c['?'], c['&'], c['#'] = plain|between, plain|between, plain|between
	return c
}()

// minToken is the length from which on a token may be a secret, or the
// beginning of a PEM block, by itself.
const minToken = 10

// A text is the sink for text in which secrets give themselves away.
type text struct {
	s     *Finder
	url   bool // the text is a URL, if need be a relative one
	soft  bool // the text comes in pieces that should not be held back: see pause
	h     Held // the token under way
	flags byte // its classes
	done  int  // of it that was judged before, or let go
	pem   *pem // a PEM block that may be under way
}

func (t *text) Write(p []byte, at int64, n int) {
	switch {
	case t.pem == nil && len(p) == 1 && classes[p[0]] == 0: // an escape, as a rule
		t.endToken()
		return
	case t.pem != nil || len(p) != n:
		t.slowly(p, at, n)
		return
	case len(t.h.Text) > 0:
		i := t.extend(p, at)
		if i == len(p) {
			return
		}
		t.endToken()
		if t.pem != nil {
			t.slowly(p[i:], at+int64(i), n-i)
			return
		}
		p, at = p[i:], at+int64(i)
	}
	for i := 0; i < len(p); {
		m := classes[p[i]]
		if m == 0 {
			i++
			continue
		}
		j := i + 1
		for ; j < len(p); j++ {
			c := classes[p[j]]
			if c == 0 {
				break
			}
			m |= c
		}
		if j == len(p) {
			t.extend(p[i:], at+int64(i))
			return
		}
		if t.suspicious(j-i, m) {
			t.judge(p[i:j], m, at+int64(i))
			if t.pem != nil {
				t.slowly(p[j:], at+int64(j), len(p)-j)
				return
			}
		}
		i = j
	}
}

// suspicious reports whether a token of n bytes with the classes m can hold a
// secret.
func (t *text) suspicious(n int, m byte) bool {
	return n >= minToken || t.s.Profile == Strict || m&equals != 0 && m&between != 0 || m&atSign != 0 && m&colon != 0
}

// extend adds what p continues the token under way with and returns its length.
func (t *text) extend(p []byte, at int64) int {
	i := 0
	for ; i < len(p) && classes[p[i]] != 0; i++ {
		t.flags |= classes[p[i]]
	}
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

// slowly writes p where it is an escape or may belong to a PEM block.
func (t *text) slowly(p []byte, at int64, n int) {
	if len(p) == 0 {
		if len(t.h.Text) > 0 {
			t.h.Add(p, at, n)
		} else if t.pem != nil {
			t.pem.space(p, at, n)
		}
		return
	}
	if len(p) != n {
		t.piece(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 0
		for i < len(p) && classes[p[i]] != 0 {
			i++
		}
		i = max(i, 1)
		t.piece(p[:i], at, i)
		p, at = p[i:], at+int64(i)
	}
}

// piece takes a run of a token, or something between tokens.
func (t *text) piece(p []byte, at int64, n int) {
	if classes[p[0]] == 0 {
		t.endToken()
		if t.pem != nil {
			t.pem.space(p, at, n)
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
		t.h.Reset()
		t.flags, t.done = 0, 0
	}
}

func (t *text) End() {
	t.endToken()
	if t.pem != nil {
		t.pem.End()
		t.pem = nil
	}
}

func (t *text) Pending() int64 {
	p := t.h.Start(t.done)
	if t.pem != nil {
		p = min(p, t.pem.h.Start(0))
	}
	return p
}

// pause lets go what cannot become a secret whatever follows.
func (t *text) pause() {
	if t.pem == nil && t.s.Profile != Strict {
		t.done = max(t.done, harmless(t.h.Text))
	}
}

// judge takes out the secrets of a token at at.
func (t *text) judge(tok []byte, m byte, at int64) {
	if t.pem == nil {
		t.pem = beginPEM(t.s, tok)
	}
	for _, f := range t.find(tok, m) {
		t.s.redact([]Span{{At: at + int64(f.from), N: f.to - f.from}}, f.of(tok), f.shape)
	}
}

// judgeHeld takes out the secrets of the token under way.
func (t *text) judgeHeld() {
	tok := t.h.Text
	if t.pem != nil {
		if t.pem.token(&t.h) {
			return
		}
		t.pem = nil
	}
	if !t.suspicious(len(tok), t.flags) {
		return
	}
	t.pem = beginPEM(t.s, tok)
	for _, f := range t.find(tok, t.flags) {
		if f.from = max(f.from, t.done); f.from < f.to {
			t.s.redact(t.h.Places(f.from, f.to), f.of(tok), f.shape)
		}
	}
}

// harmless returns the length of the beginning of tok in which no secret
// starts, whatever tok is continued with.
func harmless(tok []byte) int {
	n := min(len(tok), softBase64)
	for _, a := range anchors {
		if i := bytes.Index(tok, a); i >= 0 {
			n = min(n, i)
		}
		for k := min(len(a)-1, len(tok)); k > 0; k-- {
			if bytes.HasSuffix(tok, a[:k]) {
				n = min(n, len(tok)-k)
				break
			}
		}
	}
	if i := bytes.IndexAny(tok, "?&#"); i >= 0 {
		n = min(n, i)
	}
	return n
}

// softBase64 is where base64 that comes in pieces is held back from, and taken
// out from: less than that says too little, and each longer word would wait for
// the word after it.
const softBase64 = 16
