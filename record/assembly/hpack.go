package assembly

import (
	"golang.org/x/net/http2/hpack"

	"ssltape/record"
)

// Limits of header compression (RFC 7541).
const (
	hpackEntrySize = 32      // counted for an entry besides its name and value, section 4.1
	hpackTableSize = 4096    // of a dynamic table until the encoder says otherwise
	hpackMaxTable  = 1 << 20 // that is obeyed
	hpackMaxInt    = 1 << 28 // of lengths and indices
)

// hpackStatic is the static table (RFC 7541, appendix A) from index 1 on.
var hpackStatic = func() []record.Field {
	var all []byte
	for i := range 61 {
		all = append(all, 0x80|byte(i+1))
	}
	decoded, err := hpack.NewDecoder(0, nil).DecodeFull(all)
	if err != nil {
		panic(err)
	}
	fs := make([]record.Field, 0, len(decoded))
	for _, f := range decoded {
		fs = append(fs, record.Field{Name: f.Name, Value: f.Value})
	}
	return fs
}()

// A headerTable decodes the header blocks of one direction of an HTTP/2
// connection. It is of use also where it was not there from the start: indices
// count from the newest entry, so that those that were seen keep their numbers,
// and those older than all that was seen are fields that are not known.
type headerTable struct {
	entries []record.Field // oldest first; a name that is not known is ""
	size    int
	limit   int
}

func newHeaderTable() headerTable { return headerTable{limit: hpackTableSize} }

// lose forgets the entries: what was added since is not known. They may
// be more than what a peer has that uses the default size.
func (t *headerTable) lose() { *t = headerTable{limit: hpackMaxTable} }

// decode returns the fields of a whole header block, and what is odd about
// them; those that are not known are left out. Where ok is false the block is
// malformed from there on, and the table is of no use until it was lost.
func (t *headerTable) decode(block []byte) (fs record.Fields, odd anomalies, ok bool) {
	fs = make(record.Fields, 0, 16)
	size := 0
	for len(block) > 0 {
		r, n := readFieldLine(block)
		if n == 0 {
			return fs, odd, false
		}
		block = block[n:]
		if r.kind == hpackSizeUpdate {
			t.limit = min(r.index, hpackMaxTable)
			t.evict()
			continue
		}
		f, err := t.resolve(r)
		if err != nil {
			return fs, odd, false
		}
		if r.kind == hpackAdded {
			t.add(f)
		}
		size += len(f.Name) + len(f.Value) + hpackEntrySize
		switch {
		case f.Name == "":
			odd |= unknownField
		case size > maxHead: // a byte can stand for a field of any length
			odd |= fieldsCut
		default:
			fs = append(fs, f)
		}
	}
	return fs, odd, true
}

// resolve returns the field that r stands for, without a name where that is
// not known.
func (t *headerTable) resolve(r fieldLine) (f record.Field, err error) {
	if r.index > 0 {
		f = t.at(r.index)
	}
	if r.kind == hpackIndexed {
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
func (t *headerTable) at(i int) record.Field {
	if i <= len(hpackStatic) {
		return hpackStatic[i-1]
	}
	if i -= len(hpackStatic); i <= len(t.entries) {
		return t.entries[len(t.entries)-i]
	}
	return record.Field{}
}

func (t *headerTable) add(f record.Field) {
	t.entries = append(t.entries, f)
	t.size += len(f.Name) + len(f.Value) + hpackEntrySize
	t.evict()
}

func (t *headerTable) evict() {
	n := 0
	for t.size > t.limit && n < len(t.entries) {
		f := &t.entries[n]
		t.size -= len(f.Name) + len(f.Value) + hpackEntrySize
		*f = record.Field{}
		n++
	}
	t.entries = t.entries[n:]
}

// A fieldLine is how a header block represents a field (RFC 7541, section 6).
type fieldLine struct {
	kind        fieldLineKind
	index       int // of the field or of its name, 0 for a name of its own; or the new table size
	name, value hpackString
}

type fieldLineKind uint8

const (
	hpackLiteral    fieldLineKind = iota
	hpackAdded                    // to the dynamic table
	hpackIndexed                  // nothing but the index
	hpackSizeUpdate               // not a field
)

// readFieldLine reads the representation that p starts with and returns its
// length, 0 where there is none.
func readFieldLine(p []byte) (r fieldLine, n int) {
	prefix := 4
	switch {
	case p[0]&0x80 != 0:
		r.kind, prefix = hpackIndexed, 7
	case p[0]&0x40 != 0:
		r.kind, prefix = hpackAdded, 6
	case p[0]&0x20 != 0:
		r.kind, prefix = hpackSizeUpdate, 5
	}
	if r.index, n = readHpackInt(p, prefix); n == 0 {
		return r, 0
	}
	if r.kind == hpackSizeUpdate || r.kind == hpackIndexed {
		if r.kind == hpackIndexed && r.index == 0 {
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

// readHpackInt reads an integer (RFC 7541, section 5.1) and returns its
// length, 0 where p does not hold one, or one out of bounds.
func readHpackInt(p []byte, prefix int) (v, n int) {
	if len(p) == 0 {
		return 0, 0
	}
	top := 1<<prefix - 1
	if v = int(p[0]) & top; v < top {
		return v, 1
	}
	for n, shift := 1, 0; n < len(p) && shift < 28; n, shift = n+1, shift+7 {
		v += int(p[n]&0x7f) << shift
		if v > hpackMaxInt {
			return 0, 0
		}
		if p[n]&0x80 == 0 {
			return v, n + 1
		}
	}
	return 0, 0
}

// A hpackString is a string as a header block has it (RFC 7541, section 5.2).
type hpackString struct {
	raw     []byte
	huffman bool
}

// read reads the string that p starts with and returns its length there, 0
// where it is not whole.
func (s *hpackString) read(p []byte) int {
	size, n := readHpackInt(p, 7)
	if n == 0 || size > len(p)-n {
		return 0
	}
	s.huffman, s.raw = p[0]&0x80 != 0, p[n:n+size]
	return n + size
}

func (s hpackString) text() (string, error) {
	if !s.huffman {
		return string(s.raw), nil
	}
	return hpack.HuffmanDecodeToString(s.raw)
}

// headerKind tells whether block looks like a header block, of a request or
// of a response, without decoding it: requests use the names of the static
// table from 1 to 7, responses those from 8 to 14.
func headerKind(block []byte) verdict {
	kind := undecided
	for len(block) > 0 {
		r, n := readFieldLine(block)
		if n == 0 {
			return isOther
		}
		block = block[n:]
		switch {
		case r.kind == hpackSizeUpdate || r.index == 0:
		case r.index <= 7:
			kind = isRequest
		case r.index <= 14:
			kind = isResponse
		}
	}
	return kind
}
