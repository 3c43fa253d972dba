package text

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// Secrets are written into text of many languages with their names before
// them: NAME=value, name: "value", <name>value, Authorization: Bearer value.
// There a value goes by the name, but only if it looks like a key itself, since
// prose and programs also say password: this and token = that().

// maxTail is how far before a value its name is looked for.
const maxTail = 192

// verdict returns what becomes of a token by the name that stands before it, in
// before, which may be raw, or what came before that.
func (t *Text) verdict(before []byte, raw bool) secret.Verdict {
	if v := t.inserted(before, raw); v != secret.Stays {
		return v
	}
	if t.followsUser(before, raw) {
		return secret.Goes
	}
	end := t.context(before, raw)
	if len(end) == 0 {
		return secret.Stays
	}
	if v := named(t.s.Profile, end, func() bool { return t.mayAsk(before, raw) }); v != secret.Stays {
		return v
	}
	if v := apart(t.s.Profile, end); v != secret.Stays {
		return v
	}
	return inTag(t.s.Profile, end)
}

// context returns what stands before a token if a name can be the end of that.
func (t *Text) context(before []byte, raw bool) []byte {
	if len(before) > 0 && !mayName(before) || len(before) == 0 && !mayName(t.tail) {
		return nil
	}
	return t.join(before, raw)
}

// join returns the end of before with what came before that, until it is called
// again.
func (t *Text) join(before []byte, raw bool) []byte {
	if raw && bytes.IndexByte(before[max(0, len(before)-escape.Max*maxTail):], '\\') >= 0 {
		n := 2 * maxTail // as a rule that is enough
		if t.before = escape.AppendEnd(t.before[:0], before, n); len(before) > n && len(t.before) < maxTail+escape.Max {
			t.before = escape.AppendEnd(t.before[:0], before, escape.Max*maxTail)
		}
		before = t.before
	}
	switch n := len(before); {
	case n >= maxTail || len(t.tail) == 0:
		return before[max(0, n-maxTail):]
	case n == 0:
		return t.tail[max(0, len(t.tail)-maxTail):]
	}
	t.joined = append(append(t.joined[:0], t.tail...), before...)
	return t.joined[max(0, len(t.joined)-maxTail):]
}

// mayName reports whether p, which may be raw, may end with a name and what
// stands between that and its value. It says yes where named finds a name.
func mayName(p []byte) bool {
	i := len(p)
	for ; i > 0; i-- {
		c := p[i-1]
		if beforeValue[c] || (c == 't' || c == 'n' || c == 'r') && i > 1 && p[i-2] == '\\' {
			continue
		}
		if c == ':' || c == '=' || c == '>' || c == wideColon[2] || c == 'a' && bytes.HasSuffix(p[:i], []byte(wideEscape)) || c == 'e' && bytes.HasSuffix(p[:i], []byte(`\u003e`)) {
			return true
		}
		if i > secret.MaxName && !standBefore.Has(p[i-2], c) && c != ')' && c != 'b' && c != 'N' && (i == len(p) || p[i] != '(') {
			return false
		}
		word := secret.LastWord(p[:i])
		if len(word) == i || c == ')' || i < len(p) && p[i] == '(' || string(word) == "b" || string(word) == "N" || i > 1 && (secret.EndsName(p[i-2], c) || isJoint(p[i-2]) || isJoint(c)) {
			return true
		}
		rest := word[min(escape.Rest(p[:i], i-len(word)), len(word)):] // where p is raw
		return mayStandBefore(word) || len(rest) < len(word) && mayStandBefore(rest)
	}
	return true // what is before p may
}

// standBefore are the last two bytes of names, and of words before a value, of either
// case. Where c is between the words of a name any byte may stand beside it.
var standBefore = func() (s char.PairSet) {
	for a := range byte(128) {
		for c := range byte(128) {
			if secret.EndsName(a, c) || isJoint(a) || isJoint(c) || secret.EndsScheme(a, c) || fillerEnds.Has(a|0x20, c|0x20) || char.IsAny([]byte{a, c}, "er", "by", "as", "in", "th") {
				s.Add(a, c)
			}
		}
	}
	return s
}()

// isJoint reports whether c is between the words of a name, as foldKey has it.
func isJoint(c byte) bool { return c == '_' || c == '-' || c == '.' }

// mayStandBefore reports whether word tells that a secret follows, or may do so
// with the word before it.
func mayStandBefore(word []byte) bool {
	return secret.IsScheme(word) || isUserOption(word) || isFiller(word) || len(word) == 2 && char.IsAny(word, "by", "as") || string(word) == "login" || string(word) == "auth"
}

// beforeValue are the bytes that may stand between a name, with what follows
// that, and the value.
var beforeValue = func() (is [256]bool) {
	for _, c := range []byte(" \t\r\n\"'`\\[]{(,|<*") {
		is[c] = true
	}
	return is
}()

// Bytes that stand between a name, the sign after it and the value.
var (
	blanks     = char.In(" \t")
	openers    = char.In("\"'`\\[{*")
	signs      = char.In("=:")
	nameEnds   = char.In("\"'`\\[]*")
	lineBlanks = char.In(" \t\r\n")
)

