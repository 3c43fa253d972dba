package text

import (
	"bytes"

	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// Secrets are also written apart from their names: --token VALUE, ENV NAME VALUE,
// setenv("NAME", "VALUE"), name: NAME, value: VALUE, <key>NAME</key>, in tables,
// in the lines of a message, and as options of commands. There a value has to
// look random, since words and names of programs stand after names, too.

// separators may stand between the name and a value that is apart from it.
var separators = func() (is [256]bool) {
	for _, c := range []byte(" \t\r\n\"'`\\,|([{=:<>-") {
		is[c] = true
	}
	return is
}()

// trimSeparators returns p without the separators at its end.
func trimSeparators(p []byte) []byte {
	n := len(p)
	for n > 0 && separators[p[n-1]] {
		n--
	}
	return p[:n]
}

// isFiller reports whether word stands between the name of a secret and the
// value.
func isFiller(word []byte) bool {
	n := len(word)
	if n < 2 || !fillerEnds.Has(word[n-2]|0x20, word[n-1]|0x20) {
		return false
	}
	var b [len("content")]byte
	return fillers[string(char.Lower(b[:0], word))]
}

var (
	fillers    = char.Set("value content string data default is to are was")
	fillerEnds = char.Ends(fillers)
)

// apart returns what becomes of a value by a name that something else than a
// colon or an equals sign separates from it.
func apart(p secret.Profile, before []byte) secret.Verdict {
	b := trimSeparators(before)
	gap := before[len(b):]
	if len(gap) == 0 || len(b) == 0 || b[len(b)-1] == '/' {
		return secret.Stays
	}
	word := secret.LastWord(b)
	filled := isFiller(word)
	for isFiller(word) {
		b = trimSeparators(b[:len(b)-len(word)])
		if i := bytes.LastIndexByte(b, '<'); i > 0 && i+1 < len(b) && b[i+1] == '/' { // the end of an element
			b = trimSeparators(b[:i])
		}
		word = secret.LastWord(b)
	}
	v := p.Key(word)
	if v == secret.Stays && filled { // a field or a cookie: "name":"session","value":"…"
		if v = p.Beside(word); v == secret.Stays {
			v = ofTwoWords(p, b, word)
		}
	}
	login := len(gap) == 1 && char.IsAny(word, "login", "auth")
	if v == secret.Stays && !login { // as nearly all
		return secret.Stays
	}
	block := bytes.IndexByte(gap, '|') >= 0 || bytes.IndexByte(gap, '>') >= 0 // of YAML, or a table
	switch {
	case !filled && !block && bytes.IndexByte(gap, '\n') >= 0:
		return secret.Stays
	case string(gap) == "|": // one or the other
		return secret.Stays
	case !filled && bytes.IndexByte(gap, ',') >= 0 && bytes.IndexByte([]byte("\"'`"), gap[len(gap)-1]) < 0: // a list of names
		if n := len(b) - len(word); string(gap) != "," || n > 0 && b[n-1] != '\n' { // but for a table of names and values
			return secret.Stays
		}
	}
	if v.IsName() && v != secret.Shuffled && (v != secret.Pass || string(word) != "PASS") { // a word, the name of a test
		return secret.Remote
	}
	if login && isLogin(b) {
		return secret.Remote
	}
	return secret.Stays
}

// isLogin reports whether b ends with a command that a token follows.
func isLogin(b []byte) bool {
	for _, command := range []string{"vault login", "cargo login", "snyk auth", "railway login", "wandb login"} {
		if bytes.HasSuffix(b, []byte(command)) {
			return true
		}
	}
	return false
}

// fieldNames are the ends of the names of fields that hold several values, each
// of which goes, as they are written in text, by a letter that is rare in most
// text and what else they have in common.
var fieldNames = []struct {
	letter byte
	common []byte
	names  [][]byte
}{
	{'k', []byte("ookie"), split("ookie:|ookie\":|ookie\\\":|ookie':|document.cookie|--cookie ")},
	{'z', []byte("uthorization:"), split("uthorization:")},
	{'Z', []byte("UTHORIZATION:"), split("UTHORIZATION:")},
	{'-', []byte(" -b "), split("curl -b | -b '| -b \"| -b \\\"| -b $'")},
}

func split(names string) [][]byte { return bytes.Split([]byte(names), []byte("|")) }

// maxFieldName is the length of the longest of these names.
const maxFieldName = len("document.cookie")

// A fieldSearch is how far a text was looked through for the names of fields, and
// where the last one begins.
type fieldSearch struct {
	to, last int
	ahead
}

// fieldWords are what is common in the names of fields.
var fieldWords = func() (words []word) {
	for _, f := range fieldNames {
		words = append(words, newWord(string(f.common), f.letter))
	}
	return words
}()

// reach looks through p, which is the text as far as it goes, from the byte on that
// is from.
func (s *fieldSearch) reach(p []byte, from int) {
	if s.tells(fieldWords, len(p)) {
		from = max(from, s.to-maxFieldName, 0)
		if _, i := lastField(p[from:]); i >= 0 {
			s.last = max(s.last, from+i)
		}
	}
	s.to = len(p)
}

// lastField returns the last name of such a field in p, and where it begins, or -1.
func lastField(p []byte) (name []byte, at int) {
	at = -1
	for i := range fieldNames {
		f := &fieldNames[i]
		if bytes.IndexByte(p, f.letter) < 0 || !bytes.Contains(p, f.common) {
			continue
		}
		for _, n := range f.names {
			if k := bytes.LastIndex(p, n); k > at {
				name, at = n, k
			}
		}
	}
	return name, at
}

// inField reports whether tok is in the line of such a field.
func (t *Text) inField(tok, before []byte, raw bool) bool {
	f, ok := t.run.(*fieldLine)
	if !ok || f.over {
		f = t.fieldBefore(before, raw)
	}
	return f != nil && (!f.pairs || bytes.IndexByte(tok, '=') > 0)
}

// fieldBefore returns the field in the line of which a token is, or nil.
func (t *Text) fieldBefore(before []byte, raw bool) *fieldLine {
	far := maxTail // raw text has no escapes that stand for a part of a name
	if raw {
		far *= escape.Max
	}
	if from := len(before) - far; from >= 0 {
		if t.fields.reach(before, from); t.fields.last < from {
			return nil
		}
	}
	if len(before) == 0 {
		if t.inTail.reach(t.tail, 0); t.inTail.last < len(t.tail)-maxTail || t.inTail.last < 0 {
			return nil
		}
	}
	b := t.last(before, raw)
	b = b[bytes.LastIndexByte(b, '\n')+1:]
	name, at := lastField(b)
	if at < 0 {
		return nil
	}
	f := newFieldLine(b[:at], name)
	for _, c := range b[at+len(name):] {
		f.take(c)
	}
	if f.over {
		return nil
	}
	return f
}

// mayAsk reports whether one of askingWords may be in the end of what stands before a token.
func (t *Text) mayAsk(before []byte, raw bool) bool {
	far := len(before) - maxTail
	if raw {
		far = len(before) - escape.Max*maxTail
	}
	if far < 0 {
		return true
	}
	if t.asks.tells(askingWords, len(before)) {
		from := max(far, t.asks.to-maxAsking)
		for _, w := range askingWords {
			if k := bytes.LastIndex(before[from:], w.text); k >= 0 {
				t.asks.last = max(t.asks.last, from+k)
			}
		}
	}
	t.asks.to = len(before)
	return t.asks.last >= far
}

// askingWords are what stands before whom a password is of, but for the first letter:
// password for bob. maxAsking is the length of the longest one.
var askingWords = []word{newWord("assword for ", 'w'), newWord("assphrase for ", 'p'), newWord("pw for ", 'w')}

const maxAsking = len("assphrase for ")

// last returns the end of what stands before a token.
func (t *Text) last(before []byte, raw bool) []byte {
	if len(before) >= maxTail && (!raw || bytes.IndexByte(before[len(before)-maxTail:], '\\') < 0) {
		return before[len(before)-maxTail:]
	}
	return t.join(before, raw)
}

// passwordOptions are the options before passwords, and what is in the commands
// that have them so.
var passwordOptions = map[string][]string{
	"-p": {"sshpass", " login", "mysql", "mariadb", "smbclient", "mongo", "twine ", "psexec", "PsExec"}, "-a": {"redis-cli"}, "-P": {"mosquitto_", "zip ", "sqlcmd"},
	"-w": {"ldap"}, "--body": {"gh secret "}, "-b": {"gh secret "}, "-k": {"openssl"}, "-N": {"ssh-keygen"}, "-storepass": {"keytool", "signer"}, "-keypass": {"keytool", "signer"}, "-pw": {"plink", "pscp"}, "-t": {" auth init"}, "--pass": {""},
}

// literal is what a name and a value of a Secret of Kubernetes stand after.
const literal = "--from-literal="

// joinedOptions are those that a password follows without a space.
var joinedOptions = map[string][]string{"-p": {"mysql", "mariadb", "7z"}}

// afterOption returns where the password begins in tok, by an option in it or
// before it, or -1.
func (t *Text) afterOption(tok, before []byte, raw bool) int {
	if len(tok) > 2 && tok[0] == '-' && tok[1] == 'p' && t.isCommand(joinedOptions["-p"], before, raw) {
		return passwordAt(tok, len("-p"))
	}
	if colon := bytes.IndexByte(tok, ':'); colon > 2 && tok[0] == '-' && tok[1] == 'u' && t.isCommand([]string{"curl "}, before, raw) {
		return passwordAt(tok, colon+1)
	}
	if len(tok) > 2 && tok[0] == '/' && tok[1] == 'p' { // of Windows
		if name, _, ok := bytes.Cut(tok, []byte(":")); ok && char.IsAny(name, "/p", "/pass") && t.isCommand([]string{"freerdp", "cmdkey", "net use"}, before, raw) {
			return passwordAt(tok, len(name)+1)
		}
	}
	if t.batch && bytes.HasPrefix(tok, []byte(literal)) && t.isCommand([]string{" secret "}, before, raw) {
		if k := bytes.IndexByte(tok[len(literal):], '='); k > 0 {
			return passwordAt(tok, len(literal)+k+1)
		}
	}
	if n := len(before); n > 1 && !char.IsSpace(before[n-1]) && before[n-1] != '"' && before[n-1] != '\'' {
		return -1
	}
	if from := t.hostLogin(tok, before, raw); from >= 0 {
		return from
	}
	if t.batch && t.isArgument(tok, before, raw) {
		return passwordAt(tok, 0)
	}
	end := before
	if len(end) == 0 {
		end = t.tail
	}
	if !bytes.HasPrefix(tok, []byte("pass:")) && !mayFollowOption(end) || raw && !mayEndOption(before) {
		return -1
	}
	option := secret.LastWord(afterOptions.TrimEnd(t.last(before, raw)))
	if len(option) < 2 || option[0] != '-' {
		return -1
	}
	if bytes.HasPrefix(option, []byte("-pass")) && bytes.HasPrefix(tok, []byte("pass:")) { // of openssl
		return passwordAt(tok, len("pass:"))
	}
	if commands := passwordOptions[string(option)]; commands != nil && t.isCommand(commands, before, raw) {
		return passwordAt(tok, 0)
	}
	return -1
}

// isBatch reports whether tok is of one of the commands that have a password at a place:
// one that begins with one of firstOfBatch.
func isBatch(tok []byte) bool {
	for _, begin := range []string{"htpasswd", "schtasks", "--secret", literal, "/user:", `\\`} {
		if bytes.HasPrefix(tok, []byte(begin)) {
			return true
		}
	}
	return false
}

var firstOfBatch = char.In("hs-/\\")

// lastWord returns the last word of a line, and what is before it and a space.
func lastWord(line []byte) (rest, word []byte) {
	line = bytes.TrimRight(line, " ")
	k := bytes.LastIndexByte(line, ' ')
	return line[:k+1], line[k+1:]
}

// isArgument reports whether tok is what one of the commands is given for a password that
// have it at a place, rather than after an option: htpasswd -b FILE USER PASSWORD.
func (t *Text) isArgument(tok, before []byte, raw bool) bool {
	end := t.preceding(before)
	end = end[max(0, len(end)-maxTail):]
	if n := len(end); n == 0 || end[n-1] != ' ' && !(isQuote(end[n-1]) && n > 1 && (end[n-2] == ' ' || end[n-2] == '=')) {
		return false
	}
	end = afterOptions.TrimEnd(end)
	rest, word := lastWord(end[bytes.LastIndexByte(end, '\n')+1:])
	switch {
	case len(word) < 2 || bytes.IndexByte(word, '<') >= 0: // in what stands for a secret
		return false
	case bytes.HasPrefix(word, []byte(literal)) && word[len(word)-1] == '=':
		return t.isCommand([]string{" secret "}, before, raw)
	case string(word) == "/rp":
		return t.isCommand([]string{"schtasks "}, before, raw)
	case word[0] == '\\' && word[1] == '\\', bytes.HasPrefix(word, []byte("/user:")):
		return t.isCommand([]string{"net use "}, before, raw)
	}
	for range 4 {
		if rest, word = lastWord(rest); len(word) == 0 || bytes.IndexByte(word, '<') >= 0 {
			return false
		}
		if string(word) == "--secret" {
			return t.isCommand([]string{" config set "}, before, raw)
		}
		if word[0] == '-' && bytes.IndexByte(word, 'b') > 0 {
			return t.isCommand([]string{"htpasswd "}, before, raw)
		}
	}
	return false
}

// afterOptions are the bytes that may stand between an option and its value;
// optionEnds the last two bytes of passwordOptions.
var (
	afterOptions = char.In(" \t\"'\\")
	optionEnds   = func() (s char.PairSet) {
		for o := range passwordOptions {
			s.Add(o[len(o)-2], o[len(o)-1])
		}
		return s
	}()
)

// mayFollowOption reports whether p, which may be raw, may end with one of
// passwordOptions and what stands between that and its value.
func mayFollowOption(p []byte) bool {
	b := afterOptions.TrimEnd(p)
	n := len(b)
	return n < 2 || b[n-2] == '\\' || optionEnds.Has(b[n-2], b[n-1])
}

// mayEndOption reports whether before, which is raw, may end with an option and
// what stands between that and its value.
func mayEndOption(before []byte) bool {
	b := afterOptions.TrimEnd(before)
	word := secret.LastWord(b)
	i := len(b) - len(word)
	return i == 0 || b[i-1] == '\\' || len(word) > 0 && word[0] == '-'
}

// isCommand reports whether one of commands is in the line before a token.
func (t *Text) isCommand(commands []string, before []byte, raw bool) bool {
	b := t.last(before, raw)
	b = b[bytes.LastIndexByte(b, '\n')+1:]
	for _, c := range commands {
		if bytes.Contains(b, []byte(c)) {
			return true
		}
	}
	return false
}

// passwordAt returns from if tok[from:] may be a password, else -1.
func passwordAt(tok []byte, from int) int {
	v := tok[from:]
	if !secret.LooksPassword(v) || len(v) < secret.MinLoose || bytes.IndexByte([]byte("$<{%-"), v[0]) >= 0 || placeholders[string(v)] {
		return -1
	}
	return from
}

// withoutQuote returns p without the quote at its end that programs escape as
// \x22, of which the backslash may be gone.
func withoutQuote(p []byte) []byte {
	if n := len(p) - len(`\x22`); n > 0 && p[n] == '\\' && p[n+1] == 'x' && p[n+2] == '2' && (p[n+3] == '2' || p[n+3] == '7') {
		return p[:n]
	}
	return p
}

// withoutX returns name without what is left of such a quote before it.
func withoutX(name []byte) []byte {
	if n := len("x22"); len(name) > n && name[0] == 'x' && name[1] == '2' && (name[2] == '2' || name[2] == '7') {
		return name[n:]
	}
	return name
}
