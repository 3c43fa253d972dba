package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssltape/har"
	"ssltape/record"
)

// What was in a file before is not there any more, whatever is written to it.
func TestOverwritten(t *testing.T) {
	dir, input := t.TempDir(), asPcapng(t, "../testdata/sse.rec")
	for _, f := range formats() {
		fresh, old := filepath.Join(dir, "fresh"), filepath.Join(dir, "old")
		if err := os.WriteFile(old, bytes.Repeat([]byte("old "), 100000), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{fresh, old} {
			run(t, input, "-o", f.name+":"+path)
		}
		want, err := os.ReadFile(fresh)
		got, err2 := os.ReadFile(old)
		if err := errors.Join(err, err2); err != nil || len(got) != len(want) || bytes.Contains(got, []byte("old old")) {
			t.Errorf("%s: %d bytes, want %d (%v)", f.name, len(got), len(want), err)
		}
	}
}

// An input of which nothing can be read leaves no output.
func TestNothingRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	if _, err := tryRun(t, []byte(`{"log":{"entries":[{"startedDateTime":`), "-o", path); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the output: %v", err)
	}
}

// Files of a recorder that sudo runs belong to who called it.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	t.Setenv("SUDO_UID", "12345")
	t.Setenv("SUDO_GID", "23456")
	out, _, _ := splitOutput(t, "har", filepath.Join(t.TempDir(), "x.har"), 9)
	if n := len(out.Paths()); n < 2 {
		t.Fatalf("%d files, want several", n)
	}
	for _, path := range out.Paths() {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 12345 || sys.Gid != 23456 {
			t.Errorf("%s belongs to %d:%d", path, sys.Uid, sys.Gid)
		}
	}
}

