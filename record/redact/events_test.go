package redact_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

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