// named returns what becomes of a value by what stands before it, which may ask for a
// password if mayAsk says so.
func named(p secret.Profile, before []byte, mayAsk func() bool) secret.Verdict {
	if len(before) == 0 {
		return secret.Stays
	}
	b := openers.TrimEnd(before)
	if b = withoutQuote(b); len(b) < len(before) {
		if v := serialized(p, b); v != secret.Stays {
			return v
		}
		b = withoutWrapper(lineBlanks.TrimEnd(b))
	}
	if b = blanks.TrimEnd(b); len(b) == 0 {
		return secret.Stays
	}
	if bold := bytes.TrimRight(b, "*"); len(bold) > 0 && bold[len(bold)-1] == ':' { // **Password:** …
		b = bold
	}
	if word := secret.LastWord(b); secret.IsScheme(word) {
		b = bytes.TrimRight(bytes.TrimRight(b[:len(b)-len(word)], "\"'`\\["), " \t")
		if len(b) == 0 || bytes.IndexByte([]byte(":="), b[len(b)-1]) < 0 {
			if bytes.EqualFold(word, []byte("bearer")) {
				return secret.Opaque
			}
			return secret.Stays
		}
	}
	switch b[len(b)-1] {
	case '>':
		if i := bytes.LastIndexByte(b, '<'); i >= 0 {
			if c := cellName(b, i); c != nil {
				return ofCell(p.Key(secret.LastWord(c)))
			}
			name := b[i+1 : i+1+char.Run(b[i+1:], isName)]
			return p.Element(name[bytes.LastIndexByte(name, ':')+1:])
		}
		b = b[:len(b)-1] // =>
		if len(b) == 0 || b[len(b)-1] != '=' && b[len(b)-1] != '-' {
			return secret.Stays
		}
		b = beforeChange(b)
	case '=', ':':
		b = signs.TrimEnd(b)
	default:
		if bytes.HasSuffix(b, []byte("password")) && bytes.Contains(b[max(0, len(b)-maxTail/2):], []byte("login ")) { // of a .netrc file
			return secret.Goes
		}
		if inSQL(before) {
			return secret.Goes
		}
		if name, ok := bytes.CutSuffix(b, []byte(wideColon)); ok && isForeign(name) {
			return secret.Goes
		}
		return secret.Stays
	}
	v := wordsName(p, nameEnds.TrimEnd(withoutQuote(blanks.TrimEnd(b))), mayAsk)
	switch {
	case v == secret.Stays && inSQL(before): // SET PASSWORD FOR bob = PASSWORD('…')
		return secret.Goes
	case v == secret.Words: // in text these are words
		return secret.Stays
	case v == secret.Pass && bytes.HasSuffix(b, []byte("PASS")): // of a test
		return secret.Stays
	case v == secret.Pass:
		return secret.Remote
	}
	return v
}

// beforeChange returns b without the arrow that it ends with, and without the old value
// before that where a plan of Terraform has both: password = "…" -> "…".
func beforeChange(b []byte) []byte {
	n := len(b) - 1
	old, quoted := bytes.CutSuffix(blanks.TrimEnd(b[:n]), []byte{'"'})
	if k := bytes.LastIndexByte(old, '"'); b[n] == '-' && quoted && k >= 0 {
		return signs.TrimEnd(blanks.TrimEnd(old[:k]))
	}
	return b[:n]
}

// wordsName returns what becomes of the value of the name that b ends with, which
// may be of two words, or have more words after it: API key, password for bob.
func wordsName(p secret.Profile, b []byte, mayAsk func() bool) secret.Verdict {
	word := secret.LastWord(b)
	if v := p.Key(withoutX(word)); v != secret.Stays {
		return v
	}
	if mayAsk() {
		line := b[bytes.LastIndexByte(b, '\n')+1:]
		for _, w := range askingWords {
			if bytes.Contains(line, w.text) {
				return secret.Remote
			}
		}
	}
	rest := b[:len(b)-len(word)]
	if len(rest) > 0 && len(word) > 0 && char.Run(word, char.IsDigit) == len(word) { // Unseal Key 1
		b = bytes.TrimRight(rest, " ")
		word = secret.LastWord(b)
		rest = b[:len(b)-len(word)]
	}
	if isFiller(word) {
		rest = bytes.TrimRight(rest, " ")
		word = secret.LastWord(rest)
		rest = rest[:len(rest)-len(word)]
	}
	if v := ofTwoWords(p, b[:len(rest)+len(word)], word); v == secret.Goes || v == secret.Opaque {
		return secret.Remote
	}
	if isForeign(b) {
		return secret.Goes
	}
	if char.IsAny(word, "key") && (bytes.Contains(b, []byte(`Jwt"`)) || bytes.Contains(b, []byte(`JWT"`))) { // "Jwt": {"Key": "…"}
		return secret.Opaque
	}
	return secret.Stays
}

