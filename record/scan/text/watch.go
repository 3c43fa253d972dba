package text

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// In text, too, there are values whose names come after them, and those that
// something far before them tells. While what may be one of these is under way
// the tokens of the text are watched, and judged as all others.

// A watcher is a stretch that takes no token from the text.
type watcher interface {
	stretch
	watching() bool
}

// watch returns what watches the text from the token h on, if anything does.
func (t *Text) watch(h *scan.Held, before []byte, raw bool) stretch {
	switch {
	case isManifest(h.Text):
		if m, ok := t.run.(*manifest); ok && m.on { // it saw the token
			return nil
		}
		return &manifest{s: t.s, on: true, key: []byte("apiVersion")}
	case t.run == nil && (len(h.Text) >= secret.MinKey || len(h.Text) >= secret.MinToken && bytes.IndexByte(h.Text, '=') > 0):
		if f := t.fieldBefore(before, raw); f != nil {
			return f
		}
	}
	if isCode(h.Text) && afterCodes(t.preceding(before), raw) {
		c := &codes{s: t.s, size: len(h.Text)}
		if len(t.finds) == 0 {
			c.token(h)
		}
		return c
	}
	if _, ok := t.run.(*fieldLine); ok || len(t.finds) > 0 {
		return nil
	}
	if w, ok := t.run.(*table); ok && !w.over {
		return nil
	}
	if w := t.beginTable(h, before, raw); w != nil {
		return w
	}
	if p := t.beginPromise(h); p != nil {
		return p
	}
	if v := t.echoed(h.Text, before); v >= 0 {
		w := &pending{s: t.s, piped: true}
		h.Feed(w.value.Add, v, len(h.Text))
		return w
	}
	from, key := 0, secret.LastWord(t.key(before, raw))
	if isValueOf(h.Text) {
		from = len(valueOf)
	}
	if tok := h.Text[from:]; len(tok) < secret.MinKey || from == 0 && !char.IsAny(key, "value") && !secret.IsPrivate(key) || !secret.IsShuffled(tok) {
		return nil
	}
	w := &pending{s: t.s}
	h.Feed(w.value.Add, from, len(h.Text))
	return w
}

// preceding returns the end of what stands before a token, maxTail bytes at least if there
// are as many, until it is called again.
func (t *Text) preceding(before []byte) []byte {
	switch {
	case len(before) == 0:
		return t.tail
	case len(before) >= maxTail || len(t.tail) == 0:
		return before
	}
	t.end = append(append(t.end[:0], t.tail[max(0, len(t.tail)-maxTail):]...), before...)
	return t.end
}

// isEchoed reports whether a token that before stands before is what echo prints.
func isEchoed(before []byte) bool {
	n := len(before)
	for n > 0 && (before[n-1] == ' ' || before[n-1] == '\'' || before[n-1] == '"' || before[n-1] == '\\') {
		n--
	}
	b := before[:n]
	return n < len(before) && n > 3 && (b[n-1] == 'o' || b[n-1] == 'n' || b[n-1] == 'f') && (bytes.HasSuffix(b, []byte("echo")) || bytes.HasSuffix(b, []byte("echo -n")) || bytes.HasSuffix(b, []byte("printf")))
}

// echoed returns where in tok, which echo prints, what may be a password begins, or
// -1.
func (t *Text) echoed(tok, before []byte) int {
	if !isEchoed(t.preceding(before)) {
		return -1
	}
	from := bytes.IndexByte(tok, ':') + 1 // root:password
	return passwordAt(tok, from)
}

// valueOf is what a value of HTML without quotes stands after.
const valueOf = "value="

func isValueOf(tok []byte) bool { return bytes.HasPrefix(tok, []byte(valueOf)) }

// afterValue reports whether a token stands after the word value, and what stands
// between that and the value: "value": "…", value='…'.
func (t *Text) afterValue(before []byte, raw bool) bool {
	return char.IsAny(secret.LastWord(t.key(before, raw)), "value")
}

// key returns what stands before a token up to the key it is the value of, or nil
// where no colon or equals sign is between them.
func (t *Text) key(before []byte, raw bool) []byte {
	end := t.preceding(before)
	for n := len(end); ; n-- {
		if n == 0 || !separators[end[n-1]] || end[n-1] == '\n' {
			return nil
		}
		if end[n-1] == ':' || end[n-1] == '=' {
			break
		}
	}
	return trimSeparators(t.context(before, raw))
}

// mayBeKin reports whether a token is the value of a key of an object that tells
// nothing by itself.
func (t *Text) mayBeKin(before []byte, raw bool) bool {
	word := secret.LastWord(t.key(before, raw))
	return char.IsAny(word, "value") || secret.IsPrivate(word)
}

