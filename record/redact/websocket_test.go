package redact_test

import (
	"bytes"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// wsFrame returns a frame, masked with key unless that is "".
func wsFrame(first byte, key, text string) string {
	b := []byte{first, 126, byte(len(text) >> 8), byte(len(text))}
	if key != "" {
		b[1] |= 0x80
		b = append(b, key...)
	}
	for i := range len(text) {
		c := text[i]
		if key != "" {
			c ^= key[i%4]
		}
		b = append(b, c)
	}
	return string(b)
}

func TestChunksWebSocket(t *testing.T) {
	message := `{"type":"hello","password":` + quote(plainSecret) + `,"x":1}`
	frames := func(key string) string {
		return wsFrame(0x81, key, `{"a":1}`) + wsFrame(0x01, key, message[:35]) + wsFrame(0x89, key, "ping") +
			wsFrame(0x80, key, message[35:]) + wsFrame(0x82, key, show("oauth"))
	}
	request := "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
	response := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	for _, n := range pieces {
		var out collect
		w := redact.Chunks(&out, redact.Secrets)
		s := recordtest.Splitter{N: n, W: w}
		conn := &record.Conn{ID: 1}
		off := [2]int64{}
		write := func(dir record.Dir, data string) {
			if err := s.WriteChunk(record.Chunk{Conn: conn, Dir: dir, Off: off[dir], Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
			off[dir] += int64(len(data))
		}
		write(record.Out, request)
		write(record.In, response+frames(""))
		write(record.Out, frames("k\x99#\x01"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		in := strings.TrimPrefix(out.data[record.In].String(), response)
		sent := []byte(strings.TrimPrefix(out.data[record.Out].String(), request))
		for i := 0; i < len(sent); { // unmask
			size := int(sent[i+2])<<8 | int(sent[i+3])
			sent[i+1] &= 0x7f
			key := bytes.Clone(sent[i+4 : i+8])
			sent = append(sent[:i+4], sent[i+8:]...)
			for k := range size {
				sent[i+4+k] ^= key[k%4]
			}
			i += 4 + size
		}
		if in != string(sent) {
			t.Errorf("in pieces of %d: read\n%q\nwritten\n%q", n, in, sent)
		}
		if leaks(in, plainSecret) != "" || strings.Contains(in, "battery") || leaks(in, evident["oauth"]) != "" {
			t.Errorf("in pieces of %d: %q", n, in)
		}
		for _, want := range []string{`{"type":"hello","password":"<re`, `","x":1}`, "ping", "\x7e\x00\x07{\"a\":1}"} {
			if !strings.Contains(in, want) {
				t.Errorf("in pieces of %d: %q is gone from %q", n, want, in)
			}
		}
	}
}
