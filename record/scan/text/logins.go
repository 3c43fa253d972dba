package text

import (
	"bytes"
	"slices"

	"ssltape/record/scan"
	"ssltape/record/scan/escape"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// What logs in to databases and hosts has forms of its own, in which a place
// rather than a name tells the password.

// userinfo finds the user:password of URLs (RFC 3986, section 3.2.1), and the
// passwords before an at sign in what else names a database. A user alone stays
// unless it looks like a token, and so does what is a template.
func (t *Text) userinfo(out []find, tok, before []byte, raw bool) []find {
	if from, to := loginAt(tok); from < to {
		return append(out, find{from: from, to: to})
	}
	if from := t.oracleLogin(tok, before, raw); from >= 0 {
		return append(out, find{from: from, to: bytes.LastIndexByte(tok, '@')})
	}
	for i := 0; ; {
		k := bytes.Index(tok[i:], []byte("://"))
		if k < 0 {
			return out
		}
		i += k + len("://")
		authority := tok[i:]
		if end := bytes.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		at := bytes.LastIndexByte(authority, '@')
		if at <= 0 {
			continue
		}
		if isPlaceholder(authority[:at]) && !t.url {
			continue
		}
		if user := authority[:at]; bytes.IndexByte(user, ':') >= 0 || len(user) >= secret.MinKey && char.Run(user, char.IsMarked) == at && secret.IsShuffled(user) {
			out = append(out, find{i, i + at, scan.InURL, escape.DecodeQuery(user)})
		}
	}
}

// isPlaceholder reports whether the user and password of a URL in text are those of
// documentation, or hidden already.
func isPlaceholder(userinfo []byte) bool {
	_, password, ok := bytes.Cut(userinfo, []byte{':'})
	return ok && len(password) > 0 && (placeholders[string(password)] || len(bytes.Trim(password, "*")) == 0)
}

// loginAt returns the place of the password in the source of Go's drivers that
// tok is, user:password@tcp(host:port)/name, or in a URL of JDBC for Oracle,
// jdbc:oracle:thin:user/password@host, if from < to.
func loginAt(tok []byte) (from, to int) {
	for _, net := range []string{"@tcp(", "@unix(", "@tcp6("} {
		if to = bytes.Index(tok, []byte(net)); to > 0 {
			user := bytes.LastIndexAny(tok[:to], "=/") + 1
			if k := bytes.IndexByte(tok[user:to], ':'); k > 0 {
				return user + k + 1, to
			}
			return bytes.IndexByte(tok[:to], ':') + 1, to
		}
	}
	const thin = "jdbc:oracle:"
	if i := bytes.Index(tok, []byte(thin)); i >= 0 {
		to = bytes.LastIndexByte(tok, '@')
		if k := bytes.IndexByte(tok[i:max(to, i)], '/'); k >= 0 {
			return i + k + 1, to
		}
	}
	return 0, 0
}

// oracleCommands are those that have user/password@name as an argument.
var oracleCommands = []string{"sqlplus ", "expdp ", "impdp ", "sqlldr ", "rman ", "sqlcl "}

// oracleLogin returns where the password in tok begins, if that is an argument of
// one of these commands, or -1.
func (t *Text) oracleLogin(tok, before []byte, raw bool) int {
	i, at := bytes.IndexByte(tok, '/'), bytes.LastIndexByte(tok, '@')
	if i <= 0 || char.Run(tok[:i], char.IsWord) < i || at-i-1 < secret.MinLoose || !t.isCommand(oracleCommands, before, raw) {
		return -1
	}
	return i + 1
}

// minPgpass is the length of the shortest line that is looked at.
const minPgpass = 20

// isPgpass reports whether tok is a line of a password file of PostgreSQL:
// host:port:database:user:password.
func (t *Text) isPgpass(tok, before []byte, raw bool) bool {
	if len(tok) < minPgpass || bytes.Count(tok, []byte(":")) != 4 {
		return false
	}
	parts := bytes.Split(tok, []byte(":"))
	for i, p := range parts[:4] {
		digits := char.Run(p, char.IsDigit) == len(p)
		if string(p) != "*" && (len(p) == 0 || char.Run(p, char.IsDotted) < len(p) || (i == 1) != digits) {
			return false
		}
	}
	host, password := parts[0], parts[4]
	if string(host) != "*" && string(host) != "localhost" && bytes.IndexByte(host, '.') < 0 || !secret.LooksPassword(password) || len(password) < secret.MinLoose {
		return false
	}
	return beginsLine(t.last(before, raw))
}

// isUser reports whether tok, of the classes m, is a user and a password that stand
// below the name of what has such lines: chpasswd, htpasswd.
func (t *Text) isUser(tok []byte, m byte, before []byte, raw bool) bool {
	if m&(char.Colon|char.Digit) != char.Colon|char.Digit {
		return false
	}
	k := bytes.IndexByte(tok, ':')
	return k > 0 && char.Run(tok[:k], char.IsDotted) == k && secret.LooksMade(tok[k+1:]) && bytes.IndexByte([]byte(",;&()"), tok[len(tok)-1]) < 0 &&
		bytes.Contains(t.last(before, raw), []byte("passwd")) && beginsLine(t.last(before, raw))
}

// hashes are what stands before the hash of a password (RFC 2307, section 5.3).
var hashes = [][]byte{[]byte("{SHA}"), []byte("{SSHA}"), []byte("{SMD5}"), []byte("{MD5}"), []byte("{CRYPT}"), []byte("{SSHA256}"), []byte("{SSHA512}")}

// isHashed reports whether before ends with one of these.
func isHashed(before []byte) bool {
	if n := len(before); n < 5 || before[n-1] != '}' {
		return false
	}
	for _, h := range hashes {
		if bytes.HasSuffix(before, h) {
			return true
		}
	}
	return false
}

// inTag returns what becomes of a value in quotes by the name in its element, with
// something between them: <input name="…" type="hidden" value="…">.
func inTag(p secret.Profile, before []byte) secret.Verdict {
	b := quotes.TrimEnd(before)
	rest, ok := bytes.CutSuffix(b, []byte("value="))
	if !ok || len(b) == len(before) {
		return secret.Stays
	}
	start := bytes.LastIndexByte(rest, '<') + 1
	tag := rest[start:]
	if start == 0 || bytes.IndexByte(tag, '>') >= 0 {
		return secret.Stays
	}
	if bytes.Contains(tag, []byte(`type="password"`)) {
		return secret.Goes
	}
	_, name, _ := bytes.Cut(tag, []byte(" name="))
	name = bytes.TrimLeft(name, `'"\`)
	return ofString(p.InForm(name[:char.Run(name, char.IsDotted)]))
}

// cellName returns what b has before the element or the end of one that begins at b[i],
// if that is the name of what follows, else nil: <b>Password:</b> …, <td>Password</td><td>…
func cellName(b []byte, i int) []byte {
	if i+2 < len(b) && b[i+1] == '/' {
		name, _ := bytes.CutSuffix(blanks.TrimEnd(b[:i]), []byte{':'})
		if len(name) < i {
			return name
		}
		return nil
	}
	if char.IsAny(b[i+1:len(b)-1], "td", "dd") {
		rest := lineBlanks.TrimEnd(b[:i])
		for _, end := range []string{"</td>", "</th>", "</dt>"} {
			if name, ok := bytes.CutSuffix(rest, []byte(end)); ok {
				return bytes.TrimRight(name, ": ")
			}
		}
	}
	return nil
}

// ofCell returns what becomes of the text beside a name in a page by the verdict on that.
func ofCell(v secret.Verdict) secret.Verdict {
	if !v.IsName() {
		return secret.Stays
	}
	return secret.Remote
}

// foreign are the words for password in other languages that are no names.
var foreign = [][]byte{[]byte("密码"), []byte("密碼"), []byte("口令"), []byte("パスワード"), []byte("ароль"), []byte("비밀번호")}

// isForeign reports whether b ends with a word for password that is not English, or with
// that and what is between it and the value.
func isForeign(b []byte) bool {
	if len(b) < len(foreign[0]) {
		return false
	}
	is := func(word string) bool { return bytes.HasSuffix(b, []byte(word)) }
	switch c := b[len(b)-1]; {
	case c >= 0x80:
		for _, verb := range []string{"は", "是", "为"} {
			b = bytes.TrimSuffix(b, []byte(verb))
		}
		return slices.ContainsFunc(foreign, func(word []byte) bool { return bytes.HasSuffix(b, word) })
	case c == 'a', c == 's':
		b = bytes.TrimSuffix(b, []byte(" es"))
		return is("contraseña") || is("Contraseña")
	case c == 'e', c == 't', c == ' ': // French has a space before a colon
		for _, verb := range []string{" ", " ist", " lautet", " est"} {
			b = bytes.TrimSuffix(b, []byte(verb))
		}
		return is("asswort") || is("ennwort") || is("ot de passe")
	}
	return false
}

// wideColon separates such a word from the value where letters are as wide as high.
const (
	wideColon  = "："
	wideEscape = `\uff1a` // in JSON
)

// logins are what takes a password after a user, and how many other values before it:
// auth=('bob', '…'), new PDO(…, 'bob', '…').
var logins = map[string]int{"auth": 1, "HTTPBasicAuth": 1, "HTTPDigestAuth": 1, "BasicAuth": 1, "SetBasicAuth": 1, "basic_auth": 1, "login": 1,
	"NetworkCredential": 1, "UsernamePasswordCredentials": 1, "PDO": 2, "mysqli": 2, "mysqli_connect": 2, "mysql_connect": 2, "getConnection": 2}

// followsUser reports whether a token is a password that programs give to one of these.
func (t *Text) followsUser(before []byte, raw bool) bool {
	end := t.preceding(before)
	if n := len(end); n == 0 || !isQuote(end[n-1]) {
		return false
	}
	between := blanks.TrimEnd(quotes.TrimEnd(end))
	if n := len(between); n > 0 && between[n-1] != ',' && (!raw || bytes.IndexByte(between[max(0, n-escape.Max):], '\\') < 0) {
		return false
	}
	b, ok := bytes.CutSuffix(blanks.TrimEnd(quotes.TrimEnd(t.last(before, raw))), []byte{','})
	if !ok {
		return false
	}
	b = bytes.TrimRight(b, ",")
	k := bytes.LastIndexByte(b, '(')
	if k < 0 || !isQuote(b[len(b)-1]) {
		return false
	}
	name := secret.LastWord(bytes.TrimRight(b[:k], " ="))
	others, ok := logins[string(name[bytes.LastIndexByte(name, '.')+1:])]
	return ok && bytes.Count(b[k:], []byte{','}) == others-1
}

// inJar reports whether a token is the value of a cookie in a file of curl and
// wget, in which six fields and tabs stand before it.
func (t *Text) inJar(before []byte, raw bool) bool {
	end := before
	if len(end) == 0 {
		end = t.tail
	}
	if n := len(end); n == 0 || end[n-1] != '\t' && !(raw && n > 1 && end[n-1] == 't' && end[n-2] == '\\') {
		return false
	}
	b := t.last(before, raw)
	parts := bytes.Split(b[bytes.LastIndexByte(b, '\n')+1:], []byte("\t"))
	n := len(parts)
	if n < 6 {
		return false
	}
	flag := func(p []byte) bool { return string(p) == "TRUE" || string(p) == "FALSE" }
	expires := parts[n-3]
	return flag(parts[n-4]) && (n < 7 || flag(parts[n-6])) && len(expires) > 0 && char.Run(expires, char.IsDigit) == len(expires)
}

// quotes are the bytes around a string of SQL.
var quotes = char.In("'\"\\")

// inSQL reports whether what stands before a token in quotes is what sets a
// password in SQL: PASSWORD '…', PASSWORD('…'), IDENTIFIED BY '…'.
func inSQL(before []byte) bool {
	b := quotes.TrimEnd(before)
	if len(b) == len(before) {
		return false
	}
	b = bytes.TrimRight(b, " (")
	switch word := secret.LastWord(b); {
	case string(word) == "PASSWORD":
		return true
	case char.IsAny(word, "by", "as"):
		b = bytes.ToLower(b[max(0, len(b)-maxTail/2):])
		return bytes.Contains(b, []byte("identified "))
	}
	return false
}

// isUserOption reports whether word is the option of curl and the like before
// user:password.
func isUserOption(word []byte) bool {
	return string(word) == "-u" || string(word) == "-a" || bytes.HasSuffix(word, []byte("-user"))
}

// afterUser are the bytes that may stand between such an option and its value.
var afterUser = char.In(" \"'\\")

// login reports whether tok is the user:password of a command in before.
func (t *Text) login(tok, before []byte, raw bool) bool {
	if p := afterUser.TrimEnd(t.preceding(before)); len(p) > 0 && p[len(p)-1] != 'u' && p[len(p)-1] != 'r' && p[len(p)-1] != 'a' { // of no such option
		return false
	}
	user, password, ok := bytes.Cut(tok, []byte(":"))
	if !ok || len(user) == 0 || len(password) < 4 || char.Run(tok, func(c byte) bool { return char.IsDigit(c) || c == ':' }) == len(tok) || bytes.IndexByte([]byte("$<{%/"), password[0]) >= 0 || placeholders[string(password)] {
		return false
	}
	b := t.context(before, raw)
	b = afterUser.TrimEnd(b[max(0, len(b)-maxTail/2):])
	option := secret.LastWord(b)
	return isUserOption(option) && (bytes.Contains(b, []byte("curl ")) || string(option) == "-a" && (bytes.Contains(b, []byte("http ")) || bytes.Contains(b, []byte("https ")))) // HTTPie
}

// placeholders are what documentation has for passwords.
var placeholders = char.Set("pass password passwd secret token PASSWORD your-password yourpassword")

// inserted returns what becomes of a token that is a value of INSERT in SQL by the
// name of its column: INSERT INTO users (email, password) VALUES ('…', '…').
func (t *Text) inserted(before []byte, raw bool) secret.Verdict {
	end := t.preceding(before)
	n := len(end)
	if n == 0 || end[n-1] != '\'' || n > 1 && end[n-2] != ',' && end[n-2] != '(' && end[n-2] != ' ' {
		return secret.Stays
	}
	b := t.last(before, raw)
	values := max(bytes.LastIndex(b, []byte("VALUES")), bytes.LastIndex(b, []byte("values")))
	if values < 0 {
		return secret.Stays
	}
	to := bytes.LastIndexByte(b[:values], ')')
	from := bytes.LastIndexByte(b[:max(to, 0)], '(') + 1
	column := columnOf(b[values : len(b)-1])
	if from == 0 || column < 0 {
		return secret.Stays
	}
	names := bytes.Split(b[from:to], []byte(","))
	if column >= len(names) {
		return secret.Stays
	}
	return ofString(t.s.Profile.Key(bytes.Trim(names[column], " `\"[]\\\n")))
}