// isKin reports whether tok is the value of a cookie, or a private number of a key,
// by the keys before it.
func (t *Text) isKin(tok, before []byte, raw bool) bool {
	if len(tok) < secret.MinKey || !t.mayBeKin(before, raw) {
		return false
	}
	b := t.last(before, raw)
	has := func(s string) bool { return bytes.Contains(b, []byte(s)) }
	if t.afterValue(before, raw) {
		return secret.IsShuffled(tok) && (has("httpOnly") || has("hostOnly") || has("keyName\"") || has(Vault) || has(`"cookies"`))
	}
	if !secret.Member.Confirms(tok) {
		return false
	}
	two := len(secret.LastWord(t.key(before, raw))) == 2 // dp, dq and qi are names of nothing else
	return two && len(tok) > minNumber || has(`kty`) || has(`"AQAB"`) || has(`"crv"`) || len(tok) > minNumber && afterNumber(t.key(before, raw))
}

// Vault is what the name of a secret has in it that Azure keeps, beside its value.
const Vault = ".vault.azure.net/secrets/"

// minNumber is the length of the shortest number of a key that is known by where it
// stands alone.
const minNumber = 40

// afterNumber reports whether key, with what is before it, ends with a name that
// follows on another number of a key: {…,"d":"…","p":"…","q":"…"}. What tells that
// it is a key is far from there.
func afterNumber(key []byte) bool {
	b := trimSeparators(key[:len(key)-len(secret.LastWord(key))])
	n := len(b)
	for n > 0 && char.IsBase64URL(b[n-1]) {
		n--
	}
	return len(b)-n > minNumber
}

// A pending is a value of which the name may come: {"value":"…","name":"token"},
// <input value="…" name="token">.
type pending struct {
	s      *scan.Finder
	value  scan.Held
	named  bool // the next token is the name
	piped  bool // the command that it is given to comes
	tokens int
}

// maxPending is how many tokens a name is waited for.
const maxPending = 32

func (w *pending) token(h *scan.Held) bool {
	if w.tokens++; len(w.value.Text) == 0 || w.tokens > maxPending {
		w.value.Reset()
		return false
	}
	word := h.Text
	if w.named && len(bytes.Trim(word, ":=,")) == 0 {
		return false
	}
	if w.piped {
		if char.IsAny(word, "--password-stdin", "--with-token", "--passphrase-fd", "--stdin", "chpasswd", "passwd", "-S") {
			w.s.Redact(w.value.Places(0, len(w.value.Text)), w.value.Text, scan.InText)
			w.value.Reset()
		}
		return false
	}
	var v secret.Verdict
	name, rest, _ := bytes.Cut(bytes.TrimLeft(word, ","), []byte("="))
	name = bytes.TrimRight(name, ":,")
	switch {
	case bytes.Contains(word, []byte(Vault)):
		v = secret.Goes
	case w.named:
		v, w.named = w.s.Profile.Beside(bytes.TrimRight(word, ",;")), false
	case char.IsAny(name, "name", "key", "id", "property"):
		v, w.named = w.s.Profile.Beside(rest), len(rest) == 0
	case char.IsAny(name, "httpOnly", "hostOnly", "sameSite", "kty"):
		v = secret.Opaque
	}
	if v == secret.Goes || v.Confirms(w.value.Text) {
		w.s.Redact(w.value.Places(0, len(w.value.Text)), w.value.Text, scan.InText)
		w.value.Reset()
	}
	return false
}

func (w *pending) space(b []byte, _ int64, _ int) {
	if bytes.ContainsAny(b, "{}<>") || w.piped && bytes.IndexByte(b, '\n') >= 0 {
		w.value.Reset()
	}
}

func (w *pending) end() { w.value.Reset() }

func (w *pending) held() *scan.Held { return &w.value }

func (w *pending) watching() bool { return len(w.value.Text) > 0 }

// A fieldLine is a field with several values, as far as its line or the quotes
// around it go.
type fieldLine struct {
	pairs  bool // its values have names
	quoted bool // it is a value of a program: quotes are around it
	quote  byte // around it, or 0
	nested bool // a backslash is before that
	begun  bool // some of the values came
	last   byte
	over   bool
	none   scan.Held
}

