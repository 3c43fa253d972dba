//go:build linux && (amd64 || arm64)

package ring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A kernel writes events into a buffer as the real one does.
type kernel struct {
	data     []byte // once
	from, to uintptr
}

func newKernel(size int) (*kernel, *buffer) {
	k := &kernel{data: make([]byte, 2*size)}
	return k, newBuffer(k.data, &k.to, &k.from)
}

// put writes an event with bits in its head, and returns where it stands.
func (k *kernel) put(event []byte, bits uint32) (at uintptr) {
	size := uintptr(len(k.data) / 2)
	at = k.to
	content := binary.NativeEndian.AppendUint32(nil, uint32(len(event))|bits)
	content = append(append(content, 0, 0, 0, 0), event...)
	for i, c := range content {
		p := (at + uintptr(i)) % size
		k.data[p], k.data[p+size] = c, c
	}
	k.to += uintptr(headSize + align(len(event)))
	return at
}

// clear takes bits from the head of an event.
func (k *kernel) clear(at uintptr, bits uint32) {
	size := uintptr(len(k.data) / 2)
	for _, p := range []uintptr{at % size, at%size + size} {
		binary.NativeEndian.PutUint32(k.data[p:], binary.NativeEndian.Uint32(k.data[p:])&^bits)
	}
}

// events walks what a block holds.
func events(p []byte) (all []string) {
	for at := 0; at < len(p); {
		var event []byte
		if event, at = Event(p, at); event != nil {
			all = append(all, string(event))
		}
	}
	return all
}

// Events come out as they went in, once, wherever in the buffer they stand; what
// is being written holds up what is behind it, and what was taken back is left out.
func TestBuffer(t *testing.T) {
	k, b := newKernel(4096)
	var want, seen, got []string
	see := func(event []byte) error {
		seen = append(seen, string(event))
		return nil
	}
	take := func() {
		if full, err := b.scan(see); full || err != nil {
			t.Fatalf("full %v, %v", full, err)
		}
		got = append(got, events(b.scanned())...)
		b.free()
	}
	for i := range 300 {
		one := fmt.Sprintf("%d %s", i, bytes.Repeat([]byte{'x'}, 7*i%500))
		want = append(want, one)
		k.put([]byte(one), 0)
		k.put([]byte("taken back"), discarded)
		at := k.put([]byte("being written"), busy)
		k.put([]byte("behind"), 0)
		take()
		if b.left() == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%d: %d left, got %d events of %d", i, b.left(), len(got), len(want))
		}
		k.clear(at, busy)
		want = append(want, "being written", "behind")
		take()
		if b.left() != 0 || k.from != k.to || !b.passed(k.to) || b.passed(k.to+1) {
			t.Fatalf("%d: %d left, %d of %d free", i, b.left(), k.from, k.to)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %d events and saw %d of %d", len(got), len(seen), len(want))
	}
}

// A block holds no more than there is room for.
func TestFull(t *testing.T) {
	k, b := newKernel(8 * BlockSize)
	const n, size = 100, 60_000
	for range n {
		k.put(make([]byte, size), 0)
	}
	count := 0
	for blocks := 0; b.left() > 0; blocks++ {
		if blocks > n {
			t.Fatal("it does not come to an end")
		}
		full, err := b.scan(func([]byte) error { count++; return nil })
		if p := b.scanned(); err != nil || len(p) > BlockSize || full && len(p) < BlockSize-size-16 || full != (b.to != b.end()) {
			t.Errorf("block of %d bytes, full %v, %v", len(p), full, err)
		}
		b.free()
	}
	if count != n {
		t.Errorf("saw %d events of %d", count, n)
	}
}

