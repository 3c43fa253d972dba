package held

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// guardCommand is the first argument by which this program, started as a child
// of itself, sees to it that no process stays stopped when the recorder is
// killed, is stopped itself or hangs while it holds one.
const guardCommand = "resume-when-killed"

// File descriptors that the guard is given: a pipe that ends with the recorder,
// and the table of processes that are held.
const (
	guardPipe = 3 + iota
	guardTable
)

const (
	guardPeriod = time.Second
	longestHold = 15 * time.Second // the largest programs take a few to be searched
	// The programs in the kernel go a moment after the recorder, which may have
	// been killed.
	guardLinger = time.Second
)

// A guard is the running [guardCommand].
type guard struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// Guard starts a process that resumes what is in the table when this process is
// gone, or takes too long. It owns nothing else of the recording, which ends with
// the recorder. Close ends it; nothing may be held any more then.
func (t Table) Guard() (io.Closer, error) {
	fd, err := unix.FcntlInt(uintptr(t.FD()), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	table := os.NewFile(uintptr(fd), "held")
	defer table.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", guardCommand)
	cmd.ExtraFiles = []*os.File{r, table} // become guardPipe and guardTable
	// The terminal's signals, and those for the recorder's group, are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start guard: %w", err)
	}
	return &guard{cmd, w}, nil
}

// Close ends the guard.
func (g *guard) Close() error {
	err := g.cmd.Process.Kill()
	_ = g.cmd.Wait() // it says that it was killed
	g.pipe.Close()
	return err
}

// The guard does its work while the program is being initialised, for the reason
// that package shim gives, and returns where this is none.
func init() {
	if len(os.Args) != 2 || os.Args[1] != guardCommand {
		return
	}
	pipe := os.NewFile(guardPipe, "recorder")
	held, err := ebpf.NewMapFromFD(guardTable)
	if _, e := pipe.Stat(); e != nil || err != nil {
		return // somebody has typed it
	}
	watch(pipe, Table{held})
	os.Exit(0)
}

// watch returns when the recorder at the other end of pipe is gone.
func watch(pipe io.Reader, t Table) {
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, pipe)
		close(gone)
	}()
	for tick := time.Tick(guardPeriod); ; {
		select {
		case <-tick:
			t.ResumeAll(longestHold)
		case <-gone:
			_ = t.Put(nobody, Entry{}) // on a busy machine those programs go later than this process
			for end := time.Now().Add(guardLinger); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				t.ResumeAll(0)
			}
			return
		}
	}
}
