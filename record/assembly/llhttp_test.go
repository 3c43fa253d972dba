package assembly_test

import (
	"fmt"
	"strings"
	"testing"

	"ssltape/record"
)

type llhttpCase struct {
	Name string
	Line int
	File string
	Meta struct {
		Type     string
		SkipBody bool
	}
	Input  []byte `json:"input_b64"`
	Expect struct {
		Messages []llhttpMessage
		Error    *struct{ Off int }
	}
}

type llhttpMessage struct {
	Method, URL, Status string
	Headers, Trailers   [][2]string
	Body                []byte `json:"body_b64"`
	Complete            bool
}

// llhttpExceptions are the cases that read otherwise here, with the reason.
var llhttpExceptions = map[string]string{
	"request/content-length.md:447":     "the case tells the parser that there is no body",
	"request/invalid.md:184":            "lenient flag: a CR alone ends a request's line, against RFC 9112 section 2.2",
	"request/transfer-encoding.md:1029": "lenient flag: a CR alone ends the line of a chunk, against RFC 9112 section 2.2",
	"request/invalid.md:571":            "lenient flag: the empty line after the last chunk is not the end, against RFC 9112 section 7.1",
}

func TestLLHTTP(t *testing.T) {
	var cases []llhttpCase
	readCorpus(t, "llhttp.json", &cases)
	for _, c := range cases {
		name := fmt.Sprintf("%s:%d", c.File, c.Line)
		t.Run(name, func(t *testing.T) {
			whole := runLLHTTP(t, c, len(c.Input))
			why, exception := llhttpExceptions[name]
			if exception {
				t.Log("exception:", why)
			}
			for i, want := range c.Expect.Messages {
				if exception || c.Expect.Error != nil && !want.Complete {
					break
				}
				if i >= len(whole) {
					t.Errorf("%q: %d messages, want %d: %v", c.Input, len(whole), len(c.Expect.Messages), whole)
					break
				}
				if w := showLLHTTP(want.unescape()); w != whole[i] {
					t.Errorf("%q: message %d\nwant %s\ngot  %s", c.Input, i, w, whole[i])
				}
			}
			for n := range len(c.Input) {
				if got := runLLHTTP(t, c, n); fmt.Sprint(got) != fmt.Sprint(whole) {
					t.Fatalf("%q: split at %d\nwhole %q\ngot   %q", c.Input, n, whole, got)
				}
			}
		})
	}
}

// unescape returns m with the bytes that its strings stand for: one a rune.
func (m llhttpMessage) unescape() llhttpMessage {
	latin1 := func(s *string) {
		var b []byte
		for _, r := range *s {
			b = append(b, byte(r))
		}
		*s = string(b)
	}
	latin1(&m.URL)
	latin1(&m.Status)
	for i := range m.Headers {
		latin1(&m.Headers[i][1])
	}
	return m
}

func showLLHTTP(m llhttpMessage) string {
	show := func(fs [][2]string) string {
		var b strings.Builder
		if !m.Complete {
			return "" // llhttp has not shown those that may go on
		}
		for _, f := range fs {
			fmt.Fprintf(&b, "%s: %s\n", strings.TrimSpace(f[0]), strings.Join(strings.Fields(f[1]), " "))
		}
		return b.String()
	}
	return fmt.Sprintf("%s %s %s complete=%t body=%q\n%s%s", m.Method, m.URL, m.Status, m.Complete, m.Body, show(m.Headers), show(m.Trailers))
}

// runLLHTTP returns the messages of c, cut in two at n, or into single bytes where n is 0.
func runLLHTTP(t *testing.T, c llhttpCase, n int) []string {
	var got []string
	add := func(m *record.Message, method, url, status string) {
		body, _ := m.Body.Bytes()
		lm := llhttpMessage{Method: method, URL: url, Status: status, Body: body, Complete: m.Done}
		for _, f := range m.Header {
			lm.Headers = append(lm.Headers, [2]string{f.Name, f.Value})
		}
		for _, f := range m.Trailer {
			lm.Trailers = append(lm.Trailers, [2]string{f.Name, f.Value})
		}
		got = append(got, showLLHTTP(lm))
	}
	conn := &record.Conn{ID: 1}
	var chunks []record.Chunk
	dir, response := record.Out, strings.HasPrefix(c.Meta.Type, "response")
	if response {
		method := "GET"
		if c.Meta.SkipBody {
			method = "HEAD"
		}
		dir = record.In
		for range c.Expect.Messages {
			chunks = appendData(chunks, conn, record.Out, []byte(method+" / HTTP/1.1\r\nHost: x\r\n\r\n"))
		}
	}
	if n == 0 {
		for i := range c.Input {
			chunks = appendData(chunks, conn, dir, c.Input[i:i+1])
		}
	} else {
		chunks = appendData(chunks, conn, dir, c.Input[:n])
		chunks = appendData(chunks, conn, dir, c.Input[n:])
	}
	xs, _ := assemble(t, chunks, 0)
	for _, x := range xs {
		if !response {
			add(&x.Request.Message, x.Request.Method, x.Request.Target, "")
			continue
		}
		for _, i := range x.Response.Interim {
			add(&record.Message{Header: i.Header, Done: true}, "", "", i.Reason)
		}
		if x.Response.Seen() {
			add(&x.Response.Message, "", "", x.Response.Reason)
		}
	}
	return got
}
