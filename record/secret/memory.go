package secret

import (
	"bytes"
	"encoding/base64"
	"net/url"

	"ssltape/record/secret/char"
)

// Lengths of the values that are kept to be found again: what is shorter may be anything,
// what is longer is no password or token.
const (
	MinMemorable = 8
	maxMemorable = 2 << 10
)

// Memories returns what of a value that was taken out is kept to be found elsewhere: it, what
// its percent signs escape, and the password in it, if it is a login in base64 (RFC 7617).
// A name before it is not.
func Memories(value []byte) [][]byte {
	var all [][]byte
	if n := char.Run(value, char.IsWord); n > 1 && n+1 < len(value) && value[n] == '=' && value[n+1] != '=' {
		value = value[n+1:]
	}
	if len(value) > maxMemorable {
		return nil
	}
	if IsMemorable(value) {
		all = append(all, value)
	}
	if bytes.IndexByte(value, '%') >= 0 {
		if plain, err := url.QueryUnescape(string(value)); err == nil && IsMemorable([]byte(plain)) {
			all = append(all, []byte(plain))
		}
	}
	if plain, err := base64.StdEncoding.DecodeString(string(value)); err == nil {
		if _, password, ok := bytes.Cut(plain, []byte(":")); ok && IsMemorable(password) {
			all = append(all, password)
		}
	}
	return all
}

// inStructure are signs that values have which are more than one.
var inStructure = char.In("\"'<>{}()[],;\\`")

// IsMemorable reports whether value is so long, and so unlike words, names, numbers and
// times, that it is the same secret wherever it stands.
func IsMemorable(value []byte) bool {
	n := len(value)
	if n < MinMemorable || n > maxMemorable || bytes.Contains(value, []byte("://")) {
		return false
	}
	letters, digits, joints := 0, 0, 0
	for _, c := range value {
		switch {
		case c <= ' ' || c >= 0x7f || inStructure[c]:
			return false
		case char.IsDigit(c):
			digits++
		case char.IsLetterOrDigit(c):
			letters++
		case isJoint(c) || c == '.' || c == ':' || c == '/':
			joints++
		}
	}
	switch {
	case letters < 2 || isTimeOfDay(value):
		return false
	case IsUUID(value), LooksChosen(value), digits > 1 && joints == 0:
		return true
	case n < MinKey:
		return HasNumbersWithin(value) || IsShuffled(value)
	}
	return holds(value, isMixedRun) || holds(value, isRandomRun)
}

// IsMemorableCookie is IsMemorable of the value of the cookie called name, which may be the
// choice of a language as well, or the id of a machine.
func IsMemorableCookie(name, value []byte) bool {
	if Secrets.Key(name).IsName() || IsURLKey(name) {
		return true // which Memories judges
	}
	return len(value) >= MinKey && !IsUUID(value) && IsMemorable(value) && holds(value, isRandomRun)
}

// holds reports whether a run of letters and digits in p is what is asked for.
func holds(p []byte, is func(run []byte) bool) bool {
	for len(p) > 0 {
		n := char.Run(p, char.IsLetterOrDigit)
		if is(p[:n]) {
			return true
		}
		p = p[min(n+1, len(p)):]
	}
	return false
}

// isRandomRun reports whether p is long and looks random.
func isRandomRun(p []byte) bool {
	return len(p) >= 12 && char.Run(p, char.IsDigit) < len(p) && IsShuffled(p) && !isTimeOfDay(p)
}

// isMixedRun reports whether p has several digits, and letters after them.
func isMixedRun(p []byte) bool {
	digits, after := 0, false
	for i, c := range p {
		if char.IsDigit(c) {
			digits++
		} else if i > 0 && char.IsDigit(p[i-1]) {
			after = true
		}
	}
	return len(p) >= 6 && digits > 1 && after && !isTimeOfDay(p)
}

// isTimeOfDay reports whether p is a date with a time (RFC 3339, ISO 8601).
func isTimeOfDay(p []byte) bool {
	k := bytes.IndexByte(p, 'T')
	return k >= 8 && char.Run(p[:k], func(c byte) bool { return char.IsDigit(c) || c == '-' }) == k
}
