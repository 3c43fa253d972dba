package lax

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// String returns the string that p is the text of, and "" if that is none.
func String(p []byte) string {
	if len(p) < 2 || p[0] != '"' {
		return ""
	}
	if p = p[1 : len(p)-1]; bytes.IndexByte(p, '\\') < 0 && utf8.Valid(p) {
		return string(p)
	}
	return string(AppendUnescaped(nil, p))
}

// AppendUnescaped appends to b what the inside of the text of a string stands
// for, all of it in UTF-8. What is no escape stays as it is.
func AppendUnescaped(b, inside []byte) []byte {
	start := len(b)
	for {
		n := backslash(inside)
		if n < 0 || n+1 == len(inside) {
			b = append(b, inside...)
			break
		}
		b = append(b, inside[:n]...)
		inside = inside[n+1:]
		c := inside[0]
		if r := unescaped[c]; r != 0 {
			b, inside = append(b, r), inside[1:]
		} else if r, size := unicodeEscape(inside); size > 0 {
			b, inside = utf8.AppendRune(b, r), inside[size:]
		} else {
			b, inside = append(b, '\\', c), inside[1:]
		}
	}
	if utf8.Valid(b[start:]) {
		return b
	}
	return append(b[:start], bytes.ToValidUTF8(b[start:], []byte("\uFFFD"))...)
}

// backslash returns where the first backslash of p is, or -1. In text that is
// full of them it is quicker than bytes.IndexByte.
func backslash(p []byte) int {
	i := 0
	for ; i+8 <= len(p) && i < 64; i += 8 {
		if found := zeros(binary.LittleEndian.Uint64(p[i:]) ^ slashes); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	if n := bytes.IndexByte(p[i:], '\\'); n >= 0 {
		return i + n
	}
	return -1
}

// unescaped has what comes after a backslash (RFC 8259, section 7).
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unicodeEscape returns the rune of an escape such as u00e4, or of two that
// are a surrogate pair, and its size. Half a pair is U+FFFD.
func unicodeEscape(p []byte) (r rune, size int) {
	if r = hex4(p); r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 5
	}
	if len(p) > 6 && p[5] == '\\' {
		if r := utf16.DecodeRune(r, hex4(p[6:])); r != utf8.RuneError {
			return r, 11
		}
	}
	return utf8.RuneError, 5
}

func hex4(p []byte) rune {
	if len(p) < 5 || p[0] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(p[1:5]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
