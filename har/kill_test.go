package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/har"
	"ssltape/record"
	"ssltape/record/recordtest"
)

var kills = flag.Int("kills", 25, "how often TestKilled kills a writer")

// TestKilled kills a program that writes entries of 100 bytes to 10 MB back to
// back, at random moments. The file is whole each time, and has all exchanges
// before the last Flush that returned.
func TestKilled(t *testing.T) {
	if path := os.Getenv(recordtest.KilledFile); path != "" {
		writeForever(t, path)
	}
	spoiled := 0
	if testing.Short() {
		*kills = min(*kills, 5)
	}
	for i := range *kills {
		written, file := recordtest.Kill(t, "TestKilled", filepath.Join(t.TempDir(), "x.har"))
		var v struct {
			Log struct {
				Pages   []struct{}
				Entries []struct {
					Response struct{ Content struct{ Size *int64 } }
				}
			}
		}
		err := json.Unmarshal(file, &v)
		n := len(v.Log.Entries)
		if err == nil && (n < len(written) || n > len(written)+maxUnflushed) || len(v.Log.Pages) != 1 {
			t.Errorf("kill %d: %d entries and %d pages of %d exchanges: %v", i, n, len(v.Log.Pages), len(written), err)
		}
		for _, e := range v.Log.Entries {
			if e.Response.Content.Size == nil {
				t.Errorf("kill %d: an entry that is not whole", i)
			}
		}
		if err != nil {
			spoiled++
			file = bytes.TrimRight(file, " ")
			t.Errorf("kill %d: %d bytes, %d exchanges: %v: …%.100q", i, len(file), len(written), err, file[max(0, len(file)-100):])
		}
	}
	t.Logf("%d of %d files were not whole", spoiled, *kills)
}

// maxUnflushed is how many exchanges writeForever writes between two flushes.
const maxUnflushed = 20

// writeForever writes exchanges to a file, and a byte to stdout for each one
// that was flushed.
func writeForever(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := har.NewWriter(f, har.Options{Version: "0.1.0", Batch: true})
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("Hello \"world\"\n世界\\", 1<<19))
	x := exchange()
	x.Request.Header = append(x.Request.Header, record.Field{Name: "long", Value: strings.Repeat("v\"", 900)})
	events := x.Response.Events
	if err := errors.Join(w.WriteExchange(x), w.Flush()); err != nil {
		t.Fatal(err)
	}
	os.Stdout.Write([]byte("."))
	for waiting := []byte(nil); w.Len() < 1<<30; { // should nobody kill it
		size := 100 << rand.IntN(17) // to 10 MB with what JSON escapes
		body := text[:size]
		if rand.IntN(3) == 0 {
			body = bytes.Repeat([]byte{0xff, 0, 1}, size/3)
		}
		x.Response.Body, x.Response.Events = record.NewBody(body), events
		for range rand.IntN(40) {
			x.Response.Events = append(x.Response.Events, events[0], events[1])
		}
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
		if waiting = append(waiting, '.'); len(waiting) < maxUnflushed && rand.IntN(8) > 0 {
			continue
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		os.Stdout.Write(waiting)
		waiting = waiting[:0]
	}
}
