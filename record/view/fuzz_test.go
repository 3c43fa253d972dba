package view

import (
	"bytes"
	"errors"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"ssltape/record"
	"ssltape/record/assembly"
)

// Whatever two programs say to each other, every view shows something, and
// nothing that a terminal would obey. ESC stands for a colour of ours.
func FuzzViews(f *testing.F) {
	f.Add([]byte("GET /\x1b[2J HTTP/1.1\r\nHost: a\u202e\r\n\r\n"), []byte("HTTP/1.1 200 \x9b\r\nContent-Type: text/event-stream\r\n\r\nevent: \x1b\ndata: \u200b\n\n"))
	f.Add([]byte("POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 52\r\n\r\n{\"model\":\"\\u001b\",\"messages\":[{\"role\":\"\\u001b\"}]}  "),
		[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\\u202e\\u001b\"}}\n\n"))
	f.Add([]byte("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n\x81\x81\x00\x00\x00\x00\x1b"), []byte("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n\x81\x01\x1b\x88\x03\x03\xe8\x07"))
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, out, in []byte) {
		for _, info := range All() {
			var b bytes.Buffer
			v, err := New(info.Name, &b, Options{Terminal: true, Width: 80, Zone: time.UTC})
			if err != nil {
				t.Fatal(err)
			}
			a := assembly.New(v, assembly.Options{})
			c := &record.Conn{ID: 1, Comm: "a\x1b"}
			err = errors.Join(
				a.WriteChunk(record.Chunk{Conn: c, Dir: record.Out, Data: out, End: record.EndClean}),
				a.WriteChunk(record.Chunk{Conn: c, Dir: record.In, Data: in, End: record.EndCut}),
				a.Close())
			if end := v.Close(); info.Name != "body" { // which tells of bodies that cannot be decoded
				err = errors.Join(err, end)
			}
			if err != nil {
				t.Errorf("%s: %v", info.Name, err)
			}
			for _, r := range b.String() {
				if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
					t.Errorf("%s: %U in %q", info.Name, r, b.String())
					break
				}
			}
			if !utf8.Valid(b.Bytes()) {
				t.Errorf("%s: not UTF-8: %q", info.Name, b.String())
			}
		}
	})
}
