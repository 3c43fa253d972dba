package redact_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/redact"
)

// conversation returns JSON as coding agents send it: prose, code, tool results
// and ids, with many escapes.
func conversation(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string { return strings.Repeat("ab", r.IntN(3)) + "word"[:1+r.IntN(4)] + "s-_"[:r.IntN(2)] }
	var messages []map[string]any
	for size := 0; size < n; {
		var b strings.Builder
		for range 40 {
			for range 8 {
				b.WriteString(word() + " ")
			}
			b.WriteString("\n\tif x == \"y\" { return }\n")
		}
		size += b.Len()
		messages = append(messages, map[string]any{"role": "user", "id": fmt.Sprintf("toolu_01%020d", r.Uint64()), "content": b.String()})
	}
	p, err := json.Marshal(map[string]any{"model": "m", "messages": messages})
	if err != nil {
		panic(err)
	}
	return p
}

type discard struct{}

func (discard) WriteChunk(record.Chunk) error        { return nil }
func (discard) WriteExchange(*record.Exchange) error { return nil }

func BenchmarkChunks(b *testing.B) {
	benchChunks(b, []byte(post("application/json", string(conversation(1<<20)))))
}

func BenchmarkExchanges(b *testing.B) { benchExchange(b, "application/json", conversation(1<<20)) }

func BenchmarkText(b *testing.B) {
	body := strings.Repeat("The quick brown fox jumps over the lazy dog, again and again.\n", 20000)
	in := []byte(post("text/plain", body))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		w := redact.Chunks(discard{}, redact.Secrets)
		if err := w.WriteChunk(record.Chunk{Conn: &record.Conn{}, Data: in}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostile has inputs that make scanners look at the same bytes again
// and again. None may take much longer than another.
func BenchmarkHostile(b *testing.B) {
	for _, unit := range []string{"sk-", "sk-ant-", "eyJ", "eyJ.", "eyJaaaaaa.", "AKIA", "ghp_", "://", "://a:@", "&", "?a=",
		"?a=%25", `"`, `\`, `{"`, "-----BEGIN PRIVATE KEY-----", "\r\n-", "data:{\n\n", "a", "aaa ", "[[", "e30=", `\u0061`, "%41%42", "token=a1", "key: a1 ", "Bearer "} {
		b.Run(fmt.Sprintf("%q", unit), func(b *testing.B) {
			in := []byte(post("text/plain", strings.Repeat(unit, 1<<20/len(unit))))
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if err := redact.Chunks(discard{}, redact.Secrets).WriteChunk(record.Chunk{Conn: &record.Conn{}, Data: in}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
