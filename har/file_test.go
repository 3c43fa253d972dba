package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ssltape/har"
	"ssltape/record"
)

// A disk is a file that can be written in place. It looks at its content after
// every page of every write, as a program that is killed there would leave it.
type disk struct {
	data  []byte
	pos   int64
	room  int64 // bytes that it can hold, 0 for any number
	bad   int   // the write that fails in the middle, counted from 1
	quota bool  // and for this reason, as all that come after it
	count int   // writes so far
	after func(data []byte)
}

func (d *disk) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		offset += d.pos
	}
	d.pos = offset
	return offset, nil
}

func (d *disk) Truncate(size int64) error {
	d.data = d.data[:min(size, int64(len(d.data)))]
	return nil
}

func (d *disk) Write(p []byte) (int, error) {
	n, err := d.WriteAt(p, d.pos)
	d.pos += int64(n)
	return n, err
}

func (d *disk) WriteAt(p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	n = len(p)
	if d.count++; d.count == d.bad {
		n, err = n/2, syscall.EIO
	}
	if d.quota && d.count >= d.bad {
		n, err = n/2, syscall.EDQUOT
	}
	if d.room > 0 && off+int64(n) > d.room {
		n, err = int(max(0, d.room-off)), syscall.ENOSPC
	}
	size := int64(len(d.data))
	if grow := off + int64(n) - int64(len(d.data)); grow > 0 {
		d.data = append(d.data, make([]byte, grow)...)
	}
	for done := 0; done < n; { // the kernel stops between two pages only
		page := min(n-done, pageSize-int((off+int64(done))%pageSize))
		copy(d.data[off+int64(done):], p[done:done+page])
		if done += page; d.after != nil {
			d.after(d.data[:max(size, off+int64(done))])
		}
	}
	return n, err
}

const pageSize = 4096

// Store writes 16 bytes at once, as an instruction does.
func (d *disk) Store(p *[16]byte, off int64) error {
	if d.count++; d.count == d.bad {
		return syscall.EIO
	}
	copy(d.data[off:off+16], p[:])
	if d.after != nil {
		d.after(d.data)
	}
	return nil
}

// Store2 writes to two places at once, as far as a signal can tell.
func (d *disk) Store2(p *[16]byte, off int64, q *[16]byte, far int64) error {
	copy(d.data[off:], p[:])
	return d.Store(q, far)
}

// withBody returns an exchange with these bodies.
func withBody(id uint64, request, response []byte) *record.Exchange {
	x := exchange()
	x.ID = id
	x.Conn.PID = int(id) // each has a page
	x.Request.Body, x.Request.BodySize = record.NewBody(request), int64(len(request))
	x.Response.Body, x.Response.BodySize = record.NewBody(response), int64(len(response))
	x.Response.Events = nil
	return x
}

// bodies are of sizes around those at which an entry is cut into parts.
func bodies() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	var all [][]byte
	for _, n := range []int{0, 1, 4000, 48 << 10, 48<<10 + 1, 110_000} {
		binary := make([]byte, n)
		for i := range binary {
			binary[i] = byte(random.Uint32())
		}
		all = append(all, binary, []byte(strings.Repeat("世", n/3)+"x"), bytes.Repeat([]byte{'"'}, n), make([]byte, n))
	}
	return all
}

