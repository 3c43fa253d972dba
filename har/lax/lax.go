// Package lax reads JSON texts that may be long and need not be right in
// everything: it goes through a text once, holds one value at a time, and
// leaves what has another type than expected as it was. encoding/json reads
// the same, but a value several times before it is where it belongs, which
// costs a HAR of many bodies most of the time.
//
// Structure is checked as RFC 8259 says. Beyond it, control characters in
// strings, unknown escapes, and words such as NaN are let pass.
package lax

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// ErrTooLong is the error of a value that is longer than the Reader may hold.
var ErrTooLong = errors.New("a value is too long")

// A SyntaxError says where a text is not JSON.
type SyntaxError struct {
	Off  int64 // bytes before it
	Char byte  // what is there
}

// Error says what is where.
func (e *SyntaxError) Error() string { return fmt.Sprintf("unexpected %q at byte %d", e.Char, e.Off) }

// A Reader walks through the values of a text, from its start to its end. Its
// errors are [io.EOF] where the text is over and nothing was begun,
// [io.ErrUnexpectedEOF] where it ends in the middle, a [*SyntaxError],
// [ErrTooLong], and those of what it reads from.
type Reader struct {
	r    io.Reader
	max  int    // bytes of a value
	buf  []byte // what was read and not passed
	pos  int    // in buf
	past int64  // bytes before buf
}

// minBuffer is the room for what is read at once.
const minBuffer = 64 << 10

// NewReader returns a Reader of r, of whose values it holds max bytes at most.
func NewReader(r io.Reader, max int) *Reader { return &Reader{r: r, max: max} }

// fill reads more behind what is in buf. What comes before keep is passed.
func (r *Reader) fill(keep int) error {
	rest := r.buf[keep:]
	if cap(r.buf) < len(rest)+minBuffer/2 || len(rest) < minBuffer && cap(r.buf) > 64*minBuffer {
		rest = append(make([]byte, 0, 2*len(rest)+minBuffer), rest...)
	} else {
		rest = append(r.buf[:0], rest...)
	}
	r.past, r.pos, r.buf = r.past+int64(keep), r.pos-keep, rest
	if len(rest) > r.max {
		return ErrTooLong
	}
	for range 100 {
		n, err := r.r.Read(rest[len(rest):cap(rest)])
		r.buf = rest[:len(rest)+n]
		if n > 0 || err != nil {
			if n > 0 {
				return nil
			}
			return err
		}
	}
	return io.ErrNoProgress
}

