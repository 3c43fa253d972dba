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
type keyTable [32]knownKey

// A knownKey is a key as it was written.
type knownKey struct {
	begin uint64 // the first bytes of the name, but for what follows on it
	n     uint8
	text  [maxKnown]byte
}

const maxKnown = 31

// manyKeys is how many keys come before they are remembered: it is not worth it for
// a short body.
const manyKeys = 16

// at returns where the key that text begins with would be, and how its name begins
// after so many backslashes and a quote.
func (t *keyTable) at(text []byte, slashes int) (*knownKey, uint64) {
	begin := binary.LittleEndian.Uint64(text[slashes+1:])
	if end := char.Equal(begin, '"') | char.Equal(begin, '\\'); end != 0 {
		begin &= 1<<(bits.TrailingZeros64(end)&^7) - 1
	}
	return &t[begin*0x9e3779b97f4a7c15>>59], begin
}

// known takes the key that p begins with, before the quotes of which stand so many
// backslashes, if it is known, and returns its length or 0.
func (l *lexer) known(p []byte, slashes int) int {
	if l.after || l.isData || l.beside != 0 || l.deltas != nil && l.deltas.root != 0 || len(p) < maxKnown {
		return 0
	}
	key, begin := l.keys.at(p, slashes)
	n := int(key.n)
	if key.begin != begin || n == 0 || string(p[:n]) != string(key.text[:n]) {
		return 0
	}
	l.name, l.lent = p[1+slashes:n-2-slashes], true
	l.after, l.last = true, false
	l.plainKey()
	return n
}

// remember remembers the key that p[:n] is, if many came.
func (l *lexer) remember(p []byte, n, slashes int) {
	if l.keys == nil {
		if l.count++; l.count < manyKeys {
			return
		}
		l.keys = new(keyTable)
	}
	if n <= maxKnown && len(p) >= maxKnown {
		key, begin := l.keys.at(p, slashes)
		key.begin, key.n = begin, uint8(copy(key.text[:], p[:n]))
	}
}
