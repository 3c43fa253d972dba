package redact_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// pieces of a text, of n bytes each, in quotes.
func quotedPieces(text string, n int) (out []string) {
	for len(text) > n {
		out, text = append(out, quote(text[:n])), text[n:]
	}
	return append(out, quote(text))
}

// TestPieces holds that a secret goes that models send bit by bit, in the ways in
// which they do.
func TestPieces(t *testing.T) {
	key, word := random(61, 24, alnum), random(62, 16, alnum)
	text := "Here it is: sk_live_" + key + " and so on.\nDB_PASSWORD=" + word + "\nand that is all"
	for name, c := range map[string]struct{ contentType, first, before, after, between string }{
		"gemini":     {"application/json", "[", `{"candidates":[{"content":{"parts":[{"text":`, `}],"role":"model"}}]}`, "\n,\r\n"},
		"chat":       {"application/x-ndjson", "", `{"model":"l","message":{"role":"assistant","content":`, `},"done":false}`, "\n"},
		"generate":   {"application/x-ndjson", "", `{"model":"l","response":`, `,"done":false}`, "\n"},
		"cohere":     {"text/event-stream", "", `data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":`, `}}}}`, "\n\n"},
		"lines":      {"text/plain; charset=utf-8", "f:{\"messageId\":\"m\"}\n", "0:", "", "\n"},
		"parts":      {"text/event-stream", "", `data: {"type":"text-delta","id":"0","delta":`, `}`, "\n\n"},
		"tool input": {"text/event-stream", "", `data: {"type":"tool-input-delta","toolCallId":"c","inputTextDelta":`, `}`, "\n\n"},
	} {
		flat := strings.NewReplacer(c.before+`"`, "", `"`+c.after, "", c.between, "")
		in := answer(c.contentType, c.first+c.before+strings.Join(quotedPieces(text, 4), c.after+c.between+c.before)+c.after+c.between)
		holdsNot(t, name, in, flat, key, word)
	}
	holdsNot(t, "plain", answer("text/event-stream", plainEvents(text)), strings.NewReplacer("data: ", "", "\n\n", ""), key, word)
}

// holdsNot checks that in, of which flat puts the pieces together, has secrets in it
// before it is redacted, and none after that.
func holdsNot(t *testing.T, name, in string, flat *strings.Replacer, secrets ...string) {
	t.Helper()
	for how, out := range map[string]string{"chunks": redactChunks(t, redact.Secrets, 1<<30, in), "pieces": redactChunks(t, redact.Secrets, 1, in),
		"exchanges": redactExchanges(t, redact.Secrets, 1<<30, in)} {
		for _, secret := range secrets {
			if !strings.Contains(flat.Replace(in), secret) {
				t.Fatalf("%s: %s is not in %q", name, secret, flat.Replace(in))
			}
			if strings.Contains(flat.Replace(out), secret) {
				t.Errorf("%s, %s: %s is in %q", name, how, secret, flat.Replace(out))
			}
		}
	}
}

// plainEvents returns a stream of events of text, of which each continues the one
// before.
func plainEvents(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(4, len(text))
		b.WriteString("data: " + strings.ReplaceAll(text[:n], "\n", "\ndata: ") + "\n\n")
		text = text[n:]
	}
	return b.String()
}

// TestPacked holds that secrets go that are compressed within base64, in
// MessagePack and in CBOR, by their names or by themselves.
func TestPacked(t *testing.T) {
	key, word := "sk_live_"+random(63, 24, alnum), random(64, 20, lower)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("the key is " + key + " indeed"))
	w.Close()
	packed := base64.StdEncoding.EncodeToString(z.Bytes())
	attack(t, "gzip", post("application/json", `{"file":"`+packed+`"}`), []string{packed[8:24]})

	text := func(s string) string { return "\xd9" + string(rune(len(s))) + s }
	msgpack := "\x83\xa4user\xa3bob\xa8password" + text(word) + "\xa4note" + text("see "+key)
	cbor := "\xa3\x64user\x63bob\x68password\x78" + string(rune(len(word))) + word + "\x64note\x78" + string(rune(len(key))) + key
	for name, in := range map[string]string{
		"msgpack": post("application/vnd.msgpack", msgpack),
		"cbor":    post("application/senml+cbor", cbor),
		"sniffed": post("application/octet-stream", msgpack),
	} {
		attack(t, name, in, []string{word, key[8:]})
	}
}

// TestControlFrames holds that secrets go from what ends and tests connections.
func TestControlFrames(t *testing.T) {
	key := "sk_live_" + random(65, 24, alnum)
	head := get("/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	hello := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	for name, first := range map[string]byte{"ping": 0x89, "close": 0x88} {
		for _, mask := range []string{"", "abcd"} {
			in := hello + wsFrame(0x81, mask, "hi") + wsFrame(first, mask, "\x03\xe8 "+key) + wsFrame(0x81, mask, "there")
			out := redactSides(t, head, in)
			if mask == "" && strings.Contains(out, key[8:]) {
				t.Errorf("%s: %q", name, out)
			}
			if unmasked := wsFrame(first, mask, "\x03\xe8 "+key); strings.Contains(out, unmasked) {
				t.Errorf("%s, masked: %q", name, out)
			}
			if len(out) != len(in) || !strings.Contains(out, wsFrame(0x81, mask, "there")) {
				t.Errorf("%s: %q became %q", name, in, out)
			}
		}
	}
	settings := frame(4, 0, 0, "")
	in := settings + frame(7, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00"+"bad "+key)
	if out := redactSides(t, "", in); strings.Contains(out, key[8:]) || len(out) != len(in) {
		t.Errorf("GOAWAY: %q", out)
	}
}

// redactSides returns what becomes of in, which is read after out was written.
func redactSides(t *testing.T, out, in string) string {
	t.Helper()
	whole := ""
	for _, n := range pieces {
		var c collect
		w := redact.Chunks(&c, redact.Secrets)
		s := recordtest.Splitter{N: n, W: w}
		conn := &record.Conn{ID: 1}
		for _, k := range []record.Chunk{{Conn: conn, Dir: record.Out, Data: []byte(out)}, {Conn: conn, Dir: record.In, Data: []byte(in)}} {
			if err := s.WriteChunk(k); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := c.data[record.In].String()
		if whole != "" && got != whole {
			t.Errorf("in pieces of %d: %q, before %q", n, got, whole)
		}
		whole = got
	}
	return whole
}
