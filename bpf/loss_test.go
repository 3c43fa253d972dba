//go:build linux && (amd64 || arm64)

package bpf

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ssltape/record"
)

// account checks that each byte that passed was recorded or counted as lost,
// on each connection and in total, and returns the bytes lost by connection
// and direction, in the order of the recording.
func account(t *testing.T, p *Probe, tp *tape) (lost [][2]int64) {
	t.Helper()
	var got, missing int64
	for _, c := range tp.conns {
		s := tp.streams[c]
		for dir := range s {
			d := &s[dir]
			if d.end == record.EndNone || d.final != int64(d.Len())+d.lost {
				t.Errorf("connection %d %v: %d bytes of %d, %d lost, end %d", c.ID, record.Dir(dir), d.Len(), d.final, d.lost, d.end)
			}
			got, missing = got+int64(d.Len()), missing+d.lost
		}
		lost = append(lost, [2]int64{s[record.Out].lost, s[record.In].lost})
	}
	l := p.Loss()
	if uint64(got) != l.Captured || uint64(missing) != l.Bytes()-l.TableBytes || l.Passed != l.Captured+l.Bytes() {
		t.Errorf("%d bytes recorded, %d lost, counted %+v", got, missing, l)
	}
	return lost
}

// recordPair records testdata/pair.c with the given steps.
func recordPair(t *testing.T, o Options, steps string) (*Probe, *tape) {
	t.Helper()
	p := open(t, o)
	p.attachLibssl(t, libssl(t), true)
	goOn, wait := start(t, p, buildPair(t).args(steps)...)
	goOn()
	wait()
	p.Stop()
	return p, read(t, p)
}

// What one call passes beyond 16 MiB is a hole of known length, also where
// nothing follows.
func TestLongCall(t *testing.T) {
	const n, long = 16 << 20, 20 << 20
	for _, steps := range []string{"new w20971520 r w5 r free", "new w5 r w20971520 r"} {
		p, tp := recordPair(t, Options{Buffer: 128 << 20}, steps)
		lost := account(t, p, tp)
		if len(lost) != 2 || lost[0] != [2]int64{long - n, 0} || lost[1] != [2]int64{} {
			t.Errorf("%q: lost %v of each connection", steps, lost)
		}
		if l := p.Loss(); l.LongBytes != long-n || l.LongEvents != 1 || l.Bytes() != l.LongBytes {
			t.Errorf("%q: counted %+v", steps, l)
		}
		if got := tp.streams[tp.conns[1]][record.In].Len(); got != long+5 {
			t.Errorf("%q: %d bytes read, want %d", steps, got, long+5)
		}
	}
}

// What the process has unmapped when the call returns cannot be had.
func TestUnmapped(t *testing.T) {
	p, tp := recordPair(t, Options{}, "new w10 u5000 r w20 u3 r")
	lost := account(t, p, tp)
	if len(lost) != 2 || lost[0] != [2]int64{5003, 0} || lost[1] != [2]int64{} {
		t.Errorf("lost %v of each connection", lost)
	}
	if l := p.Loss(); l.FaultBytes != 5003 || l.FaultEvents != 2 || l.Bytes() != l.FaultBytes {
		t.Errorf("counted %+v", l)
	}
}

// A write in which its process ends may have passed something: it is counted, also
// where it is the first that there is of its connection.
func TestEndsInWrite(t *testing.T) {
	const clean, cut = record.EndClean, record.EndCut
	for _, tt := range []struct {
		name, steps string
		language    func(*testing.T) (path string, prog pairProgram)
		want        []outcome
	}{
		{"OpenSSL", "new w10 r d20", ofC, []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"OpenSSL, first", "new d20", ofC, nil},
		{"Go", "new w10 r dies new w20", ofGo, []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"Go, large", "new dies new w1000000", ofGo, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, prog := tt.language(t)
			p := open(t, Options{})
			if _, err := p.Attach(path); err != nil {
				t.Fatal(err)
			}
			goOn, wait := start(t, p, prog.args(tt.steps)...)
			goOn()
			wait()
			p.Stop()
			tp := read(t, p)
			account(t, p, tp)
			var got []outcome
			for _, c := range tp.conns {
				s := tp.streams[c]
				got = append(got, outcome{int(s[0].final), int(s[1].final), s[0].end, s[1].end})
			}
			if !equal(got, tt.want) {
				t.Errorf("connections %v, want %v", got, tt.want)
			}
			if l := p.Loss(); l.Unseen != 1 || l.Bytes() != 0 {
				t.Errorf("counted %+v", l)
			}
		})
	}
}

// ofC and ofGo return what to attach to for a program that has steps, and that.
func ofC(t *testing.T) (string, pairProgram) { return libssl(t), buildPair(t) }

func ofGo(t *testing.T) (string, pairProgram) {
	prog := buildGoPair(t)
	return prog.path, prog
}

