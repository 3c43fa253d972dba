package replay

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

// plainExchange returns exchange number id with a response of size bytes.
func plainExchange(id uint64, size int) *record.Exchange {
	t := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	x := &record.Exchange{ID: id, Conn: &record.Conn{ID: 1, PID: 7, Comm: "curl"}}
	x.Request = record.Request{Method: "GET", Target: fmt.Sprint("/", id), Message: record.Message{
		Proto: "HTTP/1.1", Header: record.Fields{{Name: "Host", Value: "a.example"}}, Start: t, End: t, Done: true}}
	x.Response = record.Response{Status: 200, Message: record.Message{Proto: "HTTP/1.1", Start: t, End: t, Done: true,
		Body: record.NewBody(bytes.Repeat([]byte("x"), size)), BodySize: int64(size)}}
	return x
}

// splitOutput writes exchanges 1 to n, of 10 kB each, to path with a limit of 50 kB.
func splitOutput(t *testing.T, format, path string, n int) (*Output, []string, string) {
	t.Helper()
	var notices []string
	var stdout bytes.Buffer
	out, err := NewOutput(format, path, OutputOptions{Stdout: &stdout, Notice: func(s string) { notices = append(notices, s) }})
	if err != nil {
		t.Fatal(err)
	}
	out.limit = 50_000
	for id := range n {
		if err := out.WriteExchange(plainExchange(uint64(id+1), 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out, notices, stdout.String()
}

// numbers returns the numbers of the exchanges in file.
func numbers(t *testing.T, file []byte) (ids []uint64) {
	t.Helper()
	src, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Exchanges(collector(func(x *record.Exchange) { ids = append(ids, x.ID) })); err != nil {
		t.Fatal(err)
	}
	return ids
}

type collector func(*record.Exchange)

func (c collector) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		c(x)
	}
	return nil
}

// A HAR file that would become too long goes on in others, none of which is.
// What somebody else has is left alone.
func TestSplit(t *testing.T) {
	for format, ending := range map[string]string{"har": ".har", "har.gz": ".HAR.gz"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			path := func(name string) string { return filepath.Join(dir, name+ending) }
			if err := os.WriteFile(path("a-3"), []byte("of somebody else"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path("elsewhere"), path("a-4")); err != nil {
				t.Skip(err)
			}
			out, notices, _ := splitOutput(t, format, path("a"), 10)
			want := []string{path("a"), path("a-2"), path("a-5"), path("a-6")}
			if !slices.Equal(out.Paths(), want) {
				t.Fatalf("files %q, want %q", out.Paths(), want)
			}
			var ids []uint64
			for _, p := range out.Paths() {
				file, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				if st, err := os.Stat(p); err != nil || st.Mode().Perm() != 0o600 {
					t.Errorf("%s: mode %v, %v", p, st.Mode(), err)
				}
				if len(file) > 50_000 {
					t.Errorf("%s: %d bytes", p, len(file))
				}
				ids = append(ids, numbers(t, file)...)
			}
			if want := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(ids, want) {
				t.Errorf("exchanges %v, want %v", ids, want)
			}
			if len(notices) != 1 || !strings.Contains(notices[0], path("a-2")) {
				t.Errorf("notices %q, want one that names %s", notices, path("a-2"))
			}
			if b, err := os.ReadFile(path("a-3")); err != nil || string(b) != "of somebody else" {
				t.Errorf("a file that was there holds %.40q, %v", b, err)
			}
			if _, err := os.Stat(path("elsewhere")); err == nil {
				t.Error("a symbolic link was followed")
			}
		})
	}
}

// Where there can be no further files, that is said.
func TestSplitStdout(t *testing.T) {
	out, notices, stdout := splitOutput(t, "har", "-", 10)
	if ids := numbers(t, []byte(stdout)); len(ids) != 10 || len(out.Paths()) != 1 {
		t.Errorf("exchanges %v in %q", ids, out.Paths())
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "does not open") {
		t.Errorf("notices %q", notices)
	}
}

// An exchange that is too long by itself has a file of its own, and other
// formats have one file however long it is.
func TestSplitNot(t *testing.T) {
	dir := t.TempDir()
	for _, format := range []string{"jsonl", "html", "txt", "pcapng"} {
		path := filepath.Join(dir, "a."+format)
		if out, notices, _ := splitOutput(t, format, path, 10); len(out.Paths()) != 1 || len(notices) != 0 {
			t.Errorf("%s: files %q, notices %q", format, out.Paths(), notices)
		}
	}
	out, err := NewOutput("har", filepath.Join(dir, "a.har"), OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out.limit = 50_000
	for id, size := range []int{200_000, 10, 200_000} {
		if err := out.WriteExchange(plainExchange(uint64(id+1), size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	for i, path := range out.Paths() {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if ids := numbers(t, file); !slices.Equal(ids, []uint64{uint64(i + 1)}) {
			t.Errorf("%s: exchanges %v", path, ids)
		}
	}
	if len(out.Paths()) != 3 {
		t.Errorf("files %q, want 3", out.Paths())
	}
}
