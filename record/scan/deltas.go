package scan

import "bytes"

// A deltas holds the strings that arrive in pieces, each in an event of its
// own, as language models send them: {"index":0,"delta":{"text":"Hel"}}.
type deltas struct {
	s     *Finder
	on    bool   // the event under way is one of a delta
	path  []byte // the indexes that came in it: they tell strings from one another
	open  map[string]*delta
	name  []byte   // memory of a key of open
	heads [2]*head // of events before, or nil
	next  int      // of these, the one that the next one replaces
	ends  int      // how often all strings ended
}

// A delta is a string that arrives in pieces.
type delta struct{ value }

// maxDeltas bounds the strings that arrive at the same time.
const maxDeltas = 64

// key takes a key of the event under way. All strings end where something whole
// begins.
func (d *deltas) key(name []byte) {
	switch string(name) {
	case "delta", "candidates":
		d.on = true
	case "content_block", "message", "item", "response":
		if !d.on { // else it is a part of the delta
			d.End()
		}
	}
}

// index takes a number that is the value of key.
func (d *deltas) index(key, number []byte) {
	if bytes.HasSuffix(key, []byte("index")) && len(d.path) < 100 {
		d.path = append(append(d.path, '/'), number...)
	}
}

// sink returns the sink for the value of key, or nil where it is not one that
// arrives in pieces.
func (d *deltas) sink(key []byte) *delta {
	if !d.on || !isPieceKey(key) {
		return nil
	}
	d.name = append(append(append(d.name[:0], d.path...), '/'), key...)
	o := d.open[string(d.name)]
	if o == nil {
		if len(d.open) >= maxDeltas {
			d.End()
		}
		o = &delta{value{s: d.s, txt: text{s: d.s, soft: true}}}
		o.esc = &escapes{txt: &o.txt}
		d.open[string(d.name)] = o
	}
	return o
}

// isPieceKey reports whether strings arrive in pieces under key.
func isPieceKey(key []byte) bool {
	switch string(key) {
	case "text", "thinking", "partial_json", "content", "reasoning", "reasoning_content", "arguments", "delta", "refusal", "input":
		return true
	}
	return false
}

func (d *deltas) End() {
	for _, o := range d.open {
		o.value.End()
	}
	clear(d.open)
	d.heads, d.next = [2]*head{}, 0
	d.ends++
}

func (d *deltas) Pending() int64 {
	p := int64(Settled)
	for _, o := range d.open {
		p = min(p, o.Pending())
	}
	return p
}

// A head is what an event begins with, up to the string that continues that of
// the event before. As a rule that is all in which they differ, and numbers:
// the rest was looked at before and is passed over.
type head struct {
	parts [][]byte // what is the same, with any number between one and the next
	place          // where that leads to
	path  []byte
	str   *delta
	tail  []byte // what followed on the string, up to the end of the data
	end   place  // where that led to
	name  []byte // the last string in the tail
	ended []byte // the path after it
}

// Limits of what is remembered of an event.
const (
	maxHead  = 2 << 10
	maxAfter = 512
)

// match returns the length of h if p begins with it, or 0.
func (h *head) match(p []byte) int {
	i := 0
	for k, part := range h.parts {
		if k > 0 {
			n := run(p[i:min(len(p), i+maxDigits+1)], isDigit)
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
	d.lexer.Write(p[i:i+n], at+int64(i), n)
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
		if i := h.match(p); i > 0 {
			d.place, d.lexer.name, d.str = h.place, d.lexer.name[:0], h.str
			d.deltas.on, d.deltas.path = true, append(d.deltas.path[:0], h.path...)
			return h, i
		}
	}
	return nil, 0
}

// learn takes the head of p and remembers it, if it is that of a delta.
func (d *EventData) learn(p []byte, at int64) (*head, int) {
	o := d.deltas
	ends := o.ends
	i := d.lexer.quick(p, 0)
	if i == len(p) || p[i] != '"' {
		return nil, i
	}
	d.step(p[i:i+1], at+int64(i), 1)
	str, ok := d.str.(*delta)
	if i++; !ok || o.ends != ends || i > maxHead || bytes.IndexByte(p[:i], '\\') >= 0 {
		return nil, i
	}
	h := &head{parts: around(bytes.Clone(p[:i])), place: d.place, path: bytes.Clone(o.path), str: str}
	o.heads[o.next] = h
	o.next = 1 - o.next
	return h, i
}

// around returns what is around the numbers in p, which may be others: all but
// the indexes.
func around(p []byte) (parts [][]byte) {
	from, quoted := 0, false
	for i := 0; i < len(p); i++ {
		if p[i] == '"' {
			quoted = !quoted
		}
		if quoted || p[i] != ':' || i == 0 || p[i-1] != '"' || bytes.HasSuffix(p[:i], []byte(`index"`)) {
			continue
		}
		at := i + 1 + run(p[i+1:], isSpace)
		if n := run(p[at:], isDigit); n > 0 && n <= maxDigits && endsBare(p[at+n]) {
			parts = append(parts, p[from:at])
			from = at + n
			i = from - 1
		}
	}
	return append(parts, p[from:])
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
	if bytes.Equal(p, h.tail) {
		d.place, o.path = h.end, append(o.path[:0], h.ended...)
		if h.name != nil {
			d.name = append(d.name[:0], h.name...)
		}
		return len(p)
	}
	ends := o.ends
	i := d.lexer.quick(p, 0)
	if i == len(p) && i <= maxAfter && o.ends == ends && isApart(p) {
		h.tail, h.end, h.ended, h.name = append(h.tail[:0], p...), d.place, append(h.ended[:0], o.path...), nil
		if bytes.IndexByte(p, '"') >= 0 {
			h.name = append([]byte{}, d.name...)
		}
	}
	return i
}

// isApart reports whether it makes no difference to p which string is before.
func isApart(p []byte) bool {
	i := bytes.IndexAny(p, `":`)
	return (p[0] == '}' || p[0] == ']') && (i < 0 || p[i] == '"')
}