// TestEveryWrite checks that the file is whole after every write to it, and
// that it has the entries of all exchanges before.
func TestEveryWrite(t *testing.T) {
	requests := bodies()
	slices.Reverse(requests)
	var all []*record.Exchange
	for i, body := range bodies() {
		all = append(all, withBody(uint64(i+1), requests[i], body))
	}
	for some := range slices.Chunk(all, 4) {
		if testing.Short() && some[0].ID%3 != 0 {
			continue
		}
		done := 0
		d := &disk{after: func(data []byte) {
			var file struct {
				Log struct {
					Entries []struct{} `json:"entries"`
				} `json:"log"`
			}
			if err := json.Unmarshal(data, &file); err != nil {
				t.Fatalf("%d entries: %v: …%q", done, err, data[max(0, len(data)-200):])
			}
			if n := len(file.Log.Entries); n != done && n != done+1 {
				t.Fatalf("the file has %d entries, want %d or one more", n, done)
			}
		}}
		w, err := har.NewWriter(d, har.Options{Redaction: "none"})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range some {
			if err := w.WriteExchange(x); err != nil {
				t.Fatal(err)
			}
			done++
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sameBodies(t, read(t, d.data), some)
	}
	sameBodies(t, read(t, write(t, all...)), all)
}

func sameBodies(t *testing.T, got, want []*record.Exchange) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		for side, m := range map[string][2]*record.Message{
			"request":  {&got[i].Request.Message, &want[i].Request.Message},
			"response": {&got[i].Response.Message, &want[i].Response.Message},
		} {
			g, err := m[0].Body.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			w, err := m[1].Body.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(g, w) {
				t.Errorf("entry %d: %s of %d bytes came back as %d others", i, side, len(w), len(g))
			}
		}
	}
}

// TestFailingDisk checks that a file keeps the entries that it has when no
// more can be written.
func TestFailingDisk(t *testing.T) {
	big := []byte(strings.Repeat("0123456789", 20_000))
	run := func(d *disk) (entries int, err error) {
		w, err := har.NewWriter(d, har.Options{})
		if err != nil {
			return 0, err
		}
		for i := range uint64(6) {
			body := big
			if i%2 == 0 {
				body = big[:100]
			}
			if err = w.WriteExchange(withBody(i, nil, body)); err != nil {
				break
			}
			entries++
		}
		if err != nil {
			if again := w.WriteExchange(exchange()); again != err {
				t.Errorf("after %v another exchange gives %v", err, again)
			}
		}
		if closed := w.Close(); err == nil {
			err = closed
		} else if closed != err {
			t.Errorf("after %v Close gives %v", err, closed)
		}
		return entries, err
	}
	whole := &disk{}
	if _, err := run(whole); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, d *disk, cause error) {
		entries, err := run(d)
		if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "write HAR: ") {
			t.Fatalf("error %v, want %v", err, cause)
		}
		if entries == 0 && len(d.data) < 300 {
			return // not even the head could be written
		}
		if got := len(read(t, d.data)); got != entries || !json.Valid(d.data) {
			t.Errorf("%d entries were written, the file has %d and ends %q", entries, got, d.data[max(0, len(d.data)-100):])
		}
	}
	for room := int64(1); room < int64(len(whole.data)); room += 17011 {
		t.Run(fmt.Sprintf("room for %d", room), func(t *testing.T) { check(t, &disk{room: room}, syscall.ENOSPC) })
	}
	for n := 2; n <= whole.count; n++ {
		t.Run(fmt.Sprintf("write %d fails", n), func(t *testing.T) { check(t, &disk{bad: n}, syscall.EIO) })
		if _, err := run(&disk{bad: n, quota: true}); !errors.Is(err, syscall.EDQUOT) || strings.Count(err.Error(), syscall.EDQUOT.Error()) != 1 {
			t.Errorf("all fail from write %d on: error %v", n, err)
		}
	}
}

// TestFullPipe checks that an error of a file that cannot seek is passed on.
func TestFullPipe(t *testing.T) {
	r, pipe := io.Pipe()
	go func() {
		io.CopyN(io.Discard, r, 1000)
		r.Close()
	}()
	w, err := har.NewWriter(pipe, har.Options{})
	for i := 0; err == nil && i < 10; i++ {
		err = w.WriteExchange(withBody(1, nil, make([]byte, 200_000)))
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
	if closed := w.Close(); !errors.Is(closed, io.ErrClosedPipe) {
		t.Errorf("Close: %v", closed)
	}
}
