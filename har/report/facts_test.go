package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"ssltape/har/report"
	"ssltape/record"
)

// pageOf returns the report on exchanges.
func pageOf(t *testing.T, all ...*record.Exchange) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := report.NewWriter(&b, report.Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// summaries returns what the page says of its exchanges.
func summaries(t *testing.T, html []byte) (all []map[string]any) {
	t.Helper()
	for _, part := range strings.Split(string(html), `<script type="application/json" class="summary">`)[1:] {
		text, _, _ := strings.Cut(part, "</script>")
		var s map[string]any
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// post is an exchange of which each number is another one.
func post() *record.Exchange {
	start := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	x := &record.Exchange{ID: 7, Conn: &record.Conn{ID: 3, PID: 42, Comm: "node", ServerName: "a.test"}, Handshake: 30 * time.Millisecond}
	x.Request = record.Request{Method: "POST", Target: "/x", Message: record.Message{Proto: "HTTP/1.1", Done: true,
		Start: start, End: start.Add(2 * time.Millisecond), BodySize: 11, Cut: 5, Lost: []record.Hole{{Off: 1, Len: 2}}}}
	x.Response = record.Response{Status: 201, Message: record.Message{Proto: "HTTP/1.1", Done: true,
		Start: start.Add(10 * time.Millisecond), End: start.Add(15500 * time.Microsecond), BodySize: 1234, Cut: 7, Lost: []record.Hole{{Off: -1, Len: 30}},
		Header: record.Fields{{Name: "Content-Type", Value: "text/plain"}}}}
	return x
}

// webSocket is an exchange with a message of each kind.
func webSocket() *record.Exchange {
	x := post()
	x.Request.Method, x.Request.Header = "GET", record.Fields{{Name: "Upgrade", Value: "websocket"}}
	x.Response.Status = 101
	for _, m := range []record.WebSocketMessage{{Opcode: 1, Data: "as it is"}, {Opcode: 1, Data: "not \xff UTF-8"}, {Opcode: 2, Data: "bytes that are text"},
		{Opcode: 9, Data: "are you there?", FromClient: true}, {Opcode: 8, Data: "\x03\xe8bye"}} {
		m.Time = x.Response.Start
		x.WebSocket = append(x.WebSocket, m)
	}
	return x
}

// The list has the numbers of both messages of an exchange.
func TestSummary(t *testing.T) {
	got := summaries(t, pageOf(t, post(), webSocket()))
	want := map[string]any{"id": 7., "start": 1767323045006., "send": 2., "wait": 8., "total": 15.5, "conn": 3., "pid": 42., "comm": "node", "method": "POST",
		"url": "https://a.test/x", "status": 201., "type": "text/plain", "sent": 11., "received": 1234., "events": 0., "lost": 32., "cut": 12.}
	if len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if ws := got[1]; ws["websocket"] != true || ws["messages"] != 5. {
		t.Errorf("of a WebSocket: %v", ws)
	}
}

// What a talk says again is there once; that its answer is not whole is said in the list.
func TestTalks(t *testing.T) {
	ask := func(messages string) *record.Exchange {
		x := post()
		x.Request.Target, x.Response.Lost, x.Request.Lost, x.Request.Cut, x.Response.Cut = "/v1/messages", nil, nil, 0, 0
		x.Request.Body = record.NewBody([]byte(`{"model":"m","messages":[` + messages + `]}`))
		x.Response.Header = record.Fields{{Name: "Content-Type", Value: "text/event-stream"}}
		x.Response.Events = []record.Event{{Type: "message_start", Data: `{"type":"message_start","message":{"model":"m"}}`}}
		return x
	}
	const first, second = `{"role":"user","content":"the first"}`, `{"role":"user","content":"the second"}`
	html := pageOf(t, ask(first), ask(first+","+second))
	chats := strings.Split(string(html), `class="chat">`)
	if len(chats) != 3 || strings.Contains(strings.Split(chats[2], "</script>")[0], "the first") || !strings.Contains(chats[2], "the second") {
		t.Errorf("the second talk is %.600s", chats[len(chats)-1])
	}
	for _, s := range summaries(t, html) {
		if s["wrong"] != "the stream ended without message_stop" || s["failed"] != nil {
			t.Errorf("the summary is %v", s)
		}
	}
}

// A page that cannot be written is an error, from then on.
func TestWriteError(t *testing.T) {
	full := errors.New("disk full")
	for room := range 12 {
		n := 0
		w, err := report.NewWriter(writer(func(p []byte) (int, error) {
			if n++; n > room {
				return 0, full
			}
			return len(p), nil
		}), report.Options{})
		if err == nil {
			x := post()
			x.Request.Target = "/<"
			err = w.WriteExchange(x)
		}
		if n > room && !errors.Is(err, full) {
			t.Errorf("after %d writes: %v", room, err)
		}
		if w != nil && n > room {
			if err := w.Close(); !errors.Is(err, full) {
				t.Errorf("after %d writes, Close: %v", room, err)
			}
		}
	}
}

type writer func(p []byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }

// The timings stand where they were, TLS within connecting; messages are text
// where they can be.
func TestDetailsInChromium(t *testing.T) {
	s := open(t, pageOf(t, post(), webSocket()))
	s.wantTabs(t, 1, map[string]string{"Overview": "lost: 2 B of the request at 1; 30 B of the response in its head or framing"})
	s.wantTabs(t, 1, map[string]string{"Overview": "not kept: 12 B at the end of a body"})
	s.wantTabs(t, 1, map[string]string{"Overview": "sent\n11 B\nreceived\n1.2 kB"})
	s.wantTabs(t, 1, map[string]string{"Overview": "Timing, total 46 ms"})
	if got, want := strings.Join(s.Bars[0], ", "), "0 ms to 30 ms, 0 ms to 30 ms, 30 ms to 32 ms, 32 ms to 40 ms, 40 ms to 46 ms"; got != want {
		t.Errorf("timings at %s, want %s", got, want)
	}
	for _, want := range []string{"← text", "as it is", "6e 6f 74 20 ff", "bytes that are text", "→ ping", "are you there?", "03 e8 62 79 65", "5 events"} {
		if got := s.Tabs[1]["Messages"]; !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