// columnOf returns which value of the last row in rows, from 0 on, begins at the end
// of it, or -1 where none does.
func columnOf(rows []byte) int {
	column, inside, quoted := 0, false, false
	for _, c := range rows {
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			column, inside = 0, true
		case c == ')':
			inside = false
		case c == ',':
			column++
		}
	}
	if !inside || quoted {
		return -1
	}
	return column
}

// serialized returns what becomes of a string that b stands before by its name, as
// PHP serializes them: s:8:"password";s:11:"…".
func serialized(p secret.Profile, b []byte) secret.Verdict {
	b, ok := bytes.CutSuffix(b, []byte(":"))
	if n := len(b); !ok || n == 0 || !char.IsDigit(b[n-1]) {
		return secret.Stays
	}
	b, ok = bytes.CutSuffix(bytes.TrimRight(b, "0123456789"), []byte(";s:"))
	if !ok {
		return secret.Stays
	}
	return ofString(p.Key(secret.LastWord(bytes.TrimRight(b, `"\`))))
}

// ofString returns what becomes of a string in a program by the verdict on its name.
func ofString(v secret.Verdict) secret.Verdict {
	switch {
	case v == secret.Pass:
		return secret.Remote
	case v.IsName():
		return v
	}
	return secret.Stays
}

// hostCommands have user%password after -U.
var hostCommands = []string{"smbclient ", "rpcclient ", "smbmap ", "smbget ", "winexe ", "net ads ", "wmic "}

// netUser is a command that has a name and a password behind it.
const netUser = "net user "

// hostLogin returns where in tok the password begins that a command is given for a
// host of Windows, or -1: -U user%password, net user NAME PASSWORD.
func (t *Text) hostLogin(tok, before []byte, raw bool) int {
	if k := bytes.IndexByte(tok, '%'); k > 0 {
		option := secret.LastWord(afterOptions.TrimEnd(t.last(before, raw)))
		if string(option) == "-U" && t.isCommand(hostCommands, before, raw) {
			return passwordAt(tok, k+1)
		}
	}
	if k := bytes.IndexByte(tok, ','); k > 0 && t.isCommand([]string{"lftp "}, before, raw) && string(secret.LastWord(afterOptions.TrimEnd(t.last(before, raw)))) == "-u" {
		return passwordAt(tok, k+1)
	}
	end := t.preceding(before)
	if n := len(end) - 1; n >= 0 {
		name := secret.LastWord(end[:n])
		if k := n - len(name); end[n] != ' ' || k > 1 && (end[k-1] != ' ' || end[k-2] != 'r') {
			return -1
		}
	}
	b := before
	if len(b) < maxTail {
		b = t.last(before, raw)
	}
	if n := len(b) - 1; n > len(netUser) && b[n] == ' ' && b[n-1] != ' ' {
		if b = b[:n-len(secret.LastWord(b[:n]))]; len(b) < n && bytes.HasSuffix(b, []byte(netUser)) {
			return passwordAt(tok, 0)
		}
	}
	return -1
}
