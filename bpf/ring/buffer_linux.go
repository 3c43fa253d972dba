//go:build amd64 || arm64

package ring

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What stands before each event in a ring buffer (BPF_RINGBUF_HDR_SZ and the bits
// of linux/bpf.h): its length, with two bits.
const (
	headSize  = 8
	busy      = 1 << 31 // it is being written
	discarded = 1 << 30 // it is none after all
)

func align(size int) int { return (size + 7) &^ 7 }

// A buffer is the ring buffer, seen by who empties it. Positions count all bytes
// that ever went through it.
type buffer struct {
	data     []byte   // twice, so that each event is in one piece
	produced *uintptr // the position to which the kernel has come
	consumed *uintptr // from which on the kernel may not write
	from, to uintptr  // what is scanned and not free
}

// openBuffer maps the ring buffer fd of size bytes.
func openBuffer(fd, size int) (*buffer, error) {
	page := os.Getpagesize()
	cons, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the position: %w", err)
	}
	prod, err := unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring buffer: %w", err)
	}
	b := newBuffer(prod[page:], (*uintptr)(unsafe.Pointer(&prod[0])), (*uintptr)(unsafe.Pointer(&cons[0])))
	return b, nil
}

func newBuffer(data []byte, produced, consumed *uintptr) *buffer {
	at := atomic.LoadUintptr(consumed)
	return &buffer{data: data, produced: produced, consumed: consumed, from: at, to: at}
}

// at returns where the byte of a position is in data.
func (b *buffer) at(position uintptr) uintptr { return position & uintptr(len(b.data)/2-1) }

// end returns the position to which the kernel has come.
func (b *buffer) end() uintptr { return atomic.LoadUintptr(b.produced) }

// left returns how many bytes are in the buffer.
func (b *buffer) left() uintptr { return b.end() - b.from }

// passed reports whether all before position is free.
func (b *buffer) passed(position uintptr) bool { return b.from-position < 1<<63 }

// head returns the first word of the event at position. The kernel writes it last.
func (b *buffer) head(position uintptr) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&b.data[b.at(position)])))
}

// scan looks at the events that are complete, and reports whether there are more
// of them than a block holds. Each is passed to seen once, until that fails.
func (b *buffer) scan(seen func(event []byte) error) (full bool, err error) {
	for end := b.end(); b.to != end; {
		head := b.head(b.to)
		if head&busy != 0 {
			return false, nil
		}
		size := int(head &^ discarded)
		next := b.to + headSize + uintptr(align(size))
		if next-b.from > BlockSize {
			return true, nil
		}
		if start := b.at(b.to) + headSize; head&discarded == 0 {
			if err := seen(b.data[start : start+uintptr(size)]); err != nil {
				return false, err
			}
		}
		b.to = next
	}
	return false, nil
}

// scanned returns what was scanned and is not free, as [Event] reads it.
func (b *buffer) scanned() []byte {
	start := b.at(b.from)
	return b.data[start : start+b.to-b.from]
}

// free lets the kernel write over what was scanned.
func (b *buffer) free() {
	b.from = b.to
	atomic.StoreUintptr(b.consumed, b.from)
}