// Peek returns the first byte of what comes next, a value or punctuation.
func (r *Reader) Peek() (byte, error) {
	for {
		for ; r.pos < len(r.buf); r.pos++ {
			if c := r.buf[r.pos]; !isSpace(c) {
				return c, nil
			}
		}
		if err := r.fill(r.pos); err != nil {
			return 0, err
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// Value returns the text of the value that comes next, valid until the next
// call. Whether it is right inside is for [Unmarshal] to say.
func (r *Reader) Value() ([]byte, error) {
	n, err := r.pass(true)
	if err != nil {
		return nil, err
	}
	return r.buf[r.pos-n : r.pos], nil
}

// Decode sets what v points to to the value that comes next, as [Unmarshal]
// does.
func (r *Reader) Decode(v any) error {
	text, err := r.Value()
	if err != nil {
		return err
	}
	err = Unmarshal(text, v)
	if e := new(SyntaxError); errors.As(err, &e) {
		e.Off += r.past + int64(r.pos-len(text))
	}
	return err
}

// Skip passes over the value that comes next, of any length.
func (r *Reader) Skip() error {
	_, err := r.pass(false)
	return err
}

// pass goes to the end of the value that comes next and returns its length.
// Where keep is set, all of it is before r.pos then.
func (r *Reader) pass(keep bool) (length int, err error) {
	if _, err := r.Peek(); err != nil {
		return 0, err
	}
	for e := new(extent); ; {
		n, done := e.scan(r.buf[r.pos:])
		r.pos, length = r.pos+n, length+n
		switch {
		case done && length == 0:
			return 0, r.unexpected()
		case done:
			return length, nil
		}
		from := r.pos
		if keep {
			from -= length
		}
		if err := r.fill(from); err == io.EOF && e.scalar {
			return length, nil
		} else if err != nil {
			return 0, inside(err)
		}
	}
}

// inside returns the error for an end of the text that comes too early.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) unexpected() error { return &SyntaxError{r.past + int64(r.pos), r.buf[r.pos]} }

// punctuation passes over c, if that comes next.
func (r *Reader) punctuation(c byte) (bool, error) {
	next, err := r.Peek()
	if err != nil || next != c {
		return false, inside(err)
	}
	r.pos++
	return true, nil
}

// Object calls member after each key of the object that comes next, to read
// the value.
func (r *Reader) Object(member func(key string) error) error {
	return r.items('{', '}', func() error {
		if c, err := r.Peek(); err != nil || c != '"' {
			return r.expected(err)
		}
		raw, err := r.Value()
		if err != nil {
			return err
		}
		key := String(raw)
		if ok, err := r.punctuation(':'); !ok {
			return r.expected(err)
		}
		return member(key)
	})
}

// List calls element before each element of the list that comes next, to read
// it.
func (r *Reader) List(element func() error) error { return r.items('[', ']', element) }

func (r *Reader) items(open, end byte, item func() error) error {
	if ok, err := r.punctuation(open); !ok {
		return r.expected(err)
	}
	for first := true; ; first = false {
		if ok, err := r.punctuation(end); ok || err != nil {
			return err
		}
		if !first {
			if ok, err := r.punctuation(','); !ok {
				return r.expected(err)
			}
		}
		if err := item(); err != nil {
			return inside(err)
		}
	}
}

// expected returns err, or that what is here should not be.
func (r *Reader) expected(err error) error {
	if err != nil {
		return inside(err)
	}
	return r.unexpected()
}

// An extent looks for the end of a value, the text of which comes in pieces.
type extent struct {
	begun  bool
	scalar bool // it has no closing character of its own
	text   bool // within a string
	odd    bool // of which the last piece ended with a backslash that escapes
	depth  int
}

// scan returns how many bytes of b belong to the value, and whether it ends
// there.
func (e *extent) scan(b []byte) (n int, done bool) {
	if !e.begun && len(b) > 0 {
		e.begun, e.scalar = true, isWord(b[0])
	}
	if e.scalar {
		for n < len(b) && isWord(b[n]) {
			n++
		}
		return n, n < len(b)
	}
	for n < len(b) {
		if e.text {
			if n = e.endOfText(b, n); n == len(b) && e.text {
				break
			} else if e.depth == 0 {
				return n, true
			}
			continue
		}
		switch b[n] {
		case '"':
			e.text = true
		case '{', '[':
			e.depth++
		case '}', ']':
			if e.depth--; e.depth == 0 {
				return n + 1, true
			}
		}
		if n++; e.depth <= 0 && !e.text { // nothing that begins a value
			return n - 1, true
		}
	}
	return n, false
}

// endOfText returns where the string that b[i:] is part of ends, or len(b).
func (e *extent) endOfText(b []byte, i int) int {
	if e.odd {
		i++
	}
	end, odd := endOfString(b, i)
	if e.odd = odd; end < 0 {
		return len(b)
	}
	e.text = false
	return end
}

// endOfString returns the index after the quote that ends the string that
// b[i:] is inside of, or -1; then odd says that a backslash is the last of b
// and escapes what comes next.
func endOfString(b []byte, i int) (end int, odd bool) {
	for i < len(b) {
		if i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			found := zeros(x^quotes) | zeros(x^slashes)
			if i += bits.TrailingZeros64(found) / 8; found == 0 {
				continue
			}
		}
		switch b[i] {
		case '"':
			return i + 1, false
		case '\\':
			i++
		}
		i++
	}
	return -1, i > len(b)
}

const (
	ones    = 0x0101010101010101
	quotes  = '"' * ones
	slashes = '\\' * ones
)

// zeros has the upper bit set of the first byte of x that is 0, and of none
// before it.
func zeros(x uint64) uint64 { return (x - ones) &^ x & (0x80 * ones) }

// isWord reports whether c is part of a number or a literal.
func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '+' || 'A' <= c && c <= 'Z'
}
