package session_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/redact"
	"ssltape/record/session/sessiontest"
	"ssltape/replay"
)

// BenchmarkPipeline measures what an exchange costs behind the queue of events:
// assembly, redaction and the file. Time is CPU time, kernel included.
func BenchmarkPipeline(b *testing.B) {
	for _, format := range []string{"har", "pcapng", "jsonl"} {
		for _, size := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", format, size), func(b *testing.B) { pipeline(b, format, size) })
		}
	}
}

func pipeline(b *testing.B, format string, size int) {
	w, err := replay.NewOutput(format, filepath.Join(b.TempDir(), "a."+format), replay.OutputOptions{Version: "1", Redaction: "secrets", Live: true})
	if err != nil {
		b.Fatal(err)
	}
	var chunks record.ChunkWriter
	var exchanges record.ExchangeWriter = redact.Exchanges(w, redact.Secrets)
	if w.TakesChunks() {
		chunks, exchanges = redact.Chunks(w, redact.Secrets), w
	}
	asm := assembly.New(exchanges, assembly.Options{MaxBody: 64 << 20, NoBodies: w.TakesChunks()})
	conns := make([]*record.Conn, 8)
	for i := range conns {
		conns[i] = &record.Conn{ID: uint64(i + 1), PID: 4242, Comm: "wrk", Exe: "/usr/bin/wrk", Library: "libssl.so.3",
			Local: netip.MustParseAddrPort("127.0.0.1:51234"), Remote: netip.MustParseAddrPort("127.0.0.1:44321"), ServerName: "localhost"}
	}
	request := []byte("GET /bytes/100 HTTP/1.1\r\nHost: localhost:44321\r\n\r\n")
	response := append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n"+
		"Date: Wed, 25 Nov 2026 21:00:00 GMT\r\n\r\n", size), sessiontest.Body(size)...)
	at := make([][2]int64, len(conns))
	now := time.Unix(1767323045, 0)
	write := func(i int, dir record.Dir, p []byte) {
		now = now.Add(50 * time.Microsecond)
		c := record.Chunk{Conn: conns[i], Dir: dir, Off: at[i][dir], Time: now, Data: p}
		at[i][dir] += int64(len(p))
		if err := asm.WriteChunk(c); err != nil {
			b.Fatal(err)
		}
		if chunks == nil {
			return
		}
		if err := chunks.WriteChunk(c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	n := 0
	for b.Loop() {
		i := n % len(conns)
		n++
		write(i, record.Out, request)
		for rest := response; len(rest) > 0; {
			piece := rest[:min(len(rest), 16384)]
			write(i, record.In, piece)
			rest = bytes.TrimPrefix(rest, piece)
		}
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(cpu(&after)-cpu(&before))/1e3/float64(n), "µs-cpu/exchange")
	b.ReportMetric(float64(after.Minflt-before.Minflt)/float64(n), "faults/exchange")
	if err := asm.Close(); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the time that u says was used.
func cpu(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
