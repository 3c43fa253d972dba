package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Classes of bytes. Those with a class make up tokens, which are judged as a
// whole; all others end one.
const (
	plain   = 1 << iota
	atSign  // separates userinfo from host
	equals  // separates the name of a parameter from its value
	between // stands before a parameter
	colon
	percent
	sextet // of base64, of both alphabets
	digit
)

// classes of all bytes: a URL is one token, whatever text it stands in.
var classes = func() (c [256]byte) {
	for b := byte('!'); b < 0x7f; b++ {
		c[b] = plain
		if isBase64(b) {
			c[b] |= sextet
		}
		if isDigit(b) {
			c[b] |= digit
		}
	}
	for _, b := range []byte("\"'<>`\\{}|^[]") {
		c[b] = 0
	}
	c['@'], c['='], c[':'], c['%'] = plain|atSign, plain|equals, plain|colon, plain|percent
	c['?'], c['&'], c['#'] = plain|between, plain|between, plain|between
	return c
}()

// runOf returns the length of the beginning of p whose bytes are all of a class,
// and the classes of these.
func runOf(p []byte, class byte) (n int, all byte) {
	for ; n+4 <= len(p); n += 4 {
		q := p[n : n+4]
		a, b, c, d := classes[q[0]], classes[q[1]], classes[q[2]], classes[q[3]]
		if a&b&c&d&class == 0 {
			break
		}
		all |= a | b | c | d
	}
	for ; n < len(p) && classes[p[n]]&class != 0; n++ {
		all |= classes[p[n]]
	}
	return n, all
}

// longRunOf returns where the first run of at least min bytes of a class is that
// begins at p[i] or later, or -1.
func longRunOf(p []byte, i int, class byte, min int) (from, to int) {
	for i+min <= len(p) {
		k := i + min
		for k > i && classes[p[k-1]]&class != 0 {
			k--
		}
		if k == i {
			n, _ := runOf(p[i+min:], class)
			return i, i + min + n
		}
		i = k // none of those before p[k] begin as many
	}
	return -1, 0
}

// Lengths from which on a token may hold a secret: that of a://b:c@d and of
// ?a=b with the shortest name of a secret, that of ?ip=1, that of a password.
const (
	minToken  = 8
	minStrict = 5
	minLoose  = 6
)

// shortest returns the length of the shortest token that may hold a secret.
func (t *text) shortest() int {
	switch {
	case t.s.Profile == Strict:
		return minStrict
	case t.loose:
		return minLoose
	}
	return minToken
}

// mayHold reports whether the token p[from:to] can hold a secret. It says yes to
// all that do, and no to nearly all others.
func (t *text) mayHold(p []byte, from, to int, raw bool) bool {
	tok := p[from:to]
	n := len(tok)
	if n > maxQuick { // what follows takes as long as to find out
		return true
	}
	_, m := runOf(tok, plain)
	switch {
	case t.s.Profile == Strict, m&percent != 0, m&(atSign|colon) == atSign|colon:
		return true
	case m&(equals|colon) != 0 && t.mayAssign(tok), m&colon != 0 && t.login(tok, p[:from], raw):
		return true
	case m&digit != 0 && (t.loose || n >= minKey || t.isQuoted(p[:from])) && t.verdict(p[:from], raw) != stays:
		return true
	case m&digit != 0 && (n >= minKey && t.inField(p[:from], raw) || t.afterOption(tok, p[:from], raw) >= 0 || t.inJar(p[:from], raw)):
		return true
	case m&digit != 0 && n >= minKey && (t.mayBeKin(p[:from], raw) || isValueOf(tok)), isManifest(tok):
		return true
	case m&(digit|colon) == digit|colon && t.isPgpass(tok, p[:from], raw), m&atSign != 0 && t.oracleLogin(tok, p[:from], raw) >= 0:
		return true
	case n >= len(pemBegin) && tok[n-1] == pemBegin[len(pemBegin)-1] && tok[n-2] == pemBegin[len(pemBegin)-2]:
		return true
	case n >= len(puttyLines) && tok[n-1] == ':' && bytes.HasSuffix(tok, []byte(puttyLines)):
		return true
	case n < minKey:
		return false
	}
	return t.s.mayBeKey(tok, false, false)
}

// mayBeKey reports whether p may hold a key, or holds a secret in base64, or may
// be the first line of that unless it is whole, or mayBear if that is asked.
func (s *Finder) mayBeKey(p []byte, whole, bear bool) bool {
	for i := trigrams.next(p, 0); i < len(p); i = trigrams.next(p, i+1) {
		if beginsKey(p[i:], true) || bear && bears(p[i:]) {
			return true
		}
	}
	for from, to := longRunOf(p, 0, sextet, minBase64); from >= 0; from, to = longRunOf(p, to, sextet, minBase64) {
		if s.runMayHold(p[from:to], whole) {
			return true
		}
	}
	return false
}

