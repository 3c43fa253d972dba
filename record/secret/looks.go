package secret

import (
	"bytes"
	"encoding/base64"
	"strings"

	"ssltape/record/secret/char"
)

// IsShuffled reports whether p looks random: it has many digits in several
// places, changes between cases and digits as no name does, or has letters beside
// one another that words do not.
func IsShuffled(p []byte) bool {
	digits, runs, changes, odd, last := 0, 0, 0, 0, byte(0)
	for i, c := range p {
		class := c & 0x60 // of upper and lower case, and others
		if char.IsDigit(c) {
			digits++
			if class = 0x10; last != class {
				runs++
			}
		}
		switch {
		case last == 0:
		case class != last:
			if changes++; class == 0x10 || last == 0x10 {
				odd++
			} else if last == 0x40 && isOddPair(p[i-1], c) { // from a capital on
				odd += 2
			}
		case class >= 0x40 && isOddPair(p[i-1], c):
			odd += 2
		}
		last = class
	}
	return runs > 1 && digits >= max(4, len(p)/16) || digits > 0 && changes*5 >= len(p)*2 || odd > 5 && odd*5 >= len(p)*2
}

// isOddPair reports whether a and b are letters that hardly ever stand beside one
// another, in words of English and in names of programs.
func isOddPair(a, b byte) bool { return oddPairs[a]>>(b|0x20-'a')&1 != 0 }

// oddPairs has for each letter, of either case, a bit for those that hardly follow
// it: all but 330 pairs, which are 96 of 100 in the words of 100 MB of programs and
// their documentation.
var oddPairs = func() (pairs [256]uint32) {
	for i, followers := range strings.Fields("bcdfgiklmnprstuvwxy aceijloprsuy acdefghiklmoprstuvy abcdeilnoprstuwy abcdefgilmnopqrstuvwxy " +
		"acdefilmnorstu aceghilnorstu aeimorstu abcdefglmnoprstvxz es aegisu abcdefilopstuvy abdeilmopstu acdefgiklmnopstuv " +
		"abcdfgiklmnoprstuvw acdefhikloprstuy u abcdefgiklmnoprstuvy abcdeghiklmoprstuwy acdefhilmoprstuwxy abcdefgilmnprst " +
		"aceimps aeinors aceipstv mnpst e") {
		odd := uint32(1<<26 - 1)
		for _, c := range followers {
			odd &^= 1 << (c - 'a')
		}
		pairs['a'+i], pairs['A'+i] = odd, odd
	}
	return pairs
}()

// IsTypeName reports whether p looks like a name of a program in which there is a
// number, such as Ed25519PublicKey.
func IsTypeName(p []byte) bool {
	var lower, upper bool
	runs := 0
	for i, c := range p {
		switch {
		case char.IsDigit(c):
			if i == 0 {
				return false
			}
			if !char.IsDigit(p[i-1]) {
				runs++
			}
		case char.IsLower(c):
			lower = true
		case char.IsLetterOrDigit(c):
			upper = true
		default:
			return false
		}
	}
	return lower && upper && runs == 1 && !IsShuffled(p)
}

// LooksPassword reports whether value may be a password: a word with letters
// and something else, and not the path of a folder.
func LooksPassword(value []byte) bool {
	if len(value) < 4 || bytes.ContainsAny(value, " \t\r\n") || value[0] == '/' || value[0] == '~' {
		return false
	}
	var letter, other bool
	for _, c := range value {
		if char.IsLetterOrDigit(c) && !char.IsDigit(c) {
			letter = true
		} else {
			other = true
		}
	}
	return letter && other
}

// LooksChosen reports whether value may be a password that a person chose: one of
// letters that mix with digits, or with the signs that passwords are asked to have.
func LooksChosen(value []byte) bool {
	var letter, digit, sign bool
	for _, c := range value {
		switch {
		case c <= ' ' || c >= 0x7f:
			return false
		case char.IsDigit(c):
			digit = true
		case char.IsLetterOrDigit(c):
			letter = true
		case bytes.IndexByte([]byte("!@#$%^&*+?~"), c) >= 0:
			sign = true
		}
	}
	return len(value) >= MinToken && letter && digit && sign
}

