package har_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/har"
	"ssltape/record"
)

// BenchmarkWrite writes an entry with a body of 8 MiB.
func BenchmarkWrite(b *testing.B) {
	const size = 8 << 20
	random := make([]byte, size)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, bm := range []struct {
		name string
		body []byte
	}{
		{"ascii", []byte(strings.Repeat(`{"text":"Hello, world","n":1}`+"\n", size/30))},
		{"utf8", []byte(strings.Repeat("Grüße, 世界. Ещё. ", size/32))},
		{"binary", random},
	} {
		b.Run(bm.name+"/pipe", func(b *testing.B) { benchmarkWrite(b, io.Discard, bm.body) })
		b.Run(bm.name+"/file", func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "a.har"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			benchmarkWrite(b, f, bm.body)
		})
	}
	b.Run("small/file", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "a.har"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		benchmarkWrite(b, f, []byte(`{"ok":true}`))
	})
}

func benchmarkWrite(b *testing.B, out io.Writer, body []byte) {
	x := exchange()
	x.Response.Body = record.NewBody(body)
	w, err := har.NewWriter(out, har.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WriteExchange(x); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	w, err := har.NewWriter(&file, har.Options{})
	if err != nil {
		b.Fatal(err)
	}
	x := exchange()
	x.Response.Body = record.NewBody([]byte(strings.Repeat(`{"text":"Hello, world","n":1}`+"\n", 1<<15)))
	for range 16 {
		if err := w.WriteExchange(x); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range har.Read(bytes.NewReader(file.Bytes())) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
