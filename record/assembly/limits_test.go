package assembly_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// writerFunc is an ExchangeWriter.
type writerFunc func(*record.Exchange) error

func (f writerFunc) WriteExchange(x *record.Exchange) error { return f(x) }

// send writes what two directions carry to a, a chunk each.
func send(t testing.TB, a *assembly.Assembler, conn *record.Conn, out, in string) error {
	t.Helper()
	return errors.Join(
		a.WriteChunk(record.Chunk{Conn: conn, Dir: record.Out, Data: []byte(out)}),
		a.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Data: []byte(in)}))
}

const getRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// TestGrowth checks that an exchange is written each time that it has grown.
func TestGrowth(t *testing.T) {
	var seen []string
	a := assembly.New(writerFunc(func(x *record.Exchange) error {
		seen = append(seen, fmt.Sprintf("%s %d %d %t", x.Request.Method, x.Response.Status, x.Response.Body.Len(), x.Done()))
		return nil
	}), assembly.Options{})
	conn := &record.Conn{ID: 1}
	var off [2]int64
	for _, step := range []string{">GET / HT", ">TP/1.1\r\nHost: a\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 6\r\n", "<\r\n", "<ab", "<cd", "<ef"} {
		d := record.In
		if step[0] == '>' {
			d = record.Out
		}
		if err := a.WriteChunk(record.Chunk{Conn: conn, Dir: d, Off: off[d], Data: []byte(step[1:])}); err != nil {
			t.Fatal(err)
		}
		off[d] += int64(len(step) - 1)
		seen = append(seen, "|")
	}
	want := "| GET 0 0 false | | GET 200 0 false | GET 200 2 false | GET 200 4 false | GET 200 6 true |"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("written\n%s, want\n%s", got, want)
	}
}

func TestMaxBody(t *testing.T) {
	s := newSink(t)
	a := assembly.New(s, assembly.Options{MaxBody: 4})
	if err := send(t, a, &record.Conn{ID: 1}, getRequest, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"); err != nil {
		t.Fatal(err)
	}
	m := &s.all[0].Response.Message
	if body, _ := m.Body.Bytes(); string(body) != "0123" || m.Cut != 6 || m.BodySize != 10 || !m.Done || a.Stats().Cut != 6 {
		t.Errorf("body %q, cut %d, size %d, done %t, stats %+v", body, m.Cut, m.BodySize, m.Done, a.Stats())
	}
}

// TestWriterError checks that errors of the writer come back, and that
// nothing is lost by them.
func TestWriterError(t *testing.T) {
	bad := errors.New("bad")
	done := 0
	a := assembly.New(writerFunc(func(x *record.Exchange) error {
		if x.Done() {
			done++
		}
		return bad
	}), assembly.Options{})
	conn := &record.Conn{ID: 1}
	if err := send(t, a, conn, getRequest, "HTTP/1.1 204 No Content\r\n\r\n"); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if err := a.WriteChunk(record.Chunk{Conn: conn, Dir: record.Out, Off: int64(len(getRequest)), Data: []byte(getRequest)}); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if err := a.Close(); !errors.Is(err, bad) || done != 2 {
		t.Errorf("error %v, %d done", err, done)
	}
}

// TestReleased checks that a body is gone after the last call, unless it is kept.
func TestReleased(t *testing.T) {
	for _, keep := range []bool{false, true} {
		var x *record.Exchange
		a := assembly.New(writerFunc(func(y *record.Exchange) error {
			if x = y; keep {
				y.Keep()
			}
			return nil
		}), assembly.Options{})
		if err := send(t, a, &record.Conn{ID: 1}, getRequest, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			t.Fatal(err)
		}
		if got := x.Response.Body.Len() > 0; got != keep {
			t.Errorf("keep %t: body is there: %t", keep, got)
		}
	}
}

