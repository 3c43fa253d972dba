package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ssltape/har"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// TestFiles checks what is written to files of all kinds.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	open := func(name string, flags int) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	longer := open("longer", os.O_RDWR|os.O_CREATE)
	longer.WriteString(strings.Repeat("x", 1<<16))
	longer.Seek(0, io.SeekStart)
	after := open("after", os.O_RDWR|os.O_CREATE)
	after.WriteString("# a comment\n")
	for _, test := range []struct {
		name string
		f    *os.File
		skip int64 // what comes before the HAR
	}{
		{"new", open("new", os.O_RDWR|os.O_CREATE), 0},
		{"longer before", longer, 0},
		{"after something", after, int64(len("# a comment\n"))},
		{"append", open("append", os.O_WRONLY|os.O_CREATE|os.O_APPEND), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, err := har.NewWriter(test.f, har.Options{Redaction: "none", Version: "0.1.0"})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.WriteExchange(exchange()), w.WriteExchange(exchange()), w.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := test.f.WriteString("# the end\n"); err != nil { // a file is at its end
				t.Fatal(err)
			}
			all, err := os.ReadFile(test.f.Name())
			if err != nil {
				t.Fatal(err)
			}
			got, ok := bytes.CutSuffix(all[test.skip:], []byte("# the end\n"))
			if want := write(t, exchange(), exchange()); !ok || canonical(t, got) != canonical(t, want) || !bytes.HasSuffix(got, []byte("}\n")) {
				t.Error(diff(got, want))
			}
		})
	}
}

// canonical returns the JSON of file without spaces between its tokens, the
// members of objects in order of their names.
func canonical(t *testing.T, file []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(file))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDevices(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	w, err := har.NewWriter(null, har.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.WriteExchange(exchange()), w.Close()); err != nil {
		t.Error(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no /dev/full here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := har.NewWriter(full, har.Options{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %v", err)
	}
}

// TestOnlyDone checks that an exchange is written once it is done, not before.
func TestOnlyDone(t *testing.T) {
	x := exchange()
	x.Response.Done = false
	var b bytes.Buffer
	w, err := har.NewWriter(&b, har.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	x.Response.Done = true
	if err := errors.Join(w.WriteExchange(x), w.Close()); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, b.Bytes())); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// TestPages checks that each process has a page, and that there are not too
// many of them.
func TestPages(t *testing.T) {
	var xs []*record.Exchange
	for pid := range 250 {
		x := exchange()
		x.Conn.PID = pid
		xs = append(xs, x, x)
	}
	var file struct {
		Log struct {
			Pages   []struct{ ID, Title string }
			Entries []struct{ PageRef string }
		}
	}
	if err := json.Unmarshal(write(t, xs...), &file); err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, p := range file.Log.Pages {
		titles[p.ID] = p.Title
	}
	if n := len(file.Log.Pages); n < 15 || n > 25 || len(titles) != n {
		t.Fatalf("%d pages with %d ids", n, len(titles))
	}
	for i, want := range map[int]string{0: "node (pid 0)", 1: "node (pid 0)", 2: "node (pid 1)", 60: "other processes", 499: "other processes"} {
		if got := titles[file.Log.Entries[i].PageRef]; got != want {
			t.Errorf("entry %d is of page %q, want %q", i, got, want)
		}
	}
}

// TestAllocations checks that a large body costs no more allocations than a
// small one.
func TestAllocations(t *testing.T) {
	allocations := func(n int) float64 {
		x := withBody(1, nil, bytes.Repeat([]byte("0123456789\n"), n/11))
		w, err := har.NewWriter(io.Discard, har.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(5, func() {
			if err := w.WriteExchange(x); err != nil {
				t.Fatal(err)
			}
		})
	}
	small, large := allocations(100<<10), allocations(8<<20)
	if large > small+5 {
		t.Errorf("%v allocations for 8 MiB, %v for 100 KiB", large, small)
	}
}

// TestCutCodings checks that a compressed body of several chunks which breaks
// off anywhere is written up to there.
func TestCutCodings(t *testing.T) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "%d größer\n", i*i)
	}
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		whole := recordtest.Encode(t, coding, text.String())
		for _, n := range []int{10, len(whole) / 3, len(whole) / 2, len(whole) - 5, len(whole) - 1} {
			x := exchange()
			x.Response.Header, x.Response.Events = record.Fields{{Name: "Content-Encoding", Value: coding}}, nil
			x.Response.Body = record.NewBody(whole[:n])
			got, err := read(t, write(t, x))[0].Response.Body.Bytes()
			if err != nil || n > len(whole)/2 && len(got) < 100_000 || !strings.HasPrefix(text.String(), string(got)) && !bytes.Equal(got, whole[:n]) {
				t.Errorf("%s, %d of %d bytes: %d bytes of text, %v", coding, n, len(whole), len(got), err)
			}
		}
	}
}
