package jsonlist

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep the elements of a list may be nested, with what the
// list itself is in.
const maxDepth = 24

// A scanner follows JSON text, which it takes for well-formed, and knows where
// it may be cut: where it would be whole with some closers after it.
type scanner struct {
	stack  [maxDepth]byte // closers of what is open
	depth  int
	text   bool // within a string
	name   bool // the string is, or the next one will be, a member's name
	closed bool // a value or the start of a container was the last: closers may follow
}

// closers appends what ends the text here.
func (s *scanner) closers(b []byte) []byte {
	if s.text {
		b = append(b, '"')
	}
	for i := s.depth - 1; i >= 0; i-- {
		b = append(b, s.stack[i])
	}
	return b
}

func (s *scanner) size() int {
	if s.text {
		return s.depth + 1
	}
	return s.depth
}

// cut returns the length of the longest piece that p may be cut after such
// that its closers fit into room bytes with it, or 0 where there is none. The
// scanner goes on after that piece.
func (s *scanner) cut(p []byte, room int) int {
	p = p[:min(len(p), room)]
	// Most often there is such a place near the end, and others need not be noted.
	if from := len(p) - 256; from > 0 {
		if n := s.cutFrom(p, room, from); n > 0 {
			return n
		}
	}
	return s.cutFrom(p, room, 0)
}

// cutFrom is cut that looks for places after from only.
func (s *scanner) cutFrom(p []byte, room, from int) int {
	best, at := 0, *s
	for now, i := *s, 0; i < len(p); {
		if now.text {
			start := i
			i = now.string(p, i)
			end := min(i, room-now.size())
			if start <= end && end < i {
				end = wholeUnits(p, start, end)
			}
			if !now.name && end > max(best, start, from) {
				best, at = end, now
			}
			if i == len(p) || p[i] != '"' {
				break
			}
		}
		if !now.token(p[i]) {
			break
		}
		i++
		if i > from && (now.closed || now.text && !now.name) && i+now.size() <= room {
			best, at = i, now
		}
	}
	*s = at
	return best
}

// canCut reports whether there is a place to cut p, however little room there is.
func (s *scanner) canCut(p []byte) bool {
	for _, n := range [...]int{64, pageSize, len(p)} { // most often at once
		if ahead := *s; ahead.cut(p[:min(n, len(p))], 1<<30) > 0 {
			return true
		}
	}
	return false
}

// token takes a byte outside a string, or the quote that ends one. It reports
// whether that was possible.
func (s *scanner) token(c byte) bool {
	switch c {
	case '"':
		s.text = !s.text
		s.closed = !s.text && !s.name
	case '{', '[':
		if s.depth == maxDepth {
			return false
		}
		s.stack[s.depth] = c + 2 // the closers in ASCII
		s.depth++
		s.closed, s.name = true, c == '{'
	case '}', ']':
		if s.depth == 0 {
			return false
		}
		s.depth--
		s.closed, s.name = true, false
	case ',':
		s.closed, s.name = false, s.depth > 0 && s.stack[s.depth-1] == '}'
	case ':':
		s.closed, s.name = false, false
	case ' ', '\n':
	default: // of a number or a literal, which ends before what comes next
		s.closed = false
	}
	return true
}

// string returns where the string that goes on at p[i] ends, or the last place
// at which no character of it is cut.
func (s *scanner) string(p []byte, i int) int {
	const short = 32 // most strings are, for which this is faster
	for end := min(len(p), i+short); i < end && plain[p[i]]; {
		i++
	}
	if i < len(p) && p[i] == '"' {
		return i
	}
	if end := i + endOfString(p[i:]); end < len(p) {
		return end
	}
	return i + complete(p[i:])
}

// endOfString returns where the string ends that p begins within, between two
// characters, or len(p). Some have a quote every few bytes, each with a backslash
// before it, so that to look for the next one again and again takes long: it looks
// at 64 bytes at once.
func endOfString(p []byte) int {
	end := bytes.IndexByte(p, '"')
	if end < 0 {
		return len(p)
	}
	i := bytes.IndexByte(p[:end], '\\')
	if i < 0 {
		return end
	}
	escaped := uint64(0) // a bit for each byte; that of the next one after the last
	for ; i+64 <= len(p); i += 64 {
		var quotes, backslashes uint64
		for j := 0; j < 64; j += 8 {
			v := binary.LittleEndian.Uint64(p[i+j:])
			quotes |= equal(v, '"') << j
			backslashes |= equal(v, '\\') << j
		}
		var after uint64
		after, escaped = escapedBy(backslashes, escaped)
		if quotes &^= after; quotes != 0 {
			return i + bits.TrailingZeros64(quotes)
		}
	}
	for i += int(escaped); i < len(p) && p[i] != '"'; i++ {
		if p[i] == '\\' {
			i++
		}
	}
	return min(i, len(p))
}

// equal returns eight bits that say which bytes of v are c, which is of ASCII.
func equal(v uint64, c byte) uint64 {
	const ones = 0x0101010101010101
	v ^= ones * uint64(c)
	zero := ^(v | (v&(ones*0x7f) + ones*0x7f)) >> 7 & ones // 1 in each byte that is 0
	return zero * 0x0102040810204080 >> 56
}

// escapedBy returns which of 64 characters follow a backslash that is not itself
// after one. It is told of the first, and tells of the one after the last.
func escapedBy(backslashes, first uint64) (escaped, next uint64) {
	const odd = 0xaaaaaaaaaaaaaaaa
	begin := backslashes &^ first
	// The difference carries through a row of them that begins at an odd place, so
	// that every second one is left from its beginning on.
	all := (begin<<1 | odd) - begin ^ odd
	return all ^ (backslashes | first), all & backslashes >> 63
}

// wholeUnits returns the last place up to end, which is within a string of p,
// at which no character is cut. At start none is.
func wholeUnits(p []byte, start, end int) int {
	from := end
	for from > start && (p[from]&0xc0 == 0x80 || bytes.IndexByte(p[max(start, from-maxUnit+1):from], '\\') >= 0) {
		from--
	}
	for from < end && from+unit(p[from:]) <= end {
		from += unit(p[from:])
	}
	return from
}

// maxUnit is the length of the longest character: \u0000.
const maxUnit = 6

// unit returns the length of the character at the start of p: an escape
// (RFC 8259, section 7), or that of its first byte in UTF-8.
func unit(p []byte) int {
	switch c := p[0]; {
	case c == '\\':
		if len(p) > 1 && p[1] == 'u' {
			return 6
		}
		return 2
	case c < 0xc0:
		return 1
	case c < 0xe0:
		return 2
	case c < 0xf0:
		return 3
	}
	return 4
}

// plain are the bytes of strings that are a character each.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x80 && c != '"' && c != '\\'
	}
	return t
}()
