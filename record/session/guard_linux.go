package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"ssltape/bpf"
	"ssltape/replay"
)

// GuardCommand is the hidden command by which this program, started as a child
// of itself, sees to it that no process stays stopped when the recorder is
// killed, is stopped itself or hangs while it holds one.
const GuardCommand = "resume-when-killed"

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

// A guard is the running [GuardCommand].
type guard struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// startGuard starts the guard of what p holds.
func startGuard(p *bpf.Probe) (*guard, error) {
	table, err := p.Held()
	if err != nil {
		return nil, err
	}
	defer table.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand)
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

// end ends the guard, if there is one, after the probe was stopped, which lets
// all processes run.
func (g *guard) end() {
	if g == nil {
		return
	}
	g.cmd.Process.Kill()
	g.cmd.Wait()
	g.pipe.Close()
}

// Guard is the [GuardCommand]. It returns when the recorder is gone.
func Guard() error {
	pipe, table := os.NewFile(guardPipe, "recorder"), os.NewFile(guardTable, "held")
	if _, err := pipe.Stat(); err != nil {
		return &replay.Error{Code: 2, Err: errors.New(GuardCommand + " is not a command to type"), Hint: "ssltape record -- COMMAND"}
	}
	gone := make(chan struct{})
	go func() {
		io.Copy(io.Discard, pipe)
		close(gone)
	}()
	for tick := time.Tick(guardPeriod); ; {
		select {
		case <-tick:
			if err := bpf.ResumeHeld(table, longestHold); err != nil {
				return err
			}
		case <-gone:
			for end := time.Now().Add(guardLinger); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if err := bpf.ResumeHeld(table, 0); err != nil {
					return err
				}
			}
			return nil
		}
	}
}
