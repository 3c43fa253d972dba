package redact

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"ssltape/record"
)

// maxPacked is the length of the longest encoded body that is looked into. A
// longer one goes unseen.
const maxPacked = 8 << 20

// A packed is the sink for text that is encoded as a whole, so that nothing can
// be replaced within. If there is a secret in it all of it goes.
type packed struct {
	s      *scan
	unpack func(s *scan, p []byte) (found, ok bool)
	h      held
	raw    sink // for what turns out not to be encoded
	size   int  // of what was discarded
	gone   bool // it is too long to be looked at
}

func newPacked(s *scan, unpack func(s *scan, p []byte) (found, ok bool), raw sink) *packed {
	return &packed{s: s, unpack: unpack, raw: raw}
}

func (p *packed) write(b []byte, at int64, n int) {
	if k := maxPacked - len(p.h.text); !p.gone && n > k && len(b) == n {
		p.h.add(b[:k], at, k)
		p.giveUp()
		b, at, n = b[k:], at+int64(k), n-k
	}
	if p.h.add(b, at, n); p.gone {
		p.discard()
	}
}

// discard takes out what came so far.
func (p *packed) discard() {
	n := len(p.h.text)
	if p.size == 0 {
		p.s.redact(p.h.places(0, n), p.h.text, inText)
	} else {
		p.s.discard(p.h.places(0, n))
	}
	p.size += n
	p.h.reset()
}

func (p *packed) end() {
	n := len(p.h.text)
	if n > 0 {
		found, ok := p.unpack(p.s, p.h.text)
		if !ok {
			p.h.feed(p.raw.write, 0, n)
			p.raw.end()
		}
		if found {
			p.s.redact(p.h.places(0, n), p.h.text, inText)
		}
	}
	p.h.reset()
	p.size, p.gone = 0, false
}

func (p *packed) pending() int64 { return p.h.start(0) }

// giveUp takes out all of it rather than wait for the end.
func (p *packed) giveUp() {
	p.gone = true
	p.discard()
}

// unpackBase64 looks into a part with the transfer encoding base64 (RFC 2045,
// section 6.8).
func unpackBase64(s *scan, p []byte) (found, ok bool) {
	d := base64.NewDecoder(base64.StdEncoding, strings.NewReader(string(p)))
	out, err := io.ReadAll(d)
	return s.holdsSecret(out), err == nil
}

// unpackBody looks into a body with a content coding (RFC 9110, section 8.4).
func unpackBody(coding, contentType string) func(s *scan, p []byte) (found, ok bool) {
	return func(s *scan, p []byte) (found, ok bool) {
		m := record.Message{Proto: "HTTP/1.1", Body: record.NewBody(p), BodySize: int64(len(p)), Done: true}
		m.Header = record.Fields{{Name: "Content-Encoding", Value: coding}}
		sub := scan{profile: s.profile, depth: 1}
		k := newBody(&sub, contentType, 0)
		at := int64(0)
		err, _ := decode(&m, func(p []byte) error {
			k.write(p, at, len(p))
			at += int64(len(p))
			sub.spans = nil
			return nil
		})
		k.end()
		return sub.found > 0 || isBomb(err), err == nil || errors.Is(err, io.ErrUnexpectedEOF)
	}
}

// decode gives write the body of m without its content coding, in pieces. It
// returns why the decoding ended early and, apart from that, what write
// returned.
func decode(m *record.Message, write func(p []byte) error) (derr, werr error) {
	untyped := *m // also files that are compressed by themselves are looked into
	untyped.Header = nil
	for _, f := range m.Header {
		if strings.EqualFold(f.Name, "Content-Encoding") {
			untyped.Header = append(untyped.Header, f)
		}
	}
	r, err := untyped.Decode()
	if err != nil {
		return err, nil
	}
	defer r.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if werr := write(buf[:n]); werr != nil {
			return nil, werr
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}

// isBomb reports whether decoding was given up since there was no end to it.
func isBomb(err error) bool {
	return errors.Is(err, record.ErrDecodedSize) || errors.Is(err, record.ErrDecodedRatio)
}

// withoutIdentity returns the content codings that are listed, but for the one
// that is none.
func withoutIdentity(coding string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToLower(coding), "identity", ""), ", \t")
}

// magic is what the encodings begin with that bodies have though no field says
// so.
var magic = []string{"\x1f\x8b", "\x28\xb5\x2f\xfd"}

// hasMagic reports whether p begins as encoded bodies do, and whether it may
// when more has come.
func hasMagic(p []byte) (yes, maybe bool) {
	for _, m := range magic {
		yes = yes || strings.HasPrefix(string(p), m)
		maybe = maybe || len(p) < len(m) && strings.HasPrefix(m, string(p))
	}
	return yes, maybe
}
