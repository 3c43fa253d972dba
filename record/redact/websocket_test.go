package redact_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
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

// minimal returns a frame with the shortest length field, as receivers demand.
func minimal(first byte, key, text string) string {
	f := wsFrame(first, key, text)
	if n := len(text); n < 126 {
		return f[:1] + string([]byte{f[1]&0x80 | byte(n)}) + f[4:]
	}
	return f
}

// deflated returns messages as frames, compressed one after the other or, with
// fresh, each by itself. Every other message is in two frames.
func deflated(key string, fresh bool, messages []string) string {
	var out strings.Builder
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	for i, m := range messages {
		b.Reset()
		if fresh {
			w.Reset(&b)
		}
		io.WriteString(w, m)
		w.Flush()
		p := strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
		if i%2 == 0 {
			out.WriteString(minimal(0xc1, key, p))
		} else {
			out.WriteString(minimal(0x41, key, p[:len(p)/2]) + minimal(0x89, key, "ping") + minimal(0x80, key, p[len(p)/2:]))
		}
	}
	return out.String()
}

// wsMessages keeps the messages of a WebSocket.
type wsMessages struct {
	in, out []string
	err     error
}

func (w *wsMessages) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	w.err = x.Err
	for _, m := range x.WebSocket {
		if m.Deflated {
			w.err = fmt.Errorf("a message is not inflated: %q", m.Data)
		}
		if m.Opcode != 1 {
			continue
		}
		if m.FromClient {
			w.out = append(w.out, m.Data)
		} else {
			w.in = append(w.in, m.Data)
		}
	}
	return nil
}

// switching is the response that begins a WebSocket with compression.
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

// Messages that are compressed are redacted within, and those after them that
// refer to them are still read.
func TestChunksDeflated(t *testing.T) {
	filler := strings.Repeat("some text that is said again and again, ", 5)
	messages := []string{
		`{"type":"hello","text":"` + filler + `"}`,
		`{"type":"auth","password":` + quote(plainSecret) + `,"n":1,"text":"` + filler + `"}`,
		`{"type":"again","text":"` + filler + `","password":` + quote(plainSecret) + `}`,
		show("oauth"), `{"type":"last","text":"` + filler + `"}`, "x", show("oauth"),
	}
	for _, fresh := range []bool{false, true} {
		extension := "permessage-deflate"
		if fresh {
			extension += "; client_no_context_takeover; server_no_context_takeover"
		}
		request := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
		response := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Extensions: " + extension + "\r\n\r\n"
		closing := func(key string) string { return minimal(0x88, key, "\x03\xe8") }
		for _, n := range pieces {
			var got wsMessages
			var raw collect
			a := assembly.New(&got, assembly.Options{})
			w := redact.Chunks(record.ChunkTee{a, &raw}, redact.Secrets)
			s := recordtest.Splitter{N: n, W: w}
			conn := &record.Conn{ID: 1}
			off := [2]int64{}
			for _, k := range []struct {
				dir  record.Dir
				data string
			}{{record.Out, request}, {record.In, response + deflated("", fresh, messages) + closing("")},
				{record.Out, deflated("k\x99#\x01", fresh, messages) + closing("abcd")}} {
				if err := s.WriteChunk(record.Chunk{Conn: conn, Dir: k.dir, Off: off[k.dir], Data: []byte(k.data)}); err != nil {
					t.Fatal(err)
				}
				off[k.dir] += int64(len(k.data))
			}
			if err := errors.Join(w.Close(), a.Close()); err != nil {
				t.Fatal(err)
			}
			if got.err != nil || len(got.in) != len(messages) || len(got.out) != len(messages) {
				t.Fatalf("fresh %v in pieces of %d: %d and %d messages, %v", fresh, n, len(got.in), len(got.out), got.err)
			}
			for i, m := range messages {
				for _, seen := range []string{got.in[i], got.out[i]} {
					switch secret := strings.Contains(m, plainSecret) || m == show("oauth"); {
					case leaks(seen, plainSecret) != "" || leaks(seen, evident["oauth"]) != "":
						t.Errorf("fresh %v in pieces of %d: message %d: %s", fresh, n, i, seen)
					case !secret && seen != m, secret && !strings.Contains(seen, "redacted") && !strings.Contains(seen, "****"):
						t.Errorf("fresh %v in pieces of %d: message %d: %s, want %s", fresh, n, i, seen, m)
					}
				}
			}
		}
	}
}

