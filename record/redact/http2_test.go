package redact_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	ucd "unicode"

	"golang.org/x/net/http2/hpack"

	"ssltape/record"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

func frame(kind, flags byte, id uint32, payload string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, id)
	return string(b) + payload
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// h2 is a connection that carries requests with a secret each.
func h2(huffman bool) string {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	field := func(name, value string, sensitive bool) {
		if huffman {
			enc.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: sensitive})
			return
		}
		block.WriteByte(0)
		for _, s := range []string{name, value} {
			block.WriteByte(byte(len(s)))
			block.WriteString(s)
		}
	}
	out := preface + frame(4, 0, 0, "\x00\x03\x00\x00\x00\x64")
	for i, key := range []string{plainSecret, plainSecret, "another-" + plainSecret} {
		block.Reset()
		field(":method", "POST", false)
		field(":path", "/v1/x?a=b&access_token=0123456789abcdef", false)
		field("content-type", "application/json", false)
		field("x-api-key", key, i == 2)
		field("cookie", "sid="+key, false)
		field("user-agent", "test/1", false)
		id := uint32(1 + 2*i)
		half := block.Len() / 2
		out += frame(1, 0x8|0x20, id, "\x03"+"\x00\x00\x00\x00\x10"+block.String()[:half]+"\x00\x00\x00")
		out += frame(9, 4, id, block.String()[half:])
		body := `{"password":"` + key + `"}`
		out += frame(0, 0, id, body[:15]) + frame(0, 9, id, "\x02"+body[15:]+"\x00\x00")
	}
	return out
}

// parse returns the fields and bodies of a connection.
func parse(t *testing.T, s string) (out string) {
	t.Helper()
	d := hpack.NewDecoder(4096, func(f hpack.HeaderField) { out += f.Name + ": " + f.Value + "\n" })
	for s = s[len(preface):]; len(s) > 0; {
		n := int(s[0])<<16 | int(s[1])<<8 | int(s[2])
		kind, flags, p := s[3], s[4], s[9:9+n]
		s = s[9+n:]
		if flags&8 != 0 && kind < 2 {
			p = p[1 : len(p)-int(p[0])]
		}
		if kind == 1 {
			p = p[5:]
		}
		switch kind {
		case 0:
			out += p
		case 1, 9:
			if _, err := d.Write([]byte(p)); err != nil {
				t.Fatalf("field block: %v", err)
			}
		}
	}
	return out
}

func TestChunksHTTP2(t *testing.T) {
	for _, huffman := range []bool{true, false} {
		in := h2(huffman)
		if !strings.Contains(parse(t, in), plainSecret) {
			t.Fatal("no secret to begin with")
		}
		whole := redactChunks(t, redact.Secrets, 1<<30, in)
		for _, n := range pieces {
			if out := redactChunks(t, redact.Secrets, n, in); out != whole {
				t.Errorf("in pieces of %d: another outcome", n)
			}
		}
		if len(whole) != len(in) {
			t.Fatalf("%d bytes of %d", len(whole), len(in))
		}
		got := parse(t, whole)
		if strings.Contains(got, "battery") || strings.Contains(got, "0123456789abcdef") || leaks(whole, plainSecret) != "" {
			t.Errorf("huffman %v: leaks\n%s", huffman, got)
		}
		for _, want := range []string{":path: /v1/x?a=b&access_token=", "content-type: application/json\n", "user-agent: test/1\n", "cookie: ", `{"password":"<redacted len=30 id=`} {
			if strings.Count(got, want) < 2 {
				t.Errorf("huffman %v: %q is gone\n%s", huffman, want, got)
			}
		}
	}
}

// A server speaks its SETTINGS first.
func TestChunksHTTP2Server(t *testing.T) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.WriteField(hpack.HeaderField{Name: ":status", Value: "302"})
	enc.WriteField(hpack.HeaderField{Name: "set-cookie", Value: "sid=" + plainSecret + "; Path=/"})
	enc.WriteField(hpack.HeaderField{Name: "location", Value: "https://u:" + "pa55word" + "@h/x"})
	in := frame(4, 0, 0, "\x00\x03\x00\x00\x00\x64") + frame(1, 5, 1, block.String())
	out := redactChunks(t, redact.Secrets, 2, in)
	h := hpack.NewDecoder(4096, nil)
	fields, err := h.DecodeFull([]byte(out[15+9:]))
	if err != nil || len(out) != len(in) || len(fields) != 3 {
		t.Fatalf("%v %v", fields, err)
	}
	for _, f := range fields {
		if strings.Contains(f.Value, "battery") || strings.Contains(f.Value, "pa55") {
			t.Errorf("%v", f)
		}
	}
	if !strings.HasPrefix(fields[1].Value, "sid=<redacted len=30") || !strings.Contains(fields[1].Value, "; Path=/") {
		t.Errorf("%v", fields[1])
	}
}

