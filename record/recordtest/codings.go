package recordtest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"ssltape/record"
)

// An Encoder applies a content coding to what is written. Flush passes on all
// that was written so far.
type Encoder interface {
	io.WriteCloser
	Flush() error
}

// Encoders returns the content codings that [record.Message.Decode] knows, by
// their label. "deflate raw" is labelled deflate and lacks the zlib wrapper.
func Encoders() map[string]func(io.Writer) Encoder {
	return map[string]func(io.Writer) Encoder{
		"gzip":        func(w io.Writer) Encoder { return gzip.NewWriter(w) },
		"deflate":     func(w io.Writer) Encoder { return zlib.NewWriter(w) },
		"deflate raw": func(w io.Writer) Encoder { f, _ := flate.NewWriter(w, 6); return f },
		"br":          func(w io.Writer) Encoder { return brotli.NewWriter(w) },
		"zstd": func(w io.Writer) Encoder {
			z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			return z
		},
	}
}

// Encode returns parts, one after the other, in a coding of [Encoders]. It
// flushes after each.
func Encode(t testing.TB, coding string, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := Encoders()[coding](&b)
	for _, p := range parts {
		if _, err := io.WriteString(w, p); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Decode returns the body of m without its content coding, as far as it can
// be read.
func Decode(t testing.TB, m *record.Message) (string, error) {
	t.Helper()
	d, err := m.Decode()
	if err != nil {
		return "", err
	}
	defer d.Close()
	p, err := io.ReadAll(d)
	return string(p), err
}
