package redact_test

import (
	"bytes"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// FuzzChunks: whatever passes, nothing panics, no byte is added or lost, the
// cutting makes no difference, and what was redacted stays as it is.
func FuzzChunks(f *testing.F) {
	for _, set := range []map[string]string{named, harmless} {
		for _, in := range set {
			if len(in) < 10000 {
				f.Add([]byte(in), uint8(3), false)
			}
		}
	}
	for _, p := range plants() {
		f.Add([]byte(p.in), uint8(2), false)
	}
	f.Add([]byte(h2(true)), uint8(9), false)
	f.Add([]byte(h2(false)), uint8(2), true)
	for _, fresh := range []bool{false, true} {
		f.Add([]byte(switching+deflated("", fresh, []string{`{"password":"correct-horse"}`, "again correct-horse", show("oauth")})), uint8(4), fresh)
	}
	f.Add([]byte("tail\x00"+h2(true)[len(preface)+15:]), uint8(6), false)
	f.Add([]byte(post("text/javascript", `x={token:"\u0061bcdef0123456789",a:"\/b"};`+"\nDB_PASSWORD='Sommer2024!'\n")), uint8(2), false)
	f.Add([]byte("GET / HTTP/1.0\nContent-Length:30\n\n\xbb{\"code_verifier\":\"abcdefghijkl"), uint8(6), false)
	for _, encode := range encodings {
		text, _ := grown("aws secret")
		f.Add([]byte(post("application/json", `{"a":`+quote(encode(text))+`}`)), uint8(7), false)
		f.Add([]byte(post("text/plain", encode(text))), uint8(7), false)
	}
	for _, message := range places {
		f.Add([]byte(message(show("oauth"))), uint8(5), false)
		f.Add([]byte(message(show("pem"))), uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, n uint8, strict bool) {
		p := redact.Secrets
		if strict {
			p = redact.Strict
		}
		whole := redactChunks(t, p, 1<<30, string(in))
		if len(whole) != len(in) {
			t.Fatalf("%d bytes of %d\n%q\n%q", len(whole), len(in), in, whole)
		}
		if out := redactChunks(t, p, int(n)+1, string(in)); out != whole {
			t.Fatalf("in pieces of %d\n%q\nas a whole\n%q", int(n)+1, out, whole)
		}
	})
}

// FuzzHoles: the same where bytes are lost.
func FuzzHoles(f *testing.F) {
	for _, in := range named {
		if len(in) < 10000 {
			f.Add([]byte(in), uint16(len(in)-20), uint16(5), uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, from, n uint16, piece uint8) {
		lo := min(int(from), len(in))
		hi := min(lo+int(n), len(in))
		run := func(size int) string {
			var out collect
			w := redact.Chunks(&out, redact.Secrets)
			s := recordtest.Splitter{N: size, W: w}
			conn := &record.Conn{ID: 1}
			for _, k := range []record.Chunk{{Data: in[:lo]}, {Off: int64(hi), Data: in[hi:], End: record.EndClean}} {
				k.Conn = conn
				if err := s.WriteChunk(k); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.data[record.Out].String()
		}
		whole := run(1 << 30)
		if hi < len(in) && len(whole) != len(in) {
			t.Fatalf("%d bytes of %d", len(whole), len(in))
		}
		if out := run(int(piece) + 1); out != whole {
			t.Fatalf("in pieces of %d\n%q\nas a whole\n%q", int(piece)+1, out, whole)
		}
	})
}

// FuzzExchanges: the same for twins.
func FuzzExchanges(f *testing.F) {
	for _, set := range []map[string]string{named, harmless} {
		for _, in := range set {
			if len(in) < 10000 {
				f.Add([]byte(in), uint8(3))
			}
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, n uint8) {
		whole := redactExchanges(t, redact.Secrets, 1<<30, string(in))
		if out := redactExchanges(t, redact.Secrets, int(n)+1, string(in)); out != whole {
			t.Fatalf("in pieces of %d\n%q\nas a whole\n%q", int(n)+1, out, whole)
		}
	})
}

// A secret of which a part was lost does not show the rest of it.
func TestChunksHole(t *testing.T) {
	for where, in := range named {
		at := strings.Index(in, plainSecret)
		if at < 0 || where == "long" {
			continue
		}
		t.Run(where, func(t *testing.T) {
			lo, hi := at+5, at+9
			for _, n := range pieces {
				var out collect
				w := redact.Chunks(&out, redact.Secrets)
				s := recordtest.Splitter{N: n, W: w}
				conn := &record.Conn{ID: 1}
				for _, k := range []record.Chunk{{Data: []byte(in[:lo])}, {Off: int64(hi), Data: []byte(in[hi:]), End: record.EndClean}} {
					k.Conn = conn
					if err := s.WriteChunk(k); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got := out.data[record.Out].Bytes(); bytes.Contains(got, []byte("battery")) || bytes.Contains(got, []byte("corre")) {
					t.Errorf("in pieces of %d\n%s", n, got)
				}
			}
		})
	}
}
