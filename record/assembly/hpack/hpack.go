// Package hpack decodes the header blocks of HTTP/2 (RFC 7541), also of a
// connection whose start was not seen or of which something was lost.
package hpack

import (
	"golang.org/x/net/http2/hpack"
)

// Limits of header compression (RFC 7541).
const (
	entrySize = 32      // counted for an entry besides its name and value, section 4.1
	tableSize = 4096    // of a dynamic table until the encoder says otherwise
	maxTable  = 1 << 20 // that is obeyed
	maxInt    = 1 << 28 // of lengths and indices
)

// A Field is a name and its value. One that is not known has no name.
type Field struct{ Name, Value string }

// Size returns what f counts for in the limits of HTTP/2 (RFC 7541, section
// 4.1; RFC 9113, section 10.5.1).
func (f Field) Size() int { return len(f.Name) + len(f.Value) + entrySize }

// static is the static table (RFC 7541, appendix A) from index 1 on.
var static = func() []Field {
	var all []byte
	for i := range 61 {
		all = append(all, 0x80|byte(i+1))
	}
	decoded, err := hpack.NewDecoder(0, nil).DecodeFull(all)
	if err != nil {
		panic(err)
	}
	fs := make([]Field, 0, len(decoded))
	for _, f := range decoded {
		fs = append(fs, Field{f.Name, f.Value})
	}
	return fs
}()

// A Table decodes the header blocks of one direction of an HTTP/2
// connection. It is of use also where it was not there from the start: indices
// count from the newest entry, so that those that were seen keep their numbers,
// and those older than all that was seen are fields that are not known.
type Table struct {
	entries []Field // oldest first; a name that is not known is ""
	size    int
	limit   int
}

// NewTable returns the table of a connection at its start.
func NewTable() Table { return Table{limit: tableSize} }

// Lose forgets the entries: what was added since is not known. They may
// be more than what a peer has that uses the default size.
func (t *Table) Lose() { *t = Table{limit: maxTable} }

// Decode calls emit with the fields of a whole header block in order, also with
// those that are not known. It reports whether the block is well-formed; where
// it is not, the fields before that point were emitted, and the table is of no
// use until Lose is called. A byte can stand for a field of any length: emit
// bounds what is kept.
func (t *Table) Decode(block []byte, emit func(Field)) bool {
	for len(block) > 0 {
		r, n := readFieldLine(block)
		if n == 0 {
			return false
		}
		block = block[n:]
		if r.kind == sizeUpdate {
			t.limit = min(r.index, maxTable)
			t.evict()
			continue
		}
		f, err := t.resolve(r)
		if err != nil {
			return false
		}
		if r.kind == added {
			t.add(f)
		}
		emit(f)
	}
	return true
}

// resolve returns the field that r stands for, without a name where that is
// not known.
func (t *Table) resolve(r fieldLine) (f Field, err error) {
	if r.index > 0 {
		f = t.at(r.index)
	}
	if r.kind == indexed {
		return f, nil
	}
	if r.index == 0 {
		if f.Name, err = r.name.text(); err != nil {
			return f, err
		}
	}
	f.Value, err = r.value.text()
	return f, err
}

// at returns the entry with index i, which is not 0.
func (t *Table) at(i int) Field {
	if i <= len(static) {
		return static[i-1]
	}
	if i -= len(static); i <= len(t.entries) {
		return t.entries[len(t.entries)-i]
	}
	return Field{}
}

func (t *Table) add(f Field) {
	t.entries = append(t.entries, f)
	t.size += f.Size()
	t.evict()
}

func (t *Table) evict() {
	n := 0
	for t.size > t.limit && n < len(t.entries) {
		f := &t.entries[n]
		t.size -= f.Size()
		*f = Field{}
		n++
	}
	t.entries = t.entries[n:]
}

// A fieldLine is how a header block represents a field (RFC 7541, section 6).
type fieldLine struct {
	kind        fieldLineKind
	index       int // of the field or of its name, 0 for a name of its own; or the new table size
	name, value stringLiteral
}

type fieldLineKind uint8

const (
	literal    fieldLineKind = iota
	added                    // to the dynamic table
	indexed                  // nothing but the index
	sizeUpdate               // not a field
)

// readFieldLine reads the representation that p starts with and returns its
// length, 0 where there is none.
func readFieldLine(p []byte) (r fieldLine, n int) {
	prefix := 4
	switch {
	case p[0]&0x80 != 0:
		r.kind, prefix = indexed, 7
	case p[0]&0x40 != 0:
		r.kind, prefix = added, 6
	case p[0]&0x20 != 0:
		r.kind, prefix = sizeUpdate, 5
	}
	if r.index, n = readInt(p, prefix); n == 0 {
		return r, 0
	}
	if r.kind == sizeUpdate || r.kind == indexed {
		if r.kind == indexed && r.index == 0 {
			return r, 0
		}
		return r, n
	}
	if r.index == 0 {
		k := r.name.read(p[n:])
		if n += k; k == 0 {
			return r, 0
		}
	}
	k := r.value.read(p[n:])
	if k == 0 {
		return r, 0
	}
	return r, n + k
}

// readInt reads an integer (RFC 7541, section 5.1) and returns its
// length, 0 where p does not hold one, or one out of bounds.
func readInt(p []byte, prefix int) (v, n int) {
	if len(p) == 0 {
		return 0, 0
	}
	top := 1<<prefix - 1
	if v = int(p[0]) & top; v < top {
		return v, 1
	}
	for n, shift := 1, 0; n < len(p) && shift < 28; n, shift = n+1, shift+7 {
		v += int(p[n]&0x7f) << shift
		if v > maxInt {
			return 0, 0
		}
		if p[n]&0x80 == 0 {
			return v, n + 1
		}
	}
	return 0, 0
}

// A stringLiteral is a string as a header block has it (RFC 7541, section 5.2).
type stringLiteral struct {
	raw     []byte
	huffman bool
}

// read reads the string that p starts with and returns its length there, 0
// where it is not whole.
func (s *stringLiteral) read(p []byte) int {
	size, n := readInt(p, 7)
	if n == 0 || size > len(p)-n {
		return 0
	}
	s.huffman, s.raw = p[0]&0x80 != 0, p[n:n+size]
	return n + size
}

func (s stringLiteral) text() (string, error) {
	if !s.huffman {
		return string(s.raw), nil
	}
	return hpack.HuffmanDecodeToString(s.raw)
}

// Inspect reports, without decoding it, whether block is well-formed, and what
// it is the head of: it has a pseudo-header field of a request or of a response
// by its name in the static table, where those are from 1 to 14.
func Inspect(block []byte) (request, response, ok bool) {
	for len(block) > 0 {
		r, n := readFieldLine(block)
		if n == 0 {
			return false, false, false
		}
		block = block[n:]
		switch {
		case r.kind == sizeUpdate || r.index == 0 || r.index > 14:
		case r.index < 8:
			request = true
		default: // :status
			response = true
		}
	}
	return request, response, true
}