// ofTwoWords returns what becomes of the value of the name that b ends with, of which
// word is the second word: API key.
func ofTwoWords(p secret.Profile, b, word []byte) secret.Verdict {
	n := len(b) - len(word)
	if n < 2 || b[n-1] != ' ' || len(word) < 3 || !secret.EndsName(word[len(word)-2], word[len(word)-1]) || !char.IsAny(word, "key", "code", "codes", "token", "secret", "password") {
		return secret.Stays
	}
	return p.Key(b[n-1-len(secret.LastWord(b[:n-1])):])
}

// withoutWrapper returns b without what programs print around a value, in quotes:
// SecretStr(', Some(", string(12) ", b'.
func withoutWrapper(b []byte) []byte {
	n := len(b)
	if n > 1 && (b[n-1] == 'b' || b[n-1] == 'N') && !char.IsWord(b[n-2]) { // N'…' of SQL
		return bytes.TrimRight(b[:n-1], " \t")
	}
	first := max(0, n-maxWrapped)
	if k := bytes.LastIndexByte(b[first:], '('); k >= 0 && (k == n-first-1 || b[n-1] == ')') {
		k += first
		if inner := b[k+1 : n]; len(bytes.Trim(inner, "0123456789)")) == 0 {
			word := secret.LastWord(b[:k])
			if rest := b[:k-len(word)]; len(word) > 0 && !bytes.HasSuffix(rest, []byte("::")) {
				return bytes.TrimRight(rest, " \t\r\n")
			}
		}
	}
	return b
}

// maxWrapped is how far from the end the bracket of such may be.
const maxWrapped = len("(123)")

func isName(c byte) bool { return char.IsDotted(c) || c == ':' }

// firstSign returns the place of the first byte of p that may stand between a name
// and a value, or len(p).
func firstSign(p []byte) int {
	for _, sign := range []byte{'=', ':'} {
		if i := bytes.IndexByte(p, sign); i >= 0 {
			p = p[:i]
		}
	}
	return len(p)
}

// assigned finds values that stand after the names of secrets in tok, or all of
// it where one ends what is before it.
func (t *Text) assigned(out []find, tok []byte, m byte, before []byte, raw bool) []find {
	others := len(out)
	if v := t.verdict(before, raw); v != secret.Stays && v != secret.Words {
		if n := t.keyLike(tok, v, t.valueKind(before, v, raw)); n > 0 {
			out = append(out, find{from: 0, to: n})
		}
	} else if len(tok) >= secret.MinKey && t.inField(tok, before, raw) && !scan.IsStandIn(bytes.TrimRight(tok, ",;")) {
		from := bytes.IndexByte(tok, '=') + 1
		if len(tok)-from < secret.MinLoose { // it is padding
			from = 0
		}
		if n := t.keyLike(tok[from:], secret.Opaque, unsure); n > 0 {
			out = append(out, find{from: from, to: from + n})
		}
	} else if from := t.afterOption(tok, before, raw); from >= 0 {
		out = append(out, find{from: from, to: len(tok)})
	} else if from, to := t.pairOfColumns(tok, before, raw); from < to {
		out = append(out, find{from: from, to: to})
	} else if t.inJar(before, raw) || t.isKin(tok, before, raw) || isHashed(t.preceding(before)) {
		out = append(out, find{from: 0, to: len(tok)})
	}
	if m&(char.Equals|char.Colon) == 0 {
		return out
	}
	if t.isUser(tok, m, before, raw) {
		return append(out, find{from: bytes.IndexByte(tok, ':') + 1, to: len(tok)})
	}
	for i := firstSign(tok); i < len(tok)-secret.MinLoose; i++ {
		if len(out) > others && i < out[len(out)-1].to || tok[i] != '=' && tok[i] != ':' {
			continue
		}
		name := secret.LastWord(withoutEntity(tok[:i]))
		if i == 0 { // user[password]=value, password[0]=value
			b := bytes.TrimRight(t.last(before, raw), "[]\"'` \t")
			if n := len(secret.LastWord(b)); n > 0 && char.Run(b[len(b)-n:], char.IsDigit) == n {
				b = bytes.TrimRight(b[:len(b)-n], "[")
			}
			name = secret.LastWord(b)
		}
		name, escaped := bytes.CutPrefix(name, []byte("u0026")) // an ampersand in a string of a program
		v := t.s.Profile.Key(name)
		switch {
		case v == secret.Stays && isVersion(name) && bytes.Contains(t.last(before, raw), []byte("ignature")):
			v = secret.Goes
		case v == secret.Pass && tok[i] == ':', v == secret.Stays && tok[i] == '=' && isKeyVariable(name):
			v = secret.Remote
		}
		if (v == secret.Stays || v == secret.Words || string(name) == "sig") && !(escaped && secret.IsQueryKey(name)) {
			continue
		}
		kind := unsure
		switch {
		case tok[i] != '=':
		case isVariable(name):
			kind = assigned
		case v == secret.Goes && i == len(name) && beginsLine(t.last(before, raw)):
			kind = setting
		}
		from := i + 1
		if k := entityLen(tok[from:]); k > 0 {
			from, kind = from+k, element
		}
		if n := t.keyLike(tok[from:], v, kind); n > 0 {
			out = append(out, find{from: from, to: from + n})
		}
	}
	return out
}
