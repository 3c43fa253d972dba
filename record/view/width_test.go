package view

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

// wideExchanges are what fills lines: long and wide names, large numbers, long
// durations, events, a talk, a WebSocket.
func wideExchanges() []*record.Exchange {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	conn := &record.Conn{ID: 1 << 40, PID: 4194303, Comm: "日本語プロセス名前", ServerName: "api.anthropic.com"}
	var all []*record.Exchange
	for i, body := range []string{
		`{"type":"message","role":"assistant","model":"claude-漢字-with-a-very-long-name-20260102","content":[{"type":"text","text":"` +
			strings.Repeat("漢字😀 word ", 40) + `"},{"type":"tool_use","id":"t","name":"` + strings.Repeat("工具", 30) + `","input":{"k":"` + strings.Repeat("値", 90) + `"}}],"usage":{"input_tokens":123456789,"output_tokens":987654}}`,
		"plain " + strings.Repeat("w", 300) + "\n\t" + strings.Repeat("🎉", 100),
	} {
		x := &record.Exchange{ID: uint64(9_999_999 + i), Conn: conn, Err: record.ErrStopped}
		x.Request = record.Request{Method: "MKCALENDAR", Target: "/v1/messages/" + strings.Repeat("路径", 60), Message: record.Message{
			Proto: "HTTP/1.1", Start: start, End: start.Add(time.Millisecond), Done: true, BodySize: 123_456_789_012, HeadSize: 70,
			Header: record.Fields{{Name: "Host", Value: "api.anthropic.com"}, {Name: "X-" + strings.Repeat("Long", 20), Value: strings.Repeat("値", 100)}},
			Body:   record.NewBody([]byte(`{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":"` + strings.Repeat("質問", 90) + `"}]}`)),
		}}
		x.Response = record.Response{Status: 200, Reason: strings.Repeat("大丈夫", 30), Message: record.Message{
			Proto: "HTTP/1.1", Start: start.Add(99 * time.Hour), End: start.Add(300 * time.Hour), Done: true, BodySize: 999_400_000_000, HeadSize: 70,
			Header: record.Fields{{Name: "Content-Type", Value: "application/json"}}, Body: record.NewBody([]byte(body)), Lost: []record.Hole{{Off: 5, Len: 1 << 40}},
		}}
		for j := range 3 {
			x.Response.Events = append(x.Response.Events, record.Event{Time: start.Add(time.Duration(j) * time.Hour), Type: "種類", Data: body})
			x.WebSocket = append(x.WebSocket, record.WebSocketMessage{Time: start, Opcode: 1, Data: body, FromClient: j == 1})
		}
		all = append(all, x)
	}
	return all
}

// sgr is an escape sequence of colour, which takes no room.
var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// showWide returns what a view shows of the wide exchanges.
func showWide(t *testing.T, name string, o Options) string {
	t.Helper()
	var b bytes.Buffer
	v, err := New(name, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range wideExchanges() {
		if err := v.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWidth checks that the views which are tables are not wider than the
// terminal. The others show what may be copied, such as URLs and fields: they
// leave it to the terminal to go on in the next line.
func TestWidth(t *testing.T) {
	for _, name := range []string{"list", "summary", "stats", "timeline"} {
		for _, width := range []int{40, 60, 80, 120, 200} {
			for _, color := range []bool{false, true} {
				t.Setenv("LC_ALL", "C.UTF-8")
				shown := showWide(t, name, Options{Terminal: true, Width: width, Zone: time.UTC, Color: color})
				for line := range strings.Lines(sgr.ReplaceAllString(shown, "")) {
					line = strings.TrimSuffix(line, "\n")
					if n := textWidth(line); n > width {
						t.Errorf("%s at %d columns, colour %v: %d in %q", name, width, color, n, line)
					}
				}
			}
		}
	}
}

// What does not fit its column of the list is cut where it tells least: a process
// keeps its number, a media type what it is a form of.
func TestColumns(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	for _, c := range []struct {
		comm, mediaType, process, short string
	}{
		{"node", "text/html; charset=utf-8", "node[4194303]", "html"},
		{"Web Content", "application/problem+json", "Web …[4194303]", "json"},
		{"日本語プロセス", "application/x-ndjson", "日本…[4194303]", "ndjson"},
		{"chromium-browse", "text/event-stream", "chro…[4194303]", "sse"},
	} {
		x := &record.Exchange{Conn: &record.Conn{PID: 4194303, Comm: c.comm}}
		x.Response.Header = record.Fields{{Name: "Content-Type", Value: c.mediaType}}
		if got := shortProcess(x); got != c.process || textWidth(got) > processWidth {
			t.Errorf("%s: %q, want %q", c.comm, got, c.process)
		}
		if got := shortType(x); got != c.short {
			t.Errorf("%s: %q, want %q", c.mediaType, got, c.short)
		}
	}
}

// A list is as wide as the terminal has become, under titles that fit.
func TestResize(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	var b bytes.Buffer
	width := 120
	v, err := New("list", &b, Options{Terminal: true, Measure: func() int { return width }, Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	titles := 0
	for _, width = range []int{120, 120, 50, 50, 90} {
		b.Reset()
		if err := v.WriteExchange(wideExchanges()[0]); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := textWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("at %d columns %d in %q", width, n, line)
			}
		}
		titles += strings.Count(b.String(), "METHOD")
	}
	if titles != 3 {
		t.Errorf("titles %d times, want them at the start and where the width changed", titles)
	}
}

// TestPipe checks that what goes to a file has all of it: numbers, methods,
// processes and URLs are what scripts look for.
func TestPipe(t *testing.T) {
	for _, name := range []string{"list", "summary", "stats", "timeline", "headers"} {
		shown := showWide(t, name, Options{Zone: time.UTC})
		want := map[string][]string{
			"list":    {fmt.Sprint(9_999_999), "MKCALENDAR", "日本語プロセス名前[4194303]", "api.anthropic.com/v1/messages/" + strings.Repeat("路径", 60)},
			"summary": {"日本語プロセス名前[4194303]", "api.anthropic.com (2)"},
			"stats":   {"api.anthropic.com"}, "timeline": {"#9999999"}, "headers": {strings.Repeat("値", 100)},
		}
		for _, s := range want[name] {
			if !strings.Contains(shown, s) {
				t.Errorf("%s: no %q in %s", name, s, shown)
			}
		}
		if strings.Contains(shown, "…") && name != "timeline" {
			t.Errorf("%s: cut: %s", name, shown)
		}
	}
}
