package har

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"ssltape/record"
)

// chunkSize is how much of a body is in memory at a time. It is a multiple of
// 3, so that base64 has no padding in the middle.
const chunkSize = 48 << 10

// A payload says how a body is written.
type payload struct {
	m       *record.Message
	size    int64  // bytes to write, without content coding
	base64  bool   // they are not UTF-8
	raw     bool   // they still have their content coding, for it could not be removed
	whole   []byte // all of them, where they are in memory
	comment string
}

// survey reads the body of m once to see how it must be written. A body that
// fits chunk stays there.
func survey(m *record.Message, chunk []byte) (payload, error) {
	p := payload{m: m, comment: asUTF8(m.Comment)}
	err := p.measure(chunk)
	if err != nil && p.size == 0 && !m.Decoded {
		p.raw = true
		if err := p.measure(chunk); err != nil {
			return p, err
		}
	}
	if p.comment != "" {
		return p, nil
	}
	var parts []string
	if p.raw {
		parts = append(parts, "not decoded: "+asUTF8(err.Error()))
	} else if err != nil {
		parts = append(parts, "decoded up to an error: "+asUTF8(err.Error()))
	}
	if n := m.LostBytes(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes were lost", n))
	}
	if m.Cut > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes at the end were not kept", m.Cut))
	}
	p.comment = strings.Join(parts, "; ")
	return p, nil
}

// measure finds the size of the body and whether it is UTF-8. Where it fails,
// both are of what came before the error.
func (p *payload) measure(chunk []byte) error {
	p.size, p.base64, p.whole = 0, false, nil
	if body, ok := p.m.Plain(); ok {
		p.size, p.base64, p.whole = int64(len(body)), !utf8.Valid(body), body
		if body == nil {
			p.whole = chunk[:0]
		}
		return nil
	}
	r, err := p.open()
	if err != nil {
		return err
	}
	defer r.Close()
	count := 0
	for piece, e := range pieces(r, chunk, true) {
		err = e
		p.size += int64(len(piece))
		p.base64 = p.base64 || !utf8.Valid(piece)
		count++
	}
	if count <= 1 || count == 2 && err != nil {
		p.whole = chunk[:p.size]
	}
	return err
}

func (p *payload) open() (io.ReadCloser, error) {
	if p.raw {
		return io.NopCloser(p.m.Body.Reader()), nil
	}
	return p.m.Decode()
}

// text returns the fields of a HAR body, with a placeholder for its text.
func (p *payload) text() bodyText {
	b := bodyText{Comment: p.comment, Encoded: p.raw, Cut: integer(p.m.Cut)}
	if p.size > 0 || p.m.Cut == 0 { // else there is nothing of the body
		b.Text = new(text)
	}
	if p.base64 {
		b.Encoding = "base64"
	}
	return b
}

// appendTo appends the body to b as the inside of a JSON string. It calls
// spill whenever b has grown long, with whole characters in it and the number
// of bytes that are at least to come, and goes on with what spill returns.
func (p *payload) appendTo(b, chunk []byte, spill spill) ([]byte, error) {
	parts := wholePieces(p.whole, !p.base64)
	if p.whole == nil {
		r, err := p.open()
		if err != nil {
			return b, err
		}
		defer r.Close()
		parts = pieces(io.LimitReader(r, p.size), chunk, !p.base64)
	}
	left := p.size
	for piece, err := range parts {
		if err != nil && left > 0 { // else it is that of which survey knows, and comes with the last bytes
			return b, err
		}
		b = p.appendPiece(b, piece)
		left -= int64(len(piece))
		if left > 0 && len(b) >= spillSize {
			more := left // what JSON escapes becomes longer
			if p.base64 {
				more = left / 3 * 4
			}
			if b, err = spill(b, more); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func (p *payload) appendPiece(b, piece []byte) []byte {
	if p.base64 {
		return appendBase64(b, piece)
	}
	return appendEscaped(b, piece)
}

// base64Pairs are the two letters of 12 bits (RFC 4648, section 4), the first
// in the lower byte.
var base64Pairs = func() (t [1 << 12]uint16) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range t {
		t[i] = uint16(letters[i>>6]) | uint16(letters[i&63])<<8
	}
	return t
}()

// appendBase64 is [base64.Encoding.AppendEncode] of StdEncoding, twice as fast.
func appendBase64(b, p []byte) []byte {
	b = slices.Grow(b, base64.StdEncoding.EncodedLen(len(p)))
	out := b[len(b) : len(b)+len(p)/6*8]
	b = b[:len(b)+len(out)]
	for ; len(p) >= 8 && len(out) >= 8; p, out = p[6:], out[8:] {
		v := binary.BigEndian.Uint64(p)
		binary.LittleEndian.PutUint64(out, uint64(base64Pairs[v>>52])|uint64(base64Pairs[v>>40&0xfff])<<16|
			uint64(base64Pairs[v>>28&0xfff])<<32|uint64(base64Pairs[v>>16&0xfff])<<48)
	}
	return base64.StdEncoding.AppendEncode(b[:len(b)-len(out)], p)
}

// wholePieces is pieces for what is in memory, with chunks of chunkSize.
func wholePieces(p []byte, runes bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(p) > 0 {
			n := min(len(p), chunkSize)
			if runes && n < len(p) {
				n -= partialRune(p[:n])
			}
			if !yield(p[:n], nil) {
				return
			}
			p = p[n:]
		}
	}
}

// pieces yields what r holds in pieces that fill chunk, each valid until the
// next, and at the end the error of r if it is not [io.EOF]. Where runes is
// set, no piece ends within a rune, for which bytes before an error may go;
// only the last one before EOF can.
func pieces(r io.Reader, chunk []byte, runes bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var err error
		for kept := 0; err == nil; {
			n := kept
			for n < len(chunk) && err == nil {
				var m int
				m, err = r.Read(chunk[n:])
				n += m
			}
			piece := chunk[:n]
			if runes && !errors.Is(err, io.EOF) {
				piece = chunk[:n-partialRune(piece)]
			}
			if len(piece) > 0 && !yield(piece, nil) {
				return
			}
			kept = copy(chunk, chunk[len(piece):n])
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// partialRune returns how many bytes at the end of p begin a rune that p does
// not hold whole.
func partialRune(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return i
		}
	}
	return 0
}

// appendEscaped appends p, which is UTF-8, as the inside of a JSON string
// (RFC 8259, section 7).
func appendEscaped(b, p []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i, c := range p {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, p[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, p[start:]...)
}
