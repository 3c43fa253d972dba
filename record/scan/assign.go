package scan

import (
	"bytes"
)

// Secrets are written into text of many languages with their names before
// them: NAME=value, name: "value", <name>value, Authorization: Bearer value.
// There a value goes by the name, but only if it looks like a key itself, since
// prose and programs also say password: this and token = that().

// maxTail is how far before a value its name is looked for.
const maxTail = 192

// verdict returns what becomes of a token by the name that stands before it, in
// before, which may be raw, or what came before that.
func (t *text) verdict(before []byte, raw bool) verdict {
	before = t.context(before, raw)
	if len(before) == 0 {
		return stays
	}
	if v := t.s.Profile.named(before); v != stays {
		return v
	}
	return t.s.Profile.apart(before)
}

// context returns what stands before a token if a name can be the end of that.
func (t *text) context(before []byte, raw bool) []byte {
	if len(before) > 0 && !mayName(before) || len(before) == 0 && !mayName(t.tail) {
		return nil
	}
	return t.join(before, raw)
}

// join returns the end of before with what came before that, until it is called
// again.
func (t *text) join(before []byte, raw bool) []byte {
	if raw && bytes.IndexByte(before[max(0, len(before)-maxEscape*maxTail):], '\\') >= 0 {
		n := 2 * maxTail // as a rule that is enough
		if t.before = unescapeEnd(t.before[:0], before, n); len(before) > n && len(t.before) < maxTail+maxEscape {
			t.before = unescapeEnd(t.before[:0], before, maxEscape*maxTail)
		}
		before = t.before
	}
	switch n := len(before); {
	case n >= maxTail || len(t.tail) == 0:
		return before[max(0, n-maxTail):]
	case n == 0:
		return t.tail[max(0, len(t.tail)-maxTail):]
	}
	joined := append(append(make([]byte, 0, 3*maxTail), t.tail...), before...)
	return joined[max(0, len(joined)-maxTail):]
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
		if c == ':' || c == '=' || c == '>' {
			return true
		}
		word := lastWord(p[:i])
		if len(word) == i || i > 1 && (keyEnds.has(p[i-2]|0x20, c|0x20) || isJoint(p[i-2]) || isJoint(c)) {
			return true
		}
		rest := word[min(escapeRest(p[:i], i-len(word)), len(word)):] // where p is raw
		return mayStandBefore(word) || len(rest) < len(word) && mayStandBefore(rest)
	}
	return true // what is before p may
}

// isJoint reports whether c is between the words of a name, as foldKey has it.
func isJoint(c byte) bool { return c == '_' || c == '-' || c == '.' }

// mayStandBefore reports whether word tells that a secret follows, or may do so
// with the word before it.
func mayStandBefore(word []byte) bool {
	return isScheme(word) || isUserOption(word) || isFiller(word) || len(word) == 2 && isAny(word, "by", "as")
}

// beforeValue are the bytes that may stand between a name, with what follows
// that, and the value.
var beforeValue = func() (is [256]bool) {
	for _, c := range []byte(" \t\r\n\"'`\\[]{(,|<") {
		is[c] = true
	}
	return is
}()

// isScheme reports whether word is the name of an authentication scheme, which
// stays when the credentials go.
func isScheme(word []byte) bool {
	var b [maxScheme]byte
	switch string(lower(b[:0], word)) {
	case "bearer", "basic", "digest", "token", "negotiate", "ntlm", "apikey", "api-key", "key", "hawk", "dpop", "mac", "oauth",
		"hoba", "mutual", "aws4-hmac-sha256", "googlelogin", "sapisidhash":
		return true
	}
	return false
}

// named returns what becomes of a value by what stands before it.
func (p Profile) named(before []byte) verdict {
	if len(before) == 0 {
		return stays
	}
	b := bytes.TrimRight(before, "\"'`\\[{")
	b = bytes.TrimRight(withoutQuote(b), " \t")
	if len(b) == 0 {
		return stays
	}
	if word := lastWord(b); isScheme(word) {
		b = bytes.TrimRight(bytes.TrimRight(b[:len(b)-len(word)], "\"'`\\"), " \t")
		if len(b) == 0 || bytes.IndexByte([]byte(":="), b[len(b)-1]) < 0 {
			if bytes.EqualFold(word, []byte("bearer")) {
				return opaque
			}
			return stays
		}
	}
	switch b[len(b)-1] {
	case '>':
		if i := bytes.LastIndexByte(b, '<'); i >= 0 {
			name := b[i+1 : i+1+run(b[i+1:], isName)]
			return p.judgeKey(name[bytes.LastIndexByte(name, ':')+1:])
		}
		b = b[:len(b)-1] // =>
		if len(b) == 0 || b[len(b)-1] != '=' && b[len(b)-1] != '-' {
			return stays
		}
		b = b[:len(b)-1]
	case '=', ':':
		b = bytes.TrimRight(b, "=:")
	default:
		if bytes.HasSuffix(b, []byte("password")) && bytes.Contains(b[max(0, len(b)-maxTail/2):], []byte("login ")) { // of a .netrc file
			return goes
		}
		if inSQL(before) {
			return goes
		}
		return stays
	}
	v := p.judgeKey(withoutX(lastWord(bytes.TrimRight(withoutQuote(bytes.TrimRight(b, " \t")), "\"'`\\]"))))
	switch {
	case v == words: // in text these are words
		return stays
	case v == pass && bytes.HasSuffix(b, []byte("PASS")): // of a test
		return stays
	case v == pass:
		return remote
	}
	return v
}

