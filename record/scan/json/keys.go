package json

import (
	"encoding/binary"
	"math/bits"

	"ssltape/record/secret/char"
)

// Objects have the same keys again and again. Those that tell no more than the name of
// a value are known again as they are written, with the quotes and the colon, and
// without a look at each of their bytes.

// A keyTable has such keys, by their first eight bytes.
type keyTable struct {
	keys [32]knownKey
	last *knownKey // the one that came last
	none knownKey  // comes before the first one
}

// A knownKey is a key as it was written, which objects of one kind have in one order.
type knownKey struct {
	n    int
	text [maxKnown / 8]uint64
	mask [maxKnown / 8]uint64 // which bytes of text are the key
	next *knownKey            // what followed on it the last time
}

// maxKnown is the length of the longest key that is remembered, and how many bytes
// are looked at.
const maxKnown = 32

// manyKeys is how many keys come before they are remembered: it is not worth it for
// a short body.
const manyKeys = 16

// newKeyTable returns a table without keys.
func newKeyTable() *keyTable {
	t := &keyTable{}
	t.last = &t.none
	t.none.next = &t.none
	for i := range t.keys {
		t.keys[i].next = &t.none
	}
	return t
}

// at returns where the key that text begins with would be, after so many backslashes
// and a quote.
func (t *keyTable) at(text []byte, slashes int) *knownKey {
	begin := binary.LittleEndian.Uint64(text[slashes+1:])
	if end := char.Equal(begin, '"') | char.Equal(begin, '\\'); end != 0 {
		begin &= 1<<(bits.TrailingZeros64(end)&^7) - 1
	}
	return &t.keys[begin*0x9e3779b97f4a7c15>>59]
}

// begins reports whether p, which has maxKnown bytes, begins with k.
func (k *knownKey) begins(p []byte) bool {
	q := (*[maxKnown]byte)(p)
	other := (binary.LittleEndian.Uint64(q[0:])^k.text[0])&k.mask[0] | (binary.LittleEndian.Uint64(q[8:])^k.text[1])&k.mask[1] |
		(binary.LittleEndian.Uint64(q[16:])^k.text[2])&k.mask[2] | (binary.LittleEndian.Uint64(q[24:])^k.text[3])&k.mask[3]
	return other == 0 && k.n > 0
}

// find returns the key that p, which has maxKnown bytes, begins with, before the quotes
// of which stand so many backslashes, or nil.
func (t *keyTable) find(p []byte, slashes int) *knownKey {
	k := t.last.next
	if !k.begins(p) {
		if k = t.at(p, slashes); !k.begins(p) {
			return nil
		}
		t.last.next = k
	}
	t.last = k
	return k
}

// add adds the key that p, which has maxKnown bytes, begins with.
func (t *keyTable) add(p []byte, n, slashes int) {
	k := t.at(p, slashes)
	k.n, k.next = n, &t.none
	for i := range k.text {
		k.text[i], k.mask[i] = binary.LittleEndian.Uint64(p[8*i:]), 0
		if size := min(n-8*i, 8); size > 0 {
			k.mask[i] = ^uint64(0) >> (64 - 8*size)
		}
	}
}

// known takes the key that p begins with, before the quotes of which stand so many
// backslashes, if it is known, and returns its length or 0.
func (l *lexer) known(p []byte, slashes int) int {
	if l.after || l.isData || l.beside != 0 || l.deltas != nil && l.deltas.root != 0 || len(p) < maxKnown {
		return 0
	}
	key := l.keys.find(p, slashes)
	if key == nil {
		return 0
	}
	l.name, l.lent = p[1+slashes:key.n-2-slashes], true
	l.after, l.last = true, false
	l.plainKey()
	return key.n
}

// remember remembers the key that p[:n] is, if many came.
func (l *lexer) remember(p []byte, n, slashes int) {
	if l.keys == nil {
		if l.count++; l.count < manyKeys {
			return
		}
		l.keys = newKeyTable()
	}
	if n <= maxKnown && len(p) >= maxKnown {
		l.keys.add(p, n, slashes)
	}
}
