package assembly_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ssltape/record"
	"ssltape/record/assembly"
)

// TestBodyNotKept checks that a body that cannot be written is reported once,
// and its exchange is there all the same.
func TestBodyNotKept(t *testing.T) {
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	none := usual
	none.Cur = 0 // in no folder can a file be made
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &usual)
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
