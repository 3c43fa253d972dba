package scan

import "sort"

// A piece is a run of source bytes and the text[from:to] that they stand for.
type piece struct {
	from, to int
	at       int64
	n        int
}

// A Held is text that cannot be judged yet, with its places in the source.
type Held struct {
	Text   []byte
	pieces []piece
	places []Span // memory of Places
}

// Add appends text as [Sink.Write] is given it.
func (h *Held) Add(p []byte, at int64, n int) {
	from := len(h.Text)
	h.Text = append(h.Text, p...)
	if k := len(h.pieces) - 1; k >= 0 && len(p) == n {
		if l := &h.pieces[k]; l.to-l.from == l.n && l.n > 0 && l.at+int64(l.n) == at {
			l.to, l.n = len(h.Text), l.n+n
			return
		}
	}
	h.pieces = append(h.pieces, piece{from, len(h.Text), at, n})
}

// Point makes h hold p, which stands at at and is not copied. It must not be added to.
func (h *Held) Point(p []byte, at int64) {
	h.Text, h.pieces = p, append(h.pieces[:0], piece{0, len(p), at, len(p)})
}

// Reset empties h and keeps its memory, if that is not much.
func (h *Held) Reset() {
	if cap(h.Text) > MaxToken {
		h.Text = nil
	}
	h.Text, h.pieces = h.Text[:0], h.pieces[:0]
}

// Drop removes the first n bytes of text.
func (h *Held) Drop(n int) {
	h.Text = h.Text[:copy(h.Text, h.Text[n:])]
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

// Start returns the place of the first byte of text[from:], or Settled.
func (h *Held) Start(from int) int64 {
	after := h.after(from)
	if len(after) == 0 {
		return Settled
	}
	p := after[0]
	if p.to-p.from == p.n {
		return p.at + int64(max(from-p.from, 0))
	}
	return p.at
}

// after returns the pieces that end after Text[from].
func (h *Held) after(from int) []piece {
	if len(h.pieces) == 0 || h.pieces[0].to > from {
		return h.pieces
	}
	return h.pieces[sort.Search(len(h.pieces), func(i int) bool { return h.pieces[i].to > from }):]
}

// Feed gives Text[from:to] to a Sink's Write or a Held's Add.
func (h *Held) Feed(write func(p []byte, at int64, n int), from, to int) {
	for _, p := range h.after(from) {
		lo, hi := max(from, p.from), min(to, p.to)
		switch {
		case p.from > to:
			return
		case p.from == p.to && from < p.from && p.from <= to:
			write(nil, p.at, p.n)
		case lo >= hi:
		case p.to-p.from == p.n:
			write(h.Text[lo:hi], p.at+int64(lo-p.from), hi-lo)
		default:
			write(h.Text[lo:hi], p.at, p.n)
		}
	}
}

// Places returns the runs of the source that Text[from:to] stands in, which are
// valid until it is called again.
func (h *Held) Places(from, to int) []Span {
	out := h.places[:0]
	for _, p := range h.after(from) {
		if p.from > to {
			break
		}
		if p.from == to && p.to > to { // one that is empty goes with the byte before it
			continue
		}
		s := Span{At: p.at, N: p.n}
		if p.to-p.from == p.n {
			lo, hi := max(from, p.from), min(to, p.to)
			s = Span{At: p.at + int64(lo-p.from), N: hi - lo}
		}
		if k := len(out) - 1; k >= 0 && out[k].Stop() == s.At {
			out[k].N += s.N
			continue
		}
		out = append(out, s)
	}
	h.places = out
	return out
}