// A connection of which the beginning was not seen, or a part was lost, is
// known for HTTP/2 by its next HEADERS frame. What names are in the table is
// not known then.
func TestChunksHTTP2Late(t *testing.T) {
	var blocks []string
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, key := range []string{"first-key", plainSecret} {
		block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":path", "/v1/x"}, {"x-api-key", key}, {"user-agent", "test/1"}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		blocks = append(blocks, block.String())
	}
	late := frame(1, 5, 3, blocks[1])
	for _, before := range []string{"", "rest of a frame\x00\x17", "\x00\x00\x00\x01\x05\x00", "{\"a\":\"b", "\n\x00\x00\x05\x01\x04\x00\x00\x00\x01abc"} {
		in := before + late + frame(0, 1, 3, `{"password":`+quote(plainSecret)+`}`)
		for _, n := range pieces {
			out := redactChunks(t, redact.Secrets, n, in)
			kept := before
			if strings.IndexFunc(before, ucd.IsControl) >= 0 { // it may be the rest of fields
				kept = strings.Repeat("*", len(before))
			}
			if len(out) != len(in) || !strings.HasPrefix(out, kept+late[:9]) {
				t.Fatalf("after %q in pieces of %d: %q", before, n, out)
			}
			fields := ""
			d := hpack.NewDecoder(4096, func(f hpack.HeaderField) { fields += f.Name + ": " + f.Value + "\n" })
			for _, b := range []string{blocks[0], out[len(before)+9 : len(before)+len(late)]} {
				fields = ""
				if _, err := d.Write([]byte(b)); err != nil {
					t.Fatal(err)
				}
			}
			if fields += out; leaks(fields, plainSecret) != "" || !strings.Contains(fields, "x-api-key: <redacted") || !strings.Contains(fields, "user-agent: test/1") {
				t.Errorf("after %q in pieces of %d: %q", before, n, fields)
			}
		}
	}
}

// A connection that is joined within a field block, or the frames that continue
// it, shows nothing of the block, and no name of a field that is a secret.
func TestChunksHTTP2Within(t *testing.T) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	name := "x-" + "ghp_" + random(61, 36, lower+digits)
	for _, f := range [][2]string{{":method", "POST"}, {":path", "/v1/x"}, {"x-debug", plainSecret}, {name, "1"}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	b := block.String()
	next := frame(1, 5, 3, "\x82\x86\x84")
	in := frame(1, 1, 1, b[:12]) + frame(9, 0, 1, b[12:30]) + frame(9, 4, 1, b[30:]) + next
	for from := 1; from < len(in)-len(next); from++ {
		for _, n := range pieces {
			out := redactChunks(t, redact.Secrets, n, in[from:])
			if len(out) != len(in)-from || !strings.HasSuffix(out, next) {
				t.Fatalf("from %d in pieces of %d: %q", from, n, out)
			}
			for i := 0; i+12 <= len(huffmanSecret); i++ {
				if strings.Contains(out, huffmanSecret[i:i+12]) {
					t.Fatalf("from %d in pieces of %d: a part of the secret is there: %q", from, n, out)
				}
			}
		}
	}
	whole := preface + frame(4, 0, 0, "") + frame(1, 5, 1, b)
	out := redactChunks(t, redact.Secrets, 1<<30, whole)
	h := hpack.NewDecoder(4096, nil)
	fields, err := h.DecodeFull([]byte(out[len(preface)+9+9:]))
	if err != nil || len(fields) != 4 || strings.Trim(fields[3].Name, "*") != "" || fields[3].Value != "1" {
		t.Errorf("%v %v", fields, err)
	}
}

// Of a field block of which bytes were lost nothing is left after them, and
// not half of the value that they were in.
func TestChunksHTTP2Torn(t *testing.T) {
	whole := h2(true)
	from := len(preface) + 9 + 6 + 9 + 6
	for lost := 1; lost < 60; lost += 7 {
		for at := from; at < from+60; at += 5 {
			var outs []string
			for _, n := range pieces {
				var out collect
				w := redact.Chunks(&out, redact.Secrets)
				s := recordtest.Splitter{N: n, W: w}
				conn := &record.Conn{ID: 1}
				for _, k := range []record.Chunk{{Data: []byte(whole[:at])}, {Off: int64(at + lost), Data: []byte(whole[at+lost:]), End: record.EndClean}} {
					k.Conn = conn
					if err := s.WriteChunk(k); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out.data[record.Out].String())
			}
			for i, out := range outs {
				if out != outs[0] {
					t.Errorf("lost %d at %d: in pieces of %d\n%q\nof 1\n%q", lost, at, pieces[i], out, outs[0])
				}
			}
			for i := 0; i+16 <= len(huffmanSecret); i++ {
				if part := huffmanSecret[i : i+16]; strings.Contains(outs[0], part) {
					t.Errorf("lost %d at %d: a part of the secret is there: %q", lost, at, outs[0])
					break
				}
			}
		}
	}
}

var huffmanSecret = string(hpack.AppendHuffmanString(nil, plainSecret))
