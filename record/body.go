package record

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
)

// spoolSize is the number of bytes of a body that are kept in memory; a body
// that grows beyond it moves to a temporary file.
const spoolSize = 1 << 20

// A Body holds the bytes of a message body, in memory while it is small and
// in a temporary file that has no name once it is not. The zero Body is empty
// and ready to use. A Body must not be copied once it was written to.
type Body struct {
	mem  []byte
	file *os.File
	size int64
}

// NewBody returns a Body that holds p, which it owns from then on.
func NewBody(p []byte) Body { return Body{mem: p, size: int64(len(p))} }

// Len returns the number of bytes that b holds.
func (b *Body) Len() int64 { return b.size }

// Grow makes room for n more bytes, as far as they are kept in memory.
func (b *Body) Grow(n int64) {
	if b.file == nil {
		b.mem = slices.Grow(b.mem, int(max(0, min(n, spoolSize-b.size))))
	}
}

// Write appends p. It fails only where a temporary file cannot be written.
func (b *Body) Write(p []byte) (int, error) {
	if b.file == nil && b.size+int64(len(p)) <= spoolSize {
		if need := len(b.mem) + len(p); need > cap(b.mem) { // append alone would copy a large one ten times
			b.Grow(int64(max(len(p), cap(b.mem))))
		}
		b.mem = append(b.mem, p...)
		b.size += int64(len(p))
		return len(p), nil
	}
	if b.file == nil {
		if err := b.spill(); err != nil {
			return 0, err
		}
	}
	n, err := b.file.WriteAt(p, b.size)
	b.size += int64(n)
	if err != nil {
		err = fmt.Errorf("keep body: %w", err)
	}
	return n, err
}

// spill moves what is in memory to a temporary file.
func (b *Body) spill() error {
	f, err := spoolFile()
	if err != nil {
		return fmt.Errorf("keep body: %w", err)
	}
	if _, err := f.WriteAt(b.mem, 0); err != nil {
		f.Close()
		return fmt.Errorf("keep body: %w", err)
	}
	b.file, b.mem = f, nil
	return nil
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

// Bytes returns what b holds, to be read only. For a large body it reads the
// whole of the temporary file into memory: prefer Reader.
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

// Memory returns what b holds, to be read only, if that is in memory, else nil.
func (b *Body) Memory() []byte { return b.mem }

// Share makes b the first n bytes of what src holds, which are in memory,
// without a copy of them. Either may be written to after that.
func (b *Body) Share(src *Body, n int64) { *b = Body{mem: src.mem[:n:n], size: n} }

// Close frees the temporary file, if there is one, and empties b.
func (b *Body) Close() error {
	f := b.file
	*b = Body{}
	if f == nil {
		return nil
	}
	return closeSpool(f)
}
