package text

import (
	"bytes"
	"unicode"

	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// shortest returns the length of the shortest token that may hold a secret.
func (t *Text) shortest() int {
	switch {
	case t.s.Profile == secret.Strict:
		return secret.MinStrict
	case t.Loose:
		return secret.MinLoose
	}
	return secret.MinToken
}

// mayHold reports whether tok, with the classes m, can hold a secret, which stands
// after before. It says yes to all that do, and no to nearly all others.
func (t *Text) mayHold(tok, before []byte, m byte, raw bool) bool {
	n := len(tok)
	if n > MaxQuick { // what follows takes as long as to find out
		return true
	}
	if m&char.Digit == 0 && t.isRandom(tok, before) {
		m |= char.Digit // it is looked at as one with digits
	}
	if firstOfBatch[tok[0]] && isBatch(tok) {
		t.batch = true
	}
	switch {
	case t.s.Profile == secret.Strict, m&char.Percent != 0, m&(char.AtSign|char.Colon) == char.AtSign|char.Colon:
		return true
	case m&(char.Equals|char.Colon) != 0 && t.mayAssign(tok) && t.mayMatter(tok, m, before, raw), m&char.Colon != 0 && t.login(tok, before, raw):
		return true
	case m&char.Digit != 0 && (t.Loose || n >= minRemote || t.isQuoted(before) || t.inElement(before) || secret.LooksMade(tok) || t.afterArrow(before, raw)) && t.verdict(before, raw) != secret.Stays:
		return true
	case t.isUser(tok, m, before, raw), m&char.Digit != 0 && isHashed(t.preceding(before)):
		return true
	case m&char.Digit != 0 && ((n >= secret.MinKey || n >= secret.MinToken && m&char.Equals != 0) && t.inField(tok, before, raw) || t.afterOption(tok, before, raw) >= 0 || t.inJar(before, raw)):
		return true
	case m&char.Digit != 0 && n >= secret.MinKey && (t.mayBeKin(before, raw) || isValueOf(tok)), isManifest(tok):
		return true
	case m&(char.Digit|char.Colon) == char.Digit|char.Colon && t.isPgpass(tok, before, raw), m&char.AtSign != 0 && t.oracleLogin(tok, before, raw) >= 0:
		return true
	case m&char.Digit != 0 && n <= 2*secret.MinKey && afterCodes(t.preceding(before), raw):
		return true
	case t.namesColumn(tok, before, raw) != 0, string(tok) == ssh2Begin[1], m&char.Digit != 0 && isEchoed(t.preceding(before)):
		return true
	case n >= len(secret.PEMBegin) && tok[n-1] == secret.PEMBegin[len(secret.PEMBegin)-1] && tok[n-2] == secret.PEMBegin[len(secret.PEMBegin)-2]:
		return true
	case n >= len(puttyLines) && tok[n-1] == ':' && bytes.HasSuffix(tok, []byte(puttyLines)):
		return true
	case m&(char.Colon|char.Digit) == char.Colon|char.Digit && hasColon(tok, m):
		return true
	case n <= maxPromise+1 && promiseOf(tok) != noPromise:
		return true
	case n < secret.MinKey:
		return false
	}
	return t.mayBeKey(tok, false, false) || n >= minPath && (t.url || tok[0] == '/' || m&char.Colon != 0) && len(t.pathTokens(nil, tok)) > 0
}

// isRandom reports whether tok, of letters, may be a secret: it is as long as a key, or
// stands in quotes after the name of a password.
func (t *Text) isRandom(tok, before []byte) bool {
	return (len(tok) >= secret.MinKey || len(tok) >= secret.MinToken && t.isPassword(before)) && secret.IsShuffled(tok)
}

// isPassword reports whether a token begins after a quote and what ends as the name of a
// password does: password: "…
func (t *Text) isPassword(before []byte) bool {
	if !t.isQuoted(before) {
		return false
	}
	b := blanks.TrimEnd(quotes.TrimEnd(t.preceding(before)))
	if n := len(b); n == 0 || b[n-1] != ':' && b[n-1] != '=' {
		return false
	}
	b = quotes.TrimEnd(blanks.TrimEnd(b[:len(b)-1]))
	return len(b) > 2 && b[len(b)-1]|0x20 == 'd' && (b[len(b)-2]|0x20 == 'r' || b[len(b)-2]|0x20 == 'w')
}

// wordAssigned returns where in tok, with the classes m and without digits, a password of
// letters begins that a variable of the environment has, or 0.
func wordAssigned(tok []byte, m byte) int {
	if m&char.Equals == 0 {
		return 0
	}
	name, value, _ := bytes.Cut(tok, []byte{'='})
	if !bytes.HasSuffix(name, []byte("PASSWORD")) || !isVariable(name) || len(value) < minRemote || char.Run(value, char.IsLower) < len(value) {
		return 0
	}
	for _, word := range []string{"pass", "secret", "change", "your", "example", "xxx", "default"} { // it says that it is none
		if bytes.Contains(value, []byte(word)) {
			return 0
		}
	}
	return len(name) + 1
}

// mayMatter reports whether it may matter that a token with the classes m has the name of a
// secret in it: a value without digits goes in a URL, or as a password of letters, but what is before the token may
// make it the first one of a stretch.
func (t *Text) mayMatter(tok []byte, m byte, before []byte, raw bool) bool {
	return m&char.Digit != 0 || m&char.Equals != 0 && m&char.Between != 0 || wordAssigned(tok, m) > 0 || t.fieldBefore(before, raw) != nil || isEchoed(t.preceding(before))
}

// afterArrow reports whether a token stands after what PHP and Perl print before a
// value: [password] => …
func (t *Text) afterArrow(before []byte, raw bool) bool {
	end := t.preceding(before)
	n := len(end)
	if n == 0 || end[n-1] != ' ' || n > 1 && end[n-2] != '>' && end[n-2] != 'e' {
		return false
	}
	return bytes.HasSuffix(t.context(before, raw), []byte("=> "))
}

// mayBeKey reports whether p may hold a key, or holds a secret in base64, or may
// be the first line of that unless it is whole, or MayBear if that is asked.
func (t *Text) mayBeKey(p []byte, whole, bear bool) bool {
	if secret.MayHoldKey(p, bear) {
		return true
	}
	for from, to := char.LongRunOf(p, 0, char.Sextet, minBase64); from >= 0; from, to = char.LongRunOf(p, to, char.Sextet, minBase64) {
		if t.runMayHold(p[from:to], whole) {
			return true
		}
	}
	return false
}

// runMayHold reports whether a run of base64 may hold a secret. Only short ones
// are looked into: that of others is looked at later in any case.
func (t *Text) runMayHold(run []byte, whole bool) bool {
	is := textual(run)
	if !plausible(run, is) || t.s.Depth >= maxDepth {
		return false
	}
	return len(run) > MaxQuick || !whole && len(run) >= minLine || t.runHoldsSecret(run, is)
}

// minNumbered is the length of the shortest name of a secret with a number.
const minNumbered = len("token1")

// mayAssign reports whether tok has the name of a secret before an equals sign
// or colon, or may have it before tok.
func (t *Text) mayAssign(tok []byte) bool {
	for i, c := range tok {
		switch {
		case char.Classes[c]&(char.Equals|char.Colon) == 0:
		case i < 2, !char.IsLetterOrDigit(tok[i-1]):
			return true
		case i < minNumbered && char.IsDigit(tok[i-1]):
		case secret.EndsParameter(tok[i-2], tok[i-1]):
			if name := secret.LastWord(tok[:i]); t.s.Profile.Key(name) != secret.Stays || secret.IsURLKey(name) || isKeyVariable(name) {
				return true
			}
		}
	}
	return false
}

// isVersion reports whether name is that of a signature among several in a field:
// t=1700000000,v1=….
func isVersion(name []byte) bool {
	return len(name) == 2 && name[0] == 'v' && char.IsDigit(name[1])
}

// isKeyVariable reports whether name is that of a variable of the environment for
// a key that may be a secret one.
func isKeyVariable(name []byte) bool {
	return bytes.HasSuffix(name, []byte("KEY")) && isVariable(name) && !bytes.Contains(name, []byte("PUB")) && !bytes.Contains(name, []byte("CACHE"))
}

// isVariable reports whether name is one of the environment, or of an option.
func isVariable(name []byte) bool {
	return bytes.HasPrefix(name, []byte("--")) || len(name) > 2 && char.Run(name, func(c byte) bool { return c == '_' || char.IsUpperOrDigit(c) }) == len(name)
}

// A valueKind tells how sure it is that a word is a value.
type valueKind uint8

const (
	unsure   valueKind = iota
	setting            // a line begins with the name
	assigned           // a variable of the environment has it
	element            // it stands in an element of XML, or in quotes that are written as entities
	quoted             // it stands in quotes
)

// keyLike returns the length of the value that p begins with if it looks like a
// key, else 0, where the name gave the verdict v. A key is a word in which
// letters and digits mix, and not the path, the variable or the call that gives
// one, nor a number. One that is surely a value, since it stands in quotes or a
// variable of the environment has it, may be shorter.
func (t *Text) keyLike(p []byte, v secret.Verdict, kind valueKind) int {
	surely := kind != unsure
	n := secret.EndsValue.Index(p)
	if n > 0 && p[n] == '&' && kind != element && valueEnd(p[n:]) > 1 { // no parameter follows
		n = bytes.IndexAny(p, ",;()")
	}
	switch {
	case n < 0 || kind == quoted:
		n = len(p)
	case surely && kind != element:
		n = valueEnd(p)
		if n < len(p) && p[n] == '(' {
			return 0
		}
	case p[n] == '(':
		return 0
	}
	n = withoutStop(p[:n])
	least, made := secret.MinKey, (v == secret.Goes || v == secret.Remote || v == secret.Pass) && secret.LooksMade(p[:n])
	if v == secret.Remote && char.Run(p[:n], char.IsLetterOrDigit) == n && !secret.IsShuffled(p[:n]) { // a name, as base64Encoded2
		made = false
	}
	switch {
	case made:
		least = secret.MinToken
	case v == secret.Remote:
		least = minRemote
	case surely && v != secret.Opaque && !(kind == setting && !t.Loose && n < minRemote):
		least = secret.MinToken
	case t.Loose:
		if least = secret.MinLoose; v == secret.Opaque {
			least = secret.MinOpaque
		}
	}
	if n < least || bytes.IndexByte([]byte("/.$~*#:"), p[0]) >= 0 && !(p[0] == '/' && isWireKey(p[:n])) || bytes.Contains(p[:n], []byte("://")) || bytes.Contains(p[:n], []byte("::")) ||
		secret.IsMember(p[:n]) || bytes.HasPrefix(bytes.TrimLeft(p, "-"), []byte("0x")) && !((v == secret.Goes || v == secret.Remote) && n > 64) {
		return 0
	}
	from, mixed := 0, false
	for i := 0; i <= n; i++ {
		if i < n && p[i] != '.' && p[i] != '_' && p[i] != '-' && p[i] != ':' {
			continue
		}
		mixed = mixed || secret.IsMixed(p[from:i], least)
		from = i + 1
	}
	if v != secret.Stays && v != secret.Remote && v != secret.Goes && v != secret.Pass && v != secret.Opaque && !v.Confirms(p[:n]) {
		return 0
	}
	chosen := surely && secret.LooksChosen(p[:n])
	mixed = mixed || chosen || made || kind == quoted && v == secret.Goes && bytes.IndexFunc(p[:n], unicode.IsDigit) < 0 && secret.IsShuffled(p[:n]) || surely && v == secret.Goes && secret.HasNumbersWithin(p[:n]) || n >= secret.MinKey && secret.IsShuffled(p[:n]) && bytes.IndexFunc(p[:n], unicode.IsLetter) >= 0
	if !mixed || v == secret.Remote && !made && !secret.IsShuffled(p[:n]) && !(chosen && kind == quoted && !bytes.ContainsAny(p[:n], "(),;=")) || (!t.Loose && (!surely || kind == setting && !char.IsDigit(p[n-1])) || kind != quoted && bytes.HasSuffix(p[:n], []byte("Key"))) && secret.IsTypeName(p[:n]) {
		return 0
	}
	return n
}

// withoutStop returns the length of p without what ends a sentence, but for the one sign of
// a password.
func withoutStop(p []byte) int {
	n := len(p)
	for n > 0 && bytes.IndexByte([]byte(".!?,;"), p[n-1]) >= 0 && !(p[n-1] == '!' && secret.LooksChosen(p[:n]) && !secret.LooksChosen(p[:n-1])) {
		n--
	}
	return n
}

// isWireKey reports whether p is 32 bytes in base64, as keys of WireGuard are written.
func isWireKey(p []byte) bool {
	return len(p) == 44 && p[43] == '=' && char.Run(p[:43], char.IsBase64) == 43 && secret.IsShuffled(p)
}

// valueEnd returns the length of the value that p begins with, which a parameter
// or what separates settings may follow.
func valueEnd(p []byte) int {
	for i, c := range p {
		switch {
		case c == ';' || c == '(' || c == ')':
			return i
		case c == '&' || c == ',':
			name, _, found := bytes.Cut(p[i+1:], []byte("="))
			if found && len(name) > 0 && char.Run(name, char.IsDotted) == len(name) {
				return i
			}
		}
	}
	return len(p)
}

// valueKind returns what a token is that stands after a name with the verdict v.
func (t *Text) valueKind(before []byte, v secret.Verdict, raw bool) valueKind {
	switch {
	case t.isQuoted(before):
		return quoted
	case v == secret.Goes && t.inElement(before):
		return element
	case v == secret.Goes && t.isSetting(before, raw):
		return setting
	}
	return unsure
}

// isSetting reports whether a token stands after a name and an equals sign or
// colon with which a line begins.
func (t *Text) isSetting(before []byte, raw bool) bool {
	b := blanks.TrimEnd(t.context(before, raw))
	n := len(b)
	switch {
	case n > 1 && b[n-2] == '=' && b[n-1] == '>':
		b = b[:n-2]
	case n > 0 && (b[n-1] == '=' || b[n-1] == ':'):
		b = b[:n-1]
	default:
		return false
	}
	b = bytes.TrimRight(b, " \t\"']")
	return beginsLine(b[:len(b)-len(secret.LastWord(b))])
}

// beginsLine reports whether b ends with a line feed, or indentation after it.
func beginsLine(b []byte) bool {
	b = bytes.TrimRight(b, " \t-+\"'[")
	if n := len(b); n > 0 && b[n-1] != '\n' {
		b = withoutNumber(b)
	}
	return len(b) == 0 || b[len(b)-1] == '\n'
}

// withoutNumber returns b without the number of a line that it ends with, as tools
// print it before what the line holds.
func withoutNumber(b []byte) []byte {
	n := len(bytes.TrimRight(b, "→"))
	digits := n
	for digits > 0 && char.IsDigit(b[digits-1]) {
		digits--
	}
	if digits == n {
		return b
	}
	return bytes.TrimRight(b[:digits], " ")
}

// inElement reports whether a token is the beginning of an element of XML.
func (t *Text) inElement(before []byte) bool {
	end := t.preceding(before)
	n := len(end)
	return n > 1 && end[n-1] == '>' && end[n-2] != '=' && end[n-2] != '-' || bytes.HasSuffix(end, []byte(`\u003e`))
}

// entities are how HTML writes a quote in the value of an attribute.
var entities = [][]byte{[]byte("&quot;"), []byte("&#34;"), []byte("&#39;"), []byte("&#x27;")}

// entityLen returns the length of the quote that p begins with, if it is written so,
// or 0.
func entityLen(p []byte) int {
	if len(p) == 0 || p[0] != '&' {
		return 0
	}
	for _, e := range entities {
		if bytes.HasPrefix(p, e) {
			return len(e)
		}
	}
	return 0
}

// withoutEntity returns p without such a quote at its end.
func withoutEntity(p []byte) []byte {
	if len(p) == 0 || p[len(p)-1] != ';' {
		return p
	}
	for _, e := range entities {
		if bytes.HasSuffix(p, e) {
			return p[:len(p)-len(e)]
		}
	}
	return p
}

// minRemote is the length of the shortest value that goes since it looks random.
const minRemote = 12

// isQuoted reports whether a token begins after a quote.
func (t *Text) isQuoted(before []byte) bool {
	if len(before) == 0 {
		before = t.tail
	}
	n := len(before)
	return n > 0 && (before[n-1] == '"' || before[n-1] == '\'' || before[n-1] == '`')
}