// TestManyOpen checks that what waits is bounded: requests that are never
// answered, heads that never end, events without end, things held for a switch.
func TestManyOpen(t *testing.T) {
	s := newSink(t)
	a := assembly.New(s, assembly.Options{})
	conn := &record.Conn{ID: 1}
	const n = 3000
	if err := send(t, a, conn, strings.Repeat(getRequest, n), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if st := a.Stats(); st.Open > 1000 || st.Open < 900 || st.Open+st.Done != n {
		t.Errorf("%d open, %d done of %d", st.Open, st.Done, n)
	}
	for name, in := range map[string]string{
		"head":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1<<20),
		"line":    "HTTP/1.1 200 " + strings.Repeat("x", 5<<20),
		"trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 1<<20),
		"size":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 5<<20),
		"binary":  strings.Repeat("\x00HTTP/1.", 1<<20),
		"interim": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			a := assembly.New(newSink(t), assembly.Options{MaxBody: 1000})
			before := heap()
			if err := send(t, a, &record.Conn{ID: 1}, getRequest, in); err != nil {
				t.Fatal(err)
			}
			if grown := heap() - before; grown > 4<<20 {
				t.Errorf("%d bytes are held", grown)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestManyConnections checks that open connections are cheap, and that closed
// ones are forgotten.
func TestManyConnections(t *testing.T) {
	a := assembly.New(&discard{}, assembly.Options{})
	const n = 10000
	conns := make([]record.Conn, n)
	before := heap()
	for i := range conns {
		conns[i].ID = uint64(i + 1)
		if err := send(t, a, &conns[i], getRequest, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / n; each > 4<<10 {
		t.Errorf("%d bytes a connection", each)
	}
	for i := range conns {
		for _, d := range []record.Dir{record.Out, record.In} {
			if err := a.WriteChunk(record.Chunk{Conn: &conns[i], Dir: d, Off: int64(1000), End: record.EndClean}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if each := (heap() - before) / n; each > 256 {
		t.Errorf("%d bytes a closed connection", each)
	}
	runtime.KeepAlive(conns)
}

// TestLimitsCut sends what is as long as the limits allow, or a byte longer: it
// means the same however it is cut, and takes no longer byte by byte than it
// should (were a byte to cost what is held, this would take minutes).
func TestLimitsCut(t *testing.T) {
	const head, line = 1 << 20, 64 << 10
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	pad := func(before, after string, n int) string {
		return before + strings.Repeat("x", n-len(before)-len(after)) + after
	}
	next := getRequest + getRequest
	for name, both := range map[string][2]string{
		"head":          {pad("GET / HTTP/1.1\r\nX: ", "\r\n\r\n", head) + getRequest, ok + ok},
		"longer head":   {pad("GET / HTTP/1.1\r\nX: ", "\r\n\r\n", head+1) + next, ok + ok},
		"line":          {pad("GET /", " HTTP/1.1\r\n\r\n", head) + next, ok + ok},
		"longer line":   {pad("GET /", " HTTP/1.1\r\n\r\n", head+100) + next, ok + ok},
		"line and head": {pad("GET /", " HTTP/1.1\r\nX: ", head/2) + pad("", "\r\n\r\n", head/2) + getRequest, ok + ok},
		"fields":        {"GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", head/4-10) + "\r\n" + getRequest, ok + ok},
		"status line":   {next, pad("HTTP/1.1 200 ", "\r\n\r\n", head+2) + ok},
		"response head": {next, pad("HTTP/1.1 204 x\r\nX: ", "\r\n\r\n", head) + ok},
		"trailer":       {next, chunked + "0\r\n" + pad("X: ", "\r\n\r\n", line) + ok},
		"long trailer":  {next, chunked + "0\r\n" + pad("X: ", "\r\n\r\n", line+1) + ok},
		"chunk":         {next, chunked + pad("1;", "\r\n", line) + "x\r\n0\r\n\r\n" + ok},
		"longer chunk":  {next, chunked + pad("1;", "\r\n", line+1) + "x\r\n0\r\n\r\n" + ok},
		"spaces":        {next, chunked + strings.Repeat(" ", line+1) + "\r\n" + ok},
		"blank line":    {next, "HTTP/1.1 200 OK\r\n" + strings.Repeat(" ", line) + "\n\nx" + ok},
		"no HTTP":       {strings.Repeat("x", head) + next, strings.Repeat("y", head) + ok},
		"junk":          {next, strings.Repeat("z", 300) + "\n" + ok},
		"interim":       {next, strings.Repeat("HTTP/1.1 103 x\r\nLink: y\r\n\r\n", 2000) + ok + ok},
	} {
		t.Run(name, func(t *testing.T) {
			conn := &record.Conn{ID: 1}
			cs := appendData(nil, conn, record.Out, []byte(both[record.Out]))
			cs = appendData(cs, conn, record.In, []byte(both[record.In]))
			xs, st := assemble(t, cs, 0)
			whole := render(xs, st, false)
			for _, n := range []int{1, 4093} {
				if xs, st := assemble(t, cs, n); render(xs, st, false) != whole {
					t.Errorf("in pieces of %d: %.1000s", n, diff(whole, render(xs, st, false)))
				}
			}
		})
	}
}

// TestMemory checks that ten thousand open connections and a body of 4 GiB are
// fine in 200 MB.
func TestMemory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const conns, size = 10000, 4 << 30
	a := assembly.New(&discard{}, assembly.Options{MaxBody: 64 << 20})
	open := make([]record.Conn, conns)
	for i := range open {
		open[i].ID = uint64(i + 1)
		if err := send(t, a, &open[i], getRequest+getRequest, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"+strings.Repeat("x", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	conn, peak := &record.Conn{ID: conns + 1}, uint64(0)
	in := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(size))
	if err := send(t, a, conn, getRequest, in); err != nil {
		t.Fatal(err)
	}
	piece, off := bytes.Repeat([]byte("x"), 64<<10), int64(len(in))
	for i := range size / len(piece) {
		if err := a.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Off: off, Data: piece}); err != nil {
			t.Fatal(err)
		}
		if off += int64(len(piece)); i%(1<<13) == 1<<12 {
			var m runtime.MemStats
			runtime.GC() // what is garbage, also of tests before, is as much as the collector leaves
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	if st := a.Stats(); st.Done != 1 || st.Open != 2*conns || st.Body != size+1000*conns || st.Cut != size-64<<20 {
		t.Errorf("%+v", st)
	}
	if peak > 100e6 { // the heap grows to twice that before it is collected
		t.Errorf("%d bytes in use", peak)
	}
	if files, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(files) > 0 && runtime.GOOS != "windows" {
		t.Errorf("files that stay when the process is killed: %v, %v", files, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(open)
}

// TestControlOnly checks that a connection on which there were only frames of HTTP/2
// about itself speaks that: a server may read them after it has closed it.
func TestControlOnly(t *testing.T) {
	const settingsAck, ping = "\x00\x00\x00\x04\x01\x00\x00\x00\x00", "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"
	for _, c := range []struct{ out, in, want string }{
		{"", settingsAck, "HTTP/2"},
		{ping + settingsAck, "", "HTTP/2"},
		{"", settingsAck + ping[:12], "unknown"},
		{"", settingsAck + "x", "unknown"},
		{settingsAck, "x", "unknown"},
		{"", "\x00\x00\x00\x04\x01\x00\x00\x00\x01", "unknown"}, // of a stream
		{"", "\x00\x00\x00\x0c\x00\x00\x00\x00\x00", "unknown"}, // no such type
		{"", "", "unknown"},
	} {
		a := assembly.New(newSink(t), assembly.Options{})
		if err := send(t, a, &record.Conn{ID: 1}, c.out, c.in); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		st := a.Stats()
		if st.Conns[c.want] != 1 || len(st.Conns) != 1 {
			t.Errorf("%q, %q: %v, want %s", c.out, c.in, st.Conns, c.want)
		}
		if all := int64(len(c.out) + len(c.in)); st.Framing+st.Unparsed != all || (st.Framing == all) != (c.want == "HTTP/2" || all == 0) {
			t.Errorf("%q, %q: %+v", c.out, c.in, st)
		}
	}
}

// TestUnreadableHead checks that a head that is found, and then turns out to be too
// long, is not found again for ever: an empty line with one CR more ends it for who
// looks for it, and not for who reads it. What comes after it is found.
func TestUnreadableHead(t *testing.T) {
	const junk, begin, line = "no request\n", "GET /long HTTP/1.1\r\nHost: a\r\n\r\r\n", "Name: value\r\n"
	for name, c := range map[string]struct {
		pieces []string // between which bytes are missing
		want   string
	}{
		"too long":        {[]string{junk + begin + strings.Repeat(line, 100_000) + "\r\n" + getRequest}, "/"},
		"another before":  {[]string{junk + getRequest + junk + getRequest + junk + begin + strings.Repeat(line, 100_000) + "\r\n" + getRequest}, "/ / /"},
		"the end is lost": {[]string{junk + begin + line, junk + getRequest}, "/long /"},
	} {
		s := newSink(t)
		a := assembly.New(s, assembly.Options{})
		conn, off := &record.Conn{ID: 1}, int64(0)
		for _, p := range c.pieces {
			w := recordtest.Splitter{N: 1 << 16, W: a}
			if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: record.Out, Off: off, Data: []byte(p)}); err != nil {
				t.Fatal(err)
			}
			off += int64(len(p) + 7)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range s.all {
			got = append(got, x.Request.Target)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: requests %q, want %q", name, g, c.want)
		}
	}
}

// TestHoleThenJunk checks that looking for a chunk after a hole is bounded.
func TestHoleThenJunk(t *testing.T) {
	for name, junk := range map[string]string{"newlines": "\r\n", "lines": "x\n", "sizes": "ffff\r\n", "binary": "\x00"} {
		a := assembly.New(newSink(t), assembly.Options{MaxBody: 1000})
		conn := &record.Conn{ID: 1}
		in := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab"
		if err := send(t, a, conn, getRequest, in); err != nil {
			t.Fatal(err)
		}
		before := heap()
		off := int64(len(in) + 10)
		for range 200 {
			p := []byte(strings.Repeat(junk, 10000))
			if err := a.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Off: off, Data: p}); err != nil {
				t.Fatal(err)
			}
			off += int64(len(p))
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("%s: %d bytes are held", name, grown)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoLeak checks that decoders of streams that never ended are gone.
func TestNoLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	gz := string(recordtest.Encode(t, "gzip", "data: a\n\n"))
	a := assembly.New(&discard{}, assembly.Options{})
	for i := range 100 {
		in := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n" + gz[:len(gz)-20]
		if err := send(t, a, &record.Conn{ID: uint64(i + 1)}, getRequest, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	// One that has been told to end may still be about to.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestRepeated checks that bytes that were seen before are seen once.
func TestRepeated(t *testing.T) {
	s := newSink(t)
	a := assembly.New(s, assembly.Options{})
	conn := &record.Conn{ID: 1}
	in := []byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")
	if err := send(t, a, conn, getRequest, string(in[:20])); err != nil {
		t.Fatal(err)
	}
	for _, c := range []record.Chunk{{Off: 5, Data: in[5:15]}, {Off: 10, Data: in[10:]}, {Off: 0, Data: in[:4]}} {
		c.Conn, c.Dir, c.Time = conn, record.In, recordtest.Start.Add(time.Second)
		if err := a.WriteChunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if body, _ := s.all[0].Response.Body.Bytes(); len(s.all) != 1 || string(body) != "abcd" || a.Stats().Bytes != int64(len(getRequest)+len(in)) {
		t.Errorf("body %q, stats %+v", body, a.Stats())
	}
}
