package text

import (
	"bytes"

	"ssltape/record/secret/char"
)

// identities finds what says who it was: mail addresses, UUIDs (RFC 9562) and
// the names of home folders.
func (t *Text) identities(out []find, tok, before []byte, raw bool) []find {
	if end := t.preceding(before); len(end) == 0 || end[len(end)-1] == '\\' {
		b := bytes.TrimRight(t.last(before, raw), `\`)
		if n := char.Run(tok, isHomeName); n > 0 && bytes.HasSuffix(b, []byte(`\Users`)) {
			out = append(out, find{from: 0, to: n})
		}
	}
	for i := 0; ; {
		k := bytes.IndexByte(tok[i:], '@')
		if k < 0 {
			break
		}
		at := i + k
		from, to := at, at+1
		for from > 0 && isMailbox(tok[from-1]) {
			from--
		}
		to += char.Run(tok[to:], isDomain)
		for to > at && (tok[to-1] == '.' || tok[to-1] == '-') {
			to--
		}
		if from < at && bytes.IndexByte(tok[at:to], '.') > 1 {
			out = append(out, find{from: from, to: to})
		}
		i = at + 1
	}
	for i := 8; i+28 <= len(tok); i++ {
		if tok[i] == '-' && isUUID(tok[i-8:i+28]) {
			out = append(out, find{from: i - 8, to: i + 28})
			i += 27
		}
	}
	for _, home := range []string{"/home/", "/Users/"} {
		if i := bytes.Index(tok, []byte(home)); i >= 0 {
			from := i + len(home)
			if n := char.Run(tok[from:], isHomeName); n > 0 {
				out = append(out, find{from: from, to: from + n})
			}
		}
	}
	return out
}

func isMailbox(c byte) bool { return char.IsWord(c) || bytes.IndexByte([]byte(".+-%"), c) >= 0 }

func isDomain(c byte) bool { return char.IsLetterOrDigit(c) || c == '-' || c == '.' }

func isHomeName(c byte) bool { return char.IsWord(c) || c == '-' || c == '.' || c == '*' }

func isUUID(p []byte) bool {
	for i, c := range p {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !char.IsDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
