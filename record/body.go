package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// spoolSize is the number of bytes of a body that are kept in memory; a body
// that grows beyond it moves to a temporary file.
const spoolSize = 1 << 20

// A Body holds the bytes of a message body, in memory while it is small and
// in a temporary file that has no name once it is not. The zero Body is empty
// and ready to use. A Body must not be copied once it was written to, but to be
// read while the original is there.
type Body struct {
	mem   []byte
	buf   *buffer // that mem is in, nil where it is not of the pool
	file  *os.File
	tried uint8 // of spoolDirs: those for a file before this one, and its own
	size  int64
}

// A buffer is memory of bodies that is used again: the first touch of new
// memory costs several times what is done with it, on virtual machines above all.
type buffer struct {
	mem  []byte
	uses atomic.Int32 // bodies that share it
}

// Buffers have minBuffer bytes times a power of 2, up to spoolSize.
const minBuffer = 16 << 10

// buffers are those that are free, by size.
var buffers [7]sync.Pool

func classOf(n int) int { return bits.Len(uint((n - 1) / minBuffer)) }

// newBuffer returns a buffer of at least n bytes, at most spoolSize.
func newBuffer(n int) *buffer {
	class := classOf(n)
	b, ok := buffers[class].Get().(*buffer)
	if !ok {
		b = &buffer{mem: make([]byte, minBuffer<<class)}
	}
	b.uses.Store(1)
	return b
}

// drop ends the use of b by a body.
func (b *buffer) drop() {
	if b != nil && b.uses.Add(-1) == 0 {
		buffers[classOf(len(b.mem))].Put(b)
	}
}

// NewBody returns a Body that holds p, which it owns from then on.
func NewBody(p []byte) Body { return Body{mem: p, size: int64(len(p))} }

// Len returns the number of bytes that b holds.
func (b *Body) Len() int64 { return b.size }

// Grow makes room for n more bytes, as far as they are kept in memory.
func (b *Body) Grow(n int64) {
	need := b.size + min(n, spoolSize-b.size)
	if b.file != nil || need <= int64(cap(b.mem)) {
		return
	}
	if need <= minBuffer/4 {
		b.mem = slices.Grow(b.mem, int(need-b.size))
		return
	}
	buf := newBuffer(int(need))
	mem := append(buf.mem[:0], b.mem...)
	b.buf.drop()
	b.mem, b.buf = mem, buf
}

// Write appends p. It fails only where no temporary file can be written.
func (b *Body) Write(p []byte) (int, error) {
	if b.file == nil && b.size+int64(len(p)) <= spoolSize {
		b.Grow(int64(len(p)))
		b.mem = append(b.mem, p...)
		b.size += int64(len(p))
		return len(p), nil
	}
	if b.file == nil {
		if err := b.spill(); err != nil {
			return 0, fmt.Errorf("keep body: %w", err)
		}
	}
	n, err := b.file.WriteAt(p, b.size)
	for err != nil {
		if b.spill() != nil {
			err = fmt.Errorf("keep body: %w", err)
			break
		}
		n, err = b.file.WriteAt(p, b.size)
	}
	b.size += int64(n)
	return n, err
}

// errNoRoom is the error of a body for which no folder is left to try.
var errNoRoom = errors.New("no folder has room for it")

// spill moves b to a temporary file in the next folder that has room for it. Its
// error is that of the first one.
func (b *Body) spill() error {
	var errs []error
	for ; int(b.tried) < len(spoolDirs); b.tried++ {
		f, err := spoolFile(spoolDirs[b.tried])
		if err == nil {
			if err = b.copyTo(f); err != nil {
				_ = closeSpool(f)
			}
		}
		if err == nil {
			if b.file != nil {
				_ = closeSpool(b.file) // nothing in it is missed
			}
			b.buf.drop()
			b.file, b.mem, b.buf = f, nil, nil
			b.tried++
			return nil
		}
		errs = append(errs, err)
	}
	return cmp.Or(append(errs, errNoRoom)...)
}

// copyTo writes what b holds to f, which is empty.
func (b *Body) copyTo(f *os.File) (err error) {
	if b.file == nil {
		_, err = f.WriteAt(b.mem, 0)
	} else {
		_, err = io.Copy(f, b.Reader())
	}
	return err
}

// ReadAt implements [io.ReaderAt].
func (b *Body) ReadAt(p []byte, off int64) (int, error) {
	if b.file != nil {
		return b.file.ReadAt(p, off)
	}
	return bytes.NewReader(b.mem).ReadAt(p, off)
}

// Reader returns a reader of what b holds now.
func (b *Body) Reader() *io.SectionReader { return io.NewSectionReader(b, 0, b.size) }

// Bytes returns what b holds, to be read only and until b changes. For a large
// body it reads the whole of the temporary file into memory: prefer Reader.
func (b *Body) Bytes() ([]byte, error) {
	if b.file == nil {
		return b.mem, nil
	}
	p := make([]byte, b.size)
	if _, err := io.ReadFull(b.Reader(), p); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return p, nil
}

// Memory returns what b holds, to be read only and until b changes, if that is
// in memory, else nil.
func (b *Body) Memory() []byte { return b.mem }

// Share makes b the first n bytes of what src holds, which are in memory,
// without a copy of them. Either may be written to after that.
func (b *Body) Share(src *Body, n int64) {
	if b.buf != src.buf {
		b.buf.drop()
		if src.buf != nil {
			src.buf.uses.Add(1)
		}
	}
	*b = Body{mem: src.mem[:n:n], buf: src.buf, size: n}
}

// Close frees the memory and the temporary file, if there is one, and empties b.
func (b *Body) Close() error {
	f := b.file
	b.buf.drop()
	*b = Body{}
	if f == nil {
		return nil
	}
	return closeSpool(f)
}