// isUserOption reports whether word is the option of curl and the like before
// user:password.
func isUserOption(word []byte) bool {
	return string(word) == "-u" || bytes.HasSuffix(word, []byte("-user"))
}

// login reports whether tok is the user:password of a command in before.
func (t *text) login(tok, before []byte, raw bool) bool {
	user, password, ok := bytes.Cut(tok, []byte(":"))
	if !ok || len(user) == 0 || len(password) < 4 || run(tok, func(c byte) bool { return isDigit(c) || c == ':' }) == len(tok) || bytes.IndexByte([]byte("$<{%/"), password[0]) >= 0 || placeholders[string(password)] {
		return false
	}
	b := t.context(before, raw)
	b = bytes.TrimRight(b[max(0, len(b)-maxTail/2):], " \"'\\")
	return isUserOption(lastWord(b)) && bytes.Contains(b, []byte("curl "))
}

// placeholders are what documentation has for passwords.
var placeholders = set("pass password passwd secret token PASSWORD your-password yourpassword")

// lastWord returns the name that p ends with.
func lastWord(p []byte) []byte {
	i := len(p)
	for i > 0 && i > len(p)-maxName && (isWord(p[i-1]) || p[i-1] == '-' || p[i-1] == '.') {
		i--
	}
	return p[i:]
}

func isName(c byte) bool { return isDotted(c) || c == ':' }

// assigned finds values that stand after the names of secrets in tok, or all of
// it where one ends what is before it.
func (t *text) assigned(out []find, tok []byte, m byte, before []byte, raw bool) []find {
	if v := t.verdict(before, raw); v != stays && v != words {
		if n := t.keyLike(tok, v, t.isQuoted(before)); n > 0 {
			out = append(out, find{from: 0, to: n})
		}
	} else if len(tok) >= minKey && t.inField(before, raw) {
		from := bytes.IndexByte(tok, '=') + 1
		if len(tok)-from < minLoose { // it is padding
			from = 0
		}
		if n := t.keyLike(tok[from:], opaque, false); n > 0 {
			out = append(out, find{from: from, to: from + n})
		}
	} else if from := t.afterOption(tok, before, raw); from >= 0 {
		out = append(out, find{from: from, to: len(tok)})
	} else if t.inJar(before, raw) || t.isKin(tok, before, raw) {
		out = append(out, find{from: 0, to: len(tok)})
	}
	if m&(equals|colon) == 0 {
		return out
	}
	for i := range max(0, len(tok)-minLoose) {
		if len(out) > 0 && i < out[len(out)-1].to || tok[i] != '=' && tok[i] != ':' {
			continue
		}
		name := lastWord(tok[:i])
		if i == 0 { // user[password]=value
			name = lastWord(bytes.TrimRight(t.context(before, raw), "]\"'` \t"))
		}
		name, escaped := bytes.CutPrefix(name, []byte("u0026")) // an ampersand in a string of a program
		v := t.s.Profile.judgeKey(name)
		if v == pass && tok[i] == ':' {
			v = remote
		}
		if (v == stays || v == words) && !(escaped && urlKeys[string(name)]) {
			continue
		}
		if n := t.keyLike(tok[i+1:], v, tok[i] == '=' && isVariable(name)); n > 0 {
			out = append(out, find{from: i + 1, to: i + 1 + n})
		}
	}
	return out
}

// keyLike returns the length of the value that p begins with if it looks like a
// key, else 0, where the name gave the verdict v. A key is a word in which
// letters and digits mix, and not the path, the variable or the call that gives
// one, nor a number. One that is surely a value, since it stands in quotes or a
// variable of the environment has it, may be shorter.
func (t *text) keyLike(p []byte, v verdict, surely bool) int {
	n := bytes.IndexAny(p, ",;&()")
	if n < 0 || surely {
		n = len(p)
	} else if p[n] == '(' {
		return 0
	}
	for n > 0 && bytes.IndexByte([]byte(".!?,;"), p[n-1]) >= 0 {
		n--
	}
	least := minKey
	switch {
	case v == remote:
	case surely && v != opaque:
		least = minToken
	case t.loose:
		if least = minLoose; v == opaque {
			least = minOpaque
		}
	}
	if n < least || bytes.IndexByte([]byte("/.$~*#"), p[0]) >= 0 || bytes.Contains(p[:n], []byte("://")) ||
		isMember(p[:n]) || bytes.HasPrefix(bytes.TrimLeft(p, "-"), []byte("0x")) {
		return 0
	}
	from, mixed := 0, false
	for i := 0; i <= n; i++ {
		if i < n && p[i] != '.' && p[i] != '_' && p[i] != '-' && p[i] != ':' {
			continue
		}
		mixed = mixed || isMixed(p[from:i], least)
		from = i + 1
	}
	if !mixed || v == remote && !isShuffled(p[:n]) || !surely && !t.loose && isTypeName(p[:n]) {
		return 0
	}
	return n
}