// runMayHold reports whether a run of base64 may hold a secret. Only short ones
// are looked into: that of others is looked at later in any case.
func (s *Finder) runMayHold(run []byte, whole bool) bool {
	if !plausible(run) || s.depth >= maxDepth {
		return false
	}
	return len(run) > maxQuick || !whole && len(run) >= minLine || s.runHoldsSecret(run)
}

// mayAssign reports whether tok has the name of a secret before an equals sign
// or colon, or may have it before tok.
func (t *text) mayAssign(tok []byte) bool {
	for i, c := range tok {
		switch {
		case classes[c]&(equals|colon) == 0:
		case i < 2, !isLetterOrDigit(tok[i-1]):
			return true
		case parameterEnds.has(tok[i-2]|0x20, tok[i-1]|0x20):
			if name := lastWord(tok[:i]); t.s.Profile.judgeKey(name) != stays || isURLKey(name) {
				return true
			}
		}
	}
	return false
}

// In what is mostly words the tokens that are long enough to hold a secret are
// few. They are looked for eight bytes at a time and without a branch for each
// byte: the length of words cannot be foretold.

const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// breaks reports whether c ends the runs that longRun finds. Not all bytes that
// end tokens do.
func breaks(c byte) bool { return c <= ' ' || c >= 0x7f || c == '\\' }

// inRun returns a word in which the top bit of each byte is set whose byte in w
// does not break.
func inRun(w uint64) uint64 {
	low := w &^ tops
	printing := low + (0x7f-' ')*ones         // over ' '
	slash := (low ^ '\\'*ones) + 0x7f*ones    // other than a backslash
	del := (low ^ 0x7f*ones) + 0x7f*ones      // other than DEL
	return printing & slash & del &^ w & tops // and ASCII
}

// lastRuns returns a bit for each byte of p, which are up to 64, that is set
// where the byte does not break.
func lastRuns(p []byte) (mask uint64) {
	j := 0
	for ; j+8 <= len(p); j += 8 {
		mask |= (inRun(binary.LittleEndian.Uint64(p[j:])) >> 7 * 0x0102040810204080 >> 56) << j
	}
	for ; j < len(p); j++ {
		if !breaks(p[j]) {
			mask |= 1 << j
		}
	}
	return mask
}

// longRun returns the start of the first run of at least k bytes, up to 16,
// that begins at p[i] or later, or len(p).
func longRun(p []byte, i, k int) int {
	for i+k <= len(p) {
		var mask uint64
		if i+64 <= len(p) {
			block := p[i : i+64]
			for j := 0; j < 64; j += 8 {
				mask |= (inRun(binary.LittleEndian.Uint64(block[j:])) >> 7 * 0x0102040810204080 >> 56) << j
			}
		} else {
			mask = lastRuns(p[i:])
		}
		for n := 1; n < k; { // leave the bits that begin n, then more of them
			step := min(n, k-n)
			mask &= mask >> step
			n += step
		}
		if mask != 0 {
			return i + bits.TrailingZeros64(mask)
		}
		i += 64 - (k - 1)
	}
	return len(p)
}

const (
	pemBegin = "-----BEGIN"
	pemEnd   = "-----END"
	pemKey   = "KEY-----"   // the last word of the line that begins a private key
	pemBlock = "BLOCK-----" // the same of OpenPGP (RFC 9580, section 6.2)
)

// A pem is what may be a PEM block (RFC 7468) that holds a private key. It is
// made of many tokens, and goes as a whole but for its first and last line.
type pem struct {
	s     *Finder
	h     Held // what stands between the lines
	label bool // the first line is complete
	words int  // of the label, or before anything that looks like a key
	keyed bool // PRIVATE was the last of them
	block bool // and KEY
	solid bool // something that looks like a key came
}

// puttyLines is what begins the private part of a file of PuTTY.
const puttyLines = "Private-Lines:"

// beginPEM returns a pem if tok is what begins one, else nil.
func beginPEM(s *Finder, tok []byte) stretch {
	switch {
	case bytes.HasSuffix(tok, []byte(pemBegin)):
		return &pem{s: s}
	case bytes.HasSuffix(tok, []byte(puttyLines)):
		return &pem{s: s, label: true}
	}
	return nil
}

