package escape

import (
	"bytes"
	"encoding/hex"
	"net/url"

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

// DecodePercent decodes the escapes of p that are valid.
func DecodePercent(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) && char.IsHex(p[i+1]) && char.IsHex(p[i+2]) {
			out = append(out, p[i])
			hex.Decode(out[len(out)-1:], p[i+1:i+3])
			i += 2
			continue
		}
		out = append(out, p[i])
	}
	return out
}

// AppendForm appends to dst what p stands for in a form. What is no escape it
// leaves.
func AppendForm(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(p) && char.HexDigits[p[i+1]] && char.HexDigits[p[i+2]]:
			c = char.HexValue(p[i+1])<<4 | char.HexValue(p[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}
