package wire

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// A request to GET / over HTTP/1.1.
func request() record.Request {
	r := record.Request{Method: "GET", Target: "/"}
	r.Message = record.Message{Proto: "HTTP/1.1", Header: record.Fields{{Name: "Host", Value: "a.test"}}, Done: true, Start: start, End: start}
	return r
}

func response(header record.Fields, body string) record.Response {
	r := record.Response{Status: 200, Reason: "OK"}
	r.Message = record.Message{Proto: "HTTP/1.1", Header: header, Done: true, Start: start.Add(time.Second), End: start.Add(2 * time.Second)}
	r.Body, r.BodySize = record.NewBody([]byte(body)), int64(len(body))
	return r
}

// What a Writer makes of an exchange, as a line a chunk.
func TestWriter(t *testing.T) {
	for name, c := range map[string]struct {
		change func(x *record.Exchange)
		want   string
	}{
		"as it was": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "content-length", Value: "3"}}, "abc")
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|content-length: 3||\n< abc\n"},
		"chunked": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Transfer-Encoding", Value: "Chunked"}}, "abcdef")
			x.Response.Marks = []record.Mark{{Off: 0, Time: start}, {Off: 2, Time: start}}
			x.Response.Trailer = record.Fields{{Name: "X", Value: "1"}}
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Transfer-Encoding: Chunked||\n< 2|ab|\n< 4|cdef|\n< 0|X: 1||\n"},
		"until the end": {func(x *record.Exchange) {
			x.Response = response(nil, "abc")
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK||\n< abc\n< end\n> end\n"},
		"decoded": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Content-Encoding", Value: "br"}, {Name: "Content-Length", Value: "2"}}, "abc")
			x.Response.Decoded = true
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Content-Length: 3||\n< abc\n"},
		"answer to HEAD": {func(x *record.Exchange) {
			x.Request.Method = "HEAD"
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "3"}}, "")
		}, "> HEAD / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Content-Length: 3||\n"},
		"lost and cut": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "10"}}, "abcd")
			x.Response.Lost, x.Response.Cut = []record.Hole{{Off: 1, Len: 2}}, 4
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Content-Length: 10||\n< a\n< +2 bcd\n< +4 \n"},
		"no body kept": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "10"}}, "")
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Content-Length: 10||\n< +10 \n"},
		"lost in chunks": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Transfer-Encoding", Value: "chunked"}}, "abcd")
			x.Response.Lost = []record.Hole{{Off: 1, Len: 2}}
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Transfer-Encoding: chunked||\n< 1|a|\n< 2|\n< +2 |\n< 3|bcd|\n< 0||\n"},
		"cut off": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "10"}}, "abc")
			x.Response.Done, x.Err = false, record.ErrCut
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 200 OK|Content-Length: 10||\n< abc\n< cut\n> cut\n"},
		"HTTP/2": {func(x *record.Exchange) {
			x.Request.Proto, x.Request.Header = "HTTP/2.0", record.Fields{{Name: ":method", Value: "POST"}, {Name: ":authority", Value: "b.test"}, {Name: "x", Value: "1"}}
			x.Request.Body = record.NewBody([]byte("hi"))
			x.Response = response(nil, "abc")
			x.Response.Proto = "HTTP/2.0"
		}, "> GET / HTTP/1.1|Host: b.test|x: 1|Content-Length: 2||\n> hi\n< HTTP/1.1 200 OK|Content-Length: 3||\n< abc\n"},
		"HTTP/2 as recorded": {func(x *record.Exchange) {
			x.Request.Proto, x.Request.Header = "HTTP/2.0", record.Fields{{Name: "x", Value: "1"}}
			x.Request.Pseudo = record.Fields{{Name: ":authority", Value: "b.test"}}
			x.Response = response(nil, "")
			x.Response.Proto = "HTTP/2.0"
		}, "> GET / HTTP/1.1|Host: b.test|x: 1||\n< HTTP/1.1 200 OK|Content-Length: 0||\n"},
		"interim": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "0"}}, "")
			x.Response.Interim = []record.Interim{{Status: 103, Reason: "Early Hints", Header: record.Fields{{Name: "Link", Value: "x"}}}}
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 103 Early Hints|Link: x||\n< HTTP/1.1 200 OK|Content-Length: 0||\n"},
		"server": {func(x *record.Exchange) {
			x.Server = true
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "0"}}, "")
		}, "< GET / HTTP/1.1|Host: a.test||\n> HTTP/1.1 200 OK|Content-Length: 0||\n"},
		"WebSocket": {func(x *record.Exchange) {
			x.Response = response(record.Fields{{Name: "Upgrade", Value: "websocket"}}, "")
			x.Response.Status, x.Response.Reason = 101, "Switching"
			x.WebSocket = []record.WebSocketMessage{{Opcode: 1, Data: "hi", FromClient: true}, {Opcode: 2, Data: strings.Repeat("x", 200)}}
		}, "> GET / HTTP/1.1|Host: a.test||\n< HTTP/1.1 101 Switching|Upgrade: websocket||\n> \x81\x82\x00\x00\x00\x00hi\n< \x82\x7e\x00\xc8" +
			strings.Repeat("x", 200) + "\n< end\n> end\n"},
		"no request": {func(x *record.Exchange) {
			x.Request = record.Request{}
			x.Response = response(record.Fields{{Name: "Content-Length", Value: "0"}}, "")
			x.Err = errors.New("not seen")
		}, "< HTTP/1.1 200 OK|Content-Length: 0||\n< cut\n> cut\n"},
		"stopped": {func(x *record.Exchange) {
			x.Err = record.ErrStopped
		}, "> GET / HTTP/1.1|Host: a.test||\n"},
	} {
		x := &record.Exchange{Conn: &record.Conn{ID: 9}, Request: request()}
		c.change(x)
		var got lines
		if err := NewWriter(&got).WriteExchange(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.String() != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, &got, c.want)
		}
	}
}

