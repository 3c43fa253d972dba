package json

import (
	"bytes"
	"slices"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// quick takes what of p from p[i] on has no secrets for certain, and returns
// the place of what it leaves.
func (l *lexer) quick(p []byte, i int) int { return l.quickWithin(p, i, 0) }

// quickWithin is quick where p is written within strings, so that so many backslashes
// stand before each quote.
func (l *lexer) quickWithin(p []byte, i, slashes int) int {
	if l.s.Profile != secret.Secrets {
		return i
	}
	own := l.name
	if i = l.quickTokens(p, i, slashes); l.lent {
		l.name, l.lent = append(own[:0], l.name...), false
	}
	return i
}

// quickTokens is quickWithin, but may leave a part of p as the name.
func (l *lexer) quickTokens(p []byte, i, slashes int) int {
	for i < len(p) {
		from := i
		switch c := p[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
			continue
		case '"', '\\':
			if (c == '"') != (slashes == 0) {
				return i
			}
			if l.keys != nil {
				if n := l.known(p[i:], slashes); n > 0 {
					i += n
					continue
				}
			}
			if i = l.quickString(p, i, slashes); i == from {
				if i += blank(p[i:], slashes); i == from {
					return i
				}
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 't', 'f', 'n':
			if i = l.quickBare(p, i); i == from {
				return i
			}
		case ',':
			if l.last || l.beside != secret.Stays || l.isKind {
				l.comma()
			} else { // as a rule
				l.after = l.lists > 0
			}
			i++
		case ':', '[', ']', '{', '}':
			l.punctuation(c, nil, 0, 0)
			i++
		default:
			return i
		}
	}
	return i
}

// isQuote reports whether p[i] begins a quote with so many backslashes before it.
func isQuote(p []byte, i, slashes int) bool {
	end := i + slashes
	for ; i < end && i < len(p); i++ {
		if p[i] != '\\' {
			return false
		}
	}
	return i < len(p) && p[i] == '"'
}

// blank returns the length of the escape that p begins with, if that is white space
// there where a quote has so many backslashes, else 0.
func blank(p []byte, slashes int) int {
	n := (slashes + 1) / 2
	if len(p) <= n || p[n] != 'n' && p[n] != 't' && p[n] != 'r' || bytes.Count(p[:n], []byte{'\\'}) < n {
		return 0
	}
	return n + 1
}

// quickString takes the string that begins with the quote at p[i], if it is one of
// those that quick takes, and returns where it got to.
func (l *lexer) quickString(p []byte, i, slashes int) int {
	if l.beside != secret.Stays || !l.after && l.deltas != nil && l.deltas.root != 0 || l.after && (l.verdict != secret.Stays || l.isValue || l.isMember || l.deltas != nil && l.deltas.on && isPieceKey(l.name)) {
		return i
	}
	if slashes > 0 && !isQuote(p, i, slashes) {
		return i
	}
	from := i + 1 + slashes
	n, harmless := text.Glance(p[from:])
	to := from + n
	if to == len(p) || slashes == 0 && p[to] != '"' {
		return i
	}
	str := p[from:to]
	escaped := slashes > 0 && !isQuote(p, to, slashes)
	if escaped {
		if n, str = l.quickText(p[from:], slashes); n == 0 {
			return i
		}
		to = from + n
	} else {
		for char.IsLead(p[from]) { // up to the quote at most
			from++
		}
		if p[from] == '{' || p[from] == '[' || !harmless && !l.value.txt.HarmlessString(str) {
			return i
		}
	}
	l.name, l.lent = str, true
	if l.after && l.isName {
		l.pair()
	} else if len(l.ends) > 0 || l.after && mayTell(str) {
		l.tells()
	}
	l.after, l.last = l.lists > 0, true
	if to += 1 + slashes; to < len(p) && p[to] == ':' {
		to++
		if l.colon() && len(str) > 0 && !escaped {
			l.remember(p[i:], to-i, slashes)
		}
	}
	return to
}

// maxText is the length of the longest string with escapes that quickText takes.
const maxText = 8 << 10

// quickText returns the length of the string within strings that p goes on with, up to
// its end, and what it stands for, if that is text in which nothing goes, else 0. It is
// looked at on its own: where what may go stands is left to be found out.
func (l *lexer) quickText(p []byte, slashes int) (n int, str []byte) {
	if p = p[:min(len(p), maxText)]; p[0] == '{' || p[0] == '[' || l.after && string(l.name) == "query" {
		return 0, nil
	}
	if l.trial == nil {
		l.trial = scan.NewTrial(l.s, func(s *scan.Finder) scan.Sink {
			t := NewText(s)
			return &t
		})
	}
	l.text = slices.Grow(l.text[:0], len(p)+8)
	n, to, whole := escape.DecodeWithin(l.text[:len(p)+8], p, slashes)
	str = l.text[:to]
	if begin := str[char.Run(str, char.IsLead):]; !whole || len(begin) == 0 || recognise(begin[:1]) != isText || !l.trial.Clean(str) {
		return 0, nil
	}
	return n, str[:min(to, secret.MaxName+1)]
}

// quickBare takes the number or literal that p[i] begins with, if that is whole
// and stays, and returns where it got to.
func (l *lexer) quickBare(p []byte, i int) int {
	n := number(p[i:])
	isNumber := n > 0
	if !isNumber {
		n = literalLen(p[i:])
	}
	if n == 0 || n >= maxBare || i+n == len(p) || !endsBare(p[i+n]) || isNumber && l.after && l.verdict == secret.Goes {
		return i
	}
	if isNumber && l.after && l.deltas != nil {
		l.deltas.index(l.name, p[i:i+n])
	}
	l.after, l.last = l.lists > 0, false
	return i + n
}

// literalLen returns the length of the literal that p begins with, or 0.
func literalLen(p []byte) int {
	word := "null"
	switch p[0] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(p) < len(word) || string(p[:len(word)]) != word {
		return 0
	}
	return len(word)
}

// endsBare reports whether c may follow a number or literal.
func endsBare(c byte) bool { return char.IsSpace(c) || c == ',' || c == ']' || c == '}' || c == ':' }

// number returns the length of the number that p begins with (RFC 8259, section
// 6), or 0.
func number(p []byte) int {
	digits := func(i int) int {
		for i < len(p) && char.IsDigit(p[i]) {
			i++
		}
		return i
	}
	start := 0
	if len(p) > 0 && p[0] == '-' {
		start++
	}
	i := digits(start)
	if i == start {
		return 0
	}
	if i < len(p) && p[i] == '.' {
		start = i + 1
		if i = digits(start); i == start {
			return 0
		}
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		start = i + 1
		if start < len(p) && (p[start] == '+' || p[start] == '-') {
			start++
		}
		if i = digits(start); i == start {
			return 0
		}
	}
	return i
}

// plainText returns the sink for the string under way, a value that goes on with p, if
// that is text and no token is under way, else nil.
func (l *lexer) plainText(p []byte) *text.Text {
	v := l.value
	if v.kind == unknown && len(v.lead.Text) == 0 && len(p) > 0 && recognise(p[:1]) == isText && !mayLead(p) {
		v.kind = isText
	}
	if v.kind != isText || !v.txt.Idle() {
		return nil
	}
	return &v.txt
}

// mayLead reports whether p, the inside of a string, may begin with what may
// stand before JSON.
func mayLead(p []byte) bool {
	if p[0] == '\\' {
		return len(p) == 1 || p[1] == 'u' || p[1] == '"' || char.IsLead(escape.Letters[p[1]])
	}
	return char.IsLead(p[0])
}

// nestedText takes what it can of p, which the string under way, a value, goes on
// with, if that has JSON in it, and returns how much.
func (l *lexer) nestedText(p []byte, at int64) int {
	v := l.value
	if v.level >= MaxNesting {
		return 0
	}
	if v.kind == unknown && len(v.lead.Text) == 0 && (p[0] == '{' || p[0] == '[' || p[0] == '\\' && len(p) > 1 && p[1] == '"') {
		var b [text.MaxQuick + 8]byte
		if _, n, _ := escape.Decode(b[:], p[:min(len(p), text.MaxQuick)]); recognise(b[:n]) == isJSON {
			v.kind = isJSON
		}
	}
	if v.kind != isJSON {
		return 0
	}
	n, name := v.nested().escaped(p, at, l.name)
	l.name = name
	return n
}
