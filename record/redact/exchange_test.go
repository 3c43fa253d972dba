package redact_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// render is an ExchangeWriter that writes finished exchanges as text, and
// checks that each grows as it should.
type render struct {
	t    testing.TB
	out  strings.Builder
	seen map[*record.Exchange]size
}

type size struct{ body, events, marks int64 }

func (r *render) WriteExchange(x *record.Exchange) error {
	now := size{x.Request.Body.Len() + x.Response.Body.Len(), int64(len(x.Response.Events)), int64(len(x.Response.Marks))}
	was := r.seen[x]
	if now.body < was.body || now.events < was.events || now.marks < was.marks {
		r.t.Errorf("exchange %d shrank from %v to %v", x.ID, was, now)
	}
	r.seen[x] = now
	if !x.Done() {
		return nil
	}
	delete(r.seen, x)
	fmt.Fprintf(&r.out, "%s %s %s\n", x.Request.Method, x.Request.Target, x.Request.Proto)
	r.message(&x.Request.Message)
	for _, i := range x.Response.Interim {
		fmt.Fprintf(&r.out, "interim %d %v\n", i.Status, i.Header)
	}
	fmt.Fprintf(&r.out, "%d %s\n", x.Response.Status, x.Response.Reason)
	r.message(&x.Response.Message)
	for _, e := range x.Response.Events {
		fmt.Fprintf(&r.out, "event %q %q\n%s\n", e.Type, e.ID, e.Data)
	}
	fmt.Fprintln(&r.out, x.Anomalies, x.Err)
	return nil
}

func (r *render) message(m *record.Message) {
	last := int64(-1)
	for _, k := range m.Marks {
		if k.Off < last || k.Off > m.Body.Len() {
			r.t.Errorf("mark at %d after %d, body of %d", k.Off, last, m.Body.Len())
		}
		last = k.Off
	}
	for _, l := range m.Lost {
		if l.Off > m.Body.Len() {
			r.t.Errorf("hole at %d, body of %d", l.Off, m.Body.Len())
		}
	}
	for _, f := range append(m.Header, m.Trailer...) {
		fmt.Fprintf(&r.out, "%s: %s\n", f.Name, f.Value)
	}
	body, err := m.Body.Bytes()
	if err != nil {
		r.t.Error(err)
	}
	fmt.Fprintf(&r.out, "%v\n%s\n", m.Decoded, body)
}