// HasNumbersWithin reports whether value is long enough for a password and has
// several digits, on some of which letters follow.
func HasNumbersWithin(value []byte) bool {
	digits, within := 0, false
	for i, c := range value {
		if char.IsDigit(c) {
			digits++
		} else if i > 0 && char.IsDigit(value[i-1]) && char.IsLetterOrDigit(c) {
			within = true
		}
	}
	return within && digits > 2 && len(value) >= MinToken
}

// LooksMade reports whether a value that is too short for a key is no word, name,
// number or date either: a password that someone was given, or made up by the rules. What
// ends a value in text is no part of it.
func LooksMade(value []byte) bool {
	if n := EndsValue.Index(value); n >= 0 {
		value = value[:n]
	}
	letters, digits := 0, 0
	if n := len(value); n > 2 && value[n-2] == '!' { // {0.password!r} of Python
		return false
	}
	for i, c := range value {
		switch {
		case char.IsDigit(c):
			digits++
		case char.IsLetterOrDigit(c):
			if letters++; c == 'T' && i > 0 && char.IsDigit(value[i-1]) { // a time
				return false
			}
		case !inPasswords[c]:
			return false
		}
	}
	return letters > 1 && len(value) < MinKey+MinToken && (LooksChosen(value) || HasNumbersWithin(value) || letters+digits == len(value) && len(value) >= MinOpaque && digits > 1 && IsShuffled(value))
}

// EndsValue are the bytes that may end a value in text, inPasswords the signs that one that
// someone made up may have.
var (
	EndsValue   = char.In(",;&()")
	inPasswords = char.In("!@#$%^&*+?~_.-")
)

// IsScheme reports whether word is the name of an authentication scheme, which
// stays when the credentials go.
func IsScheme(word []byte) bool {
	n := len(word)
	if n < 2 || !EndsScheme(word[n-2], word[n-1]) {
		return false
	}
	var b [maxScheme]byte
	return schemes[string(char.Lower(b[:0], word))]
}

// EndsScheme reports whether a and b, of either case, are the last bytes of the name
// of a scheme.
func EndsScheme(a, b byte) bool { return schemeEnds.Has(a|0x20, b|0x20) }

var (
	schemes = char.Set("bearer basic digest token negotiate ntlm apikey api-key key hawk dpop mac oauth " +
		"hoba mutual aws4-hmac-sha256 googlelogin sapisidhash")
	schemeEnds = char.Ends(schemes)
)

// LastWord returns the name that p ends with.
func LastWord(p []byte) []byte {
	i := len(p)
	for first := max(0, i-MaxName); i > first && nameBytes[p[i-1]]; {
		i--
	}
	return p[i:]
}

// nameBytes are the bytes that IsDotted holds for.
var nameBytes = func() (is char.Table) {
	for i := range is {
		is[i] = char.IsDotted(byte(i))
	}
	return is
}()

// MinOpaque is the length of the shortest token in text that is no prose.
const MinOpaque = 10

// IsMember reports whether p is a.b or longer, of names in which numbers
// are rare.
func IsMember(p []byte) bool {
	parts, numbers := 0, 0
	for part := range bytes.SplitSeq(p, []byte(".")) {
		if len(part) == 0 || char.IsDigit(part[0]) || char.Run(part, char.IsWord) < len(part) {
			return false
		}
		for i, c := range part {
			if char.IsDigit(c) && !char.IsDigit(part[i-1]) {
				numbers++
			}
		}
		parts++
	}
	return parts > 1 && numbers <= parts
}

