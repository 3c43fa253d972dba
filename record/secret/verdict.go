package secret

import (
	"bytes"

	"ssltape/record/secret/char"
)

// A Verdict says whether the value that a name belongs to goes.
type Verdict uint8

const (
	Stays     Verdict = iota // it stays
	Opaque                   // it goes where it looks like a token
	Pass                     // it goes where it looks like a password
	Goes                     // it goes
	Cookies                  // it is a Cookie field: values go, names stay
	Crumb                    // it is a Set-Cookie field: the value goes, attributes stay
	Words                    // what people wrote: its length stays
	listed                   // it goes where it looks like the value of a field
	Armored                  // it goes where it is not the end of a PEM block
	Remote                   // it goes where it looks random
	Offers                   // it is a list, of which goes what looks random
	Challenge                // it is a challenge: the data of a scheme goes
	Member                   // it goes where it looks like a number of a key
	Encoded                  // it goes where it is text in base64
	argument                 // it goes where it looks like a password, and not like an option
	Shuffled                 // it goes where it looks random, and not like the name of an object
	code                     // it goes where it is a few digits, or looks like a token
	phrase                   // it goes where it is as many words as keys are written with
	Random                   // it goes where it looks random, or is an UUID
)

// IsName reports whether v is that on the name of a secret, which goes wherever it stands
// unless it looks like something else.
func (v Verdict) IsName() bool {
	switch v {
	case Goes, Opaque, Pass, Shuffled, code, phrase:
		return true
	}
	return false
}

// Confirms reports whether value is one that goes by the verdict v on its name.
func (v Verdict) Confirms(value []byte) bool {
	switch v {
	case Opaque:
		return LooksOpaque(value) || LooksMade(value)
	case Pass:
		return LooksPassword(value)
	case listed:
		return Credentials(value) > 0 || LooksOpaque(value) && bytes.ContainsAny(value, "0123456789")
	case Member:
		return len(value) >= MinKey && char.Run(value, char.IsBase64URL) == len(value) && IsShuffled(value)
	case Encoded:
		return isEncoded(value)
	case argument:
		return len(value) > 0 && value[0] != '-' && LooksPassword(value)
	case Shuffled: // an UUID, or with a prefix, as ids that agents send are
		return len(value) >= MinKey && char.Run(value, char.IsLetterOrDigit) == len(value) && IsShuffled(value)
	case Random:
		return len(value) >= MinKey && char.Run(value, char.IsPadded) == len(value) && (IsShuffled(value) || IsUUID(value)) || LooksMade(value)
	case code:
		return isCode(value) || LooksOpaque(value)
	case phrase:
		return isPhrase(value)
	case Armored:
		return !bytes.HasPrefix(value, []byte(PEMEnd))
	}
	return v != Stays
}
