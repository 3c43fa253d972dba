package pcapng_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// pageSize is where the kernel ends a write of a program that is killed.
const pageSize = 4096

// splitBlocks returns how many blocks of a file of which the first byte is at
// start cross a page, leaving out those that are longer than one; an error
// where it does not end at the end of a block.
func splitBlocks(file []byte, start int) (split, long int, err error) {
	for at := 0; at < len(file); {
		rest := file[at:]
		if len(rest) < 12 {
			return split, long, fmt.Errorf("%d bytes after the last block", len(rest))
		}
		n := int(binary.LittleEndian.Uint32(rest[4:]))
		if n < 12 || n%4 != 0 || n > len(rest) || int(binary.LittleEndian.Uint32(rest[n-4:])) != n {
			return split, long, fmt.Errorf("no whole block of %d bytes at %d, %d before the end", n, at, len(rest))
		}
		if first, last := (start+at)/pageSize, (start+at+n-1)/pageSize; n > pageSize {
			long++
		} else if first != last {
			split++
		}
		at += n
	}
	return split, long, nil
}

// No block crosses a page of the file, whatever the chunks, the framing and the
// place in the file, nor is a page left half empty for that.
func TestPages(t *testing.T) {
	const bound = 2 << 20
	for _, framing := range []pcapng.Framing{pcapng.FramingPlain, pcapng.FramingTLS} {
		for _, start := range []int64{0, 4, 1000, 3500} {
			t.Run(fmt.Sprint(framing, start), func(t *testing.T) {
				f, err := os.Create(filepath.Join(t.TempDir(), "x"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.Seek(start, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				w, err := pcapng.NewWriter(f, pcapng.Options{Framing: framing})
				if err != nil {
					t.Fatal(err)
				}
				var want allData
				if err := record.Copy(everySize(bound), record.ChunkTee{w, &want}); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				file, err := os.ReadFile(f.Name())
				if err != nil {
					t.Fatal(err)
				}
				split, long, err := splitBlocks(file[start:], int(start))
				if split > 0 || long > 0 || err != nil {
					t.Errorf("%d blocks cross the end of a page, %d are longer; %v", split, long, err)
				}
				if most := bound + bound/8 + want.chunks*400; len(file) > most {
					t.Errorf("%d bytes for %d of data in %d chunks, want at most %d", len(file), bound, want.chunks, most)
				}
				var got allData
				if err := record.Copy(pcapng.Read(bytes.NewReader(file[start:])), &got); err != nil || !bytes.Equal(got.data, want.data) {
					t.Errorf("%d bytes are read of %d: %v", len(got.data), len(want.data), err)
				}
			})
		}
	}
}

// A allData keeps the bytes of a recording of one direction.
type allData struct {
	data   []byte
	chunks int
}

func (a *allData) WriteChunk(c record.Chunk) error {
	a.data, a.chunks = append(a.data, c.Data...), a.chunks+1
	return nil
}

// everySize yields chunks of lengths that are and are not near those of pages,
// some of them late, until there are so many bytes.
func everySize(total int) func(func(record.Chunk, error) bool) {
	return func(yield func(record.Chunk, error) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		text := bytes.Repeat([]byte("all of it "), 20000)
		c := record.Chunk{Conn: &record.Conn{ID: 1, PID: 42, Comm: "node"}, Dir: record.In, Time: recordtest.Start}
		sizes := []int{1, 12, 100, 1400, 3000, 16384, 100000}
		for i := range 40 {
			sizes = append(sizes, pageSize-150+4*i)
		}
		for c.Off < int64(total) {
			c.Data = text[:1+random.IntN(sizes[random.IntN(len(sizes))])]
			c.Time = c.Time.Add(time.Duration(random.IntN(10)-2) * time.Millisecond)
			if !yield(c, nil) {
				return
			}
			c.Off += int64(len(c.Data))
		}
	}
}

// A first line is in one packet, in which Wireshark looks for it, also where it
// is longer than a page; and where it comes byte by byte.
func TestLongFirstLine(t *testing.T) {
	var rec, want strings.Builder
	for i, size := range []int{10, 900, 2000, 4000, 6000} {
		fmt.Fprintf(&rec, "conn %d local=10.0.0.5:%d remote=192.0.2.7:443\n", i+1, 5001+i)
		request := "GET /" + strings.Repeat("a", size) + " HTTP/1.1\r\nHost: a.example\r\nX: " + strings.Repeat("b", 3000) + "\r\n\r\n"
		fmt.Fprintf(&rec, "> c=%d %q\n", i+1, request)
		fmt.Fprintf(&want, "%d\tGET\ta.example\n", 5001+i)
	}
	for _, piece := range []int{1, 1 << 20} {
		var file bytes.Buffer
		w, err := pcapng.NewWriter(&file, pcapng.Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := recordtest.Read(strings.NewReader(rec.String()))
		if err := record.Copy(in, recordtest.Splitter{N: piece, W: w}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if split, _, err := splitBlocks(file.Bytes(), 0); split > 0 || err != nil {
			t.Errorf("pieces of %d: %d blocks are split; %v", piece, split, err)
		}
		got := run(t, "tshark", "-r", save(t, file.Bytes()), "-Y", "http.request", "-T", "fields", "-e", "tcp.srcport", "-e", "http.request.method", "-e", "http.host")
		if got != want.String() {
			t.Errorf("pieces of %d: %q", piece, got)
		}
	}
}

var kills = flag.Int("kills", 25, "how often TestKilled kills a writer")

// TestKilled kills a program that writes packets back to back, at random
// moments: the file ends at the end of a block, and has all that was written
// before the last Flush that returned.
func TestKilled(t *testing.T) {
	if path := os.Getenv(recordtest.KilledFile); path != "" {
		writeForever(t, path)
	}
	if testing.Short() {
		*kills = min(*kills, 5)
	}
	ends := map[bool]int{} // whether in the middle of a write
	for i := range *kills {
		flushed, file := recordtest.Kill(t, "TestKilled", filepath.Join(t.TempDir(), "x.pcapng"))
		if _, _, err := splitBlocks(file, 0); err != nil {
			t.Errorf("kill %d: %d bytes: %v", i, len(file), err)
			continue
		}
		ends[len(file)%pageSize == 0]++
		var whole int64
		for c, err := range pcapng.Read(bytes.NewReader(file)) {
			if err != nil {
				t.Fatal(err)
			}
			whole = c.Off + int64(len(c.Data))
		}
		if n := int64(len(flushed)-1) * perFlush; whole < n {
			t.Errorf("kill %d: %d bytes of data, want %d or more", i, whole, n)
		}
	}
	t.Logf("%d of %d files end where a page does", ends[true], *kills)
}

// perFlush is how many bytes writeForever writes between two flushes.
const perFlush = 3 << 20

// writeForever writes chunks to a file, and after each flush a byte to stdout.
func writeForever(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pcapng.NewWriter(f, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := record.Chunk{Conn: &record.Conn{ID: 1, PID: 42, Comm: "node"}, Dir: record.In, Time: recordtest.Start}
	os.Stdout.Write([]byte("."))
	for text := bytes.Repeat([]byte("line\n"), perFlush/5+1); c.Off < 1<<30; { // should nobody kill it
		for _, piece := range slices.Collect(slices.Chunk(text[:perFlush], 100<<rand.IntN(11))) {
			c.Data = piece
			if err := w.WriteChunk(c); err != nil {
				t.Fatal(err)
			}
			c.Off += int64(len(piece))
		}
		if err := w.Flush(); err != nil {
			t.Fatal(errors.Join(err, f.Close()))
		}
		os.Stdout.Write([]byte("."))
	}
}
