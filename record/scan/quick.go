package scan

import (
	"bytes"
	"unicode/utf8"
)

// Most of JSON is structure and short strings in which there is no secret. Here
// is what passes over that as fast as it can: with nothing held, and one look
// at each byte. All else it leaves to the lexer, which does the same token by
// token.

// maxQuick is the length of the longest string that is looked at here: in
// longer ones there are words, which a text scanner passes over faster.
const maxQuick = 96

// Kinds of bytes in a string.
const (
	quickEnd   = 1 << iota // a quote or a backslash
	quickOdd               // escapes others, or stands after the name of an element
	quickName              // stands after a name
	quickAt                // separates userinfo from host
	quickDigit             //
	quickGap               // is between tokens, or a comma
)

var quickKinds = func() (k [256]byte) {
	for i := range k {
		c := byte(i)
		switch {
		case c == '"' || c == '\\':
			k[c] = quickEnd
		case c == '>' || c == '%':
			k[c] = quickOdd | quickGap
		case c == '=' || c == ':':
			k[c] = quickName
		case c == '@':
			k[c] = quickAt
		case isDigit(c):
			k[c] = quickDigit
		case classes[c] == 0, c == ',':
			k[c] = quickGap
		}
	}
	return k
}()

// quick takes what of p from p[i] on has no secrets for certain, and returns
// the place of what it leaves.
func (l *lexer) quick(p []byte, i int) int {
	if l.s.Profile != Secrets {
		return i
	}
	for i < len(p) {
		from := i
		switch c := p[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
			continue
		case '"':
			if i = l.quickString(p, i); i == from {
				return i
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 't', 'f', 'n':
			if i = l.quickBare(p, i); i == from {
				return i
			}
		case ':', ',', '[', ']', '{', '}':
			l.punctuation(c, nil, 0, 0)
			i++
		default:
			return i
		}
	}
	return i
}

// quickString takes the string that begins with the quote p[i], if it is one of
// those that quick takes, and returns where it got to.
func (l *lexer) quickString(p []byte, i int) int {
	if l.beside != stays || l.after && (l.verdict != stays || l.isValue || l.isMember || l.deltas != nil && l.deltas.on && isPieceKey(l.name)) {
		return i
	}
	from := i + 1
	if from < len(p) && (p[from] == '{' || p[from] == '[') {
		return i
	}
	to := from + plainLen(p[from:min(len(p), from+maxQuick)])
	if to == len(p) || p[to] != '"' {
		return i
	}
	str := p[from:to]
	if len(str) > 0 && isLead(str[0]) || len(str) >= minLoose && !l.s.harmlessText(str, kindsOf(str)) {
		return i
	}
	l.name = append(l.name[:0], str...)
	if l.after && l.isName {
		l.pair()
	}
	l.after, l.last = l.lists > 0, true
	return to + 1
}

// kindsOf returns the kinds of bytes in p.
func kindsOf(p []byte) (seen byte) {
	for _, c := range p {
		seen |= quickKinds[c]
	}
	return seen
}

// harmlessText reports whether nothing of str goes by [Secrets] for certain, in
// which bytes of the given kinds were seen.
func (s *Finder) harmlessText(str []byte, seen byte) bool {
	switch {
	case len(str) < minLoose:
		return true
	case seen&quickOdd != 0, seen&(quickAt|quickName) == quickAt|quickName,
		seen&quickName != 0 && (namesSecret(str) || bytes.Contains(str, []byte("curl "))), seen&(quickDigit|quickGap) == quickDigit|quickGap && mayBeApart(str):
		return false
	case len(str) < minKey:
		return seen&quickDigit == 0 || !mayBear(str)
	}
	return !s.mayBeKey(str, true, seen&quickDigit != 0)
}

// namesSecret reports whether one of the names in str, before a colon or an equals
// sign, can be that of a secret.
func namesSecret(str []byte) bool {
	for i, c := range str {
		if c != ':' && c != '=' {
			continue
		}
		if i < 2 || !isLetterOrDigit(str[i-1]) {
			return true
		}
		if !parameterEnds.has(str[i-2]|0x20, str[i-1]|0x20) {
			continue
		}
		name := lastWord(str[:i])
		if k := i - len(name); k > 0 && !isSpace(str[k-1]) || string(name) == "query" || bytes.HasPrefix(name, []byte("u0026")) ||
			Secrets.judgeKey(name) != stays || isURLKey(name) {
			return true
		}
	}
	return false
}

// harmless reports whether nothing of v goes by [Secrets] for certain.
func harmless(v string) bool {
	var b [256]byte
	f := Finder{Profile: Secrets}
	return len(v) <= len(b) && f.harmlessBytes(b[:copy(b[:], v)])
}

// harmlessBytes is [harmlessText] of text that may also be JSON or have escapes.
func (s *Finder) harmlessBytes(str []byte) bool {
	seen := kindsOf(str)
	if seen&quickEnd != 0 || len(str) > 0 && (isLead(str[0]) || str[0] == '{' || str[0] == '[') {
		return false
	}
	return s.harmlessText(str, seen)
}

// mayBear reports whether there may be the name of a scheme of authentication
// in p that tells a token without more.
func mayBear(p []byte) bool {
	for i := range p {
		if bears(p[i:]) {
			return true
		}
	}
	return false
}

const bearer = "bearer"

// bears reports whether p begins with the name of that scheme, and more.
func bears(p []byte) bool {
	return p[0]|0x20 == bearer[0] && len(p) > len(bearer) && bytes.EqualFold(p[:len(bearer)], []byte(bearer))
}

// quickBare takes the number or literal that p[i] begins with, if that is whole
// and stays, and returns where it got to.
func (l *lexer) quickBare(p []byte, i int) int {
	n := number(p[i:])
	isNumber := n > 0
	if !isNumber {
		for _, word := range []string{"true", "false", "null"} {
			if bytes.HasPrefix(p[i:], []byte(word)) {
				n = len(word)
			}
		}
	}
	if n == 0 || n >= maxBare || i+n == len(p) || !endsBare(p[i+n]) || isNumber && l.after && l.verdict == goes {
		return i
	}
	if isNumber && l.after && l.deltas != nil {
		l.deltas.index(l.name, p[i:i+n])
	}
	l.after, l.last = l.lists > 0, false
	return i + n
}

// endsBare reports whether c may follow a number or literal.
func endsBare(c byte) bool { return isSpace(c) || c == ',' || c == ']' || c == '}' || c == ':' }

// number returns the length of the number that p begins with (RFC 8259, section
// 6), or 0.
func number(p []byte) int {
	digits := func(i int) int {
		for i < len(p) && isDigit(p[i]) {
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

// plainText returns the sink for the string under way, which goes on with p, if
// that is text and no token is under way, else nil.
func (l *lexer) plainText(p []byte) *text {
	v := l.value
	if l.str != Sink(v) {
		return nil
	}
	if v.kind == unknown && len(v.lead.Text) == 0 && len(p) > 0 && recognise(p[:1]) == isText && !mayLead(p) {
		v.kind = isText
	}
	if v.kind != isText || len(v.txt.h.Text) > 0 || v.txt.run != nil {
		return nil
	}
	return &v.txt
}

// mayLead reports whether p, the inside of a string, may begin with what may
// stand before JSON.
func mayLead(p []byte) bool {
	if p[0] == '\\' {
		return len(p) == 1 || p[1] == 'u' || p[1] == '"' || isLead(unescaped[p[1]])
	}
	return isLead(p[0])
}

// nestedText takes what it can of p, which the string under way goes on with, if
// that has JSON in it, and returns how much.
func (l *lexer) nestedText(p []byte, at int64) int {
	v := l.value
	if l.str != Sink(v) || l.keeps || v.level >= maxNesting {
		return 0
	}
	if v.kind == unknown && len(v.lead.Text) == 0 && (p[0] == '{' || p[0] == '[' || p[0] == '\\' && len(p) > 1 && p[1] == '"') {
		var b [maxQuick + 8]byte
		if _, n, _ := unescapeTo(b[:], p[:min(len(p), maxQuick)]); recognise(b[:n]) == isJSON {
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

// A trial is a scan of a part of the text without its escapes, and on its own.
// To replace something within escapes one has to know where all of it stands,
// which takes longer than to look whether there is anything.
type trial struct {
	s    Finder
	sink Sink
	text []byte // without escapes
}

// newTrial returns a trial for parts of the text of s, which sink makes a sink of.
func newTrial(s *Finder, sink func(*Finder) Sink) *trial {
	t := &trial{s: Finder{Profile: s.Profile, depth: s.depth}}
	t.sink = sink(&t.s)
	return t
}

// clean reports whether there is nothing in p that goes.
func (t *trial) clean(p []byte) bool {
	t.sink.Write(p, 0, len(p))
	t.sink.End()
	ok := t.s.Found == 0
	t.s.Found, t.s.spans = 0, nil
	if cap(t.text) > 4*maxValue {
		t.text = nil
	}
	return ok
}

// quick takes the parameter that p begins with, and what ends it, if that has no
// secrets for certain, and returns their length, or 0.
func (f *form) quick(p []byte) int {
	n := bytes.IndexByte(p, '&')
	if n < 0 || f.s.Profile != Secrets {
		return 0
	}
	if f.trial == nil {
		f.trial = newTrial(f.s, func(s *Finder) Sink { return newValue(s) })
	}
	t := f.trial
	name, value, _ := bytes.Cut(p[:n], []byte("="))
	t.text = appendForm(t.text[:0], name)
	k := len(t.text)
	t.text = appendForm(t.text, value)
	if f.s.Profile.judgeKey(t.text[:k]) != stays || string(name) == "query" || !t.harmless(t.text[:k]) || !t.harmless(t.text[k:]) {
		return 0
	}
	return n + 1
}

// harmless reports whether there is nothing in p that goes.
func (t *trial) harmless(p []byte) bool {
	return len(p) <= maxQuick && t.s.harmlessBytes(p) || t.clean(p)
}

// appendForm appends to dst what p stands for in a form. What is no escape it
// leaves.
func appendForm(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(p) && hexDigits[p[i+1]] && hexDigits[p[i+2]]:
			c = hexValue(p[i+1])<<4 | hexValue(p[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// hexValue returns what a hexadecimal digit stands for.
func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// simple returns the end of the part of a string from p[i] on in which all
// escapes stand for what separates tokens, and the next quote after it.
func simple(p []byte, i, quote int) (end, nextQuote int) {
	for end = i; ; {
		if end == quote || p[end] != '\\' {
			n := bytes.IndexByte(p[end:quote], '\\')
			if n < 0 {
				return quote, quote
			}
			end += n
		}
		size := separator(p[end:])
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

// separator returns the length of the escape that p begins with if it stands
// for what separates tokens, else 0.
func separator(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	if c := p[1]; c != 'u' {
		if c = unescaped[c]; c == 0 || classes[c] != 0 {
			return 0
		}
		return 2
	}
	if len(p) < maxEscape || !isHexFour(p[2:maxEscape]) || p[2] == '0' && p[3] == '0' && '2' <= p[4] && p[4] <= '7' {
		return 0
	}
	return maxEscape
}

// isHexFour reports whether p is four hexadecimal digits.
func isHexFour(p []byte) bool {
	return hexDigits[p[0]] && hexDigits[p[1]] && hexDigits[p[2]] && hexDigits[p[3]]
}

// appendUnescaped appends to dst what p stands for, in which escapes are those
// that simple finds, until dst has limit bytes.
func appendUnescaped(dst, p []byte, limit int) []byte {
	for len(dst) < limit {
		i := bytes.IndexByte(p, '\\')
		if i < 0 {
			i = len(p)
		}
		dst = append(dst, p[:min(i, limit-len(dst))]...)
		if p = p[i:]; len(p) < 2 || p[1] == 'u' && len(p) < maxEscape {
			return dst
		}
		if p[1] != 'u' {
			dst, p = append(dst, unescaped[p[1]]), p[2:]
			continue
		}
		r := rune(hexValue(p[2]))<<12 | rune(hexValue(p[3]))<<8 | rune(hexValue(p[4]))<<4 | rune(hexValue(p[5]))
		dst, p = utf8.AppendRune(dst, r), p[maxEscape:]
	}
	return dst[:limit]
}
