package json

import (
	"bytes"

	"ssltape/record/secret/char"
)

// A head is what an event begins with, up to the string that continues that of
// the event before. As a rule that is all in which they differ, and numbers:
// the rest was looked at before and is passed over.
type head struct {
	start place    // where it was met; of a series only
	parts [][]byte // what is the same, with any number between one and the next
	place          // where that leads to
	series
	path  []byte
	str   *delta
	tail  [][]byte // what followed on the string, up to the end of the data, as parts
	text  []byte   // memory of the tail
	end   place    // where that led to
	last  series   // the same
	name  []byte   // the last string in the tail
	ended []byte   // the path after it
	other int      // how often another tail came since
}

// Limits of what is remembered of an event.
const (
	maxHead  = 2 << 10
	maxAfter = 512
)

// match returns the length of parts, and of the numbers between, if p begins with
// them, or 0.
func match(parts [][]byte, p []byte) int {
	i := 0
	for k, part := range parts {
		if k > 0 {
			n := char.Run(p[i:min(len(p), i+maxDigits+1)], char.IsDigit)
			if n == 0 || n > maxDigits {
				return 0
			}
			i += n
		}
		if !bytes.HasPrefix(p[i:], part) {
			return 0
		}
		i += len(part)
	}
	return i
}

// maxDigits is the length of the longest number that may be another one.
const maxDigits = 18

// quick takes the beginning of an event, which p is: what no secret is in for
// certain, and the string of a delta. It returns how much that is.
func (d *EventData) quick(p []byte, at int64) int {
	h, i := d.recall(p)
	if h == nil {
		if h, i = d.learn(p, at); h == nil {
			return i
		}
	}
	n := stringLen(p[i:])
	if n < 0 {
		return i
	}
	if str := p[i : i+n-1]; bytes.IndexByte(str, '\\') >= 0 {
		d.lexer.Write(p[i:i+n], at+int64(i), n)
	} else {
		if n > 1 {
			d.content(str, at+int64(i), n-1)
		}
		d.close()
	}
	i += n
	if rest := p[i:]; d.state == outside && len(rest) > 0 {
		return i + d.after(h, rest)
	}
	return i
}

// recall takes the head of p if it is that of an event before, which it returns.
func (d *EventData) recall(p []byte) (*head, int) {
	for _, h := range d.deltas.heads {
		if h == nil {
			break
		}
		if d.deltas.each && h.start != d.place {
			continue
		}
		if i := match(h.parts, p); i > 0 {
			d.place, d.lexer.name, d.str = h.place, d.lexer.name[:0], h.str
			d.deltas.series, d.deltas.path = h.series, append(d.deltas.path[:0], h.path...)
			return h, i
		}
	}
	return nil, 0
}

// learn takes the head of p and remembers it, if it is that of a delta.
func (d *EventData) learn(p []byte, at int64) (*head, int) {
	o := d.deltas
	start, ends := d.place, o.ends
	i := d.lexer.quick(p, 0)
	if i == len(p) || p[i] != '"' {
		return nil, i
	}
	d.step(p[i:i+1], at+int64(i), 1)
	str, ok := d.str.(*delta)
	if i++; !ok || o.ends != ends || i > maxHead || bytes.IndexByte(p[:i], '\\') >= 0 {
		return nil, i
	}
	h := &head{start: start, parts: around(nil, bytes.Clone(p[:i])), place: d.place, series: o.series, path: bytes.Clone(o.path), str: str}
	o.heads[o.next] = h
	o.next = 1 - o.next
	return h, i
}

// around appends to parts what is around the numbers in p, which may be others: all
// but the indexes, and those of times.
func around(parts [][]byte, p []byte) [][]byte {
	from, quoted := 0, false
	for i := 0; i < len(p); i++ {
		if p[i] == '"' {
			quoted = !quoted
		}
		if quoted || p[i] != ':' || i == 0 || p[i-1] != '"' || bytes.HasSuffix(p[:i], []byte(`index"`)) {
			continue
		}
		at := i + 1 + char.Run(p[i+1:], char.IsSpace)
		if n := timeLen(p[at:]); n > 0 {
			for i = at + n - 1; at < i; at++ {
				if k := char.Run(p[at:i], char.IsDigit); k > 0 && k <= maxDigits {
					parts = append(parts, p[from:at])
					at += k
					from = at
				}
			}
			continue
		}
		if n := char.Run(p[at:], char.IsDigit); n > 0 && n <= maxDigits && endsBare(p[at+n]) {
			parts = append(parts, p[from:at])
			from = at + n
			i = from - 1
		}
	}
	return append(parts, p[from:])
}

// timeLen returns the length of the string that p begins with, with its quotes, if it
// is a time (RFC 3339), else 0. No secret is in what has other digits.
func timeLen(p []byte) int {
	if len(p) < 2 || p[0] != '"' || !char.IsDigit(p[1]) {
		return 0
	}
	n := 1 + char.Run(p[1:], func(c byte) bool { return char.IsDigit(c) || bytes.IndexByte([]byte("-:.+TZ"), c) >= 0 })
	if n == len(p) || p[n] != '"' || bytes.IndexByte(p[:n], 'T') < 0 {
		return 0
	}
	return n + 1
}

// stringLen returns the length of the string that goes on with p, with its
// quote, or -1 where that is not there.
func stringLen(p []byte) int {
	for i := 0; ; i++ {
		k := bytes.IndexByte(p[i:], '"')
		if k < 0 {
			return -1
		}
		i += k
		from := i
		for from > 0 && p[from-1] == '\\' {
			from--
		}
		if (i-from)%2 == 0 {
			return i + 1
		}
	}
}

// after takes of p, which follows on the string of a delta, what has no secrets
// for certain, and remembers it with the head. It returns how much that is.
func (d *EventData) after(h *head, p []byte) int {
	o := d.deltas
	if match(h.tail, p) == len(p) {
		h.other = 0
		d.place, o.series, o.path = h.end, h.last, append(o.path[:0], h.ended...)
		if h.name != nil {
			d.name = append(d.name[:0], h.name...)
		}
		return len(p)
	}
	ends := o.ends
	i := d.lexer.quick(p, 0)
	if h.other++; h.other > patience && h.other%patience > 0 { // it is another one each time
		return i
	}
	if i == len(p) && i <= maxAfter && o.ends == ends && isApart(p) {
		h.text = append(h.text[:0], p...)
		h.tail, h.end, h.last, h.ended, h.name = around(h.tail[:0], h.text), d.place, o.series, append(h.ended[:0], o.path...), nil
		if bytes.IndexByte(p, '"') >= 0 {
			h.name = append([]byte{}, d.name...)
		}
	}
	return i
}

// patience is how many tails in a row are remembered, of which each was another
// one than that before; then one of as many.
const patience = 8

// isApart reports whether it makes no difference to p which string is before.
func isApart(p []byte) bool {
	i := bytes.IndexAny(p, `":`)
	return (p[0] == '}' || p[0] == ']') && (i < 0 || p[i] == '"')
}
