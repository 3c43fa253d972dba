// Package escape decodes the escapes of JSON strings, of URLs and of forms.
package escape

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"

	"ssltape/record/secret/char"
)

// Decode makes text of p, up to a quote or what is no escape, in dst, which
// is longer than p by 8 bytes. It returns the lengths of both, and whether the
// end of p, or of the last whole escape in it, was reached.
func Decode(dst, p []byte) (n, to int, whole bool) {
	for n < len(p) {
		if n+8 <= len(p) {
			w := binary.LittleEndian.Uint64(p[n:])
			binary.LittleEndian.PutUint64(dst[to:], w)
			ends := char.Equal(w, '"') | char.Equal(w, '\\')
			if ends == 0 {
				n, to = n+8, to+8
				continue
			}
			k := bits.TrailingZeros64(ends) / 8
			n, to = n+k, to+k
		}
		switch c := p[n]; {
		case c == '"':
			return n, to, false
		case c != '\\':
			dst[to] = c
			n, to = n+1, to+1
		case n+1 < len(p) && Letters[p[n+1]] != 0:
			dst[to] = Letters[p[n+1]]
			n, to = n+2, to+1
		case n+1 == len(p), p[n+1] == 'u' && n+Max > len(p):
			return n, to, true
		case p[n+1] == 'u' && isHexFour(p[n+2:n+Max]):
			to += len(Append(dst[to:to], p[n:n+Max], Max))
			n += Max
		default:
			return n, to, false
		}
	}
	return n, to, true
}

// DecodeWithin makes text of the string that p goes on with in dst, which is longer than
// p by 8 bytes. It is written in other strings, so that so many backslashes stand before
// its quotes: 1, 3, 7, …. It returns the lengths of both, up to the quote at its end, or
// that it is not all there, or not as programs write it.
func DecodeWithin(dst, p []byte, slashes int) (n, to int, whole bool) {
	for n < len(p) {
		if n+8 <= len(p) {
			w := binary.LittleEndian.Uint64(p[n:])
			binary.LittleEndian.PutUint64(dst[to:], w)
			ends := char.Equal(w, '"') | char.Equal(w, '\\')
			if ends == 0 {
				n, to = n+8, to+8
				continue
			}
			k := bits.TrailingZeros64(ends) / 8
			n, to = n+k, to+k
		}
		if p[n] != '\\' {
			if dst[to] = p[n]; p[n] == '"' {
				return 0, 0, false
			}
			n, to = n+1, to+1
			continue
		}
		run := 1
		for n+run < len(p) && p[n+run] == '\\' {
			run++
		}
		for ; run > 2*slashes+1; run -= 2*slashes + 2 {
			dst[to] = '\\'
			n, to = n+2*slashes+2, to+1
		}
		size, text := 0, dst[to:to]
		switch rest := p[n+run:]; {
		case len(rest) == 0:
			return 0, 0, false
		case run == 0:
			continue
		case run == slashes && rest[0] == '"':
			return n, to, true
		case run == 2*slashes+1 && rest[0] == '"':
			size, text = 1, append(text, '"')
		case run != slashes+1 || rest[0] == '"':
		case Letters[rest[0]] != 0:
			size, text = 1, append(text, Letters[rest[0]])
		case rest[0] == 'u' && len(rest) > Max-2 && isHexFour(rest[1:Max-1]):
			size, text = Max-1, Append(text, p[n+run-1:n+run+Max-1], Max)
		}
		if size == 0 {
			return 0, 0, false
		}
		n, to = n+run+size, to+len(text)
	}
	return 0, 0, false
}

// PlainLen returns the length of p up to a quote or a backslash.
func PlainLen(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		if ends := char.Equal(w, '"') | char.Equal(w, '\\'); ends != 0 {
			return i + bits.TrailingZeros64(ends)/8
		}
	}
	for i < len(p) && p[i] != '"' && p[i] != '\\' {
		i++
	}
	return i
}

// Max is the length of the longest escape.
const Max = len(`\u0000`)

// Letters is what the escapes of one letter stand for.
var Letters = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// Simple returns the end of the part of a string from p[i] on in which all
// escapes stand for what separates tokens, and the next quote after it.
func Simple(p []byte, i, quote int) (end, nextQuote int) {
	for end = i; ; {
		if end == quote || p[end] != '\\' {
			n := bytes.IndexByte(p[end:quote], '\\')
			if n < 0 {
				return quote, quote
			}
			end += n
		}
		size := Separator(p[end:])
		if size == 0 {
			return end, quote
		}
		if end += size; quote < end { // it was escaped
			if quote = bytes.IndexByte(p[end:], '"'); quote < 0 {
				quote = len(p)
			} else {
				quote += end
			}
		}
	}
}

// Separator returns the length of the escape that p begins with if it stands
// for what separates tokens, else 0.
func Separator(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	if c := p[1]; c != 'u' {
		if c = Letters[c]; c == 0 || char.Classes[c] != 0 {
			return 0
		}
		return 2
	}
	if len(p) < Max || !isHexFour(p[2:Max]) || p[2] == '0' && p[3] == '0' && '2' <= p[4] && p[4] <= '7' {
		return 0
	}
	return Max
}

// isHexFour reports whether p is four hexadecimal digits.
func isHexFour(p []byte) bool {
	return char.HexDigits[p[0]] && char.HexDigits[p[1]] && char.HexDigits[p[2]] && char.HexDigits[p[3]]
}

// Append appends to dst what p stands for, in which escapes are those
// that simple finds, until dst has limit bytes.
func Append(dst, p []byte, limit int) []byte {
	for len(dst) < limit {
		i := bytes.IndexByte(p, '\\')
		if i < 0 {
			i = len(p)
		}
		dst = append(dst, p[:min(i, limit-len(dst))]...)
		if p = p[i:]; len(p) < 2 || p[1] == 'u' && len(p) < Max {
			return dst
		}
		if p[1] != 'u' {
			dst, p = append(dst, Letters[p[1]]), p[2:]
			continue
		}
		r := rune(char.HexValue(p[2]))<<12 | rune(char.HexValue(p[3]))<<8 | rune(char.HexValue(p[4]))<<4 | rune(char.HexValue(p[5]))
		dst, p = utf8.AppendRune(dst, r), p[Max:]
	}
	return dst[:limit]
}

// Rest returns how many bytes of the token at p[i] belong to an escape
// that begins before it.
func Rest(p []byte, i int) int {
	k := i
	for k > 0 && p[k-1] == '\\' {
		k--
	}
	switch {
	case (i-k)%2 == 0 || i == len(p):
		return 0
	case p[i] == 'u':
		return Max - 1
	}
	return 1
}

// AppendEnd appends to dst what the last n bytes of p, which is raw, stand for.
func AppendEnd(dst, p []byte, n int) []byte {
	if k := len(p) - n; k > 0 {
		for k > 0 && p[k-1] == '\\' {
			k--
		}
		p = p[k:]
	}
	return Append(dst, p, math.MaxInt)
}
