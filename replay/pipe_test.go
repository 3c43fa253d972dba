//go:build unix

package replay

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A named pipe is waited for, and whoever writes to it is told when its reader
// goes away.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	head := make(chan []byte)
	go func() {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		p := make([]byte, 8)
		io.ReadFull(f, p)
		head <- p
		f.Close()
		close(head)
	}()
	out, err := NewOutput("har", path, OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.WriteExchange(plainExchange(1, 10)); err != nil {
		t.Fatal(err)
	}
	if p := <-head; !bytes.HasPrefix(p, []byte(`{"log":`)) {
		t.Errorf("it begins %q", p)
	}
	<-head
	if err := out.WriteExchange(plainExchange(2, 100_000)); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after its reader went: %v", err)
	}
	out.Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is gone: %v", err)
	}
}

// A pipe of which the reader does nothing holds up nobody for longer than the
// deadline.
func TestStuckPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := NewOutput("har", path, OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Create(); err != nil {
		t.Fatal(err)
	}
	if out.Pipe() == nil {
		t.Fatal("it is no pipe")
	}
	out.Pipe().SetWriteDeadline(time.Now())
	if err := out.WriteExchange(plainExchange(1, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}
