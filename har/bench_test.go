package har_test

import (
	"bytes"
	"fmt"
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
	for _, n := range []int{4_000, 100_000} {
		b.Run(fmt.Sprintf("%dKB/file", n/1000), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "a.har"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			benchmarkWrite(b, f, random[:n])
		})
	}
	const pieces = 2000
	b.Run("events/pipe", func(b *testing.B) {
		x := exchange()
		x.Response.Events = nil
		var body []byte
		for i := range pieces {
			data := fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":{"text":" some words"}}`, i)
			body = fmt.Appendf(body, "data: %s\n\n", data)
			x.Response.Events = append(x.Response.Events, record.Event{Time: x.Response.Start, Type: "message", Data: data})
		}
		x.Response.Body = record.NewBody(body)
		benchmarkEntry(b, io.Discard, x, len(body))
	})
	b.Run("messages/pipe", func(b *testing.B) {
		x, size := exchange(), 0
		for i := range pieces {
			data := fmt.Sprintf(`{"type":"response.text.delta","index":%d,"delta":" some words"}`, i)
			x.WebSocket = append(x.WebSocket, record.WebSocketMessage{Time: x.Response.Start, Opcode: 1, Data: data})
			size += len(data)
		}
		benchmarkEntry(b, io.Discard, x, size)
	})
}

func benchmarkWrite(b *testing.B, out io.Writer, body []byte) {
	x := exchange()
	x.Response.Body = record.NewBody(body)
	benchmarkEntry(b, out, x, len(body))
}

// benchmarkEntry writes x, which has size bytes of payload, again and again.
func benchmarkEntry(b *testing.B, out io.Writer, x *record.Exchange, size int) {
	w, err := har.NewWriter(out, har.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
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
