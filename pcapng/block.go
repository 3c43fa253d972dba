package pcapng

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"ssltape/record"
)

// Block types and option codes of draft-ietf-opsawg-pcapng, and Apple's.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockNames     = 4
	blockEnhanced  = 6
	blockSecrets   = 10
	blockProcess   = 0x80000001 // Darwin's process information
	blockFiller    = 0x8000F111 // of the range for local use, which readers pass over

	minBlock = 12 // its type and twice its length

	optEnd       = 0
	optComment   = 1
	optFlags     = 2
	optDropCount = 4
	optProcess   = 8     // epb_processid_threadid
	optDarwin    = 32769 // number of a Darwin process block
	optPName     = 2     // of a Darwin process block

	maxOption = 65535
)

// Values of epb_flags.
const (
	flagInbound  = 1
	flagOutbound = 2
)

// flushSize is how many bytes of whole blocks are collected before they are
// passed on.
const flushSize = 128 << 10

// page is where the kernel may end a write: when the writer is killed, or the
// disk is full, a file has all that was to be written up to a multiple of it,
// whatever the size of the pages of the system and of the file.
const page = 4096

// A blockBuffer collects blocks. What it passes on to w ends where a block
// ends, and a block that fits a page of the file is within one, so that a file
// is valid whenever and wherever its writer stops.
type blockBuffer struct {
	w     io.Writer
	buf   []byte
	start int   // of the block under construction in buf
	base  int   // where buf is in its page of the file
	err   error // the first of w; nothing is written after it
}

// room returns how much is left of the page in which the next block begins.
func (b *blockBuffer) room() int { return page - (b.base+len(b.buf))%page }

// fits reports whether a block of n bytes, and any other one after it, can be
// in the last room bytes of a page.
func fits(n, room int) bool { return n == room || n+minBlock <= room }

// settle brings the blocks from start on to where none crosses the end of a
// page that it could avoid.
func (b *blockBuffer) settle(start int) {
	for start < len(b.buf) {
		n := int(binary.LittleEndian.Uint32(b.buf[start+4:]))
		if room := page - (b.base+start)%page; !fits(n, room) && fits(n, page) {
			start = b.fill(start, room)
		}
		start += n
	}
}

var zeros [page + minBlock]byte

// fill inserts what fills a page of which room bytes are left, and returns the
// place after it.
func (b *blockBuffer) fill(at, room int) int {
	if room < minBlock { // only after a block that is longer than a page
		room += page
	}
	b.buf = slices.Insert(b.buf, at, zeros[:room]...)
	binary.LittleEndian.PutUint32(b.buf[at:], blockFiller)
	binary.LittleEndian.PutUint32(b.buf[at+4:], uint32(room))
	binary.LittleEndian.PutUint32(b.buf[at+room-4:], uint32(room))
	return at + room
}

// Write implements [io.Writer] for whole blocks made elsewhere.
func (b *blockBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	return len(p), b.err
}

// begin starts a block.
func (b *blockBuffer) begin(typ uint32) {
	b.start = len(b.buf)
	b.uint32(typ)
	b.uint32(0) // its length, set by end
}

// end closes the block that begin started, and may move it to the next page.
func (b *blockBuffer) end() {
	b.pad(len(b.buf) - b.start)
	n := uint32(len(b.buf)-b.start) + 4
	b.uint32(n)
	binary.LittleEndian.PutUint32(b.buf[b.start+4:], n)
	b.settle(b.start)
}

func (b *blockBuffer) uint32(n uint32) { b.buf = binary.LittleEndian.AppendUint32(b.buf, n) }

// pad fills up a field of n bytes to a multiple of four.
func (b *blockBuffer) pad(n int) {
	b.buf = append(b.buf, zeros[:-n&3]...)
}

func (b *blockBuffer) option(code, size int) {
	b.buf = binary.LittleEndian.AppendUint16(b.buf, uint16(code))
	b.buf = binary.LittleEndian.AppendUint16(b.buf, uint16(size))
}

func (b *blockBuffer) optionBytes(code int, p []byte) {
	b.option(code, len(p))
	b.buf = append(b.buf, p...)
	b.pad(len(p))
}

func (b *blockBuffer) optionUint32(code int, n uint32) {
	b.option(code, 4)
	b.uint32(n)
}

func (b *blockBuffer) optionUint64(code int, n uint64) {
	b.option(code, 8)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, n)
}

// flush passes on what was collected.
func (b *blockBuffer) flush() error {
	if b.err == nil && len(b.buf) > 0 {
		var n int
		if n, b.err = b.w.Write(b.buf); b.err != nil {
			b.cut(n)
		}
	}
	b.base = (b.base + len(b.buf)) % page
	b.buf = b.buf[:0]
	return b.err
}

// cut takes away the part of a block that ends a file on a disk that was full
// after n bytes of buf. Where that is not possible the file ends in the middle
// of a block, which readers tell.
func (b *blockBuffer) cut(n int) {
	whole := 0
	for whole+8 <= n {
		size := int(binary.LittleEndian.Uint32(b.buf[whole+4:]))
		if whole+size > n {
			break
		}
		whole += size
	}
	record.TakeBack(b.w, int64(n-whole))
}

// names adds a name resolution block that says what addr is called.
func (b *blockBuffer) names(addr netip.Addr, name string) {
	const recordEnd, recordIPv4, recordIPv6 = 0, 1, 2
	b.begin(blockNames)
	ip, typ := addr.AsSlice(), recordIPv6
	if addr.Is4() {
		typ = recordIPv4
	}
	n := len(ip) + len(name) + 1
	b.option(typ, n)
	b.buf = append(b.buf, ip...)
	b.buf = append(b.buf, name...)
	b.buf = append(b.buf, 0)
	b.pad(n)
	b.option(recordEnd, 0)
	b.end()
}

// comment adds a name resolution block without names, which is a place for a
// comment that is of no packet: readers that do not know it pass over it, and
// it is no record that others would have to store.
func (b *blockBuffer) comment(c comment) {
	b.begin(blockNames)
	b.option(optEnd, 0) // of the names
	b.optionBytes(optComment, c[:min(len(c), maxOption)])
	b.option(optEnd, 0)
	b.end()
}

// secrets adds a decryption secrets block with a TLS key log, which has to come
// before the packets that need it.
func (b *blockBuffer) secrets(keyLog []byte) {
	const typeTLS = 0x544c534b
	b.begin(blockSecrets)
	b.uint32(typeTLS)
	b.uint32(uint32(len(keyLog)))
	b.buf = append(b.buf, keyLog...)
	b.end()
}

// process adds a Darwin process block.
func (b *blockBuffer) process(pid uint32, name string) {
	b.begin(blockProcess)
	b.uint32(pid)
	b.optionBytes(optPName, []byte(text(name)))
	b.option(optEnd, 0)
	b.end()
}

// text makes s the value of an option: valid UTF-8 without control
// characters, not too long.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	for len(s) > maxOption-3 { // room for padding and for the first byte of if_filter
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