// IsMixed reports whether p has letters and digits, enough of these, and not at
// its end alone unless it is as long as that.
func IsMixed(p []byte, long int) bool {
	letters, digits, changes := 0, 0, 0
	for _, c := range p {
		switch {
		case char.IsDigit(c):
			digits++
		case char.IsLetterOrDigit(c):
			if letters++; digits > 0 {
				changes++
			}
		}
	}
	return len(p) >= MinLoose && letters > 0 && digits*30 >= len(p) && (changes > 0 || len(p) >= max(long, MinToken))
}

// IsPrivate reports whether name is that of a private or symmetric number of a
// key (RFC 7518, section 6).
func IsPrivate(name []byte) bool {
	switch string(name) {
	case "d", "p", "q", "dp", "dq", "qi", "k":
		return true
	}
	return false
}

// isCode reports whether p is a code that someone types: a few digits, which a space or
// a hyphen may part.
func isCode(p []byte) bool {
	digits := 0
	for _, c := range p {
		if char.IsDigit(c) {
			digits++
		} else if c != ' ' && c != '-' {
			return false
		}
	}
	return 4 <= digits && digits <= 10 && len(p) <= digits+2
}

// isPhrase reports whether p is as many words as a key is written with (BIP 39).
func isPhrase(p []byte) bool {
	n := 0
	for word := range bytes.FieldsSeq(p) {
		if n++; len(word) < 3 || len(word) > 8 || char.Run(word, char.IsLower) < len(word) {
			return false
		}
	}
	return 12 <= n && n <= 24 && n%3 == 0
}

// isEncoded reports whether p is base64 of text, or random.
func isEncoded(p []byte) bool {
	if len(p) < MinToken || len(p)%4 != 0 {
		return false
	}
	out, err := base64.StdEncoding.DecodeString(string(p))
	if err != nil {
		return false
	}
	text := bytes.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f }) < 0
	return text || len(p) >= MinKey && IsShuffled(p)
}

// IsMinted reports whether p looks random, and as no number or path does: it has letters of
// both cases and digits, and is of base64url.
func IsMinted(p []byte) bool {
	var lower, upper, digit bool
	for _, c := range p {
		lower, upper, digit = lower || char.IsLower(c), upper || 'A' <= c && c <= 'Z', digit || char.IsDigit(c)
	}
	return lower && upper && digit && char.Run(p, char.IsBase64URL) == len(p) && IsShuffled(p)
}

// IsUUID reports whether p is an UUID (RFC 9562, section 4), of either case.
func IsUUID(p []byte) bool {
	for i, c := range p {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !char.IsHex(c) {
			return false
		}
	}
	return len(p) == uuidLen
}

// uuidLen is the length of an UUID.
const uuidLen = 36

// LooksOpaque reports whether value may be a token: long, of one word, with
// digits or of mixed case.
func LooksOpaque(value []byte) bool {
	if len(value) < 16 {
		return false
	}
	var digit, lower, upper bool
	for _, c := range value {
		if c <= ' ' || c >= 0x7f {
			return false
		}
		digit = digit || '0' <= c && c <= '9'
		lower = lower || 'a' <= c && c <= 'z'
		upper = upper || 'A' <= c && c <= 'Z'
	}
	return digit || lower && upper
}

// Credentials returns the length of the scheme that value begins with
// (RFC 9110, section 11.4), with the space after it, or 0.
func Credentials(value []byte) int {
	start := len(value) - len(bytes.TrimLeft(value, " \t"))
	i := start + char.TokenLen(value[start:])
	if i+1 >= len(value) || value[i] != ' ' || !IsScheme(value[start:i]) {
		return 0
	}
	return i + 1
}

// maxScheme is the length of the longest name of an authentication scheme.
const maxScheme = len("aws4-hmac-sha256")

// Lengths from which on a token may hold a secret: that of a://b:c@d and of
// ?a=b with the shortest name of a secret, that of ?ip=1, that of a password.
const (
	MinToken  = 8
	MinStrict = 5
	MinLoose  = 6
)