// What cannot be begun is taken away, but nothing that is no file.
func TestNotBegun(t *testing.T) {
	link := filepath.Join(t.TempDir(), "x.har")
	if err := os.Symlink("/dev/full", link); err != nil {
		t.Fatal(err)
	}
	out, err := NewOutput("har", link, OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Create(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full device: %v", err)
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error(err)
	}
}

// A full is a disk with this much room.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	if f.room -= n; n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// Why a file is not written is told once, though it is found out again by all that
// follows.
func TestErrorOnce(t *testing.T) {
	for _, format := range []string{"har", "har.gz", "jsonl", "pcapng", "html"} {
		out, err := NewOutput(format, "-", OutputOptions{Stdout: &full{6000}, FromExchanges: true})
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 100_000)
		rand.Read(body)
		x := &record.Exchange{Conn: &record.Conn{}}
		x.Request.Proto, x.Request.Method, x.Request.Target, x.Request.Done = "HTTP/1.1", "GET", "/", true
		x.Response.Proto, x.Response.Status, x.Response.Body, x.Response.Done = "HTTP/1.1", 200, record.NewBody(body), true
		err = out.WriteExchange(x)
		for _, err := range []error{err, out.Flush(), out.Close()} {
			if err != nil && strings.Count(err.Error(), syscall.ENOSPC.Error()) != 1 {
				t.Errorf("%s: %q", format, err)
			}
		}
		if err == nil {
			err = out.Close()
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A file tells what was done to it, and what was lost that its exchanges do not tell.
func TestFilesTell(t *testing.T) {
	for _, format := range []string{"har", "har.gz", "jsonl", "pcapng", "html"} {
		name := "redaction: secrets"
		if format == "jsonl" || format == "html" {
			name = `"redaction":"secrets"`
		}
		for redaction, want := range map[string]bool{"secrets": true, "none": false} {
			text := plainText(t, run(t, asPcapng(t, "../testdata/sse.rec"), "-o", format+":-", "--redact", redaction))
			if got := strings.Contains(text, name); got != want {
				t.Errorf("%s: %s is in it: %v, want %v", format, name, got, want)
			}
		}
	}
	for format, want := range map[string]string{"har": ", 12345 bytes lost", "har.gz": ", 12345 bytes lost", "jsonl": `"lost":12345`} {
		var b bytes.Buffer
		out, err := NewOutput(format, "-", OutputOptions{Stdout: &b})
		if err == nil {
			err = out.WriteExchange(plainExchange(1, 5))
		}
		if err != nil {
			t.Fatal(err)
		}
		out.WriteLoss(12345)
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if text := plainText(t, b.String()); !strings.Contains(text, want) {
			t.Errorf("%s: no %s in %s", format, want, text)
		}
	}
}

// plainText returns s without compression.
func plainText(t *testing.T, s string) string {
	t.Helper()
	if !strings.HasPrefix(s, "\x1f\x8b") {
		return s
	}
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An entry is not longer than was thought when it was to be seen whether it fits
// the file.
func TestEntrySize(t *testing.T) {
	lines := strings.Repeat("{\"a\": \"line\\n\"}\n", 20000)
	coded, stream, messages := plainExchange(1, 0), plainExchange(2, 0), plainExchange(3, 0)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(binary.BigEndian.AppendUint64(nil, 1))
	for n := uint64(1); n < 40000; n++ { // a fifth is left of it
		w.Write(binary.BigEndian.AppendUint64(nil, n*n*n))
	}
	w.Close()
	coded.Response.Header = record.Fields{{Name: "Content-Encoding", Value: "gzip"}}
	coded.Response.Body, coded.Response.BodySize = record.NewBody(z.Bytes()), int64(z.Len())
	for range 50 {
		stream.Response.Events = append(stream.Response.Events, record.Event{Data: lines[:1000]})
		messages.WebSocket = append(messages.WebSocket, record.WebSocketMessage{Opcode: 2, Data: lines[:1000]})
	}
	for name, x := range map[string]*record.Exchange{"plain": plainExchange(4, 100000), "coded": coded, "stream": stream, "messages": messages} {
		var entry bytes.Buffer
		if err := har.WriteEntry(&entry, x); err != nil {
			t.Fatal(err)
		}
		if n := int64(entry.Len()); n < 50000 || n > entrySize(x) {
			t.Errorf("%s: the entry has %d bytes, and was thought to have %d", name, n, entrySize(x))
		}
	}
}

// That nobody reads any more is no failure; a signal is told by the exit code.
func TestEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	input := asHAR(t, "../testdata/sse.rec")
	if err := Run(context.Background(), []string{"-"}, "1.2.3", Streams{bytes.NewReader(input), w, new(bytes.Buffer)}); err != nil {
		t.Errorf("nobody reads: %v", err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		stop := writerFunc(func(p []byte) (int, error) { return len(p), syscall.Kill(os.Getpid(), sig) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // should the signal be overlooked
		err := Run(ctx, []string{"-V", "live", "--speed", "1e-6", "-"}, "1.2.3", Streams{bytes.NewReader(input), stop, new(bytes.Buffer)})
		if e := new(Error); !errors.As(err, &e) || e.Code != 128+int(sig) || e.Err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		cancel()
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A failed exchange with a stream is passed on event by event, and not as done
// before its end.
func TestPacedFailure(t *testing.T) {
	x := plainExchange(1, 0)
	x.Err = record.ErrCut
	x.Response.Events = make([]record.Event, 3)
	var steps []bool
	p := &pacer{ctx: t.Context(), speed: 1e9, open: map[*record.Exchange]bool{}, w: exchangeFunc(func(x *record.Exchange) {
		steps = append(steps, x.Done())
	})}
	if err := p.WriteExchange(x); err != nil {
		t.Fatal(err)
	}
	if len(steps) != 5 || steps[3] || !steps[4] {
		t.Errorf("done or not: %v, want the last of five to be", steps)
	}
}

type exchangeFunc func(*record.Exchange)

func (f exchangeFunc) WriteExchange(x *record.Exchange) error {
	f(x)
	return nil
}