// The process ends when it is told to, after all marks.
func TestReader(t *testing.T) {
	r := startReader(t)
	r.Mark()
	r.Stop()
	for range 100 { // more than it reads before it has come to its end
		r.Free(&Block{})
	}
	if news, err := r.Next(); err != nil || news.Marked != 1 {
		t.Errorf("%+v, %v, want a mark", news, err)
	}
	if news, err := r.Next(); err != io.EOF {
		t.Errorf("%+v, %v, want an end", news, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// The process stays until the reader is closed: one that goes by itself is taken
// for one that has failed.
func TestReaderStays(t *testing.T) {
	r := startReader(t)
	r.Stop()
	if news, err := r.Next(); err != io.EOF {
		t.Fatalf("%+v, %v, want an end", news, err)
	}
	r.Free(&Block{})
	if err := r.socket.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.socket.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v, want nothing for as long as one waits", n, err)
	}
}

// What the process has told comes to who asks for so much meanwhile that there is
// always something that the process has not read.
func TestReaderFlooded(t *testing.T) {
	for range 40 {
		r := startReader(t)
		fd := int(r.socket.Fd()) // it blocks from now on
		r.Stop()
		var flood sync.WaitGroup
		flood.Go(func() {
			free := make([]byte, unsafe.Sizeof(request{}))
			for {
				if err := unix.Send(fd, free, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil && err != unix.EAGAIN {
					return // the process is gone
				}
			}
		})
		for told := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}; told[0].Revents&unix.POLLIN == 0; {
			if _, err := unix.Poll(told, -1); err != nil && err != unix.EINTR {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Millisecond) // a process that goes at its end is gone
		if news, err := r.Next(); err != io.EOF {
			t.Errorf("%+v, %v, want an end", news, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		flood.Wait()
	}
}

// The process goes on while nobody reads what it tells, and tells it later.
func TestReaderNotRead(t *testing.T) {
	r := startReader(t)
	const n = 5000 // more than a socket has room for
	for range n {
		r.Mark()
	}
	r.Stop()
	for i := range n {
		if news, err := r.Next(); err != nil || news.Marked != 1 {
			t.Fatalf("%d: %+v, %v, want a mark", i, news, err)
		}
	}
	if news, err := r.Next(); err != io.EOF {
		t.Errorf("%+v, %v, want an end", news, err)
	}
}

// The process is gone when its recorder is.
func TestReaderOrphaned(t *testing.T) {
	r := startReader(t)
	if err := r.socket.Close(); err != nil {
		t.Fatal(err)
	}
	<-r.gone
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, %s", code, r.stderr)
	}
}

// pid returns that of the process.
func (r *Reader) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd.Process.Pid
}

// Another process goes on where one is killed, with what that was asked for; but
// not for ever.
func TestReaderKilled(t *testing.T) {
	r := startReader(t)
	kill := func() {
		if err := unix.Kill(r.pid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for n := range restarts {
		before := r.pid()
		if n == restarts/2 {
			r.Stop()
			if news, err := r.Next(); err != io.EOF {
				t.Fatalf("%+v, %v, want an end", news, err)
			}
		}
		if n%2 == 0 { // that it has read
			if err := unix.Kill(before, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		r.Mark()
		r.Mark()
		kill()
		for marks := 0; marks < 2; {
			news, err := r.Next()
			if err == io.EOF && n >= restarts/2 {
				continue // it is told again
			}
			if err != nil || news.Marked == 0 {
				t.Fatalf("%d: %+v, %v, want a mark", n, news, err)
			}
			marks += news.Marked
		}
		if n%2 == 0 && r.pid() == before {
			t.Fatalf("%d: the process is the same", n)
		}
		for r.pid() == before {
			time.Sleep(time.Millisecond)
		}
	}
	kill()
	for {
		news, err := r.Next()
		if err == io.EOF {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("%+v, %v, want an error", news, err)
		}
		return
	}
}

// Who ends all that belongs to a service does not end this process.
func TestReaderSignals(t *testing.T) {
	r := startReader(t)
	r.Mark() // it has begun
	if news, err := r.Next(); err != nil || news.Marked != 1 {
		t.Fatalf("%+v, %v, want a mark", news, err)
	}
	pid := r.pid()
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		if err := unix.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	r.Mark()
	if news, err := r.Next(); err != nil || news.Marked != 1 || r.pid() != pid {
		t.Errorf("%+v, %v, process %d, want a mark of %d", news, err, r.pid(), pid)
	}
}

// What a block before it holds, too, is left out of one.
func TestBlockKnown(t *testing.T) {
	var r Reader
	for _, c := range []struct {
		from  int64
		size  uint32
		known int
	}{{0, 100, 0}, {100, 50, 0}, {100, 80, 50}, {100, 80, 80}, {180, 20, 0}, {300, 10, 0}} {
		b := r.block(&message{from: c.from, size: c.size})
		if b.known != c.known {
			t.Errorf("%d bytes from %d: %d known, want %d", c.size, c.from, b.known, c.known)
		}
	}
}

// Where little may wait, slots that are free keep no more memory than is left of that.
func TestKeeps(t *testing.T) {
	for _, c := range []struct {
		limit, ready, used int // MiB, and slots
		want               bool
	}{{256, 63, 1000, true}, {256, 64, 0, false}, {24, 0, 23, true}, {24, 20, 4, false}, {24, 0, 96, false}, {24, 23, 0, true}, {24, 24, 0, false}} {
		p := &process{limit: c.limit << 20, ready: make([]int64, c.ready), sizes: map[int64]int{}}
		for slot := range c.used {
			p.sizes[int64(slot)] = enough
		}
		if got := p.keeps(); got != c.want {
			t.Errorf("of %d MiB, %d slots ready and %d used: %v", c.limit, c.ready, c.used, got)
		}
	}
}

// startReader starts one for a ring buffer that stays empty.
func startReader(t *testing.T) *Reader {
	t.Helper()
	r, _ := startReaderOf(t, Options{Size: os.Getpagesize(), Limit: BlockSize})
	return r
}

// startReaderOf starts one, and returns its ring buffer.
func startReaderOf(t *testing.T, o Options) (*Reader, *ebpf.Map) {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(o.Size)})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	r, err := Start(m.FD(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, m
}
