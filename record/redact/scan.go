package redact

import (
	"math"
	"slices"
	"strings"
)

// Limits of what a scan holds back until it can decide.
const (
	maxValue = 64 << 10 // of a value whose end has not come; it goes in any case
	maxToken = 32 << 10 // of a run without a space; longer ones are judged in overlapping parts
	overlap  = 4 << 10  // the part of a long run that is judged twice
)

// settled is what pending returns where nothing is held back.
const settled = math.MaxInt64

// A sink is a stage of a scan. It is given text and told where that stands in
// the source, and reports what has to go to its [scan].
type sink interface {
	// write gives the text that follows, which stands in the n bytes of the
	// source from at on: byte for byte where n is len(p), else all of p for all
	// of the n bytes, as with an escape. Where p is empty the n bytes belong to
	// the last text written. at grows from call to call; the bytes between are
	// not text. p is valid during the call.
	write(p []byte, at int64, n int)
	// end says that the text is over. The next write begins another one.
	end()
	// pending returns the position in the source from which on bytes may yet
	// have to go, or settled.
	pending() int64
}

// A span says that n bytes of the source at at are to be replaced by text.
type span struct {
	at   int64
	n    int
	text string
}

func (s span) end() int64 { return s.at + int64(s.n) }

// A scan collects what the sinks of one source found.
type scan struct {
	profile Profile
	fill    bool   // replacements have the length of what they replace
	urls    bool   // they may hold only what URLs may
	depth   int    // of encodings within encodings
	spans   []span // in order of discovery
	found   int    // values taken out
	covered int64  // end of the last span that take returned
}

// A piece is a run of source bytes and the text[from:to] that they stand for.
type piece struct {
	from, to int
	at       int64
	n        int
}

// A held is text that cannot be judged yet, with its places in the source.
type held struct {
	text   []byte
	pieces []piece
}

// add appends text as [sink.write] is given it.
func (h *held) add(p []byte, at int64, n int) {
	from := len(h.text)
	h.text = append(h.text, p...)
	if k := len(h.pieces) - 1; k >= 0 && len(p) == n {
		if l := &h.pieces[k]; l.to-l.from == l.n && l.n > 0 && l.at+int64(l.n) == at {
			l.to, l.n = len(h.text), l.n+n
			return
		}
	}
	h.pieces = append(h.pieces, piece{from, len(h.text), at, n})
}

// reset empties h and keeps its memory, if that is not much.
func (h *held) reset() {
	if cap(h.text) > maxToken {
		h.text = nil
	}
	h.text, h.pieces = h.text[:0], h.pieces[:0]
}

// drop removes the first n bytes of text.
func (h *held) drop(n int) {
	h.text = h.text[:copy(h.text, h.text[n:])]
	kept := h.pieces[:0]
	for _, p := range h.pieces {
		p.from, p.to = p.from-n, p.to-n
		if p.to <= 0 {
			continue
		}
		if p.from < 0 {
			if p.to-p.from == p.n {
				p.at, p.n = p.at-int64(p.from), p.n+p.from
			}
			p.from = 0
		}
		kept = append(kept, p)
	}
	h.pieces = kept
}

// start returns the place of the first byte of text[from:], or settled.
func (h *held) start(from int) int64 {
	for _, p := range h.pieces {
		if p.to > from {
			if p.to-p.from == p.n {
				return p.at + int64(max(from-p.from, 0))
			}
			return p.at
		}
	}
	return settled
}

// feed gives text[from:to] to a sink's write or a held's add.
func (h *held) feed(write func(p []byte, at int64, n int), from, to int) {
	for _, p := range h.pieces {
		lo, hi := max(from, p.from), min(to, p.to)
		switch {
		case p.from == p.to && from < p.from && p.from <= to:
			write(nil, p.at, p.n)
		case lo >= hi:
		case p.to-p.from == p.n:
			write(h.text[lo:hi], p.at+int64(lo-p.from), hi-lo)
		default:
			write(h.text[lo:hi], p.at, p.n)
		}
	}
}

// places returns the runs of the source that text[from:to] stands in.
func (h *held) places(from, to int) []span {
	var out []span
	for _, p := range h.pieces {
		empty := p.from == p.to && from < p.from && p.from <= to // goes with the byte before it
		if !empty && (p.to <= from || p.from >= to) {
			continue
		}
		s := span{at: p.at, n: p.n}
		if p.to-p.from == p.n {
			lo, hi := max(from, p.from), min(to, p.to)
			s = span{at: p.at + int64(lo-p.from), n: hi - lo}
		}
		if k := len(out) - 1; k >= 0 && out[k].end() == s.at {
			out[k].n += s.n
			continue
		}
		out = append(out, s)
	}
	return out
}

// redact takes out the value that stands at places. Where it stands in several
// the replacement begins in the first one.
func (s *scan) redact(places []span, value []byte, k shape) {
	if !isStandIn(value) {
		s.stand(places, k, len(value), identify(value))
	}
}

// stand puts at places what stands for a value of size bytes.
func (s *scan) stand(places []span, k shape, size int, id string) {
	if len(places) == 0 {
		return
	}
	s.found++
	if s.urls && (k == inText || k == message) {
		k = inURL
	}
	if !s.fill {
		places[0].text = k.placeholder(size, id)
		s.spans = append(s.spans, places...)
		return
	}
	total := 0
	for _, p := range places {
		total += p.n
	}
	text := k.filler(total, size, id)
	for _, p := range places {
		p.text, text = text[:p.n], text[p.n:]
		s.spans = append(s.spans, p)
	}
}

// discard takes out places for which the replacement comes later.
func (s *scan) discard(places []span) {
	for _, p := range places {
		if s.fill {
			p.text = strings.Repeat("*", p.n)
		}
		s.spans = append(s.spans, p)
	}
}

// take returns the spans that end at or before limit, in order and without
// overlaps, and forgets them.
func (s *scan) take(limit int64) []span {
	if len(s.spans) == 0 {
		return nil
	}
	slices.SortStableFunc(s.spans, func(a, b span) int { return int(min(max(a.at-b.at, -1), 1)) })
	k := 0 // those that go
	for k < len(s.spans) && s.spans[k].end() <= limit {
		k++
	}
	out := s.spans[:k:k]
	s.spans = slices.Clone(s.spans[k:])
	return s.withoutOverlap(out)
}

// withoutOverlap cuts spans that two stages found, such as a key within a
// base64 text that goes as a whole, to what is not covered yet.
func (s *scan) withoutOverlap(spans []span) []span {
	out := spans[:0]
	for _, p := range spans {
		if p.end() <= s.covered {
			continue
		}
		if p.at < s.covered {
			cut := int(s.covered - p.at)
			p.at, p.n = s.covered, p.n-cut
			if s.fill {
				p.text = p.text[cut:]
			} else {
				p.text = ""
			}
		}
		s.covered = p.end()
		out = append(out, p)
	}
	return out
}

// replace appends to dst what becomes of src, which stands at at, when spans
// are replaced.
func replace(dst, src []byte, at int64, spans []span) []byte {
	for _, s := range spans {
		i := int(s.at - at)
		dst = append(dst, src[:i]...)
		dst = append(dst, s.text...)
		src, at = src[i+s.n:], s.end()
	}
	return append(dst, src...)
}
