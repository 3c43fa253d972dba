package binary

import (
	"encoding/binary"
	"math"
	"strings"

	"ssltape/record/secret/char"
)

// Of returns the format of a media type, or nil.
func Of(media string) Format {
	switch name := media[strings.IndexByte(media, '/')+1:]; {
	case name == "msgpack", name == "x-msgpack", name == "vnd.msgpack", strings.HasSuffix(name, "+msgpack"):
		return MessagePack
	case name == "cbor", name == "cbor-seq", strings.HasSuffix(name, "+cbor"), strings.HasSuffix(name, "+cbor-seq"):
		return CBOR
	}
	return nil
}

// MinGuess is the number of bytes by which Guess tells a format.
const MinGuess = 8

// Guess returns the format of what begins with p if that is a map whose first key
// is a name, else nil. It looks at MinGuess bytes, whatever else has come.
func Guess(p []byte) Format {
	if len(p) < MinGuess || p[0] < 0x80 {
		return nil
	}
	p = p[:MinGuess]
	for _, f := range []Format{MessagePack, CBOR} {
		it, n := readItem(f, p)
		if it.kind != dict || it.n == 0 {
			continue
		}
		key, k := readItem(f, p[n:])
		name := p[n+k : min(int64(len(p)), int64(n+k)+max(key.n, 0))]
		if key.kind == text && len(name) > 0 && char.Run(name, char.IsDotted) == len(name) {
			return f
		}
	}
	return nil
}

// readItem returns the item that p begins with and the length of its head.
func readItem(f Format, p []byte) (it item, n int) {
	for n < len(p) {
		if it, n = f(p[:min(max(n, 1), len(p))]); it.kind != malformed || n <= 1 {
			break
		}
	}
	return it, max(n, 1)
}

// MessagePack is the format of https://github.com/msgpack/msgpack/blob/master/spec.md.
func MessagePack(head []byte) (it item, need int) {
	c := head[0]
	switch {
	case c < 0x80 || c >= 0xe0:
		return item{kind: scalar}, 1
	case c < 0x90:
		return item{dict, int64(c & 0x0f)}, 1
	case c < 0xa0:
		return item{list, int64(c & 0x0f)}, 1
	case c < 0xc0:
		return item{text, int64(c & 0x1f)}, 1
	}
	f := packed[c-0xc0]
	if need = 1 + f.size; len(head) < need || f.kind == malformed {
		return item{}, need
	}
	n := int64(f.fixed)
	if f.size > 0 {
		n += int64(size(head[1:need]))
	}
	return item{f.kind, n}, need
}

// packed are the items of MessagePack that begin with 0xc0 to 0xdf: their kind, how
// many bytes their size has, and what is added to that.
var packed = [0x20]struct {
	kind        kind
	size, fixed int
}{
	{scalar, 0, 0}, {}, {scalar, 0, 0}, {scalar, 0, 0}, // nil, never used, false, true
	{bytes, 1, 0}, {bytes, 2, 0}, {bytes, 4, 0},
	{scalar, 1, 1}, {scalar, 2, 1}, {scalar, 4, 1}, // of an application, with a type
	{scalar, 0, 4}, {scalar, 0, 8}, // floating point
	{scalar, 0, 1}, {scalar, 0, 2}, {scalar, 0, 4}, {scalar, 0, 8},
	{scalar, 0, 1}, {scalar, 0, 2}, {scalar, 0, 4}, {scalar, 0, 8},
	{scalar, 0, 2}, {scalar, 0, 3}, {scalar, 0, 5}, {scalar, 0, 9}, {scalar, 0, 17}, // of an application
	{text, 1, 0}, {text, 2, 0}, {text, 4, 0},
	{list, 2, 0}, {list, 4, 0}, {dict, 2, 0}, {dict, 4, 0},
}

// size returns the number in p, of 1, 2, 4 or 8 bytes.
func size(p []byte) uint64 {
	switch len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	case 4:
		return uint64(binary.BigEndian.Uint32(p))
	}
	return binary.BigEndian.Uint64(p)
}

// CBOR is the format of RFC 8949.
func CBOR(head []byte) (it item, need int) {
	major, info := head[0]>>5, head[0]&0x1f
	if need = 1; (major < 2 || major == 7) && info < 28 { // the number is what follows
		return item{scalar, int64(1) << max(info, 23) >> 24}, 1
	}
	if info >= 24 && info < 28 {
		need += 1 << (info - 24)
	}
	if len(head) < need {
		return item{}, need
	}
	n := uint64(info)
	if need > 1 {
		n = size(head[1:need])
	}
	count := int64(min(n, math.MaxInt64))
	open := info == 31 && major >= 2 && major != 6 // RFC 8949, section 3.2
	switch {
	case open && major == 7:
		return item{kind: stop}, need
	case open:
		count = unknown
	case info >= 28:
		return item{}, need
	}
	switch major {
	case 2:
		return item{bytes, count}, need
	case 3:
		return item{text, count}, need
	case 4:
		return item{list, count}, need
	case 5:
		return item{dict, count}, need
	case 6:
		return item{kind: prefix}, need
	}
	return item{}, need
}
