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
	return inBodies.append(b, piece)
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
			if err == nil { // else who keeps the piece still has it
				kept = copy(chunk, chunk[len(piece):n])
			}
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

// An escapes has for each byte what stands for it in a JSON string (RFC 8259,
// section 7), in the order of its bytes, and in the highest of them its length.
type escapes [256]uint64

// The bodies of a file and its other strings differ in two bytes that are rare:
// those of the latter are as package encoding/json writes them.
var (
	inBodies  = newEscapes(map[byte]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't'})
	inStrings = newEscapes(map[byte]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'})
)

// newEscapes returns escapes in which short has the bytes that need only one
// after a backslash.
func newEscapes(short map[byte]byte) *escapes {
	var t escapes
	for i := range t {
		var e [8]byte
		switch c, ok := short[byte(i)]; {
		case ok:
			e = [8]byte{'\\', c, 7: 2}
		case i < ' ':
			e = [8]byte{'\\', 'u', '0', '0', '0' + byte(i>>4), "0123456789abcdef"[i&15], 7: 6}
		default:
			e = [8]byte{byte(i), 7: 1}
		}
		t[i] = binary.LittleEndian.Uint64(e[:])
	}
	return &t
}

// needEscapes reports whether any of the eight bytes of v is a control
// character, a quote or a backslash. What a byte borrows from the one above it
// can make only that look like one, and it is one itself.
func needEscapes(v uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quotes, backslashes := v^ones*'"', v^ones*'\\'
	return ((v-ones*' ')&^v|(quotes-ones)&^quotes|(backslashes-ones)&^backslashes)&high != 0
}

// append appends p as the inside of a JSON string. It takes eight bytes at a
// time: those of which none needs it as they are, others by t without a branch,
// for where the next quote comes cannot be foreseen.
func (t *escapes) append(b, p []byte) []byte {
	for len(p) > 0 {
		part := p[:min(len(p), 512)]
		p = p[len(part):]
		b = slices.Grow(b, 6*len(part)+eightRoom)
		n, out := len(b), b[:cap(b)]
		for ; len(part) >= 8; part = part[8:] {
			v := binary.LittleEndian.Uint64(part)
			if needEscapes(v) {
				n += t.eight((*[eightRoom]byte)(out[n:]), v)
				continue
			}
			binary.LittleEndian.PutUint64(out[n:], v)
			n += 8
		}
		for _, c := range part {
			binary.LittleEndian.PutUint64(out[n:], t[c])
			n += int(t[c] >> 56)
		}
		b = out[:n]
	}
	return b
}

// eightRoom is the length of what [escapes.eight] may write to.
const eightRoom = 64 + 8

// eight writes what stands for the eight bytes of v, and returns its length. As a
// loop it takes a third longer.
func (t *escapes) eight(b *[eightRoom]byte, v uint64) int {
	e := t[byte(v)]
	binary.LittleEndian.PutUint64(b[:], e)
	n := e >> 56
	e = t[byte(v>>8)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[byte(v>>16)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[byte(v>>24)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[byte(v>>32)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[byte(v>>40)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[byte(v>>48)]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	n += e >> 56
	e = t[v>>56]
	binary.LittleEndian.PutUint64(b[n&63:], e)
	return int(n + e>>56)
}

// appendString appends s as a JSON string, with what is not UTF-8 replaced and
// the two characters escaped that end a line in JavaScript.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for s != "" {
		n, size, escape := verbatim(s)
		b = append(inStrings.append(b, []byte(s[:n])), escape...)
		s = s[n+size:]
	}
	return append(b, '"')
}

// verbatim returns where the next character of s is that is not to stand there
// as it is though it is not of ASCII, its length, and what is to.
func verbatim(s string) (at, size int, escape string) {
	for at < len(s) {
		if s[at] < utf8.RuneSelf {
			at++
			for at+8 <= len(s) && binary.LittleEndian.Uint64([]byte(s[at:at+8]))&0x8080808080808080 == 0 {
				at += 8
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[at:])
		switch {
		case r == utf8.RuneError && n == 1:
			return at, n, `\ufffd`
		case r == '\u2028':
			return at, n, `\u2028`
		case r == '\u2029':
			return at, n, `\u2029`
		}
		at += n
	}
	return at, 0, ""
}
