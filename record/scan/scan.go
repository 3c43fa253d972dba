// Package scan has what a search for secrets in text that passes is made of: in
// bounded memory, and with what is to stand in their place.
//
// A scan is a pipe of sinks: a form hands its decoded values to a JSON lexer,
// that hands its unescaped strings to a text scanner. Each is told where in the
// source the text stands that it is given, and reports what has to go to the
// [Finder] of the source. That is how a value is replaced at the right place
// whatever it is wrapped in, and nothing else is touched.
//
// The sinks are in the packages within: text and json for what text and JSON
// hold, field for header fields, body for bodies of every type.
package scan

import "math"

// MaxEarly is the length of the longest value that is kept until its name comes.
const MaxEarly = 4 << 10

// Limits of what a scan holds back until it can decide.
const (
	MaxValue = 64 << 10 // of a value whose end has not come; it goes in any case
	MaxToken = 32 << 10 // of a run without a space; longer ones are judged in overlapping parts
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