// A key that comes in the deltas of many messages that are compressed goes. Of what
// follows it a message may go, too, that is to be as long as it was and refers to it,
// but not from exchanges.
func TestDeflatedDeltas(t *testing.T) {
	text := "The key is " + show("oauth") + ", which I found in the file."
	var messages []string
	for i := 0; i < len(text); i += 5 {
		messages = append(messages, fmt.Sprintf(`{"type":"response.output_text.delta","item_id":"item_1","output_index":0,"content_index":0,"delta":%s}`, quote(text[i:min(i+5, len(text))])))
	}
	delta := regexp.MustCompile(`"delta":"((?:[^"\\]|\\.)*)"`)
	for _, fresh := range []bool{false, true} {
		response := switching
		if fresh {
			response = strings.Replace(response, "-deflate", "-deflate; server_no_context_takeover", 1)
		}
		var got, twins wsMessages
		a, b := assembly.New(&got, assembly.Options{}), assembly.New(redact.Exchanges(&twins, redact.Secrets), assembly.Options{})
		w := redact.Chunks(a, redact.Secrets)
		conn := &record.Conn{ID: 1}
		for _, k := range []record.Chunk{
			{Conn: conn, Dir: record.Out, Data: []byte("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")},
			{Conn: conn, Dir: record.In, Data: []byte(response + deflated("", fresh, messages))},
		} {
			if err := errors.Join(w.WriteChunk(k), b.WriteChunk(k)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), a.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		for how, in := range map[string][]string{"chunks": got.in, "exchanges": twins.in} {
			var said strings.Builder
			for _, m := range in {
				if part := delta.FindStringSubmatch(m); part != nil {
					said.WriteString(part[1])
				}
			}
			s, end := said.String(), " file."
			if how == "exchanges" || fresh {
				end = ", which I found in the file."
			}
			if len(in) != len(messages) || strings.Contains(s, evident["oauth"][20:26]) || !strings.HasPrefix(s, "The key is ") || !strings.HasSuffix(s, end) {
				t.Errorf("%s, fresh %v: %d messages, %q", how, fresh, len(in), s)
			}
		}
	}
}

// A key that comes in the deltas of many messages goes, and all else stays.
func TestWebSocketDeltas(t *testing.T) {
	text := "The key is " + show("oauth") + ", which I found in the file. Do not share it with anybody."
	var frames, want strings.Builder
	var x record.Exchange
	add := func(text string) {
		m := fmt.Sprintf(`{"type":"response.output_text.delta","event_id":"event_%d","item_id":"item_1","output_index":0,"content_index":0,"delta":%s}`, len(x.WebSocket), quote(text))
		frames.WriteString(wsFrame(0x81, "", m))
		want.WriteString(m)
		x.WebSocket = append(x.WebSocket, record.WebSocketMessage{Opcode: 1, Data: m})
	}
	for i := 0; i < len(text); i += 5 {
		add(text[i:min(i+5, len(text))])
	}
	in := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + frames.String()
	delta := regexp.MustCompile(`"delta":"((?:[^"\\]|\\.)*)"`)
	joined := func(out string) string {
		var b strings.Builder
		for _, m := range delta.FindAllStringSubmatch(out, -1) {
			b.WriteString(m[1])
		}
		return b.String()
	}
	check := func(how, out string) {
		said := joined(out)
		if strings.Contains(said, evident["oauth"][20:32]) || !strings.HasPrefix(said, "The key is ") || !strings.HasSuffix(said, ", which I found in the file. Do not share it with anybody.") {
			t.Errorf("%s: %q", how, said)
		}
	}
	for _, n := range pieces {
		var out collect
		w := redact.Chunks(&out, redact.Secrets)
		conn := &record.Conn{ID: 1}
		if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: record.Out, Data: []byte("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
		s := recordtest.Splitter{N: n, W: w}
		if err := s.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Data: []byte(in)}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprint("pieces of ", n), out.data[record.In].String())
	}
	all := x.WebSocket
	var said strings.Builder
	w := redact.Exchanges(exchangeFunc(func(twin *record.Exchange) error {
		said.Reset()
		for _, m := range twin.WebSocket {
			said.WriteString(m.Data)
		}
		return nil
	}), redact.Secrets)
	for n := range all {
		if x.WebSocket = all[:n+1]; n == len(all)-1 {
			x.Request.Done, x.Response.Done = true, true
		}
		if err := w.WriteExchange(&x); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(joined(said.String()), evident["oauth"][20:32]) {
			t.Fatalf("after %d messages: %q", n, said.String())
		}
	}
	check("exchange", said.String())
}

type exchangeFunc func(*record.Exchange) error

func (f exchangeFunc) WriteExchange(x *record.Exchange) error { return f(x) }
