package frame

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
)

const (
	// EmptyBlock ends what a message is compressed to, and is not sent (RFC 7692,
	// section 7.2.1).
	EmptyBlock = "\x00\x00\xff\xff"

	// MaxMessage is how many bytes of a message are read, compressed or not.
	MaxMessage = 16 << 20

	windowSize = 32 << 10 // of DEFLATE, RFC 1951, section 2
)

// An Inflater decompresses messages of WebSockets (RFC 7692, section 7.2.2).
type Inflater struct{ r io.ReadCloser }

var errTooLong = errors.New("message is too long")

// Inflate decompresses p, a whole message, which may refer to what is in window,
// the end of those before it; where these are not known it can be read all the
// same if it does not refer to them: what refers to too much is not well-formed.
// It returns what it could read with an error for the rest.
func (f *Inflater) Inflate(p, window []byte) ([]byte, error) {
	src := io.MultiReader(bytes.NewReader(p), strings.NewReader(EmptyBlock+"\x01"+EmptyBlock)) // and the end of the stream
	if f.r == nil {
		f.r = flate.NewReaderDict(src, window)
	} else if err := f.r.(flate.Resetter).Reset(src, window); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, io.LimitReader(f.r, MaxMessage+1)); err != nil {
		return out.Bytes(), err
	}
	if out.Len() > MaxMessage {
		return out.Bytes(), errTooLong
	}
	return out.Bytes(), nil
}

// Slide returns the window after a message, in the memory of window where there
// is room.
func Slide(window, message []byte) []byte {
	window = append(window, message[max(0, len(message)-windowSize):]...)
	return append(window[:0], window[max(0, len(window)-windowSize):]...)
}
