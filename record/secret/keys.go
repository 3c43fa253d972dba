package secret

import (
	"bytes"
	"strings"

	"ssltape/record/secret/char"
)

// trigrams are the beginnings of all keys, and of bearer; byPair has keyKinds by the first two bytes.
var trigrams, byPair = indexKeys()

// secretPrefix and webToken are what secret keys and JSON web tokens begin with;
// telegramBot is what follows the number of a bot in its token; grafanaKey is what
// those of Grafana begin with, which are no web tokens.
const (
	secretPrefix = "sk-"
	webToken     = "eyJ"
	telegramBot  = ":AA"
	grafanaKey   = "eyJrIjoi"
)

// oddKeys are the beginnings of keys that have a rule of their own.
var oddKeys = []string{secretPrefix, webToken, telegramBot}

func indexKeys() (trigrams trigramSet, byPair [1 << 10][]keyKind) {
	for _, k := range keyKinds {
		pair := &byPair[lettersOf(k.prefix[0], k.prefix[1])]
		*pair = append(*pair, k)
		for c := range byte(128) {
			if len(k.prefix) > 2 && c == k.prefix[2] || len(k.prefix) == 2 && k.of(c) {
				trigrams.add(k.prefix[0], k.prefix[1], c)
			}
		}
	}
	for _, p := range oddKeys {
		trigrams.add(p[0], p[1], p[2])
	}
	for _, p := range []string{bearer, strings.ToUpper(bearer)} { // of any case
		trigrams.add(p[0], p[1], p[2])
	}
	for _, k := range markedKinds {
		trigrams.add(k.mark[0], k.mark[1], k.mark[2])
	}
	return trigrams, byPair
}

// NextKey returns the first place from p[i] on where a key may begin, or len(p).
func NextKey(p []byte, i int) int { return trigrams.next(p, i) }

// OpenKey returns the place in the first n bytes of tok where a key may begin,
// whole or with what is yet to come, or n.
func OpenKey(tok []byte, n int) int {
	for i := 0; i < n && i+3 <= len(tok); i++ {
		if trigrams.begins(tok[i:]) && beginsKey(tok[i:], false) {
			return i
		}
	}
	return n
}

// MayHoldKey reports whether a key may be in p, or with bear the name of a scheme of
// authentication and a token after it.
func MayHoldKey(p []byte, bear bool) bool {
	last := len(p) - minBorne
	if last < 0 {
		return false
	}
	for i := 0; ; i++ {
		if i = trigrams.next(p[:last+3], i); i > last {
			break
		}
		if beginsKey(p[i:], true) || bear && Bears(p[i:]) {
			return true
		}
	}
	if len(p) <= minMarked {
		return false
	}
	from, to := DashedKey(p)
	return from < to || hasMark(p, last)
}

// IsNumber reports whether p is of hexadecimal digits and hyphens alone, as the numbers of
// commits and UUIDs (RFC 9562, section 4) are, and no key begins in it.
func IsNumber(p []byte) bool {
	if len(p) == 0 || !ofNumbers[p[len(p)-1]] || ofNumbers.Len(p) < len(p) {
		return false
	}
	if from, to := DashedKey(p); from < to {
		return false
	}
	for from := 0; from+3 <= len(p); { // other keys of such begin with a word
		if trigrams.begins(p[from:]) && beginsKey(p[from:], false) {
			return false
		}
		n := bytes.IndexByte(p[from:], '-')
		if n < 0 {
			break
		}
		from += n + 1
	}
	return true
}

// ofNumbers are the bytes of such.
var ofNumbers = char.In("0123456789abcdefABCDEF-")

// minBorne is the length of the shortest such name and token: no key is shorter. Of
// markedKinds it is the end that may tell.
const minBorne = len(bearer) + 1 + MinLoose

// beginsKey reports whether tok, of at least three bytes, may begin with a key, whole
// or with what is yet to come.
func beginsKey(tok []byte, whole bool) bool {
	switch string(tok[:3]) {
	case secretPrefix, webToken, telegramBot:
		return true
	}
	if k := markedBy(tok); k != nil && (!whole || len(tok) >= len(k.mark)+k.after) {
		return true
	}
	for _, k := range byPair[lettersOf(tok[0], tok[1])] {
		if (!whole || len(tok) >= len(k.prefix)+k.min) && bytes.HasPrefix(tok, []byte(k.prefix)) {
			return true
		}
	}
	return false
}

// KeyAt judges what begins at tok[i], three bytes or more, and returns where the secret is, if from <
// to, and where the next one can begin. As all that judge it passes over what
// it has looked at, so that no token takes time by the square of its length.
func KeyAt(tok []byte, i int) (from, to, next int) {
	rest := tok[i:]
	switch string(rest[:3]) {
	case secretPrefix:
		return secretKey(tok, i)
	case webToken:
		return signature(tok, i)
	case telegramBot:
		return botToken(tok, i)
	}
	if k := markedBy(rest); k != nil && i >= k.before && char.Run(tok[i-k.before:i], k.of) == k.before {
		if to = i + len(k.mark); char.Run(tok[to:], k.of) >= k.after {
			to += char.Run(tok[to:], k.of)
			return i - k.before, to, to
		}
	}
	for _, k := range byPair[lettersOf(rest[0], rest[1])] {
		if len(rest) < len(k.prefix)+k.min || !bytes.HasPrefix(rest, []byte(k.prefix)) {
			continue
		}
		body := rest[len(k.prefix):]
		whole := k.where == exact || k.where == dotted
		if whole {
			body = body[:min(len(body), k.min+1)]
		}
		n := char.Run(body, k.of)
		end := i + len(k.prefix) + n
		switch {
		case n < k.min, k.where == alone && i > 0 && char.IsBase64(tok[i-1]), whole && (n > k.min || !atWord(tok, i) || end < len(tok) && char.IsWord(tok[end])):
			next = max(next, i+1)
		case isWordy(body[:n]), k.where == dotted && bytes.IndexByte(body[:n], '.') < 0:
			next = max(next, end)
		default:
			return i, end, end
		}
	}
	return 0, 0, next
}

