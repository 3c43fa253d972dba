// Package scan finds secrets in text as it passes, in bounded memory, and says
// what is to stand in their place.
//
// A scan is a pipe of sinks: a form hands its decoded values to a JSON lexer,
// that hands its unescaped strings to a text scanner. Each is told where in the
// source the text stands that it is given, and reports what has to go to the
// [Finder] of the source. That is how a value is replaced at the right place
// whatever it is wrapped in, and nothing else is touched.
package scan

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A Profile says what is taken out.
type Profile int

const (
	None    Profile = iota // nothing
	Secrets                // what gives access: credentials, cookies, keys, signatures
	Strict                 // also what says who it was and what was said
)

// Set makes p the profile called s: "none", "secrets" or "strict". With it, and
// Type, a Profile is the value of a flag.
func (p *Profile) Set(s string) error {
	for _, known := range []Profile{None, Secrets, Strict} {
		if s == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("redaction %q: choose secrets, strict or none", s)
}

// Type says what the flag takes.
func (p *Profile) Type() string { return "profile" }

// String returns the name that Set takes.
func (p Profile) String() string {
	switch p {
	case None:
		return "none"
	case Secrets:
		return "secrets"
	case Strict:
		return "strict"
	}
	return fmt.Sprintf("Profile(%d)", int(p))
}

// processKey keys the ids of secrets. One key for the process makes the files
// of one recording agree.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	return key
})

// identify returns the id of a secret: equal for equal values, and of no use
// to who wants to try values.
func identify(value []byte) string {
	h := hmac.New(sha256.New, processKey())
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil)[:3])
}

// A shape says what may stand in the place of a value.
type shape uint8

const (
	inText  shape = iota // fields, JSON strings, plain text: anything but quotes and backslashes
	inURL                // only what may stand in a URL
	bare                 // a JSON number: its replacement brings quotes
	message              // in text, and what was there is text rather than a secret
)

// placeholder returns what stands for a value of size bytes where the length
// is free.
func (k shape) placeholder(size int, id string) string {
	switch k {
	case inURL:
		return fmt.Sprintf("%%3Credacted%%20len=%d%%20id=%s%%3E", size, id)
	case bare:
		return fmt.Sprintf(`"<redacted len=%d id=%s>"`, size, id)
	case message:
		return fmt.Sprintf("<text len=%d>", size)
	}
	return fmt.Sprintf("<redacted len=%d id=%s>", size, id)
}

// filler returns exactly n bytes that stand for a value of size bytes: as much
// of the placeholder as fits, padded with asterisks.
func (k shape) filler(n, size int, id string) string {
	var texts []string
	switch k {
	case inURL:
		texts = []string{fmt.Sprintf("redacted-len=%d-id=%s", size, id), "redacted-" + id}
	case bare:
		if n < 2 {
			return strings.Repeat("0", n)
		}
		return `"` + inText.filler(n-2, size, id) + `"`
	case message:
		texts = []string{fmt.Sprintf("<text len=%d>", size), "<text>"}
	default:
		texts = []string{fmt.Sprintf("<redacted len=%d id=%s>", size, id), "<redacted " + id + ">", "<" + id + ">"}
	}
	for _, t := range texts {
		if len(t) <= n {
			return t + strings.Repeat("*", n-len(t))
		}
	}
	return strings.Repeat("*", n)
}

// standIn matches what placeholder and filler return, also after the decoding
// of percent signs.
var standIn = regexp.MustCompile(`^(` +
	`<redacted len=\d+ id=[0-9a-f]{6}>|<redacted [0-9a-f]{6}>|<[0-9a-f]{6}>|` +
	`%3Credacted%20len=\d+%20id=[0-9a-f]{6}%3E|redacted-len=\d+-id=[0-9a-f]{6}|redacted-[0-9a-f]{6}|` +
	`<text len=\d+>|<text>)$`)

// isStandIn reports whether value was redacted before, so that redacting a
// file again leaves it as it is.
func isStandIn(value []byte) bool {
	value = bytes.TrimRight(value, "*")
	return len(value) == 0 || len(value) < 100 && standIn.Match(value)
}

// Omitted returns what stands for a body of n bytes that went as a whole.
func Omitted(n int64) string { return message.placeholder(int(n), "") }

// Filler returns n bytes that stand for value.
func Filler(n int, value string) string {
	return inText.filler(n, len(value), identify([]byte(value)))
}
