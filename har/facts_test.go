package har

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

// fact returns the value at a path of keys in the entry of x, as JSON.
func fact(t *testing.T, x *record.Exchange, path string) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteEntry(&b, x); err != nil {
		t.Fatal(err)
	}
	value := json.RawMessage(b.Bytes())
	for key := range strings.SplitSeq(path, ".") {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(value, &members); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		value = members[key]
	}
	return string(value)
}

// An entry begins with the handshake, where that was seen; has what was not kept of a
// body in its size; says where bytes are missing, also at the start; and has the
// addresses as they are written elsewhere. So does what the file says of all entries.
func TestFacts(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	x := &record.Exchange{ID: 1, Handshake: 30 * time.Millisecond, Conn: &record.Conn{
		Local: netip.MustParseAddrPort("[fe80::1%eth0]:40001"), Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:8443")}}
	x.Request = record.Request{Method: "GET", Target: "/", Message: record.Message{Proto: "HTTP/1.1", Start: start, End: start, Done: true, HeadSize: 9}}
	x.Response = record.Response{Status: 200, Message: record.Message{Proto: "HTTP/1.1", Start: start, End: start, Done: true,
		Body: record.NewBody([]byte("kept")), BodySize: 104, Cut: 100, Lost: []record.Hole{{Off: 0, Len: 3}, {Off: -1, Len: 5}},
		Header: record.Fields{{Name: "Set-Cookie", Value: "a=b; Expires=Fri, 02 Jan 2026 03:04:05 +0200"}}}}
	for path, want := range map[string]string{
		"startedDateTime":       `"2026-01-02T03:04:04.970000Z"`,
		"timings.ssl":           "30",
		"time":                  "30",
		"serverIPAddress":       `"192.0.2.1"`,
		"_clientAddress":        `"[fe80::1]:40001"`,
		"request.headersSize":   "9",
		"response.headersSize":  "-1",
		"response.content.size": "104",
		"response.content._cut": "100",
		"_lost":                 `[{"side":"response","offset":0,"length":3},{"side":"response","offset":null,"length":5}]`,
		"response.cookies":      `[{"name":"a","value":"b","expires":"2026-01-02T01:04:05Z"}]`,
	} {
		if got := fact(t, x, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	x.Request.Cut = 20
	var b bytes.Buffer
	w, err := NewWriter(&b, Options{})
	if err := errors.Join(err, w.WriteExchange(x), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 exchanges, 8 bytes lost, 120 bytes of bodies not kept", `"pages":[{"startedDateTime":"2026-01-02T03:04:04.970000Z"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.Bytes())
		}
	}
}

// What a body has before an error within a character is as it was.
func TestBrokenCharacter(t *testing.T) {
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write([]byte("as it was\xc3"))
	z.Flush() // and it breaks off
	x := &record.Exchange{ID: 1, Conn: &record.Conn{}}
	x.Response = record.Response{Status: 200, Message: record.Message{Proto: "HTTP/1.1", Done: true, Body: record.NewBody(coded.Bytes()),
		BodySize: int64(coded.Len()), Header: record.Fields{{Name: "Content-Encoding", Value: "gzip"}}}}
	if got := fact(t, x, "response.content.text"); got != `"as it was"` {
		t.Errorf("the text is %s", got)
	}
}

// A number is the nearest one of microseconds.
func TestRounding(t *testing.T) {
	for text, want := range map[string]millis{"1.001": 1001, "0.0004": 0, "2.0005": 2001, `"3"`: 3000, "-1": notApplicable, "1e300": 7, "x": 7} {
		got := millis(7)
		if err := got.UnmarshalJSON([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, want %d (%v)", text, got, want, err)
		}
	}
}

// Parts of URLs are what importers make of them.
func TestURLParts(t *testing.T) {
	for u, want := range map[string]word{"ws://a/": "80", "http://a/": "80", "wss://a/": "443", "https://a:8443/": "8443", "data:x": ""} {
		if got := portOf(u); got != want {
			t.Errorf("port of %s: %s, want %s", u, got, want)
		}
	}
	for u, want := range map[string]string{"https://a?q": "/?q", "https://a": "/", "https://a/b?c=/d": "/b?c=/d"} {
		if got := targetOf(u); got != want {
			t.Errorf("target of %s: %s, want %s", u, got, want)
		}
	}
	for a, want := range map[string]string{"a:65535": "a:65535", "a:65536": "unknown", "a:99999": "unknown", "a:": "a:", "[::1]:443": "[::1]:443"} {
		if got := safeAuthority(a); got != want {
			t.Errorf("%s becomes %s, want %s", a, got, want)
		}
	}
}

// Timings of other producers add up to the time of the entry; what is known best
// stays.
func TestTimings(t *testing.T) {
	const ms = 1000
	for name, c := range map[string]struct {
		t    timings
		sum  millis
		want timings
	}{
		"TLS beside connecting":      {timings{Connect: 20 * ms, SSL: 30 * ms, Wait: 50 * ms}, 100 * ms, timings{Connect: 50 * ms, SSL: 30 * ms, Wait: 50 * ms}},
		"and longer":                 {timings{Connect: 40 * ms, SSL: 30 * ms, Wait: 30 * ms}, 100 * ms, timings{Connect: 70 * ms, SSL: 30 * ms, Wait: 30 * ms}},
		"in it":                      {timings{Connect: 40 * ms, SSL: 30 * ms, Wait: 60 * ms}, 100 * ms, timings{Connect: 40 * ms, SSL: 30 * ms, Wait: 60 * ms}},
		"names looked up before":     {timings{DNS: 500 * ms, Wait: 100 * ms}, 100 * ms, timings{Wait: 100 * ms}},
		"and connected":              {timings{DNS: 50 * ms, Blocked: 10 * ms, Connect: 60 * ms, SSL: 50 * ms, Wait: 70 * ms}, 100 * ms, timings{Connect: 30 * ms, SSL: 30 * ms, Wait: 70 * ms}},
		"nothing but the sum":        {timings{}, 100 * ms, timings{Receive: 100 * ms}},
		"something before is missed": {timings{Wait: 40 * ms}, 100 * ms, timings{Blocked: 60 * ms, Wait: 40 * ms}},
	} {
		got := c.t
		if got.normalize(c.sum); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Letters of both alphabets of base64 may be mixed, and ends of line be among them.
func TestMixedBase64(t *testing.T) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(fromBase64([]byte("-_+/\r\nAA==\r\n"))); err != nil || b.String() != "\xfb\xff\xbf\x00" {
		t.Errorf("%x, %v", b.Bytes(), err)
	}
}

// Of more events of processes than there is room for the first are kept, and the
// file says so.
func TestProcessLimit(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxProcesses + 3 {
		if err := w.WriteProcess(&record.ProcessEvent{Kind: record.Exit, PID: i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte(`"event":"exit"`)); n != maxProcesses || !bytes.Contains(b.Bytes(), []byte("; 3 further events of processes left out")) {
		t.Errorf("%d events, and the end is %q", n, b.Bytes()[b.Len()-100:])
	}
}