// lines notes chunks as text: the direction, +n for n bytes that are missing
// before it, and the data with | for each CRLF.
type lines struct {
	strings.Builder
	next [2]int64
}

func (l *lines) WriteChunk(c record.Chunk) error {
	l.WriteString([]string{"> ", "< "}[c.Dir])
	if c.Off > l.next[c.Dir] {
		fmt.Fprintf(l, "+%d ", c.Off-l.next[c.Dir])
	}
	l.next[c.Dir] = c.Off + int64(len(c.Data))
	l.WriteString(strings.ReplaceAll(string(c.Data), "\r\n", "|"))
	l.WriteString([]string{"", "end", "cut"}[c.End] + "\n")
	return nil
}

// A response that has no body by its status or its request gets none, whatever is
// stored.
func TestBodiless(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		want   bool
	}{
		{"GET", 200, true}, {"HEAD", 200, false}, {"GET", 204, false}, {"GET", 304, false}, {"GET", 199, false},
		{"GET", 404, true}, {"CONNECT", 200, false}, {"CONNECT", 299, false}, {"CONNECT", 300, true}, {"CONNECT", 403, true},
	} {
		x := &record.Exchange{Conn: &record.Conn{ID: 9}, Request: request()}
		x.Request.Method = c.method
		x.Response = response(record.Fields{{Name: "Content-Length", Value: "4"}}, "body")
		x.Response.Status = c.status
		var got lines
		if err := NewWriter(&got).WriteExchange(x); err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(got.String(), "< body\n"); has != c.want {
			t.Errorf("%s %d: got\n%s", c.method, c.status, &got)
		}
	}
}

// Messages of a WebSocket have their length in the shortest form that holds it.
func TestFrameLength(t *testing.T) {
	for n, want := range map[int]string{0: "\x82\x00", 125: "\x82\x7d", 126: "\x82\x7e\x00\x7e", 65535: "\x82\x7e\xff\xff",
		65536: "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"} {
		m := record.WebSocketMessage{Opcode: 2, Data: strings.Repeat("x", n)}
		if got := string(frame(&m)); got != want+m.Data {
			t.Errorf("%d bytes: starts with %q, want %q", n, got[:min(len(got), 12)], want)
		}
	}
}