// isWordy reports whether what follows the prefix of a key is made of words
// rather than of random letters: it has no digit and not both cases.
func isWordy(p []byte) bool {
	var lower, digit, other bool
	for _, c := range p {
		digit = digit || char.IsDigit(c)
		lower = lower || 'a' <= c && c <= 'z'
		other = other || char.IsDigit(c) || 'A' <= c && c <= 'Z'
	}
	return !other || !lower && !digit && char.Run(p, char.IsUpperOrDigit) < len(p)
}

// secretKey judges sk-… keys. What has neither a long run of letters and digits
// nor digits and capitals is a name with hyphens.
func secretKey(tok []byte, i int) (from, to, next int) {
	n := char.Run(tok[i:], char.IsBase64URL)
	key := tok[i : i+n]
	tried := false
	for k := 0; k < n; k++ {
		d := bytes.Index(key[k:], []byte("sk-"))
		if d < 0 {
			break
		}
		k += d
		if rest, ok := bytes.CutPrefix(key[k:], []byte("sk-ant-")); ok {
			kind := char.Run(rest[:min(len(rest), 20)], char.IsLowerOrDigit)
			if kind > 0 && kind+1+8 <= len(rest) && rest[kind] == '-' {
				return i + k, i + n, i + n
			}
		}
		if at := i + k; !tried && (at == 0 || !char.IsLower(tok[at-1])) { // unlike task-
			if n-k >= 20 && isRandom(key[k+3:]) {
				return at, i + n, i + n
			}
			tried = true // what is left of the run looks like a key even less
		}
	}
	return 0, 0, i + n
}

// isRandom reports whether key looks like one.
func isRandom(key []byte) bool {
	var digit, upper bool
	longest, length, digits := 0, 0, 0
	for _, c := range key {
		if char.IsDigit(c) {
			digits++
		}
		digit, upper = digits > 0, upper || 'A' <= c && c <= 'Z'
		if length++; c == '-' || c == '_' {
			length = 0
		}
		longest = max(longest, length)
	}
	return longest >= 16 || digit && upper || digits >= 8
}

// base64URL are the bytes of base64url.
var base64URL = func() (is char.Table) {
	for i := range is {
		is[i] = char.IsBase64URL(byte(i))
	}
	return is
}()

// encryptedParts is how many parts follow on the third one of an encrypted token.
const encryptedParts = 2

// signature judges JSON web tokens (RFC 7515, section 7.1), of which the
// signature goes, or all that follows the header of an encrypted one (RFC
// 7516, section 7.1).
func signature(tok []byte, i int) (from, to, next int) {
	if n := char.Run(tok[i:], char.IsPadded); n > minGrafana && bytes.HasPrefix(tok[i:], []byte(grafanaKey)) && (i+n == len(tok) || tok[i+n] != '.') {
		return i, i + n, i + n
	}
	from = i
	for part := range 2 {
		n := base64URL.Len(tok[from:])
		from += n
		if next == 0 {
			next = from
		}
		direct := part == 1 && n == 0 // the key is not in it (RFC 7518, section 4.5)
		if n < 6 && !direct || from == len(tok) || tok[from] != '.' {
			return 0, 0, next
		}
		from++
	}
	n := char.Run(tok[from:], char.IsDotted)
	if n = len(bytes.TrimRight(tok[from:from+n], ".")); n < 16 {
		return 0, 0, next
	}
	to = from + n
	if bytes.Count(tok[from:to], []byte{'.'}) == encryptedParts {
		from = next + 1
	}
	return from, to, to
}

// minGrafana is the length of the shortest key of Grafana.
const minGrafana = 60

// botToken judges the tokens of Telegram's bots, of which the number before
// tok[i] stays.
func botToken(tok []byte, i int) (from, to, next int) {
	n := char.Run(tok[i+1:], char.IsBase64URL)
	if n != 35 || i < 8 || char.Run(tok[i-8:i], char.IsDigit) < 8 {
		return 0, 0, i + 1
	}
	return i + 1, i + 1 + n, i + 1 + n
}

// atWord reports whether a word may begin at tok[i], also after what sets the colour
// of a terminal (ECMA-48, section 8.3.117), or after the length that Protocol Buffers have
// before a string.
func atWord(tok []byte, i int) bool {
	return i == 0 || i == 1 && int(tok[0]) == len(tok)-1 || !char.IsLetterOrDigit(tok[i-1]) || tok[i-1] == 'm' && len(bytes.Trim(tok[:i-1], "0123456789;")) == 0
}

// MayBear reports whether there may be the name of a scheme of authentication
// in p that tells a token without more.
func MayBear(p []byte) bool {
	for i := range p {
		if Bears(p[i:]) {
			return true
		}
	}
	return false
}

const bearer = "bearer"

// Bears reports whether p begins with the name of that scheme, and more.
func Bears(p []byte) bool {
	return p[0]|0x20 == bearer[0] && len(p) > len(bearer) && bytes.EqualFold(p[:len(bearer)], []byte(bearer))
}
