package pcapng_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// Offsets beyond what sequence numbers can count are kept, in the middle of
// data and of a hole.
func TestLongStream(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 5 GB")
	}
	r, w := io.Pipe()
	const piece, pieces = 8 << 20, 600
	const hole = 3 << 30
	go func() {
		pw, err := pcapng.NewWriter(w, pcapng.Options{})
		c := record.Chunk{Conn: &record.Conn{ID: 1}, Dir: record.In, Time: recordtest.Start, Data: bytes.Repeat([]byte("line\n\n\n\n"), piece/8)}
		for i := 0; i < pieces && err == nil; i++ {
			err = pw.WriteChunk(c)
			c.Off += piece
		}
		c.Off += hole
		c.Data = []byte("the end")
		c.End = record.EndClean
		w.CloseWithError(errors.Join(err, pw.WriteChunk(c), pw.Close()))
	}()
	var next, lost int64
	for c, err := range pcapng.Read(r) {
		if err != nil {
			t.Fatal(err)
		}
		if lost += c.Off - next; c.Off < next {
			t.Fatalf("chunk at %d, want %d or more", c.Off, next)
		}
		next = c.Off + int64(len(c.Data))
		if c.End == record.EndClean && c.Off != piece*pieces+hole+7 {
			t.Errorf("the end is at %d", c.Off)
		}
	}
	if lost != hole || next != piece*pieces+hole+7 {
		t.Errorf("length %d with %d lost, want %d with %d", next, lost, int64(piece*pieces+hole+7), int64(hole))
	}
}

// What is lost is counted, packet by packet and for the interface.
func TestDropCounts(t *testing.T) {
	path := save(t, write(t, recordtest.Open(t, "testdata/holes.rec"), pcapng.Options{}))
	got := run(t, "tshark", "-r", path, "-Y", "frame.drop_count", "-T", "fields", "-e", "frame.drop_count", "-e", "tcp.len", "-e", "frame.comment")
	want := "1\t3000\tssltape lost=3000\n1\t65000\tssltape lost=200000\n1\t99\tssltape lost=99\n1\t1000\tssltape lost=1000\n1\t50\tssltape lost=50\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	followed := run(t, "tshark", "-r", path, "-q", "-z", "follow,tcp,ascii,0")
	if !strings.Contains(followed, "[3000 bytes missing in capture file]") {
		t.Errorf("follow: %s", followed)
	}
}

// The port of the server is the one that was asked for.
func TestServerPort(t *testing.T) {
	rec := "conn 1 remote=192.0.2.7:6379\n" + `> "GET / HTTP/1.1\r\n\r\n"`
	for port, want := range map[int]uint16{pcapng.PortAuto: 80, pcapng.PortReal: 6379, 8888: 8888} {
		file := write(t, recordtest.Read(strings.NewReader(rec)), pcapng.Options{ServerPort: port})
		shown := run(t, "tshark", "-r", save(t, file), "-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", "-T", "fields", "-e", "tcp.dstport")
		if strings.TrimSpace(shown) != fmt.Sprint(want) {
			t.Errorf("port %d: %s, want %d", port, shown, want)
		}
		for c := range pcapng.Read(bytes.NewReader(file)) {
			if real := netip.MustParseAddrPort("192.0.2.7:6379"); c.Conn.Remote != real {
				t.Errorf("port %d is read back as %v", port, c.Conn.Remote)
			}
		}
	}
	file := write(t, recordtest.Read(strings.NewReader(rec)), pcapng.Options{Framing: pcapng.FramingTLS})
	if got := run(t, "tshark", "-r", save(t, file), "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tcp.dstport"); got != "443\n" {
		t.Errorf("with TLS: port %q, want that of HTTPS", got)
	}
	if _, err := pcapng.NewWriter(io.Discard, pcapng.Options{ServerPort: 65536}); err == nil {
		t.Error("port 65536 is accepted")
	}
}

