package text

import (
	"bytes"
	"slices"

	"ssltape/record/scan"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A pem is what may be a PEM block (RFC 7468) that holds a private key. It is
// made of many tokens, and goes as a whole but for its first and last line.
type pem struct {
	of    *Text     // the text it is in
	h     scan.Held // what stands between the lines
	label bool      // the first line is complete
	words int       // of the label, or before anything that looks like a key
	keyed bool      // PRIVATE was the last of them
	block bool      // and KEY
	ssh2  bool      // the lines around it are those of RFC 4716
	solid bool      // something that looks like a key came
}

// puttyLines is what begins the private part of a file of PuTTY.
const puttyLines = "Private-Lines:"

// ssh2Begin is what begins a private key in the format of RFC 4716, but for the
// words that follow and its last hyphens, ssh2Line.
var ssh2Begin = [...]string{"---- BEGIN SSH2", "ENCRYPTED"}

const ssh2Line = "----"

// beginPEM returns a pem if tok is what begins one, else nil.
func (t *Text) beginPEM(tok, before []byte, raw bool) stretch {
	switch {
	case string(tok) == ssh2Begin[1] && bytes.HasSuffix(bytes.TrimRight(t.last(before, raw), " "), []byte(ssh2Begin[0])):
		return &pem{of: t}
	case bytes.HasSuffix(tok, []byte(secret.PEMBegin)):
		return &pem{of: t}
	case bytes.HasSuffix(tok, []byte(puttyLines)):
		return &pem{of: t, label: true}
	}
	return nil
}

func (p *pem) token(h *scan.Held) bool {
	from := 0
	if !p.label {
		switch {
		case p.keyed && bytes.HasPrefix(h.Text, []byte(secret.PEMKey)):
			p.label, p.words, from = true, 0, len(secret.PEMKey)
		case p.block && string(h.Text) == ssh2Line:
			p.label, p.words, p.ssh2 = true, 0, true
			return true
		case p.block && bytes.HasPrefix(h.Text, []byte(secret.PEMBlock)):
			p.label, p.words, from = true, 0, len(secret.PEMBlock)
		case p.words > 3 || char.Run(h.Text, char.IsUpperOrDigit) < len(h.Text):
			return false
		default:
			p.block = p.keyed && bytes.Equal(h.Text, []byte("KEY"))
			p.keyed = bytes.Equal(h.Text, []byte("PRIVATE"))
			p.words++
			return true
		}
	}
	if i := bytes.Index(h.Text[from:], []byte(secret.PEMEnd)); i >= 0 {
		p.body(h, from, from+i)
		p.end()
		return false
	}
	if from == 0 && (p.ssh2 && string(h.Text) == ssh2Line || bytes.HasPrefix(h.Text, []byte("Private-")) || char.Run(h.Text, isPEM) < len(h.Text) || !p.solid && p.words > 12) {
		p.end()
		return false
	}
	p.body(h, from, len(h.Text))
	return true
}

// body adds h.text[from:to] to what goes.
func (p *pem) body(h *scan.Held, from, to int) {
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
	if len(p.h.Text) < scan.MaxValue {
		return
	}
	if p.solid {
		p.of.s.Discard(p.h.Places(0, len(p.h.Text)))
	}
	p.h.Reset()
}

func (p *pem) held() *scan.Held { return &p.h }

// end takes out what came if it looked like a key, and judges it as text if it
// did not.
func (p *pem) end() {
	v := bytes.TrimSpace(p.h.Text)
	from := bytes.Index(p.h.Text, v)
	switch {
	case len(v) == 0:
	case p.solid:
		p.of.s.Redact(p.h.Places(from, from+len(v)), v, scan.InText)
	default:
		t := New(p.of.s, p.of.opener)
		p.h.Feed(t.Write, from, from+len(v))
		t.End()
	}
	p.h.Reset()
}

// isPEM reports whether c may stand in the tokens of a block: base64 and the
// fields of encrypted keys (RFC 1421, section 4.6).
func isPEM(c byte) bool { return char.IsBase64(c) || c == '=' || c == ':' || c == ',' }

// minLine is the length of the shortest line that a block of base64 is taken
// to begin with.
const minLine = 40

// A block is base64 that is broken into lines (RFC 2045, section 6.8). It goes
// as a whole if it holds a secret: one that stands on two lines shows in none.
type block struct {
	of    *Text     // the text they are in
	h     scan.Held // the lines without the breaks
	lines []int     // where they end
	over  bool      // no more lines follow
}

// beginBlock returns a block if the token h may be its first line, else nil.
func (t *Text) beginBlock(h *scan.Held) stretch {
	n := len(h.Text)
	if n < minLine || n > secret.MaxName*4 || n%4 != 0 || t.s.Depth >= maxDepth || char.Run(h.Text, char.IsBase64) < n || !plausible(h.Text, textual(h.Text)) {
		return nil
	}
	b := &block{of: t}
	b.add(h)
	return b
}

func (b *block) add(h *scan.Held) {
	h.Feed(b.h.Add, 0, len(h.Text))
	b.lines = append(b.lines, len(b.h.Text))
}

func (b *block) token(h *scan.Held) bool {
	n := len(h.Text)
	if b.over || n > b.lines[0] || n%4 != 0 || char.Run(h.Text, char.IsPadded) < n || len(b.h.Text) >= scan.MaxValue {
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

func (b *block) held() *scan.Held { return &b.h }

func (b *block) end() {
	text := bytes.TrimRight(b.h.Text, "=")
	if n := len(b.h.Text); len(b.lines) > 1 && b.of.base64HoldsSecret(text, textual(text)) {
		b.of.s.Redact(b.h.Places(0, n), b.h.Text, scan.InText)
	} else {
		t := New(b.of.s, b.of.opener)
		for i := 1; i < len(b.lines); i++ { // the first one was judged
			b.h.Feed(t.Write, b.lines[i-1], b.lines[i])
			t.endToken()
			t.run = nil
		}
	}
	b.h.Reset()
}

// A codes is a list of codes for when a second factor is lost, below a name or in a list
// of JSON: all of it goes, up to what looks like none.
type codes struct {
	s    *scan.Finder
	size int // of each, as of the first one
	over bool
	none scan.Held
}

// codeNames are the ends of the names of such lists.
var codeNames = [][]byte{[]byte("ecovery codes"), []byte("ackup codes"), []byte("ecovery_codes"), []byte("ackup_codes"), []byte("ecoveryCodes"), []byte("ackupCodes"), []byte("RECOVERY CODES"), []byte("BACKUP CODES")}

// aroundCodes are the bytes between such a name and the first code, the number of which
// may be there.
var aroundCodes = char.In(" \t\r\n\"'`\\,[:*-.)1")

// afterCodes reports whether a token that before stands before is the first of such a
// list.
func afterCodes(before []byte, raw bool) bool {
	b := aroundCodes.TrimEnd(before)
	for n := len(b); raw && n > 1 && b[n-1] == 'n' && b[n-2] == '\\'; n = len(b) {
		b = aroundCodes.TrimEnd(b[:n-2])
	}
	if n := len(b); n == len(before) || n < len("ackup codes") || b[n-1]|0x20 != 's' || b[n-2]|0x20 != 'e' {
		return false
	}
	return slices.ContainsFunc(codeNames, func(name []byte) bool { return bytes.HasSuffix(b, name) })
}

// isCode reports whether tok may be one of the codes.
func isCode(tok []byte) bool {
	return len(tok) >= secret.MinToken && len(tok) <= secret.MinKey*2 && char.Run(tok, char.IsBase64URL) == len(tok) && bytes.ContainsAny(tok, "0123456789")
}

func (c *codes) token(h *scan.Held) bool {
	tok := bytes.TrimRight(h.Text, ",")
	switch {
	case isCode(tok) || len(tok) == c.size && char.Run(tok, char.IsBase64URL) == len(tok):
		c.s.Redact(h.Places(0, len(tok)), tok, scan.InText)
		c.size = len(tok)
	case len(tok) > 2 || len(tok) > 1 && !char.IsDigit(tok[0]): // neither a comma nor the number of one
		c.over = true
	}
	return false
}

func (c *codes) space(b []byte, _ int64, _ int) { c.over = c.over || bytes.IndexByte(b, ']') >= 0 }
func (c *codes) end()                           {}
func (c *codes) held() *scan.Held               { return &c.none }
func (c *codes) watching() bool                 { return !c.over }
