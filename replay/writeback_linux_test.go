package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A long file leaves memory while it is written, and is the same file.
func TestWriteback(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "long"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWriteback(f)
	step := bytes.Repeat([]byte("recorded"), writebackStep/8)
	const steps = writebackKeep/writebackStep + 3
	for range steps {
		if _, err := f.Write(step); err != nil {
			t.Fatal(err)
		}
	}
	f.WriteString("end")
	for w.step() {
	}
	if w.begun != steps*writebackStep || w.dropped != w.begun-writebackLast {
		t.Errorf("begun %d, dropped %d of %d steps", w.begun/writebackStep, w.dropped/writebackStep, steps)
	}
	if first, last := resident(t, f, 0), resident(t, f, steps*writebackStep); first && !onMemory(t, f) || !last {
		t.Errorf("in memory: first page %v, last page %v", first, last)
	}
	got := make([]byte, writebackStep)
	if _, err := f.ReadAt(got, writebackStep); err != nil || !bytes.Equal(got, step) {
		t.Errorf("read what was dropped: %v, or other bytes", err)
	}
	w.ended()
	for end := time.Now().Add(time.Minute); resident(t, f, (steps-1)*writebackStep) && !onMemory(t, f); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what had ended stayed in memory")
		}
	}
	f.Close()
	if w.step() {
		t.Error("there is more to do with a closed file")
	}
	w.wrote()
}

func TestWritebackOfPipe(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer p.Close()
	w := newWriteback(p)
	if w != nil {
		t.Error("a pipe has one")
	}
	w.wrote()
	w.ended()
}

// resident reports whether the page at off of f is in memory.
func resident(t *testing.T, f *os.File, off int64) bool {
	t.Helper()
	page := os.Getpagesize()
	mem, err := unix.Mmap(int(f.Fd()), off, page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	vec := []byte{0}
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(page), uintptr(unsafe.Pointer(&vec[0]))); errno != 0 {
		t.Fatal(errno)
	}
	return vec[0]&1 != 0
}

// onMemory reports whether f is on a file system that has no other place.
func onMemory(t *testing.T, f *os.File) bool {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Type == unix.TMPFS_MAGIC
}