// A request's first packet tells the number of its exchange, if that is known
// in time; it never tells another one.
func TestExchangeNumbers(t *testing.T) {
	const rec = `> c=1 "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n"
		< c=1 +=1ms "HTTP/1.1 204 No Content\r\n\r\n"
		> c=2 +=1ms "POST /2 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\n"
		> c=1 +=1ms "GE"
		> c=2 +=1ms "body"
		> c=1 +=1ms "T /3 HTTP/1.1\r\nHost: a.example\r\n\r\n"
		> c=3 "GE"
		> c=3 +=1ms "T /4 HTTP/1.1\r\nHost: a.example\r\n\r\n"`
	numbered := "ssltape exchange=1 pid=42 url=https://a.example/1\nssltape exchange=2 pid=42 url=https://a.example/2\n" +
		"ssltape exchange=4 pid=42 url=https://a.example/4,ssltape parts=2@1000000,34@0\n"
	for order, want := range []string{numbered, ""} {
		var file bytes.Buffer
		w, err := pcapng.NewWriter(&file, pcapng.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tee := record.ChunkTee{assembly.New(w, assembly.Options{}), w}
		if order == 1 {
			tee[0], tee[1] = tee[1], tee[0]
		}
		if err := record.Copy(recordtest.Read(strings.NewReader(rec)), tee); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := run(t, "tshark", "-r", save(t, file.Bytes()), "-Y", `frame.comment contains "exchange"`, "-T", "fields", "-e", "frame.comment")
		if got != want {
			t.Errorf("order %d: got:\n%s\nwant:\n%s", order, got, want)
		}
	}
}

// Chunks that are a little late are in order in the file, and have their own
// times when they are read; a step of the clock is followed.
func TestTimes(t *testing.T) {
	rec := `conn 2 pid=1
		> c=1 "GET / HTTP/1.1\r\n\r\n"
		> c=2 +=5ms "GET / HTTP/1.1\r\n\r\n"
		< c=1 +=-2ms "HTTP/1.1 200 OK\r\n\r\n"
		< c=1 +=-1h "an hour before"
		< c=1 +=1ms n=10000 "a long chunk, "
		< c=1 +=-1us end`
	chunks := func() *strings.Reader { return strings.NewReader(rec) }
	var want []time.Time
	for c, err := range recordtest.Read(chunks()) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, c.Time)
	}
	var got []time.Time
	file := write(t, recordtest.Read(chunks()), pcapng.Options{})
	for c, err := range pcapng.Read(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || !got[len(got)-1].Equal(c.Time) {
			got = append(got, c.Time)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What was said before is left out, what follows an end too.
func TestRepeats(t *testing.T) {
	c := &record.Conn{ID: 1}
	var file bytes.Buffer
	w, err := pcapng.NewWriter(&file, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []record.Chunk{
		{Off: 0, Data: []byte("GET / HTTP")}, {Off: 4, Data: []byte("/ HTTP/1.1\r\n")}, {Off: 0, Data: []byte("GET")},
		{Off: 3, End: record.EndClean}, {Off: 100, Data: []byte("more")},
	} {
		x.Conn, x.Time = c, recordtest.Start
		if err := w.WriteChunk(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := ""
	for c, err := range pcapng.Read(&file) {
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%d %q %d\n", c.Off, c.Data, c.End)
	}
	if want := "0 \"GET / HTTP\" 0\n10 \"/1.1\\r\\n\" 0\n16 \"\" 1\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// An error of the file is told, and told again.
func TestWriteError(t *testing.T) {
	full := errors.New("disk full")
	if _, err := pcapng.NewWriter(&limited{0, full}, pcapng.Options{}); !errors.Is(err, full) {
		t.Errorf("NewWriter: %v", err)
	}
	w, err := pcapng.NewWriter(&limited{1, full}, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := record.Chunk{Conn: &record.Conn{ID: 1}, Time: recordtest.Start, Data: make([]byte, 1<<20)}
	if err := w.WriteChunk(c); !errors.Is(err, full) {
		t.Errorf("WriteChunk: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("Close: %v", err)
	}
}

// limited is a Writer that fails after so many calls.
type limited struct {
	calls int
	err   error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.calls--; l.calls < 0 {
		return 0, l.err
	}
	return len(p), nil
}
