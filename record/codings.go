package record

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// A gzipReader reads gzip members (RFC 1952) the way browsers do: flags and
// sums are not held against the data, and what follows the last member is
// left alone. (compress/gzip gives nothing of a file with a bad header sum.)
type gzipReader struct {
	in       *bufio.Reader
	inflater inflater
	inside   bool // a member
	some     bool // a member began
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		if !g.inside {
			if err := g.header(); err != nil {
				return 0, err
			}
		}
		n, err := g.inflater.Read(p)
		if err != io.EOF {
			return n, err
		}
		g.inside = false
		g.in.Discard(8) // sum and size
		if n > 0 {
			return n, nil
		}
	}
}

// header skips the header of a member.
func (g *gzipReader) header() error {
	for n := 10; ; n++ {
		head, err := g.in.Peek(min(n, g.in.Size()))
		if g.some && (len(head) < 3 || head[0] != 0x1f || head[1] != 0x8b || head[2] != 8) {
			return io.EOF
		}
		if size := gzipHeader(head); size > 0 {
			g.in.Discard(size)
			g.some, g.inside = true, true
			g.inflater.Reset(g.in, nil)
			return nil
		}
		if n > g.in.Size() {
			return errors.New("gzip: header is too long")
		}
		if err != nil {
			return noEOF(err)
		}
	}
}

// gzipHeader returns the length of the header that p starts with (RFC 1952,
// section 2.3), or 0 where p does not hold all of it.
func gzipHeader(p []byte) int {
	n := 10
	if len(p) < n {
		return 0
	}
	flags := p[3]
	if flags&4 != 0 { // extra field
		if len(p) < n+2 {
			return 0
		}
		n += 2 + int(p[n]) + int(p[n+1])<<8
	}
	for _, text := range []byte{8, 16} { // name, comment
		if flags&text != 0 {
			i := bytes.IndexByte(p[min(n, len(p)):], 0)
			if i < 0 {
				return 0
			}
			n += i + 1
		}
	}
	if flags&2 != 0 { // sum of the header
		n += 2
	}
	if n > len(p) {
		return 0
	}
	return n
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A countingReader counts what was read of r.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// A boundedReader reads a decoder of in within the limits.
type boundedReader struct {
	r  io.Reader
	in *countingReader
	n  int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.n > maxDecoded:
		return n, ErrDecodedSize
	case b.n > freeDecoded && b.n > maxRatio*b.in.n:
		return n, ErrDecodedRatio
	}
	return n, err
}

// maxChunkLine is how long the line before a chunk is that a chunkedReader reads.
const maxChunkLine = 256

// A chunkedReader reads a body in chunks (RFC 9112, section 7.1) that was not
// framed by them, and leaves the trailers alone.
type chunkedReader struct {
	in   *bufio.Reader
	left int64 // of the chunk
	some bool  // a chunk began
	over bool  // the last one was there
}

func (c *chunkedReader) Read(p []byte) (int, error) {
	if c.over {
		return 0, io.EOF
	}
	if c.left == 0 {
		line, err := c.line()
		if c.some && err == nil && len(bytes.TrimSpace(line)) == 0 {
			line, err = c.line()
		}
		if err != nil {
			return 0, noEOF(err)
		}
		c.some = true
		size, ok := chunkSize(line)
		switch {
		case !ok:
			return 0, errors.New("chunked: size of a chunk expected")
		case size == 0:
			c.over = true
			return 0, io.EOF
		}
		c.left = size
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, noEOF(err)
}

// line reads a line.
func (c *chunkedReader) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err == nil && len(line) > maxChunkLine {
		err = bufio.ErrBufferFull
	}
	return line, err
}

// chunkSize reads the size of a chunk in line, with an extension or without.
func chunkSize(line []byte) (size int64, ok bool) {
	i := 0
	for ; i < len(line) && i < 15; i++ {
		d := bytes.IndexByte([]byte("0123456789abcdef"), line[i]|0x20)
		if d < 0 {
			break
		}
		size = size<<4 | int64(d)
	}
	rest := bytes.TrimLeft(line[i:], " \t")
	return size, i > 0 && (len(rest) == 0 || rest[0] == ';' || rest[0] == '\r' || rest[0] == '\n')
}

// startsChunked reports whether head is the start of a body in chunks, or as
// much of it as there is.
func startsChunked(head []byte) bool {
	line, rest, whole := bytes.Cut(head, []byte("\n"))
	size, ok := chunkSize(line)
	if !ok || !whole || size >= int64(len(rest)) {
		return ok
	}
	rest = rest[size:]
	return size == 0 || rest[0] == '\r' || rest[0] == '\n'
}

// lzmaHeader is the length of the header of an .lzma file: a byte of
// properties, the size of the dictionary and that of the data.
const lzmaHeader = 13

// startsLZMA reports whether head is that of an .lzma file that can be read
// within the limits.
func startsLZMA(head []byte) bool {
	if len(head) < lzmaHeader || head[0] >= 9*5*5 {
		return false
	}
	window, size := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint64(head[5:])
	return window <= maxWindow && (size == 1<<64-1 || size <= maxDecoded)
}
