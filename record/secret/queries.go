package secret

import (
	"bytes"

	"ssltape/record/secret/char"
)

// IsParameter reports whether name may be that of a parameter rather than a
// part of a program.
func IsParameter(name []byte) bool {
	for _, c := range name {
		if !char.IsDotted(c) && bytes.IndexByte([]byte("%[]$:+*~"), c) < 0 {
			return false
		}
	}
	return true
}

// URLKeys are the names of secrets in queries that are not ones elsewhere;
// onceKeys those of what works once, or as long as a session does, where the
// value looks like that.
var (
	URLKeys  = char.Set("key sig")
	onceKeys = char.Set("code oobcode ticket sid magic session otp auth nonce invite verify resourcekey tempauth hdnea " +
		"invitecode verificationcode activationcode")
)

// urlEnds are the last two letters of URLKeys and onceKeys.
var urlEnds = func() char.PairSet {
	ends := char.Ends(onceKeys)
	for key := range URLKeys {
		ends.Add(key[len(key)-2], key[len(key)-1])
	}
	return ends
}()

// maxURLKey is the length of the longest of these.
const maxURLKey = len("verificationcode")

// parameterEnds are keyEnds and urlEnds.
var parameterEnds = func() char.PairSet {
	ends := keyEnds
	for _, keys := range []map[string]bool{URLKeys, onceKeys} {
		for key := range keys {
			ends.Add(key[len(key)-2], key[len(key)-1])
		}
	}
	return ends
}()

// EndsParameter is EndsName of a name in a query.
func EndsParameter(a, b byte) bool { return parameterEnds.Has(a|0x20, b|0x20) || isNumber(a, b) }

// IsQueryKey reports whether name, in lower case, is one of URLKeys.
func IsQueryKey(name []byte) bool { return URLKeys[string(name)] }

// InForm returns what becomes of the value of a field of a form: what works once goes as
// it does in a query.
func (p Profile) InForm(name []byte) Verdict {
	v := p.Key(name)
	if (v == Stays || v == Shuffled) && IsURLKey(name) && !IsQueryKey(bytes.ToLower(name)) {
		return Opaque
	}
	return v
}

// IsURLKey reports whether name is one of URLKeys or onceKeys.
func IsURLKey(name []byte) bool {
	n := len(name)
	if n > maxURLKey || n < 2 || name[n-1] < 0x80 && name[n-2] < 0x80 && !urlEnds.Has(name[n-2]|0x20, name[n-1]|0x20) {
		return false
	}
	var b [maxURLKey]byte
	lower := char.Lower(b[:0], name)
	if !char.IsASCII(lower) {
		lower = bytes.ToLower(name)
	}
	return IsQueryKey(lower) || onceKeys[string(lower)]
}
