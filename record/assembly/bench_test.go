package assembly_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// discard is an ExchangeWriter that counts.
type discard struct{ done int }

func (d *discard) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		d.done++
	}
	return nil
}

// tape writes chunks of one connection.
type tape struct {
	conn *record.Conn
	a    *assembly.Assembler
	off  [2]int64
}

func (w *tape) write(b *testing.B, d record.Dir, p []byte) {
	if err := w.a.WriteChunk(record.Chunk{Conn: w.conn, Dir: d, Off: w.off[d], Time: recordtest.Start, Data: p}); err != nil {
		b.Fatal(err)
	}
	w.off[d] += int64(len(p))
}

// BenchmarkExchanges is small JSON exchanges on one connection.
func BenchmarkExchanges(b *testing.B) {
	body := `{"id":12345,"name":"something","tags":["a","b"],"ok":true}`
	req := []byte("POST /v1/items?x=1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
	resp := []byte("HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\nServer: bench\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
	out := &discard{}
	w := tape{conn: &record.Conn{ID: 1}, a: assembly.New(out, assembly.Options{})}
	b.ReportAllocs()
	for b.Loop() {
		w.write(b, record.Out, req)
		w.write(b, record.In, resp)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
	if out.done != b.N {
		b.Fatalf("%d exchanges, want %d", out.done, b.N)
	}
}

// benchBody is a download of 1 GiB in chunks of 16 KiB, by how it is framed.
func benchBody(b *testing.B, head string, chunk []byte, opts assembly.Options) {
	const size = 1 << 30
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		out := &discard{}
		w := tape{conn: &record.Conn{ID: 1}, a: assembly.New(out, opts)}
		w.write(b, record.Out, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		w.write(b, record.In, []byte(head))
		for range size / len(chunk) {
			w.write(b, record.In, chunk)
		}
		if err := w.a.Close(); err != nil || out.done != 1 {
			b.Fatalf("%d exchanges, %v", out.done, err)
		}
	}
}

func BenchmarkDownload(b *testing.B) {
	plain := bytes.Repeat([]byte("x"), 16<<10)
	length := "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
	b.Run("length", func(b *testing.B) { benchBody(b, length, plain, assembly.Options{MaxBody: 64 << 20}) })
	b.Run("kept", func(b *testing.B) { benchBody(b, length, plain, assembly.Options{}) })
	chunked := append(append([]byte("4000\r\n"), plain...), "\r\n"...)
	b.Run("chunked", func(b *testing.B) {
		benchBody(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked, assembly.Options{MaxBody: 64 << 20})
	})
}

// BenchmarkEvents is an event stream as LLM APIs send it, an event a chunk.
func BenchmarkEvents(b *testing.B) {
	event := "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n"
	chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	out := &discard{}
	w := tape{conn: &record.Conn{ID: 1}, a: assembly.New(out, assembly.Options{})}
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			if i > 0 {
				w.write(b, record.In, []byte("0\r\n\r\n"))
			}
			w.write(b, record.Out, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
			w.write(b, record.In, []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"))
		}
		w.write(b, record.In, chunk)
	}
}

// BenchmarkWebSocket is small JSON messages in both directions, compressed and not.
func BenchmarkWebSocket(b *testing.B) {
	for name, extension := range map[string]string{"plain": "", "deflate": "permessage-deflate"} {
		b.Run(name, func(b *testing.B) {
			k := newSocket(extension)
			message, first := `{"type":"delta","index":12,"text":"Hello"}`, byte(text)
			if extension != "" {
				first |= compressed
			}
			for d := range k.bytes {
				payload := message
				if extension != "" {
					payload = k.pack(record.Dir(d), message)
					k.deflate[d].Reset(&k.packed[d])
				}
				k.frame(record.Dir(d), first, payload)
			}
			b.SetBytes(int64(k.bytes[client].Len() + k.bytes[server].Len()))
			b.ReportAllocs()
			var w tape
			for i := 0; b.Loop(); i++ {
				if i%10000 == 0 { // an exchange keeps its messages
					w = tape{conn: k.conn, a: assembly.New(&discard{}, assembly.Options{})}
					for _, c := range k.chunks {
						w.write(b, c.Dir, c.Data)
					}
				}
				w.write(b, client, k.bytes[client].Bytes())
				w.write(b, server, k.bytes[server].Bytes())
			}
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkUnparsed is a connection that speaks something else.
func BenchmarkUnparsed(b *testing.B) {
	p := []byte(strings.Repeat("\x00\x01\x02 binary \xff\xfe", 1000))
	b.SetBytes(int64(len(p)))
	w := tape{conn: &record.Conn{ID: 1}, a: assembly.New(&discard{}, assembly.Options{})}
	for b.Loop() {
		w.write(b, record.In, p)
	}
}