// redactExchanges assembles data in pieces of n bytes and renders the twins.
func redactExchanges(t testing.TB, p redact.Profile, n int, data string) string {
	t.Helper()
	r := &render{t: t, seen: map[*record.Exchange]size{}}
	a := assembly.New(redact.Exchanges(r, p), assembly.Options{})
	conn := &record.Conn{ID: 1}
	dir := record.Out
	if strings.HasPrefix(data, "HTTP/") {
		dir = record.In
		req := record.Chunk{Conn: conn, Data: []byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")}
		if err := a.WriteChunk(req); err != nil {
			t.Fatal(err)
		}
	}
	s := recordtest.Splitter{N: n, W: a}
	if err := s.WriteChunk(record.Chunk{Conn: conn, Dir: dir, Data: []byte(data), End: record.EndClean}); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return r.out.String()
}

func TestExchanges(t *testing.T) {
	check := func(t *testing.T, in, secret string) {
		whole := redactExchanges(t, redact.Secrets, 1<<30, in)
		if how := leaks(whole, secret); how != "" {
			t.Errorf("%s in\n%s", how, whole)
		}
		if !strings.Contains(whole, "redacted") {
			t.Errorf("nothing redacted in\n%s", whole)
		}
		for _, n := range pieces[:4] {
			if out := redactExchanges(t, redact.Secrets, n, in); out != whole {
				t.Errorf("in pieces of %d\n%s\nas a whole\n%s", n, out, whole)
			}
		}
	}
	for where, in := range named {
		if where == "in doubt" || where == "bad chunk" { // are no exchanges
			continue
		}
		t.Run(where, func(t *testing.T) { check(t, in, plainSecret) })
	}
	for where, message := range places {
		if where == "doubt" {
			continue
		}
		for kind, secret := range evident {
			if kind == "pem" {
				secret = secret[10:50]
			}
			t.Run(where+"/"+kind, func(t *testing.T) { check(t, message(show(kind)), secret) })
		}
	}
}

func TestExchangesHarmless(t *testing.T) {
	for what, in := range harmless {
		t.Run(what, func(t *testing.T) {
			want := redactExchanges(t, redact.None, 1<<30, in)
			for _, n := range pieces {
				if out := redactExchanges(t, redact.Secrets, n, in); out != want {
					t.Errorf("in pieces of %d\n%s\nwant\n%s", n, out, want)
				}
			}
		})
	}
}

// A decoded body is handed on if there was something to take out.
func TestExchangesGzip(t *testing.T) {
	out := redactExchanges(t, redact.Secrets, 3, named["gzip"])
	if !strings.Contains(out, "true\n{\"password\":\"<redacted len=30 id=") {
		t.Error(out)
	}
	if !strings.Contains(out, "Content-Encoding: gzip\n") {
		t.Errorf("fields changed: %s", out)
	}
}

type keeper struct{ x *record.Exchange }

func (k *keeper) WriteExchange(x *record.Exchange) error { k.x = x; x.Keep(); return nil }

// The source is not touched, and the twin is released unless it is kept.
func TestExchangesOwnership(t *testing.T) {
	x := &record.Exchange{ID: 1}
	x.Request.Proto, x.Request.Method, x.Request.Target = "HTTP/1.1", "POST", "/?key=abcdefgh"
	x.Request.Header = record.Fields{{Name: "Cookie", Value: "a=bcd"}}
	x.Request.Done, x.Response.Done = true, true
	io.WriteString(&x.Request.Body, `{"password":"hunter2"}`)
	var k keeper
	if err := redact.Exchanges(&k, redact.Secrets).WriteExchange(x); err != nil {
		t.Fatal(err)
	}
	if b, _ := x.Request.Body.Bytes(); string(b) != `{"password":"hunter2"}` || x.Request.Header[0].Value != "a=bcd" {
		t.Errorf("source changed: %s %v", b, x.Request.Header)
	}
	if b, _ := k.x.Request.Body.Bytes(); !strings.HasPrefix(string(b), `{"password":"<redacted len=7 id=`) {
		t.Errorf("kept twin: %s", b)
	}
	if x.Kept() {
		t.Error("the source is kept")
	}
}

// messages keeps those of the exchanges that are done.
type messages struct{ all []record.WebSocketMessage }

func (w *messages) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		w.all = append(w.all, x.WebSocket...)
	}
	return nil
}

func TestExchangesWebSocket(t *testing.T) {
	const secret = "sk-ant-api03-" + "abcdefghijklmnopqrstuvwxyz"
	x := &record.Exchange{ID: 1}
	x.Request.Done, x.Response.Done = true, true
	x.Request.Pseudo = record.Fields{{Name: ":authority", Value: "api.example.com"}}
	x.WebSocket = []record.WebSocketMessage{
		{FromClient: true, Opcode: 1, Data: `{"key":"` + secret + `","text":"hello"}`},
		{Opcode: 1, Data: secret, Deflated: true},
		{Opcode: 2, Data: "\x00\x01"},
	}
	var out messages
	var url string
	w := redact.Exchanges(record.ExchangeTee{&out, urls{&url}}, redact.Secrets)
	if err := w.WriteExchange(x); err != nil {
		t.Fatal(err)
	}
	if len(out.all) != 3 || url != "https://api.example.com/" {
		t.Fatalf("%d messages of %s", len(out.all), url)
	}
	if got := out.all[0].Data; strings.Contains(got, secret) || !strings.Contains(got, "hello") || !strings.Contains(got, "<redacted") {
		t.Errorf("first message %q", got)
	}
	if got := out.all[1]; got.Data != "" || got.Cut != int64(len(secret)) {
		t.Errorf("deflated message %+v", got)
	}
	if got := out.all[2].Data; got != "\x00\x01" {
		t.Errorf("last message %q", got)
	}
	if !strings.Contains(x.WebSocket[0].Data, secret) {
		t.Error("the exchange itself was changed")
	}
}

// urls keeps the URL of the last exchange.
type urls struct{ last *string }

func (u urls) WriteExchange(x *record.Exchange) error {
	*u.last = x.URL()
	return nil
}
