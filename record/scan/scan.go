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
	"hash"
	"math"
	"regexp"
	"slices"
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

// hashes are what [identify] hashes with, each with the key.
var hashes = sync.Pool{New: func() any { return hmac.New(sha256.New, processKey()) }}

// identify returns the id of a secret: equal for equal values, and of no use
// to who wants to try values.
func identify(value []byte) string {
	h := hashes.Get().(hash.Hash)
	defer hashes.Put(h)
	var sum [sha256.Size]byte
	h.Reset()
	h.Write(value)
	return hex.EncodeToString(h.Sum(sum[:0])[:3])
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
	if n < minFilled && (k == inText || k == inURL) {
		return strings.Repeat("*", n)
	}
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
	return len(value) == 0 || len(value) < 100 && bytes.IndexByte([]byte("<%r"), value[0]) >= 0 && standIn.Match(value)
}

// Omitted returns what stands for a body of n bytes that went as a whole.
func Omitted(n int64) string { return message.placeholder(int(n), "") }

// Filler returns n bytes that stand for value.
func Filler(n int, value string) string {
	return inText.filler(n, len(value), identify([]byte(value)))
}

// Limits of what a scan holds back until it can decide.
const (
	maxValue = 64 << 10 // of a value whose end has not come; it goes in any case
	maxToken = 32 << 10 // of a run without a space; longer ones are judged in overlapping parts
	overlap  = 4 << 10  // the part of a long run that is judged twice
)

// Settled is what Pending returns where nothing is held back.
const Settled = math.MaxInt64

// A Sink is a stage of a scan. It is given text and told where that stands in
// the source, and reports what has to go to its [Finder].
type Sink interface {
	// Write gives the text that follows, which stands in the n bytes of the
	// source from at on: byte for byte where n is len(p), else all of p for all
	// of the n bytes, as with an escape. Where p is empty the n bytes belong to
	// the last text written. at grows from call to call; the bytes between are
	// not text. p is valid during the call.
	Write(p []byte, at int64, n int)
	// End says that the text is over. The next Write begins another one.
	End()
	// Pending returns the position in the source from which on bytes may yet
	// have to go, or Settled.
	Pending() int64
}

// A Span says that N bytes of the source from At on are to be replaced by Text.
type Span struct {
	At   int64
	N    int
	Text string
}

// Stop returns the place after s.
func (s Span) Stop() int64 { return s.At + int64(s.N) }

// A Finder collects what the sinks of one source found.
type Finder struct {
	Profile Profile
	Fill    bool    // replacements have the length of what they replace
	Found   int     // values that go, so far
	urls    bool    // they may hold only what URLs may
	depth   int     // of encodings within encodings
	spans   []Span  // in order of discovery
	first   int64   // where the first of them begins, if there are any
	covered int64   // end of the last span that Take returned
	inner   *trial  // of what is decoded
	within  *nested // what the source is the text of, or nil
}

// redact takes out the value that stands at places. Where it stands in several
// the replacement begins in the first one.
func (s *Finder) redact(places []Span, value []byte, k shape) {
	if s.within != nil {
		s.within.outer.redact(s.within.where(places), value, k)
		return
	}
	if isStandIn(value) {
		return
	}
	id := ""
	if !s.Fill || len(places) > 1 || len(places) == 1 && places[0].N >= minFilled {
		id = identify(value)
	}
	s.stand(places, k, len(value), id)
}

// minFilled is the length of the shortest filler that has an id.
const minFilled = len("<3f9a2c>")

// stand puts at places what stands for a value of size bytes.
func (s *Finder) stand(places []Span, k shape, size int, id string) {
	if s.within != nil {
		s.within.outer.stand(s.within.where(places), k, size, id)
		return
	}
	if len(places) == 0 {
		return
	}
	s.Found++
	if s.urls && (k == inText || k == message) {
		k = inURL
	}
	if !s.Fill {
		places[0].Text = k.placeholder(size, id)
		for _, p := range places {
			s.add(p)
		}
		return
	}
	total := 0
	for _, p := range places {
		total += p.N
	}
	s.Put(places, k.filler(total, size, id))
}

// Put puts at places text, which is as long as they are.
func (s *Finder) Put(places []Span, text string) {
	if n := len(s.spans); n+len(places) > cap(s.spans) {
		s.spans = slices.Grow(s.spans, n+len(places)) // twice as many
	}
	for _, p := range places {
		p.Text, text = text[:p.N], text[p.N:]
		s.add(p)
	}
}

// add adds p to what was found.
func (s *Finder) add(p Span) {
	if len(s.spans) == 0 || p.At < s.first {
		s.first = p.At
	}
	s.spans = append(s.spans, p)
}

// discard takes out places for which the replacement comes later.
func (s *Finder) discard(places []Span) {
	if s.within != nil {
		s.within.outer.discard(s.within.where(places))
		return
	}
	for _, p := range places {
		if s.Fill {
			p.Text = strings.Repeat("*", p.N)
		}
		s.add(p)
	}
}

// Take returns the spans that end at or before limit, in order and without
// overlaps, and forgets them. Nothing that is found later may begin before
// limit: what a sink has pending is the limit, or Settled at its end.
func (s *Finder) Take(limit int64) []Span {
	if limit < s.Next() || len(s.spans) == 0 {
		return nil
	}
	slices.SortStableFunc(s.spans, func(a, b Span) int { return int(min(max(a.At-b.At, -1), 1)) })
	k := 0 // those that go
	for k < len(s.spans) && s.spans[k].Stop() <= limit {
		k++
	}
	out := s.spans[:k:k]
	if s.spans = slices.Clone(s.spans[k:]); len(s.spans) > 0 {
		s.first = s.spans[0].At
	}
	return s.withoutOverlap(out)
}

// Next returns the place of the first span that Take has not returned, or
// Settled.
func (s *Finder) Next() int64 {
	if len(s.spans) == 0 {
		return Settled
	}
	return s.first
}

// withoutOverlap cuts spans that two stages found, such as a key within a
// base64 text that goes as a whole, to what is not covered yet.
func (s *Finder) withoutOverlap(spans []Span) []Span {
	out := spans[:0]
	for _, p := range spans {
		if p.Stop() <= s.covered {
			continue
		}
		if p.At < s.covered {
			cut := int(s.covered - p.At)
			p.At, p.N = s.covered, p.N-cut
			if s.Fill {
				p.Text = p.Text[cut:]
			} else {
				p.Text = ""
			}
		}
		s.covered = p.Stop()
		out = append(out, p)
	}
	return out
}

// Replace appends to dst what becomes of src, which stands at at, when spans
// are replaced.
func Replace(dst, src []byte, at int64, spans []Span) []byte {
	for _, s := range spans {
		i := int(s.At - at)
		dst = append(dst, src[:i]...)
		dst = append(dst, s.Text...)
		src, at = src[i+s.N:], s.Stop()
	}
	return append(dst, src...)
}
