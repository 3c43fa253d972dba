package replay

import (
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A writeback has what is written to a file be on the disk soon after, and not
// kept in memory for long. Without it the kernel collects a tenth of the memory
// first, and then makes who writes wait for the disk; and a long recording takes
// all memory that is free for its own file, which on a virtual machine may be
// memory that it has to ask for page by page. A recorder that waits is one that
// loses something.
//
// What is behind in memory costs nothing but memory, so that its goroutine waits
// for the disk, and who writes does not.
type writeback struct {
	file           *os.File
	waits          atomic.Bool // a look at the file is due
	begun, dropped int64       // offsets, up to where the file is on its way to the disk, and not in memory
}

const (
	writebackPeriod = 100 * time.Millisecond
	writebackStep   = 8 << 20
	// Recordings that are no longer stay in memory, for who looks at them next.
	writebackKeep = 64 << 20
	// So much of a longer one stays, which may be written to again.
	writebackLast = 8 << 20
)

// newWriteback returns the writeback of f, or nil, whose methods do nothing, if f
// is no regular file.
func newWriteback(f *os.File) *writeback {
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	return &writeback{file: f}
}

// wrote is to be called when something may have been written. It does not wait.
func (w *writeback) wrote() {
	if w == nil || w.waits.Load() || w.waits.Swap(true) {
		return
	}
	time.AfterFunc(writebackPeriod, func() {
		for w.step() {
		}
		w.waits.Store(false)
	})
}

// step reports whether there is more to do. It waits for at most one step of the
// file to be on the disk: a process that ends meanwhile does so, too. Nothing
// depends on it, so that any error, such as that the file is closed, only ends it.
func (w *writeback) step() (more bool) {
	st, err := w.file.Stat()
	if err != nil {
		return false
	}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return false
	}
	end := st.Size() / writebackStep * writebackStep
	_ = conn.Control(func(fd uintptr) {
		if end > w.begun && unix.SyncFileRange(int(fd), w.begun, end-w.begun, unix.SYNC_FILE_RANGE_WRITE) == nil {
			w.begun = end
		}
		if w.begun <= writebackKeep || w.dropped+writebackStep+writebackLast > w.begun {
			return
		}
		if more = dropPart(int(fd), w.dropped) == nil; more {
			w.dropped += writebackStep
		}
	})
	return more
}

// ended is to be called before a file is closed that another one follows, which
// takes the place of what is left of it in memory. It does not wait.
func (w *writeback) ended() {
	if w == nil {
		return
	}
	st, err := w.file.Stat()
	if err != nil {
		return
	}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		own, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return
		}
		go func() {
			defer unix.Close(own)
			for off := int64(0); off < st.Size() && dropPart(own, off) == nil; off += writebackStep {
			}
		}()
	})
}

// dropPart has a step of a file be on the disk, and then not in memory.
func dropPart(fd int, off int64) error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	if err := unix.SyncFileRange(fd, off, writebackStep, all); err != nil {
		return err
	}
	return unix.Fadvise(fd, off, writebackStep, unix.FADV_DONTNEED)
}
