package pcapng_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// BenchmarkWriter is about payload: a chunk a packet, with the packet that
// acknowledges it.
func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{100, 1400, 16 << 10, 60000, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w, err := pcapng.NewWriter(io.Discard, pcapng.Options{})
			if err != nil {
				b.Fatal(err)
			}
			c := record.Chunk{Conn: &record.Conn{ID: 1, PID: 42, Comm: "node"}, Dir: record.In,
				Time: recordtest.Start, Data: bytes.Repeat([]byte("x\n"), size/2)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.WriteChunk(c); err != nil {
					b.Fatal(err)
				}
				c.Off += int64(size)
				c.Time = c.Time.Add(time.Microsecond)
			}
		})
	}
}

// BenchmarkRead is about the packets of one long response.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 1400, 16 << 10, 60000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const total = 16 << 20
			var file bytes.Buffer
			w, err := pcapng.NewWriter(&file, pcapng.Options{})
			if err != nil {
				b.Fatal(err)
			}
			c := record.Chunk{Conn: &record.Conn{ID: 1, PID: 42, Comm: "node"}, Dir: record.In,
				Time: recordtest.Start, Data: bytes.Repeat([]byte("x\n"), size/2)}
			for ; c.Off < total; c.Off += int64(size) {
				if err := w.WriteChunk(c); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range pcapng.Read(bytes.NewReader(file.Bytes())) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// A packet costs no allocation.
func TestWriterAllocates(t *testing.T) {
	w, err := pcapng.NewWriter(io.Discard, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := record.Chunk{Conn: &record.Conn{ID: 1}, Dir: record.In, Time: recordtest.Start, Data: bytes.Repeat([]byte("x\n"), 700)}
	allocs := testing.AllocsPerRun(1000, func() {
		if err := w.WriteChunk(c); err != nil {
			t.Fatal(err)
		}
		c.Off += int64(len(c.Data))
		c.Time = c.Time.Add(time.Millisecond)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a chunk, want none", allocs)
	}
}