// newFieldLine returns the field that has a name after before.
func newFieldLine(before, name []byte) *fieldLine {
	f := &fieldLine{pairs: bytes.HasPrefix(name, []byte(" -b "))}
	n := len(before)
	for n > 0 && (char.IsBase64URL(before[n-1])) {
		n--
	}
	switch c := name[len(name)-1]; {
	case isQuote(c): // it follows on the name
		f.quote, f.begun, f.nested = c, true, name[len(name)-2] == '\\'
	case c == ':' && isQuote(name[len(name)-2]), c == 'e': // it is around the value, not the name
		f.quoted = true
	case n > 0 && isQuote(before[n-1]):
		f.quote, f.begun, f.nested = before[n-1], true, n > 1 && before[n-2] == '\\'
	}
	return f
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// take takes a byte of the line.
func (f *fieldLine) take(c byte) {
	switch {
	case c == '\n' || c == 'n' && f.last == '\\' && f.quote == 0:
		f.over = true
	case isQuote(c) && !f.begun:
		f.quote, f.nested = c, f.last == '\\'
		f.begun = true
	case f.quote != 0 && c == f.quote && f.nested == (f.last == '\\'):
		f.over = true
	case c != ' ' && c != '=' && c != ':' && c != '\\' && c != '$':
		f.over = f.over || f.quoted && !f.begun
		f.begun = true
	}
	f.last = c
}

func (f *fieldLine) token(h *scan.Held) bool {
	for _, c := range h.Text {
		f.take(c)
	}
	return false
}

func (f *fieldLine) space(b []byte, _ int64, _ int) {
	for _, c := range b {
		f.take(c)
	}
}

func (f *fieldLine) end()             {}
func (f *fieldLine) held() *scan.Held { return &f.none }
func (f *fieldLine) watching() bool   { return !f.over }

// A manifest is one of Kubernetes, in YAML or JSON. What is under data in a
// Secret goes. That it is one may come later: then what is text in base64 goes.
type manifest struct {
	s       *scan.Finder
	on      bool
	key     []byte         // before the value that comes
	last    []byte         // the last token
	kind    secret.Verdict // on what is under data
	data    secret.Verdict // on the values that come
	at      int            // columns before data
	column  int
	newline bool // no token came in the line
	tokens  int
	none    scan.Held
}

// maxManifest is how many tokens the data of a manifest may be away.
const maxManifest = 400

// isManifest reports whether tok begins one.
func isManifest(tok []byte) bool {
	const name = "apiVersion"
	n := len(tok)
	return (n == len(name) || n == len(name)+1 && tok[n-1] == ':') && string(tok[:len(name)]) == name
}

func (m *manifest) token(h *scan.Held) bool {
	tok := h.Text
	if m.tokens++; m.tokens > maxManifest {
		m.on = false
	}
	if string(tok) == "-" {
		m.column++
		return false
	}
	if m.newline {
		if m.newline, m.key = false, nil; m.data != secret.Stays && m.column <= m.at {
			m.data = secret.Stays
		}
	}
	name, isKey := bytes.CutSuffix(tok, []byte(":"))
	switch {
	case isKey && len(name) == 0:
		m.begin(m.last)
	case isKey:
		m.begin(name)
	default:
		m.give(h)
		m.last = append(m.last[:0], tok[:min(len(tok), secret.MaxName)]...)
	}
	return false
}

// begin begins the value of a key.
func (m *manifest) begin(key []byte) {
	m.key = append(m.key[:0], key...)
	switch string(key) {
	case "apiVersion":
		m.data, m.kind = secret.Stays, secret.Stays
	case "data":
		if m.data == secret.Stays {
			if m.data, m.at = secret.Encoded, m.column; m.kind == secret.Goes {
				m.data = secret.Goes
			}
		}
	case "stringData":
		m.data, m.at = secret.Goes, m.column
	}
}

// give takes the value of the key under way.
func (m *manifest) give(h *scan.Held) {
	key := string(m.key)
	if m.key = m.key[:0]; key == "" {
		return
	}
	switch tok := h.Text; {
	case key == "kind" && m.data == secret.Stays:
		if m.kind = secret.Goes; string(tok) != "Secret" {
			m.on = string(tok) == "List"
			m.kind = secret.Stays
		}
	case m.data != secret.Stays && key != "data" && key != "stringData" && len(tok) >= secret.MinLoose && bytes.IndexByte([]byte("$.<%"), tok[0]) < 0 && m.data.Confirms(tok):
		m.s.Redact(h.Places(0, len(tok)), tok, scan.InText)
		m.tokens = 0
	}
}

func (m *manifest) space(b []byte, _ int64, _ int) {
	for _, c := range b {
		switch c {
		case '\n':
			m.newline, m.column = true, 0
		case '}':
			m.data = secret.Stays
		case '<': // it was redacted before
			m.key = m.key[:0]
			m.column++
		default:
			m.column++
		}
	}
}

func (m *manifest) end() {}

func (m *manifest) held() *scan.Held { return &m.none }

func (m *manifest) watching() bool { return m.on }
