package text

import (
	"bytes"
	"slices"

	"ssltape/record/scan"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// Prose tells a secret some words after what it is: the password for the server is …,
// your verification code is …, my recovery phrase: …

// A promise is what follows on such a word, as far as its sentence goes. It takes no token
// but those of a phrase.
type promise struct {
	s      *scan.Finder
	of     promised
	words  int  // that came since, but for those of a phrase
	told   bool // what came last says that the secret follows
	quoted bool // and a quote
	over   bool
	phrase scan.Held // what may be a phrase
	count  int       // of its words
	size   int       // of it up to the end of the last one
}

// A promised is what a word promises.
type promised uint8

const (
	noPromise promised = iota
	aPassword
	aCode
	aPhrase
)

// promises are the words that promise something, in lower case. Others would have to be
// looked for, as they are shorter than what is looked at.
var promises = map[string]promised{
	"password": aPassword, "passphrase": aPassword, "passwort": aPassword, "kennwort": aPassword, "contrase": aPassword, "passcode": aCode,
	"verification": aCode, "authentication": aCode, "one-time": aCode, "two-factor": aCode, "security": aCode,
	"mnemonic": aPhrase, "recovery": aPhrase, "phrase": aPhrase,
}

// promiseLengths are the lengths of these, a bit each, by their first byte, of either case;
// promiseEnds are their last two bytes, minPromise and maxPromise how long they are.
var promiseLengths, promiseEnds = func() (lengths [256]uint16, ends char.PairSet) {
	for p := range promises {
		lengths[p[0]] |= 1 << len(p)
		lengths[p[0]-'a'+'A'] |= 1 << len(p)
		ends.Add(p[len(p)-2], p[len(p)-1])
	}
	return lengths, ends
}()

const (
	minPromise = len("phrase")
	maxPromise = len("authentication")
)

// promiseOf returns what tok promises.
func promiseOf(tok []byte) promised {
	n := len(tok)
	if n > minPromise && tok[n-1] == ':' {
		n--
	}
	if tok = tok[:n]; n < minPromise || n > maxPromise || promiseLengths[tok[0]]>>n&1 == 0 || !promiseEnds.Has(tok[n-2]|0x20, tok[n-1]|0x20) {
		return noPromise
	}
	var b [maxPromise]byte
	return promises[string(char.Lower(b[:0], tok))]
}

// beginPromise returns the promise that a token begins, or nil.
func (t *Text) beginPromise(h *scan.Held) stretch {
	of := promiseOf(h.Text)
	named := h.Text[len(h.Text)-1] == ':'
	if of == noPromise || of == aPassword && named { // its value is judged as that of a name
		return nil
	}
	if t.run != nil {
		if w, ok := t.run.(watcher); !ok || w.watching() {
			return nil
		}
	}
	return &promise{s: t.s, of: of, told: named}
}

// maxPromised is how many words may stand between a promise and what it is of.
const maxPromised = 10

// told are the words after which it follows.
var told = char.Set("is are was to ist lautet es")

// maxPhrase is how many words of phrases may come one after the other: those of one, and
// some that follow.
const maxPhrase = 36

func (w *promise) token(h *scan.Held) bool {
	word := bytes.TrimRight(h.Text, ".,;?)")
	switch {
	case w.over, w.of == aPhrase && w.takes(h):
	case w.confirms(word):
		w.s.Redact(h.Places(0, len(word)), word, scan.InText)
		w.over = true
	default:
		w.words++
		w.told = tells(h.Text) && (w.words == 1 || string(h.Text) != "to")
		w.over = w.words > maxPromised || len(word) < len(h.Text) && !w.told || len(word) > 1 && bytes.ContainsAny(word, "(=") // it is no prose
	}
	w.quoted = false
	return false
}

// tells reports whether what was promised follows on tok.
func tells(tok []byte) bool {
	var b [len("lautet:")]byte
	return tok[len(tok)-1] == ':' || len(tok) <= len(b) && told[string(char.Lower(b[:0], tok))]
}

// confirms reports whether word may be what was promised.
func (w *promise) confirms(word []byte) bool {
	switch w.of {
	case aPassword:
		return (w.told || w.quoted) && isToldPassword(word, w.quoted) || w.words == 0 && secret.LooksMade(word) && !w.over
	case aCode:
		return w.told && 4 <= len(word) && len(word) <= 8 && char.Run(word, char.IsDigit) == len(word) && !isYear(word)
	}
	return false
}

// isYear reports whether p is one rather than a code.
func isYear(p []byte) bool {
	return len(p) == 4 && (p[0] == '1' && p[1] == '9' || p[0] == '2' && p[1] == '0')
}

// isToldPassword reports whether word, which prose calls a password, is one: it has letters
// and digits, and is not the name of what passwords are made with.
func isToldPassword(word []byte, quoted bool) bool {
	letters, digits := 0, 0
	for _, c := range word {
		switch {
		case char.IsDigit(c):
			digits++
		case char.IsLetterOrDigit(c):
			letters++
		case !toldSigns[c]:
			return false
		}
	}
	if letters < 3 || digits == 0 || len(word) < secret.MinLoose || len(word) > 2*secret.MinKey {
		return false
	}
	var b [2 * secret.MinKey]byte
	lower := char.Lower(b[:0], word)
	name := lower[:char.Run(lower, func(c byte) bool { return !char.IsDigit(c) })]
	return !slices.ContainsFunc(algorithms, func(a []byte) bool { return bytes.HasPrefix(lower, a) }) && !bytes.Contains(lower, []byte("pass")) && !(quoted && bytes.IndexByte(name, '_') >= 0)
}

// toldSigns are the signs that such a password may have.
var toldSigns = char.In("!@#$%^&*+?~_-")

// algorithms are what names begin with that are no passwords.
var algorithms = bytes.Fields([]byte("sha md5 md4 latin base64 base32 base58 bcrypt scrypt argon pbkdf utf aes- aes1 aes2 ascii ntlm oauth http rfc " +
	"crypt- x509 pkcs ed25519 curve25519 hmac des3 iso- uint int string varchar text token secret user"))

// takes takes the words of a phrase, and the numbers before them in a list.
func (w *promise) takes(h *scan.Held) bool {
	word := bytes.TrimRight(h.Text, ".,;)")
	switch {
	case secret.IsPhraseWord(word):
		if w.count++; w.count > maxPhrase { // it is a list of such words
			w.forget()
			w.over = true
			return false
		}
		h.Feed(w.phrase.Add, 0, len(h.Text))
		w.size = len(w.phrase.Text) - len(h.Text) + len(word)
		return true
	case len(word) < 3 && char.Run(word, char.IsDigit) == len(word):
		if w.count > 0 {
			h.Feed(w.phrase.Add, 0, len(h.Text))
		}
		return true
	}
	w.endPhrase()
	return false
}

// endPhrase takes out the phrase that came, if it is one.
func (w *promise) endPhrase() {
	if w.count >= secret.MinPhrase {
		w.s.Redact(w.phrase.Places(0, w.size), w.phrase.Text[:w.size], scan.InText)
		w.over = true
	}
	w.forget()
}

// forget lets go what may have been a phrase.
func (w *promise) forget() {
	w.phrase.Reset()
	w.count, w.size = 0, 0
}

func (w *promise) space(b []byte, at int64, n int) {
	if w.count > 0 {
		w.phrase.Add(b, at, n)
	}
	for _, c := range b {
		switch {
		case isQuote(c) || c == '*':
			w.quoted = true
		case c == '<', c == '{', c == '}', c == '\n' && w.of != aPhrase && !w.told: // it was redacted, or is no prose
			w.over = true
		}
	}
}

func (w *promise) end() { w.endPhrase() }

func (w *promise) held() *scan.Held { return &w.phrase }

func (w *promise) watching() bool { return !w.over || w.count > 0 }
