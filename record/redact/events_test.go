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

// eventHeads and eventTails are what stands around the strings of deltas, in
// ways that real streams and broken ones have it.
var (
	eventHeads = []string{
		`{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":`,
		`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"m_1","output_index":1,"delta":`,
		`{"id":"c","created": %d,"choices":[{"index":0,"delta":{"content":`,
		`{"candidates": [{"content": {"parts": [{"text": `,
		`{"index":[0,%d],"delta":{"arguments":`,
		`{"delta":{},"message":%d,"text":`,
		`{"password":%d,"delta":{"input":`,
		`{"name":"password","n":%d,"delta":{"value":"x","text":`,
		`{"delta":{"text":"a","content":`,
		`{"delta":"x\"","n":%d.5,"text":`,
	}
	eventTails = []string{`}}`, `}`, `,"logprobs":[]}`, `},"logprobs":null,"finish_reason":null}]}`, `,"item":1}`, `}:1}`, `:"x","delta":"y"}`, `],"index":2,"text":"z"}`, ``,
		`},"name":"password","text":"correct horse"}`, "}\ndata: ,\"text\":\"abc\"}", "}\r\ndata:}"}
)

// events returns a stream of random deltas, with a secret in some of them.
func events(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
	head, tail := 0, 0
	secret := ""
	for i := range 30 {
		if r.IntN(6) == 0 {
			head = r.IntN(len(eventHeads))
		}
		if r.IntN(6) == 0 {
			tail = r.IntN(len(eventTails))
		}
		text := sentence(r, r.IntN(3)) + " \n\"é"[:r.IntN(6)]
		if secret == "" && r.IntN(5) == 0 {
			secret = show([]string{"oauth", "github", "pem", "signature", "userinfo"}[r.IntN(5)])
		}
		if n := min(len(secret), r.IntN(20)); n > 0 {
			text, secret = secret[:n], secret[n:]
		}
		q, _ := json.Marshal(text)
		before := eventHeads[head]
		if strings.Contains(before, "%d") {
			before = fmt.Sprintf(before, r.IntN(1+i/8)*max(1, r.IntN(1000)))
		}
		fmt.Fprintf(&b, "%sdata: %s%s%s\n\n", []string{"", "event: delta\n", "id: 1\r\n"}[r.IntN(3)], before, q, eventTails[tail])
	}
	return b.String()
}

// TestEvents holds that events that are passed over since the one before was the
// same lose what those lose that are looked at byte by byte.
func TestEvents(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		in := events(r)
		want := redactChunks(t, redact.Secrets, 1, in)
		for _, n := range []int{64, 1 << 30} {
			if out := redactChunks(t, redact.Secrets, n, in); out != want {
				t.Fatalf("in pieces of %d\n%s\nbyte by byte\n%s", n, out, want)
			}
		}
	}
}

// lineHeads and lineTails are the same of JSON one after the other.
var (
	lineHeads = []string{
		`{"model":"l","created_at":"2026-01-02T03:04:%02d.5Z","message":{"role":"assistant","content":`,
		`{"model":"l","created_at":"2026-01-02T03:04:05.%dZ","response":`,
		`{"n":%d,"model":"l","message":{"content":`,
		`{"delta":{"index":%d,"text":`,
		`{"message":{"content":`,
		`{"a":{"delta":{"text":`,
		`{"name":"2026-%d-01T00:00:00Z","model":"l","message":{"text":`,
		`{"kind":"Secret","n":%d,"model":"l","message":{"text":`,
		`{"data":{"x":"T"},"model":"l","response":`,
		` {"token":%d,"model":"l","response":`,
		`[{"model":"l","n":%d.5,"response":`,
	}
	lineTails = []string{`},"done":false}`, `,"done":false}`, `}}`, `}`, `}}}`, `,"at":"2026-01-02T03:04:05Z"}`, `},"value":"x"}`, `},"name":"password","value":"correct horse"}`,
		`}, "total": 12}`, `},"kind":"Secret"}`, "}\n}", "}]", "},\n{\"text\":\"abc\"}"}
)

// lines returns lines of JSON with pieces of text, with a secret in some of them.
func lines(r *rand.Rand) string {
	var b strings.Builder
	head, tail, secret := 0, 0, ""
	for i := range 30 {
		if r.IntN(6) == 0 {
			head, tail = r.IntN(len(lineHeads)), r.IntN(len(lineTails))
		}
		text := sentence(r, r.IntN(3)) + " \n\"é"[:r.IntN(6)]
		if secret == "" && r.IntN(5) == 0 {
			secret = show([]string{"oauth", "github", "pem", "signature", "userinfo"}[r.IntN(5)])
		}
		if n := min(len(secret), r.IntN(20)); n > 0 {
			text, secret = secret[:n], secret[n:]
		}
		before := lineHeads[head]
		if strings.Contains(before, "%") {
			before = fmt.Sprintf(before, r.IntN(1+i/8)*max(1, r.IntN(60)))
		}
		b.WriteString(before + quote(text) + lineTails[tail] + []string{"\n", "\r\n", ",\n", ""}[max(0, r.IntN(20)-16)])
	}
	return post("application/x-ndjson", b.String())
}

// TestLines holds the same of the lines that begin as one before.
func TestLines(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	for range 200 {
		in := lines(r)
		want := redactChunks(t, redact.Secrets, 1, in)
		for _, n := range []int{64, 300, 1 << 30} {
			if out := redactChunks(t, redact.Secrets, n, in); out != want {
				t.Fatalf("in pieces of %d\n%s\nbyte by byte\n%s", n, out, want)
			}
		}
	}
}

// TestEventPasses holds that the text of an event is passed on before the next one
// comes, unless a secret may have begun with it.
func TestEventPasses(t *testing.T) {
	for text, passes := range map[string]bool{" Hel": true, "the file na": true, " sk-ant-api": false, "Authorization: Bearer a1b2": false} {
		out := &collect{}
		w, conn := redact.Chunks(out, redact.Secrets), &record.Conn{}
		off := 0
		for _, p := range []string{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "data: {\"delta\":{\"text\":\"I say: \"}}\n\n", "data: {\"delta\":{\"text\":" + quote(text) + "}}\n\n"} {
			if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Off: int64(off), Data: []byte(p)}); err != nil {
				t.Fatal(err)
			}
			off += len(p)
		}
		if got := strings.HasSuffix(out.data[record.In].String(), quote(text)+"}}\n\n"); got != passes {
			t.Errorf("%q passes: %v, want %v: %s", text, got, passes, out.data[record.In].String())
		}
	}
}
