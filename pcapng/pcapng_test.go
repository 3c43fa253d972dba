package pcapng_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// A dump is a ChunkWriter that keeps what came of each connection, to show it as
// text, one line a chunk: what a file has to preserve.
type dump struct {
	chunks map[uint64][]*record.Chunk // by connection
	conns  map[uint64]*record.Conn
	cuts   map[cut]bool // where a chunk begins
	like   *dump        // nil, or what has chunks that may have been cut in pieces
}

// A cut is where a chunk begins.
type cut struct {
	conn uint64
	dir  record.Dir
	off  int64
}

func newDump() *dump {
	return &dump{map[uint64][]*record.Chunk{}, map[uint64]*record.Conn{}, map[cut]bool{}, nil}
}

func (d *dump) WriteChunk(c record.Chunk) error {
	all, at := d.chunks[c.Conn.ID], cut{c.Conn.ID, c.Dir, c.Off}
	d.conns[c.Conn.ID], d.cuts[at] = c.Conn, true
	if n := len(all); n > 0 && d.like != nil && !d.like.cuts[at] && len(c.Data) > 0 {
		last := all[n-1]
		if last.End == record.EndNone && last.Dir == c.Dir && last.Time.Equal(c.Time) && last.Off+int64(len(last.Data)) == c.Off {
			last.Data, last.End = append(last.Data, c.Data...), c.End
			return nil
		}
	}
	if c.Data = bytes.Clone(c.Data); len(c.Data) > 0 || c.End != record.EndNone {
		d.chunks[c.Conn.ID] = append(all, &c)
	}
	return nil
}

func (d *dump) String() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(d.conns)) {
		fmt.Fprintf(&b, "%+v\n", *d.conns[id])
		for _, c := range d.chunks[id] {
			at := c.Time.Format("05.000000000")
			if len(c.Data) > 0 {
				fmt.Fprintf(&b, "  %s %d %s %q\n", c.Dir, c.Off, at, c.Data)
			}
			if c.End != record.EndNone {
				end := map[record.End]string{record.EndClean: "end", record.EndCut: "cut"}[c.End]
				fmt.Fprintf(&b, "  %s %d %s %s\n", c.Dir, c.Off+int64(len(c.Data)), at, end)
			}
		}
	}
	return b.String()
}

// write returns the file that a Writer makes of chunks.
func write(t testing.TB, chunks iter.Seq2[record.Chunk, error], o pcapng.Options, also ...record.ChunkWriter) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := pcapng.NewWriter(&file, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Copy(chunks, append(also, w)...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// read returns what is in a file as text, where a chunk of like may be in pieces.
func read(t testing.TB, file []byte, like *dump) string {
	t.Helper()
	d := newDump()
	d.like = like
	if err := record.Copy(pcapng.Read(bytes.NewReader(file)), d); err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// recordings returns the recordings of testdata.
func recordings(t testing.TB) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"../testdata/*.rec", "testdata/*.rec"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Fatal("no recordings in testdata")
	}
	return paths
}

// What is written is read back the same, however it is cut and framed.
func TestRoundTrip(t *testing.T) {
	for _, path := range recordings(t) {
		for i, n := range []int{1, 2, 3, 7, 1 << 30, 1, 2, 3, 7, 1 << 30} {
			framing := pcapng.Framing(i / 5)
			t.Run(fmt.Sprintf("%s/%d/%d", filepath.Base(path), framing, n), func(t *testing.T) {
				want := newDump()
				var file bytes.Buffer
				w, err := pcapng.NewWriter(&file, pcapng.Options{Framing: framing})
				if err != nil {
					t.Fatal(err)
				}
				to := record.ChunkTee{want, w}
				if err := record.Copy(recordtest.Open(t, path), recordtest.Splitter{N: n, W: to}); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got := read(t, file.Bytes(), want); got != want.String() {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			})
		}
	}
}

func isErr(err, want error) bool { return errors.Is(err, want) }

// An errReader fails.
type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