// isQuoted reports whether a token begins after a quote.
func (t *text) isQuoted(before []byte) bool {
	if len(before) == 0 {
		before = t.tail
	}
	n := len(before)
	return n > 0 && (before[n-1] == '"' || before[n-1] == '\'' || before[n-1] == '`')
}

// isVariable reports whether name is one of the environment, or of an option.
func isVariable(name []byte) bool {
	return bytes.HasPrefix(name, []byte("--")) || len(name) > 2 && run(name, func(c byte) bool { return c == '_' || isUpperOrDigit(c) }) == len(name)
}

// minOpaque is the length of the shortest token in text that is no prose.
const minOpaque = 10

// isMember reports whether p is a.b or longer, of names in which numbers
// are rare.
func isMember(p []byte) bool {
	parts, numbers := 0, 0
	for part := range bytes.SplitSeq(p, []byte(".")) {
		if len(part) == 0 || isDigit(part[0]) || run(part, isWord) < len(part) {
			return false
		}
		for i, c := range part {
			if isDigit(c) && !isDigit(part[i-1]) {
				numbers++
			}
		}
		parts++
	}
	return parts > 1 && numbers <= parts
}

// isMixed reports whether p has letters and digits, enough of these, and not at
// its end alone unless it is as long as that.
func isMixed(p []byte, long int) bool {
	letters, digits, changes := 0, 0, 0
	for _, c := range p {
		switch {
		case isDigit(c):
			digits++
		case isLetterOrDigit(c):
			if letters++; digits > 0 {
				changes++
			}
		}
	}
	return len(p) >= minLoose && letters > 0 && digits*30 >= len(p) && (changes > 0 || len(p) >= max(long, minToken))
}

// A graphql is the sink for a document of GraphQL: a string that is the value of
// an argument or field with the name of a secret goes. The rest is scanned as
// text.
type graphql struct {
	s      *Finder
	txt    text
	name   []byte // the last word
	gap    bool   // a space came after it
	after  bool   // a colon did
	string bool
	escape bool // a backslash was before, in a string
	taking bool // the string under way goes to col
	col    collector
}

func newGraphQL(s *Finder) *graphql { return &graphql{s: s, txt: text{s: s}, col: collector{s: s}} }

// Write implements [Sink].
func (g *graphql) Write(p []byte, at int64, n int) {
	if len(p) != n {
		was := g.taking
		if len(p) > 0 {
			g.step(p[0])
		}
		g.give(p, at, n, was)
		return
	}
	from, was := 0, g.taking
	for i, c := range p {
		if g.step(c); g.taking == was {
			continue
		}
		to := i // a quote that ends a value
		if g.taking {
			to = i + 1 // one that begins it
		}
		g.give(p[from:to], at+int64(from), to-from, was)
		if was {
			g.col.End()
		}
		from, was = to, g.taking
	}
	g.give(p[from:], at+int64(from), len(p)-from, g.taking)
}

// give hands on p, of a value that goes or not.
func (g *graphql) give(p []byte, at int64, n int, taken bool) {
	switch {
	case n == 0:
	case taken && g.taking:
		g.col.Write(p, at, n)
	case taken && len(p) != n: // an escaped quote ends the value
		g.col.End()
		g.txt.Write(p, at, n)
	case taken:
		g.col.Write(p, at, n)
	default:
		g.txt.Write(p, at, n)
	}
}

// step takes one byte.
func (g *graphql) step(c byte) {
	switch {
	case g.string && g.escape:
		g.escape = false
	case g.string && c == '\\':
		g.escape = true
	case c == '"' && g.string:
		g.string, g.taking = false, false
	case g.string:
	case c == '"':
		g.string = true
		v := g.s.Profile.judgeKey(g.name)
		if g.taking = g.after && (v == goes || v == opaque || v == pass); g.taking {
			g.col.begin(v, inText)
		}
	case c == ':':
		g.after = true
	case isWord(c):
		if g.after || g.gap {
			g.name, g.after, g.gap = g.name[:0], false, false
		}
		g.name = append(g.name, c)
		g.name = g.name[:min(len(g.name), maxName+1)]
	case isSpace(c):
		g.gap = true
	default:
		g.name, g.after = g.name[:0], false
	}
}

// End implements [Sink].
func (g *graphql) End() {
	if g.taking {
		g.col.End()
	}
	g.txt.End()
	*g = graphql{s: g.s, txt: g.txt, name: g.name[:0], col: g.col}
}

// Pending implements [Sink].
func (g *graphql) Pending() int64 { return min(g.txt.Pending(), g.col.Pending()) }
