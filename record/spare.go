package record

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Decoders are used again: one holds tens to hundreds of kilobytes, which takes
// far longer to get and to clear than a small body takes to decode.
var (
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nothing) }}
	brotlis   = sync.Pool{New: func() any { return brotli.NewReader(nothing) }}
	zstds     = sync.Pool{New: func() any {
		// Of one goroutine, hence nothing is left of one that is not closed.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err) // only for options that it does not know
		}
		return z
	}}
)

var nothing = strings.NewReader("")

// An inflater is what package flate makes.
type inflater interface {
	io.Reader
	flate.Resetter
}

// inflate returns an inflater (RFC 1951) of r, which free takes back.
func inflate(r io.Reader) (_ io.Reader, free func()) {
	z := inflaters.Get().(inflater)
	z.Reset(r, nil) // its error is always nil
	return z, func() {
		z.Reset(nothing, nil)
		inflaters.Put(z)
	}
}

// unbrotli is inflate for brotli (RFC 7932).
func unbrotli(r io.Reader) (_ io.Reader, free func()) {
	z := brotlis.Get().(*brotli.Reader)
	z.Reset(r) // its error is always nil
	return z, func() {
		z.Reset(nothing)
		brotlis.Put(z)
	}
}

// unzstd is inflate for zstd (RFC 8878).
func unzstd(r io.Reader) (_ io.Reader, free func()) {
	z := zstds.Get().(*zstd.Decoder)
	z.Reset(r) // its error is always nil
	return z, func() {
		z.Reset(nil)
		zstds.Put(z)
	}
}

// decodes reports whether a decoder finds no fault with the start of a body for
// a while; it does soon with text.
func decodes(p []byte, open func(r io.Reader) (io.Reader, func())) bool {
	r, free := open(bytes.NewReader(p))
	defer free()
	var some [64]byte
	_, err := io.ReadFull(r, some[:])
	return err == nil || noEOF(err) == io.ErrUnexpectedEOF
}
