package escape

import (
	"bytes"
	"net/url"
	"slices"

	"ssltape/record/secret/char"
)

// DecodeQuery returns what p stands for in the query of a URL, or p if it has an
// escape that is not one.
func DecodeQuery(p []byte) []byte {
	if bytes.IndexByte(p, '%') < 0 {
		return p
	}
	s, err := url.QueryUnescape(string(p))
	if err != nil {
		return p
	}
	return []byte(s)
}

// AppendPercent appends p to dst, in which the escapes are decoded that are valid.
func AppendPercent(dst, p []byte) []byte {
	for len(p) > 0 {
		n := bytes.IndexByte(p, '%')
		if n < 0 {
			return append(dst, p...)
		}
		dst, p = append(dst, p[:n]...), p[n:]
		if n = 1; len(p) > 2 && char.HexDigits[p[1]] && char.HexDigits[p[2]] {
			dst, n = append(dst, char.HexValue(p[1])<<4|char.HexValue(p[2])), 3
		} else {
			dst = append(dst, '%')
		}
		p = p[n:]
	}
	return dst
}

// AppendForm appends to dst what p stands for in a form. What is no escape it
// leaves.
func AppendForm(dst, p []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(p))[:n+len(p)]
	for i := 0; i < len(p); i++ {
		c := inForm[p[i]]
		if c == '%' && i+2 < len(p) && char.HexDigits[p[i+1]] && char.HexDigits[p[i+2]] {
			c = char.HexValue(p[i+1])<<4 | char.HexValue(p[i+2])
			i += 2
		}
		dst[n] = c
		n++
	}
	return dst[:n]
}

// inForm is what the bytes of a form stand for, but for escapes: a plus sign is a space.
// To look up all of them takes less than to foretell where words end.
var inForm = func() (is [256]byte) {
	for i := range is {
		is[i] = byte(i)
	}
	is['+'] = ' '
	return is
}()