// Without room for a connection, what it carries is counted.
func TestConnectionsFull(t *testing.T) {
	p, tp := recordPair(t, Options{entries: map[string]uint32{"conns": 2}}, "new w10 r new w200 x300 r")
	if lost := account(t, p, tp); len(lost) != 2 {
		t.Errorf("%d connections, want the first 2", len(lost))
	}
	if l := p.Loss(); l.TableBytes != 1000 || l.Captured != 20 || l.Unseen != 0 {
		t.Errorf("counted %+v", l)
	}
}

// Without room for a thread, its calls are: a write, and reads of what was
// written and of nothing.
func TestThreadsFull(t *testing.T) {
	p, tp := recordPair(t, Options{Follow: true, entries: map[string]uint32{"threads": 1}}, "new w10 r fork w20 r")
	account(t, p, tp)
	if l := p.Loss(); l.Captured != 20 || l.Unseen != 3 {
		t.Errorf("counted %+v", l)
	}
}

// A reader that does not keep up loses data, and every byte of that is
// accounted for: by offsets, and by cause.
func TestLoss(t *testing.T) {
	// Little is read from the ring until Events is ranged over.
	p := open(t, Options{Buffer: 1 << 20, Follow: true, queue: 1 << 20})
	p.attachLibssl(t, libssl(t), true)
	prog := buildPair(t)
	const n = 16 << 20
	steps := strings.Repeat("w16777216 r ", 16)
	goOn, wait := start(t, p, prog.args("new "+steps+"free new w5 r free new w7 r")...)
	goOn()
	wait()
	p.Stop()
	tp := read(t, p)
	var got, lost int64
	finals := map[int64]int{}
	for c, s := range tp.streams {
		for dir := range s {
			d := &s[dir]
			if d.end == record.EndNone || d.final != int64(d.Len())+d.lost {
				t.Errorf("connection %d %v: %d bytes of %d, %d lost, end %d", c.ID, record.Dir(dir), d.Len(), d.final, d.lost, d.end)
			}
			got, lost = got+int64(d.Len()), lost+d.lost
			finals[d.final]++
		}
	}
	if finals[16*n] != 2 || finals[5] != 2 || finals[7] != 2 {
		t.Errorf("lengths of streams %v", finals)
	}
	l := p.Loss()
	if l.RingEvents == 0 || uint64(got) != l.Captured || uint64(lost) != l.Bytes() || l.Passed != l.Captured+l.Bytes() {
		t.Errorf("%d bytes recorded, %d lost, counted %+v", got, lost, l)
	}
	if last := tp.news[len(tp.news)-1]; last.Kind != Exited {
		t.Errorf("last news %+v", last)
	}
}

// readers returns the processes that empty ring buffers for this one.
func readers(t *testing.T) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 {
		t.Fatalf("no list of children: %v", err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that has ended has none
		for pid := range strings.FieldsSeq(string(text)) {
			if args, _ := os.ReadFile("/proc/" + pid + "/cmdline"); strings.Contains(string(args), "empty-ring-buffer") {
				n, _ := strconv.Atoi(pid)
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// Nothing is lost, and nothing comes twice, where what empties the ring buffer is
// killed again and again.
func TestReaderKilled(t *testing.T) {
	p := open(t, Options{Buffer: 256 << 20})
	p.attachLibssl(t, libssl(t), true)
	prog := buildPair(t)
	ended := make(chan struct{})
	var kills atomic.Int32
	var killer sync.WaitGroup
	killer.Go(func() {
		for killed := map[int]bool{}; len(killed) < 8; {
			select {
			case <-ended:
				return
			case <-time.After(30 * time.Millisecond): // while something passes
			}
			for _, pid := range readers(t) {
				killed[pid] = true
				_ = unix.Kill(pid, unix.SIGKILL) // it may have been, and not be gone yet
			}
			kills.Store(int32(len(killed)))
		}
	})
	runs := 0
	for ; runs == 0 || kills.Load() < 3; runs++ {
		goOn, wait := start(t, p, prog.args("new "+strings.Repeat("w1000000 r ", 40)+"free")...)
		goOn()
		wait()
	}
	close(ended)
	killer.Wait()
	p.Stop()
	tp := read(t, p)
	if lost := account(t, p, tp); len(lost) != 2*runs || slices.ContainsFunc(lost, func(n [2]int64) bool { return n != [2]int64{} }) {
		t.Errorf("lost %v of each connection, in %d runs", lost, runs)
	}
	got := 0
	for _, s := range tp.streams {
		got += s[record.Out].Len()
	}
	if got != runs*40_000_000 {
		t.Errorf("%d bytes written in %d runs", got, runs)
	}
}

// A queue for which there is no memory is one that is full.
func TestNoMemory(t *testing.T) {
	p := open(t, Options{Buffer: 1 << 20})
	for _, pid := range readers(t) {
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 5 << 20, Max: 5 << 20}, nil); err != nil {
			t.Fatal(err)
		}
	}
	p.attachLibssl(t, libssl(t), true)
	goOn, wait := start(t, p, buildPair(t).args("new "+strings.Repeat("w1000000 r ", 30)+"free")...)
	goOn()
	wait()
	p.Stop()
	tp := read(t, p)
	account(t, p, tp)
	if l := p.Loss(); l.RingEvents == 0 || l.Captured == 0 {
		t.Errorf("counted %+v", l)
	}
}
