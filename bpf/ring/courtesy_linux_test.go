//go:build linux && (amd64 || arm64)

package ring

import (
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// eventSize is that of the events that a source sends.
const eventSize = 256

// A source has the kernel write events into a ring buffer.
type source struct{ plain, urgent *ebpf.Program }

const urgentKind = 3

func newSource(t *testing.T, m *ebpf.Map) *source {
	t.Helper()
	program := func(kind int64) *ebpf.Program {
		code := asm.Instructions{asm.StoreImm(asm.RFP, -eventSize, kind, asm.Word)}
		for at := int16(4 - eventSize); at < 0; at += 4 {
			code = append(code, asm.StoreImm(asm.RFP, at, 0, asm.Word))
		}
		code = append(code,
			asm.LoadMapPtr(asm.R1, m.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -eventSize),
			asm.Mov.Imm(asm.R3, eventSize), asm.Mov.Imm(asm.R4, 0),
			asm.FnRingbufOutput.Call(),
			asm.Mov.Imm(asm.R0, 0), asm.Return())
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "MIT", Instructions: code})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	return &source{program(0), program(urgentKind)}
}

// send writes n events, and ends the test if it cannot.
func (s *source) send(t *testing.T, p *ebpf.Program, n int) {
	t.Helper()
	if _, err := p.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: uint32(n)}); err != nil {
		t.Fatal(err)
	}
}

// policy returns that of the first thread of this process.
func policy(t *testing.T) uint32 {
	t.Helper()
	attr, err := unix.SchedGetAttr(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return attr.Policy
}

// While much comes the recorder goes last, but not where that would be felt: with
// little room it is what waits that ends it, and with much of it that it waits for
// long.
func TestCourtesy(t *testing.T) {
	for _, limit := range []int{8 * BlockSize, keep} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) { testCourtesy(t, limit) })
	}
}

func testCourtesy(t *testing.T, limit int) {
	if p := policy(t); p != unix.SCHED_NORMAL {
		t.Skipf("the tests run with policy %d", p)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -1); err != nil {
		t.Skipf("raise a priority: %v", err)
	}
	r, m := startReaderOf(t, Options{Size: 1 << 20, Limit: limit, Urgent: []byte{urgentKind}})
	s := newSource(t, m)
	var busy atomic.Bool // who takes blocks
	urgent, ended := make(chan struct{}, 1), make(chan error)
	go func() {
		for blocks := []*Block(nil); ; {
			news, err := r.Next()
			switch {
			case err != nil:
				ended <- err
				return
			case news.Urgent != nil:
				urgent <- struct{}{}
				continue
			}
			for blocks = append(blocks, news.Block); len(blocks) > 0 && !busy.Load(); blocks = blocks[1:] {
				r.Free(blocks[0])
			}
		}
	}()
	// until sends 10 MB a second, or nothing, until the policy is that, and returns
	// how many bytes.
	until := func(want uint32, sends bool, why string) (sent int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); policy(t) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: policy %d, want %d", why, policy(t), want)
			}
			if sends {
				s.send(t, s.plain, 100_000/eventSize)
				sent += 100_000
			}
		}
		return sent
	}
	until(unix.SCHED_IDLE, true, "much comes")
	until(unix.SCHED_NORMAL, false, "nothing comes")

	until(unix.SCHED_IDLE, true, "much comes again")
	s.send(t, s.urgent, 1)
	until(unix.SCHED_NORMAL, true, "something is urgent")
	<-urgent
	for end := time.Now().Add(5 * window); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s.send(t, s.plain, 100_000/eventSize); policy(t) != unix.SCHED_NORMAL {
			t.Fatal("the recorder waits for others while somebody waits for it")
		}
	}
	r.Dealt()
	until(unix.SCHED_IDLE, true, "nothing is urgent any more")

	if err := unix.Kill(r.pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(unix.SCHED_NORMAL, false, "another process has taken over")

	until(unix.SCHED_IDLE, true, "much comes to it")
	busy.Store(true)
	if sent := until(unix.SCHED_NORMAL, true, "it waits"); sent > keep/2-BlockSize {
		t.Errorf("the recorder waits for others while %d bytes wait for it", sent)
	}
	busy.Store(false)
	until(unix.SCHED_IDLE, true, "that does not wait any more")

	r.Stop()
	until(unix.SCHED_NORMAL, false, "it is the end")
	if err := <-ended; err != io.EOF {
		t.Errorf("%v, want an end", err)
	}
}
