package har_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

var (
	picture = flag.String("picture", "", "write a picture of the EventStream tab to `FILE`")
	firefox = flag.Bool("firefox", false, "open the files in Firefox, too (make test-firefox)")
)

// chromium returns the path of Debian's Chromium. The one in /usr/bin is a
// script that adds options of its own.
func chromium(t *testing.T) string {
	t.Helper()
	const path = "/usr/lib/chromium/chromium"
	if _, err := os.Stat(path); err != nil {
		missing(t, path)
	}
	return path
}

// everything writes a file of the exchanges of all recordings, compressed
// where its name ends in .gz. It returns the exchanges ordered by time.
func everything(t *testing.T, path string) []*record.Exchange {
	t.Helper()
	var xs []*record.Exchange
	for _, rec := range recordings(t) {
		text, err := os.ReadFile(strings.TrimSuffix(rec, ".rec") + ".har")
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, read(t, text)...)
	}
	file := write(t, xs...)
	if strings.HasSuffix(path, ".gz") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(file)
		w.Close()
		file = z.Bytes()
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(xs, func(x, y *record.Exchange) int { return x.Start().Compare(y.Start()) })
	return xs
}

// A panel is what the Network panel of DevTools shows; see
// testdata/npm/panel.mjs.
type panel struct {
	File, Error string
	Rows        []struct{ Name, Status, Type, Size string }
	Events      [][]string // id, type, data, time
}

// TestNetworkPanel opens files in DevTools as its users do.
func TestNetworkPanel(t *testing.T) {
	all := filepath.Join(t.TempDir(), "all.har.gz")
	xs := everything(t, all)
	t.Setenv("SHOT", *picture)
	shown := node[panel](t, "panel.mjs", chromium(t), "../testdata/sse.har", all)
	if len(shown) != 2 {
		t.Fatalf("%d of 2 files", len(shown))
	}
	for _, p := range shown {
		if p.Error != "" {
			t.Errorf("%s: %s", p.File, p.Error)
		}
	}
	if got, want := len(shown[1].Rows), len(xs); got != want {
		t.Fatalf("%d rows of %d exchanges", got, want)
	}
	var got, want []string // ordered, since some began at the same time
	for i, x := range xs {
		row := shown[1].Rows[i]
		status := strconv.Itoa(x.Response.Status)
		if !x.Response.Seen() {
			status = "Finished" // what DevTools makes of status 0
		}
		got = append(got, strings.Fields(row.Status)[0]+" "+row.Type)
		want = append(want, status+" "+kindOf(x))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	text, err := os.ReadFile("../testdata/sse.har")
	if err != nil {
		t.Fatal(err)
	}
	got, want = nil, nil
	for _, e := range read(t, text)[0].Response.Events {
		want = append(want, fmt.Sprintf("%q", []string{e.ID, e.Type, e.Data, e.Time.Format("15:04:05.000")}))
	}
	for _, e := range shown[0].Events {
		got = append(got, fmt.Sprintf("%q", e[:min(4, len(e))]))
	}
	if !slices.Equal(got, want) || len(want) != 3 {
		t.Errorf("EventStream tab shows\n%s\nwant\n%s", got, want)
	}
}

// TestPlayback has a page fetch what was recorded from the file, by
// Playwright: it gets the bytes that the recorded program got.
func TestPlayback(t *testing.T) {
	plain := []byte(strings.Repeat("Grüße, 世界\n\x00\"\\", 1000))
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write(plain)
	z.Close()
	binary := make([]byte, 100_000)
	for i := range binary {
		binary[i] = byte(i * i >> 8)
	}
	stream := "event: a\ndata: {\"n\":1}\n\n: comment\n\ndata: 世\n\n"
	form, blob := []byte(`{"stream":true}`), []byte{0, 0xff, 0xfe, '\r', '\n', 0x80}
	page := func(target, kind, coding string, sent, body []byte) *record.Exchange {
		x := &record.Exchange{Conn: &record.Conn{ID: 1, ServerName: "a.example"}}
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		x.Request = record.Request{Method: "GET", Target: target, Message: record.Message{Proto: "HTTP/1.1",
			Header: record.Fields{{Name: "Host", Value: "a.example"}}, Start: now, End: now, Done: true}}
		x.Response = record.Response{Status: 200, Reason: "OK", Message: record.Message{Proto: "HTTP/1.1",
			Header: record.Fields{{Name: "Content-Type", Value: kind}}, Start: now, End: now, Done: true,
			Body: record.NewBody(body), BodySize: int64(len(body))}}
		if sent != nil {
			x.Request.Method, x.Request.Body, x.Request.BodySize = "POST", record.NewBody(sent), int64(len(sent))
			x.Request.Header = append(x.Request.Header, record.Field{Name: "Content-Type", Value: "application/octet-stream"})
		}
		if coding != "" {
			x.Response.Header = append(x.Response.Header, record.Field{Name: "Content-Encoding", Value: coding},
				record.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
		}
		return x
	}
	type request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
		Type   string `json:"type,omitempty"`
		Body   []byte `json:"body,omitempty"`
	}
	type answer struct {
		URL    string
		Status int
		Body   []byte
		Error  string
	}
	var xs []*record.Exchange
	var requests []request
	var want []answer
	add := func(x *record.Exchange, sent, body []byte) {
		r := request{Method: x.Request.Method, URL: x.URL(), Body: sent}
		if sent != nil {
			r.Type = "application/octet-stream"
		}
		xs, requests = append(xs, x), append(requests, r)
		want = append(want, answer{URL: r.URL, Status: 200, Body: body})
	}
	html := []byte("<!doctype html><title>page</title>")
	add(page("/", "text/html", "", nil, html), nil, html)
	add(page("/text", "text/plain; charset=utf-8", "", nil, plain), nil, plain)
	add(page("/gzip", "application/json", "gzip", nil, coded.Bytes()), nil, plain)
	add(page("/binary", "image/png", "", nil, binary), nil, binary)
	add(page("/stream", "text/event-stream; charset=utf-8", "", form, []byte(stream)), form, []byte(stream))
	add(page("/blob", "application/octet-stream", "", blob, blob), blob, blob)
	requests = append(requests, request{Method: "POST", URL: "https://a.example/stream", Type: "application/octet-stream", Body: []byte("other")})
	want = append(want, answer{URL: "https://a.example/stream", Error: "Failed to fetch"})

	dir := t.TempDir()
	file, list := filepath.Join(dir, "a.har"), filepath.Join(dir, "requests.json")
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, write(t, xs...), 0o600); err != nil {
		t.Fatal(err)
	}
	got := node[answer](t, "playback.mjs", chromium(t), file, list)
	if len(got) != len(want) {
		t.Fatalf("%d answers to %d requests", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s %s: %d %q %.100q, want %.100q", requests[i].Method, want[i].URL, got[i].Status, got[i].Error, got[i].Body, want[i].Body)
		}
	}
}

