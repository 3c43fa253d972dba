package assembly_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
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

// TestBodyNotKept checks that a body that cannot be written is reported once,
// and its exchange is there all the same.
func TestBodyNotKept(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, gone)
	}
	s := newSink(t)
	a := assembly.New(s, assembly.Options{})
	conn := &record.Conn{ID: 1}
	const size = 3 << 20
	if err := send(t, a, conn, getRequest, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)); err != nil {
		t.Fatal(err)
	}
	off := a.Stats().Bytes - int64(len(getRequest))
	var failed int
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for range size / len(piece) {
		if err := a.WriteChunk(record.Chunk{Conn: conn, Dir: record.In, Off: off, Data: piece}); err != nil {
			failed++
		}
		off += int64(len(piece))
	}
	m := &s.all[0].Response.Message
	if failed != 1 || !m.Done || m.BodySize != size || m.Cut == 0 || m.Cut+m.Body.Len() != size {
		t.Errorf("%d errors, done %t, size %d, cut %d, kept %d", failed, m.Done, m.BodySize, m.Cut, m.Body.Len())
	}
	if got := strings.Join(s.all[0].Anomalies, " "); got != "body-not-kept" {
		t.Errorf("anomalies %s", got)
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
	if n := runtime.NumGoroutine(); n > before+5 {
		t.Errorf("%d goroutines, %d before", n, before)
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
