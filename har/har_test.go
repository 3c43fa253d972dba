package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ssltape/har"
	"ssltape/record"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// exchange returns an exchange of which everything is known.
func exchange() *record.Exchange {
	x := &record.Exchange{
		ID:   7,
		Conn: &record.Conn{ID: 3, PID: 4242, Comm: "node", Exe: "/usr/bin/node", Library: "libssl.so.3", ServerName: "api.example.com", Local: netip.MustParseAddrPort("10.0.0.5:51234"), Remote: netip.MustParseAddrPort("192.0.2.2:8443")},
	}
	x.Request = record.Request{Method: "POST", Target: "/v1/messages?beta=true&q=a%20b", Message: record.Message{
		Proto: "HTTP/1.1", Header: record.Fields{{Name: "Host", Value: "api.example.com"}, {Name: "cookie", Value: "a=1; b=2"}, {Name: "Content-Type", Value: "application/json"}},
		HeadSize: 100, Body: record.NewBody([]byte(`{"q":"ä\n"}`)), BodySize: 12, WireSize: 112, Start: t0, End: t0.Add(1500 * time.Microsecond), Done: true,
	}}
	x.Response = record.Response{Status: 200, Reason: "OK", Message: record.Message{
		Proto: "HTTP/1.1", Header: record.Fields{{Name: "Content-Type", Value: "text/event-stream; charset=utf-8"}, {Name: "Set-Cookie", Value: "s=\xe4; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; SameSite=Lax"}},
		HeadSize: 80, Body: record.NewBody([]byte("data: 1\n\ndata: 2\n\n")), BodySize: 18, WireSize: 110, Start: t0.Add(100 * time.Millisecond), End: t0.Add(123 * time.Millisecond), Done: true,
		Trailer: record.Fields{{Name: "X-End", Value: "1"}},
	}, Events: []record.Event{{Time: t0.Add(101 * time.Millisecond), Data: "1"}, {Time: t0.Add(123 * time.Millisecond), Type: "e", ID: "9", Data: "2"}}}
	return x
}

func write(t testing.TB, xs ...*record.Exchange) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := har.NewWriter(&b, har.Options{Version: "0.1.0", Redaction: "none"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range xs {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, file []byte) (xs []*record.Exchange) {
	t.Helper()
	for x, err := range har.Read(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		x.Keep()
		xs = append(xs, x)
	}
	return xs
}

func TestRoundTrip(t *testing.T) {
	one := write(t, exchange(), exchange())
	if !json.Valid(one) {
		t.Fatalf("not JSON: %s", one)
	}
	two := write(t, read(t, one)...)
	if !bytes.Equal(one, two) {
		t.Errorf("written again:\n%s\nwas:\n%s", two, one)
	}
	t.Logf("%s", one)
}

func TestInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := har.NewWriter(f, har.Options{})
	if err != nil {
		t.Fatal(err)
	}
	big := exchange()
	big.Response.Body = record.NewBody([]byte(strings.Repeat("ä\n", 200_000)))
	for n, x := range []*record.Exchange{exchange(), big, exchange()} {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		if !json.Valid(text) {
			t.Fatalf("after %d: not JSON: %s", n, text[max(0, len(text)-100):])
		}
		if got := len(read(t, text)); got != n+1 {
			t.Errorf("%d entries, want %d", got, n+1)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTruncated(t *testing.T) {
	file := write(t, exchange(), exchange())
	for n := range len(file) - 2 {
		var last error
		whole := 0
		for _, err := range har.Read(bytes.NewReader(file[:n])) {
			if last = err; err == nil {
				whole++
			}
		}
		var cut *har.TruncatedError
		if errors.As(last, &cut) {
			if cut.Entries != whole {
				t.Errorf("%d bytes: %d entries, error says %d", n, whole, cut.Entries)
			}
		} else if !errors.Is(last, har.ErrFormat) {
			t.Errorf("%d bytes: %v", n, last)
		}
	}
}

// equal compares exchanges, the bodies by content.
func equal(t *testing.T, got, want *record.Exchange) {
	t.Helper()
	for _, x := range []*record.Exchange{got, want} {
		for _, m := range []*record.Message{&x.Request.Message, &x.Response.Message} {
			p, err := m.Body.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			m.Body = record.NewBody(bytes.Clone(p))
		}
	}
	g, w := *got, *want
	g.Keep()
	w.Keep()
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got\n%+v\nwant\n%+v", g, w)
	}
}

// TestUnknownKeys checks that what other programs, and later versions, put
// beside the entries and into them is passed over wherever it stands.
func TestUnknownKeys(t *testing.T) {
	want := write(t, exchange(), exchange())
	const more = `"_processes":[{"event":"exec","args":["a",null,{"entries":[{}]}]}],"_deep":[[[{"log":{"entries":[1]}}]]],"_n":-1e400,`
	file := string(want)
	for _, before := range []string{`"version":`, `"entries":[`, `"pages":`, `"startedDateTime":`, `"status":`, `"timings":{`} {
		file = strings.ReplaceAll(file, before, more+before)
	}
	if got := write(t, read(t, []byte(`{"log_":{"entries":[{}]},`+file[1:]))...); !bytes.Equal(got, want) {
		t.Error(diff(got, want))
	}
}
