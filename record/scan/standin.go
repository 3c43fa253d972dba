package scan

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"
	"sync"
)

// processKey keys the ids of secrets. One key for the process makes the files
// of one recording agree.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	return key
})

// hashes are what [identify] hashes with, each with the key.
var hashes = sync.Pool{New: func() any { return hmac.New(sha256.New, processKey()) }}

// Identify returns the id of a secret: equal for equal values, and of no use
// to who wants to try values.
func Identify(value []byte) string {
	h := hashes.Get().(hash.Hash)
	defer hashes.Put(h)
	var sum [sha256.Size]byte
	h.Reset()
	h.Write(value)
	return hex.EncodeToString(h.Sum(sum[:0])[:3])
}

// A Shape says what may stand in the place of a value.
type Shape uint8

const (
	InText  Shape = iota // fields, JSON strings, plain text: anything but quotes and backslashes
	InURL                // only what may stand in a URL
	Bare                 // a JSON number: its replacement brings quotes
	Message              // in text, and what was there is text rather than a secret
)

// placeholder returns what stands for a value of size bytes where the length
// is free.
func (k Shape) placeholder(size int, id string) string {
	switch k {
	case InURL:
		return fmt.Sprintf("%%3Credacted%%20len=%d%%20id=%s%%3E", size, id)
	case Bare:
		return fmt.Sprintf(`"<redacted len=%d id=%s>"`, size, id)
	case Message:
		return fmt.Sprintf("<text len=%d>", size)
	}
	return fmt.Sprintf("<redacted len=%d id=%s>", size, id)
}

// filler returns exactly n bytes that stand for a value of size bytes: as much
// of the placeholder as fits, padded with asterisks.
func (k Shape) filler(n, size int, id string) string {
	var texts []string
	if n < minFilled && (k == InText || k == InURL) {
		return strings.Repeat("*", n)
	}
	switch k {
	case InURL:
		texts = []string{fmt.Sprintf("redacted-len=%d-id=%s", size, id), "redacted-" + id}
	case Bare:
		if n < 2 {
			return strings.Repeat("0", n)
		}
		return `"` + InText.filler(n-2, size, id) + `"`
	case Message:
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

// IsStandIn reports whether value was redacted before, so that redacting a
// file again leaves it as it is.
func IsStandIn(value []byte) bool {
	value = bytes.TrimRight(value, "*")
	return len(value) == 0 || len(value) < 100 && bytes.IndexByte([]byte("<%r"), value[0]) >= 0 && standIn.Match(value)
}

// Omitted returns what stands for a body of n bytes that went as a whole.
func Omitted(n int64) string { return Message.placeholder(int(n), "") }

// Filler returns n bytes that stand for value.
func Filler(n int, value string) string {
	return InText.filler(n, len(value), Identify([]byte(value)))
}

// minFilled is the length of the shortest filler that has an id.
const minFilled = len("<3f9a2c>")