// Each piece of a body comes when it came: by its marks or else by the times of its
// events, one of which may be in a line that is longer than what is read at once.
// What is around a hole comes with what was before it.
func TestTimes(t *testing.T) {
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	long := strings.Repeat("x", 5000)
	chunked := record.Fields{{Name: "Transfer-Encoding", Value: "chunked"}}
	for name, c := range map[string]struct {
		change func(r *record.Response)
		want   string
	}{
		"marks": {func(r *record.Response) {
			*r = response(chunked, "abcd")
			r.Marks = []record.Mark{{Off: 0, Time: at(3)}, {Off: 1, Time: at(4)}}
		}, "0 1 3 4 2"},
		"events": {func(r *record.Response) {
			*r = response(chunked, ": none\n\ndata: a\n\ndata: "+long+"\r\n\r\ndata: unended")
			r.Events = []record.Event{{Time: at(3)}, {Time: at(4)}, {Time: at(5)}}
		}, "0 1 3 4 5 2"},
		"events of what is encoded": {func(r *record.Response) {
			*r = response(append(record.Fields{{Name: "Content-Encoding", Value: "br"}}, chunked...), "data: a\n\n")
			r.Events = []record.Event{{Time: at(3)}}
		}, "0 1 2 2"},
		"a hole": {func(r *record.Response) {
			*r = response(chunked, "abcd")
			r.Marks = []record.Mark{{Off: 0, Time: at(3)}, {Off: 1, Time: at(4)}}
			r.Lost = []record.Hole{{Off: 1, Len: 2}}
		}, "0 1 3 3 3 4 2"},
	} {
		x := &record.Exchange{Conn: &record.Conn{ID: 9}, Request: request()}
		c.change(&x.Response)
		var got seconds
		if err := NewWriter(&got).WriteExchange(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s := strings.Trim(fmt.Sprint(got), "[]"); s != c.want {
			t.Errorf("%s: chunks come after %s seconds, want %s", name, s, c.want)
		}
	}
}

// seconds notes when chunks come.
type seconds []int

func (s *seconds) WriteChunk(c record.Chunk) error {
	*s = append(*s, int(c.Time.Sub(start)/time.Second))
	return nil
}

// A connection that ended is not used again: what follows gets a new one.
func TestConnections(t *testing.T) {
	conn := &record.Conn{ID: 5, PID: 7}
	var got conns
	w := NewWriter(&got)
	for _, body := range []string{"length", "close", "length"} {
		x := &record.Exchange{Conn: conn, Request: request()}
		x.Response = response(nil, "abc")
		if body == "length" {
			x.Response.Header = record.Fields{{Name: "Content-Length", Value: "3"}}
		}
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != "[1/7 2/7]" {
		t.Errorf("connections %v", got)
	}
}

type conns []string

func (c *conns) WriteChunk(k record.Chunk) error {
	if s := fmt.Sprintf("%d/%d", k.Conn.ID, k.Conn.PID); len(*c) == 0 || (*c)[len(*c)-1] != s {
		*c = append(*c, s)
	}
	return nil
}

// What a Writer makes of exchanges is assembled to the same exchanges.
func TestRoundTrip(t *testing.T) {
	for _, path := range []string{"../../testdata/sse.rec", "../../replay/testdata/mixed.rec", "../../replay/testdata/chat.rec", "../../replay/testdata/ws.rec"} {
		t.Run(filepath.Base(path), func(t *testing.T) { roundTrip(t, path) })
	}
}

func roundTrip(t *testing.T, path string) {
	t.Helper()
	var want, got notes
	a := assembly.New(&want, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := assembly.New(&got, assembly.Options{})
	c := assembly.New(NewWriter(b), assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), c); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", &got, &want)
	}
}

type notes struct{ strings.Builder }

func (n *notes) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	for _, m := range []*record.Message{&x.Request.Message, &x.Response.Message} {
		b, err := io.ReadAll(m.Body.Reader())
		if err != nil {
			return err
		}
		fmt.Fprintf(n, "%v %v %q %v %v %v\n", m.Proto, m.Header, b, m.Lost, m.Start, m.End)
	}
	fmt.Fprintln(n, x.Request.Method, x.URL(), x.Response.Status, x.Response.Events, x.WebSocket, x.Err)
	return nil
}