// TestFirefox opens files in Firefox as its users do.
func TestFirefox(t *testing.T) {
	if !*firefox {
		t.Skip("Firefox: make test-firefox runs it")
	}
	for _, tool := range []string{"firefox-esr", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(err)
		}
	}
	all := filepath.Join(t.TempDir(), "all.har")
	xs := everything(t, all)
	type row struct {
		Method, URL string
		Status      int
		MS          float64
		Body        []byte
	}
	type result struct {
		Error string
		Rows  []row
	}
	shown := lines[result](t, "python3", "testdata/firefox.py", "../testdata/sse.har", all)
	if len(shown) != 2 || len(shown[0].Rows) != 3 {
		t.Fatalf("Firefox shows %+v", shown)
	}
	for _, r := range shown {
		if r.Error != "" {
			t.Error(r.Error)
		}
	}
	if got, want := len(shown[1].Rows), len(xs); got != want {
		t.Fatalf("%d rows of %d exchanges", got, want)
	}
	var got, want []string
	for i, x := range xs {
		r := shown[1].Rows[i]
		got = append(got, fmt.Sprintf("%s %d %.3f %q", r.Method, r.Status, r.MS, r.Body))
		body, err := x.Response.Body.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("%s %d %.3f %q", x.Request.Method, x.Response.Status, float64(x.Duration().Microseconds())/1e3, body))
	}
	slices.Sort(got) // its store has the order of the file
	slices.Sort(want)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("Firefox has %s\nwant %s", got[i], want[i])
		}
	}
}