func (p *pem) token(h *Held) bool {
	from := 0
	if !p.label {
		switch {
		case p.keyed && bytes.HasPrefix(h.Text, []byte(pemKey)):
			p.label, p.words, from = true, 0, len(pemKey)
		case p.block && bytes.HasPrefix(h.Text, []byte(pemBlock)):
			p.label, p.words, from = true, 0, len(pemBlock)
		case p.words > 3 || run(h.Text, isUpperOrDigit) < len(h.Text):
			return false
		default:
			p.block = p.keyed && bytes.Equal(h.Text, []byte("KEY"))
			p.keyed = bytes.Equal(h.Text, []byte("PRIVATE"))
			p.words++
			return true
		}
	}
	if i := bytes.Index(h.Text[from:], []byte(pemEnd)); i >= 0 {
		p.body(h, from, from+i)
		p.end()
		return false
	}
	if from == 0 && (bytes.HasPrefix(h.Text, []byte("Private-")) || run(h.Text, isPEM) < len(h.Text) || !p.solid && p.words > 12) {
		p.end()
		return false
	}
	p.body(h, from, len(h.Text))
	return true
}

// body adds h.text[from:to] to what goes.
func (p *pem) body(h *Held, from, to int) {
	p.words++
	p.solid = p.solid || to-from >= 32
	h.Feed(p.h.Add, from, to)
	p.limit()
}

func (p *pem) space(b []byte, at int64, n int) {
	if p.label {
		p.h.Add(b, at, n)
		p.limit()
	}
}

// limit bounds what is held back. A key is shorter than that by far.
func (p *pem) limit() {
	if len(p.h.Text) < maxValue {
		return
	}
	if p.solid {
		p.s.discard(p.h.Places(0, len(p.h.Text)))
	}
	p.h.Reset()
}

func (p *pem) held() *Held { return &p.h }

// end takes out what came if it looked like a key, and judges it as text if it
// did not.
func (p *pem) end() {
	v := bytes.TrimSpace(p.h.Text)
	from := bytes.Index(p.h.Text, v)
	switch {
	case len(v) == 0:
	case p.solid:
		p.s.redact(p.h.Places(from, from+len(v)), v, inText)
	default:
		t := text{s: p.s}
		p.h.Feed(t.Write, from, from+len(v))
		t.End()
	}
	p.h.Reset()
}

// isPEM reports whether c may stand in the tokens of a block: base64 and the
// fields of encrypted keys (RFC 1421, section 4.6).
func isPEM(c byte) bool { return isBase64(c) || c == '=' || c == ':' || c == ',' }

// minLine is the length of the shortest line that a block of base64 is taken
// to begin with.
const minLine = 40

// A block is base64 that is broken into lines (RFC 2045, section 6.8). It goes
// as a whole if it holds a secret: one that stands on two lines shows in none.
type block struct {
	s     *Finder
	h     Held  // the lines without the breaks
	lines []int // where they end
	over  bool  // no more lines follow
}

// beginBlock returns a block if the token h may be its first line, else nil.
func beginBlock(s *Finder, h *Held) stretch {
	n := len(h.Text)
	if n < minLine || n > maxName*4 || n%4 != 0 || s.depth >= maxDepth || run(h.Text, isBase64) < n || !plausible(h.Text) {
		return nil
	}
	b := &block{s: s}
	b.add(h)
	return b
}

func (b *block) add(h *Held) {
	h.Feed(b.h.Add, 0, len(h.Text))
	b.lines = append(b.lines, len(b.h.Text))
}

func (b *block) token(h *Held) bool {
	n := len(h.Text)
	if b.over || n > b.lines[0] || n%4 != 0 || run(h.Text, isPadded) < n || len(b.h.Text) >= maxValue {
		b.end()
		return false
	}
	b.add(h)
	b.over = n < b.lines[0]
	return true
}

func (b *block) space(p []byte, _ int64, _ int) {
	b.over = b.over || len(bytes.TrimLeft(p, "\r\n\t ")) > 0
}

func (b *block) held() *Held { return &b.h }

func (b *block) end() {
	if n := len(b.h.Text); len(b.lines) > 1 && b.s.base64HoldsSecret(bytes.TrimRight(b.h.Text, "=")) {
		b.s.redact(b.h.Places(0, n), b.h.Text, inText)
	} else {
		t := text{s: b.s}
		for i := 1; i < len(b.lines); i++ { // the first one was judged
			b.h.Feed(t.Write, b.lines[i-1], b.lines[i])
			t.endToken()
			t.run = nil
		}
	}
	b.h.Reset()
}
