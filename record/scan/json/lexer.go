// Package json finds the secrets in JSON (RFC 8259): by the keys of its values, and
// as text in its strings. Strings of JSON may hold JSON, and may arrive in pieces,
// each in an event of its own.
package json

import (
	"bytes"
	"strconv"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// MaxNesting is how many levels of JSON within JSON strings are looked into.
const MaxNesting = 6

// Where a lexer is.
const (
	outside  = iota // between strings
	inBare          // in a number or literal
	inString        // in a string
	inEscape        // after a backslash in a string
)

// A lexer is the sink for JSON (RFC 8259). It knows tokens rather than the
// grammar, so that it also reads what is not quite JSON: several values in a
// row, one cut off at either end, one within something else. Where it meets
// what may not stand outside a string it takes it for the rest of a string.
type lexer struct {
	s      *scan.Finder
	level  int       // of JSON within JSON strings
	str    scan.Sink // of the string under way
	value  *value
	col    Collector   // for a string that goes
	bare   scan.Held   // a number or literal under way
	esc    scan.Held   // an escape under way
	name   []byte      // the beginning of the last string
	lent   bool        // name is not its own memory
	deltas *deltas     // the strings that continue those of events before, or nil
	early  scan.Held   // a "value", or values, that came before the key that tells what they are
	ends   []int       // where these end
	query  *graphql    // made when it is first needed
	keys   *keyTable   // those that came, if there were many; else nil
	count  uint8       // of keys, as long as they are not remembered
	trial  *scan.Trial // of text with escapes; made when it is first needed
	text   []byte      // memory of that
	place
}

// A place is where in JSON a lexer is.
type place struct {
	state   int
	after   bool           // a value follows: a colon was before
	lists   int            // brackets open around the values of a key
	verdict secret.Verdict // on the values of that key
	isName  bool           // the key is "name": its value is the key of a "value"
	paired  secret.Verdict // on that value
	deep    int            // braces open since the one of the input of a tool
	last    bool           // the token before was a string
	beside  secret.Verdict // on the string after it in a list
	isValue bool           // the key is "value"
	named   bool           // a "name" came in the object
	keeps   bool           // the string under way goes to early too
	kin
}

// New returns the sink for JSON (RFC 8259), and for what has some in it.
func New(s *scan.Finder) scan.Sink { return newLexer(s, 0) }

func newLexer(s *scan.Finder, level int) *lexer {
	return &lexer{s: s, level: level, value: &value{s: s, txt: NewText(s), level: level, nests: true}, col: NewCollector(s)}
}

// Write implements [scan.Sink].
func (l *lexer) Write(p []byte, at int64, n int) {
	if len(p) != n {
		l.odd(p, at, n)
		return
	}
	quote := -1 // position of the next one, where it was looked for
	for i := 0; i < len(p); {
		switch {
		case l.state == inString:
			if quote < i {
				if quote = bytes.IndexByte(p[i:], '"'); quote < 0 {
					quote = len(p)
				} else {
					quote += i
				}
			}
			i, quote = l.inside(p, i, quote, at)
		case l.state == outside:
			if i = l.quick(p, i); i < len(p) {
				l.step(p[i:i+1], at+int64(i), 1)
				i++
			}
		case l.state == inBare:
			k := char.Run(p[i:min(len(p), i+maxBare-len(l.bare.Text))], isBare)
			l.bare.Add(p[i:i+k], at+int64(i), k)
			if i += k; i < len(p) {
				l.endBare(p[i])
			}
		default:
			l.step(p[i:i+1], at+int64(i), 1)
			i++
		}
	}
}

// inside takes a part of the string under way, which goes on at p[i] up to the
// quote at p[quote], if that is not escaped. It returns where it got to, and
// the next quote.
func (l *lexer) inside(p []byte, i, quote int, at int64) (next, nextQuote int) {
	if l.str == scan.Sink(l.value) && !l.keeps {
		if t := l.plainText(p[i:]); t != nil {
			end, quote := escape.Simple(p, i, quote)
			if end > i {
				if len(l.name) <= secret.MaxName {
					l.name = escape.Append(l.name, p[i:min(end, i+escape.Max*secret.MaxName)], secret.MaxName+1)
				}
				t.Scan(p[i:end], at+int64(i), end < len(p) && end == quote, true)
				return end, quote
			}
		}
		if n := l.nestedText(p[i:], at+int64(i)); n > 0 {
			return i + n, -1
		}
	}
	end := quote
	if k := bytes.IndexByte(p[i:quote], '\\'); k >= 0 {
		end = i + k
	}
	switch {
	case end > i:
		l.content(p[i:end], at+int64(i), end-i)
		return end, quote
	case end+1 < len(p) && p[end] == '\\' && escape.Letters[p[end+1]] != 0:
		c := int(p[end+1])
		l.content(escape.Letters[c:c+1], at+int64(end), 2)
		return end + 2, quote
	}
	l.step(p[end:end+1], at+int64(end), 1)
	return end + 1, quote
}

// odd takes a character that is an escape in what the JSON is wrapped in.
func (l *lexer) odd(p []byte, at int64, n int) {
	switch {
	case len(p) == 1:
		l.step(p, at, n)
	case l.state == inEscape:
		l.esc.Add(p, at, n)
	case l.state == inString:
		l.content(p, at, n)
	case l.state == inBare:
		l.bare.Add(p, at, n)
	case len(p) > 0:
		l.begin(&l.value.txt)
		l.content(p, at, n)
	}
}

// step takes one character.
func (l *lexer) step(p []byte, at int64, n int) {
	c := p[0]
	switch l.state {
	case inString:
		switch c {
		case '"':
			l.close()
		case '\\':
			l.state = inEscape
			l.esc.Add(p, at, n)
		default:
			l.content(p, at, n)
		}
	case inEscape:
		l.esc.Add(p, at, n)
		l.escape()
	case inBare:
		if isBare(c) && len(l.bare.Text) < maxBare {
			l.bare.Add(p, at, n)
			return
		}
		l.endBare(c)
		l.step(p, at, n)
	default:
		l.punctuation(c, p, at, n)
	}
}

func (l *lexer) punctuation(c byte, p []byte, at int64, n int) {
	switch c {
	case ' ', '\t', '\r', '\n':
		return
	case '"':
		l.open()
		return
	case ':':
		l.colon()
		return
	case ',':
		l.comma()
		return
	case '[':
		if l.after {
			l.lists++
		}
		if l.isJar || l.inJar {
			l.list(l.after)
		}
	case ']':
		l.inJar = false
		l.lists = max(l.lists-1, 0)
		l.after = l.lists > 0
	case '{', '}':
		if l.nest(c); l.deltas != nil && l.deltas.each {
			l.deltas.brace(c)
		}
		if l.paired = secret.Stays; c == '{' && l.after && l.verdict != secret.Words {
			l.paired = l.verdict
		}
		l.nestKin(c)
		l.after, l.lists, l.named = false, 0, false
		l.forget()
	default:
		if isBare(c) {
			l.state = inBare
			l.bare.Add(p, at, n)
			return
		}
		l.begin(l.value)
		l.step(p, at, n)
	}
	l.last, l.beside = false, secret.Stays
}

// comma takes what was before for one of a list, or a value.
func (l *lexer) comma() {
	l.after = l.lists > 0
	if l.beside == secret.Stays && !l.isKind && !(l.last && secret.MayBeListed(l.name)) { // as a rule
		l.last = false
		return
	}
	if l.beside != secret.Armored || !l.last || bytes.HasPrefix(l.name, []byte(secret.PEMEnd)) {
		if l.beside = secret.Stays; l.last {
			l.beside = secret.JudgeListed(l.name)
		}
	}
	if l.isKind && l.last {
		l.setKind()
	}
	l.last = false
}

// colon takes what was before for a key, and reports whether this tells no more than
// the name of its value, whatever came before.
func (l *lexer) colon() (plain bool) {
	l.after, l.last, l.beside = true, false, secret.Stays
	v := l.s.Profile.Key(l.name)
	if n := len(l.name); !l.isData && (n == 0 || n < 32 && telling[l.name[0]]>>n&1 == 0) {
		l.plainKey()
		l.verdict = v
		return v == secret.Stays
	}
	l.verdict, l.isName, l.isValue = v, false, false
	switch len(l.name) {
	case len("key"), len("name"):
		l.isName = bytes.EqualFold(l.name, []byte("name")) || bytes.EqualFold(l.name, []byte("key"))
		l.named = l.named || l.isName
	case len("value"):
		if bytes.EqualFold(l.name, []byte("label")) { // of a field
			l.isName, l.named = true, true
		}
		if l.isValue = bytes.EqualFold(l.name, []byte("value")); l.isValue && l.paired != secret.Stays {
			l.verdict = l.paired
		}
	}
	l.relate()
	if l.deltas != nil {
		l.deltas.key(l.name)
	}
	return false
}

// plainKey takes what is said of the value that follows for nothing.
func (l *lexer) plainKey() {
	l.verdict, l.isName, l.isValue = secret.Stays, false, false
	l.isMember, l.isKind, l.data = false, false, secret.Stays
}

// nest counts the braces of what a tool is called with.
func (l *lexer) nest(c byte) {
	switch {
	case c == '{' && (l.deep > 0 || l.after && l.verdict == secret.Words && secret.IsInput(l.name)):
		l.deep++
	case c == '}' && l.deep > 0:
		l.deep--
	}
}

// open begins the string after a quote.
func (l *lexer) open() {
	switch {
	case l.after && l.verdict == secret.Words, l.after && l.deep > 0 && l.verdict == secret.Stays:
		l.col.Begin(secret.Words, scan.Message)
		l.begin(&l.col)
	case l.after && l.verdict != secret.Stays:
		l.col.Begin(l.verdict, scan.InText)
		l.begin(&l.col)
	case l.beside != secret.Stays:
		l.col.Begin(l.beside, scan.InText)
		l.begin(&l.col)
	case !l.after && l.deltas != nil && l.deltas.root != 0:
		l.begin(l.deltas.named([]byte{l.deltas.root}))
	case !l.after:
		l.begin(l.value)
	default:
		var str scan.Sink = l.value
		if l.deltas != nil {
			if d := l.deltas.sink(l.name); d != nil {
				str = d
			}
		}
		if string(l.name) == "query" {
			if l.query == nil {
				l.query = newGraphQL(l.s)
			}
			str = l.query
		}
		l.keeps = l.isValue || l.isMember
		l.begin(str)
	}
}

func (l *lexer) begin(str scan.Sink) {
	l.state, l.str, l.name = inString, str, l.name[:0]
}

// content takes a part of the string under way.
func (l *lexer) content(p []byte, at int64, n int) {
	if k := min(secret.MaxName+1-len(l.name), len(p)); k > 0 {
		l.name = append(l.name, p[:k]...)
	}
	if l.keeps && len(l.early.Text) < scan.MaxEarly {
		l.early.Add(p, at, n)
	}
	l.str.Write(p, at, n)
}

// close ends the string under way.
func (l *lexer) close() {
	l.endString()
	if l.state = outside; l.keeps {
		l.ends = append(l.ends, len(l.early.Text))
		l.judgeMinted()
	}
	if l.after && l.isName {
		l.pair()
	} else if !l.keeps && (len(l.ends) > 0 || l.after && mayTell(l.name)) {
		l.tells()
	}
	l.after, l.last, l.keeps = l.lists > 0, true, false
}

// pair judges the value beside a name, which may have come before it.
func (l *lexer) pair() {
	l.paired = l.s.Profile.Beside(l.name)
	l.judgeEarly(l.paired)
}

func (l *lexer) endString() {
	if d, ok := l.str.(*delta); ok {
		d.pause()
	} else {
		l.str.End()
	}
}

// maxBare is the length of the longest number that is taken for one.
const maxBare = 64

// isBare reports whether c may stand in a number or literal.
func isBare(c byte) bool { return char.IsLetterOrDigit(c) || c == '-' || c == '+' || c == '.' }

// endBare ends a number or literal before c. What is neither is the rest of a
// string.
func (l *lexer) endBare(c byte) {
	word := l.bare.Text
	_, err := strconv.ParseFloat(string(word), 64)
	number := err == nil && (char.IsDigit(word[len(word)-1]))
	literal := string(word) == "true" || string(word) == "false" || string(word) == "null"
	l.state, l.last = outside, false
	switch {
	case (number || literal) && bytes.IndexByte([]byte(" \t\r\n,]}:"), c) >= 0:
		if number && l.after && (l.verdict == secret.Goes || l.deep > 0) {
			l.s.Redact(l.bare.Places(0, len(word)), word, scan.Bare)
		} else if number && l.after && l.deltas != nil {
			l.deltas.index(l.name, word)
		}
		l.after = l.lists > 0
	default:
		l.begin(l.value)
		l.bare.Feed(l.content, 0, len(word))
	}
	l.bare.Reset()
}

// End implements [scan.Sink].
func (l *lexer) End() {
	if l.state == inBare {
		l.endBare(' ')
	}
	if l.state == inEscape {
		l.esc.Feed(l.content, 0, len(l.esc.Text))
		l.state = inString
	}
	if l.state == inString {
		l.endString()
	}
	l.esc.Reset()
	l.forget()
	l.kin = kin{}
	l.state, l.after, l.lists, l.paired, l.deep, l.name = outside, false, 0, secret.Stays, 0, l.name[:0]
	l.last, l.beside, l.named, l.keeps = false, secret.Stays, false, false
}

// Pending implements [scan.Sink].
func (l *lexer) Pending() int64 {
	p := min(l.bare.Start(0), l.esc.Start(0), l.early.Start(0))
	if l.state == inString || l.state == inEscape {
		p = min(p, l.str.Pending())
	}
	return p
}

// pause lets go what cannot become a secret whatever follows.
func (l *lexer) pause() {
	if v, ok := l.str.(*value); ok && l.state == inString {
		v.pause()
	}
}
