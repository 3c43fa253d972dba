package scan

import "bytes"

const (
	pemBegin = "-----BEGIN"
	pemEnd   = "-----END"
	pemKey   = "KEY-----" // the last word of the line that begins a private key
)

// A pem is what may be a PEM block (RFC 7468) that holds a private key. It is
// made of many tokens, and goes as a whole but for its first and last line.
type pem struct {
	s     *Finder
	h     Held // what stands between the lines
	label bool // the first line is complete
	words int  // of the label, or before anything that looks like a key
	keyed bool // PRIVATE was the last of them
	solid bool // something that looks like a key came
}

// beginPEM returns a pem if tok is what begins one, else nil.
func beginPEM(s *Finder, tok []byte) *pem {
	if !bytes.HasSuffix(tok, []byte(pemBegin)) {
		return nil
	}
	return &pem{s: s}
}

// token takes a complete token and reports whether it belongs to the block.
// Where it does not, the block is over.
func (p *pem) token(h *Held) bool {
	from := 0
	if !p.label {
		switch {
		case p.keyed && bytes.HasPrefix(h.Text, []byte(pemKey)):
			p.label, p.words, from = true, 0, len(pemKey)
		case p.words > 3 || run(h.Text, isUpperOrDigit) < len(h.Text):
			return false
		default:
			p.keyed = bytes.Equal(h.Text, []byte("PRIVATE"))
			p.words++
			return true
		}
	}
	if i := bytes.Index(h.Text[from:], []byte(pemEnd)); i >= 0 {
		p.body(h, from, from+i)
		p.End()
		return false
	}
	if from == 0 && (run(h.Text, isPEM) < len(h.Text) || !p.solid && p.words > 12) {
		p.End()
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

// space adds what stands between tokens.
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

// end takes out what came if it looked like a key, and judges it as text if it
// did not.
func (p *pem) End() {
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
