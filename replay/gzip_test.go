package replay_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"ssltape/har"
	"ssltape/record"
	"ssltape/replay"
)

// A .har.gz that is never ended, since its writer was killed, gives the
// exchanges that were done to gzip -dc and to replay.
func TestGzipKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har.gz")
	out, err := replay.NewOutput("har.gz", path, replay.OutputOptions{Live: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for id := range 3 {
		x := &record.Exchange{ID: uint64(id + 1), Conn: &record.Conn{}}
		x.Request.Method, x.Request.Target, x.Request.Proto = "GET", "/", "HTTP/1.1"
		x.Request.Done, x.Response.Done = true, true
		if err := out.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int) {
		t.Helper()
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if !errors.Is(err, io.ErrUnexpectedEOF) || bytes.Count(text, []byte(`"startedDateTime"`)) < want {
			t.Errorf("gzip: %v, and not %d entries in %q", err, want, text)
		}
		n := 0
		for x, err := range har.Read(bytes.NewReader(file)) {
			if err == nil && x.Done() {
				n++
			}
		}
		if n < want {
			t.Errorf("replay reads %d exchanges, want %d", n, want)
		}
	}
	check(1) // without having to wait
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	check(3)
}
