//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
	"ssltape/record"
)

// A hundred recordings leave nothing behind: no file, no goroutine, and in the
// kernel no map, program or link.
func TestNothingLeft(t *testing.T) {
	lib := libssl(t)
	var objects []kernelObject
	cycle := func() {
		p := open(t, Options{Buffer: 4096})
		if _, err := p.Attach(lib); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, objectsOf(t, p)...)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cycle() // what is kept for good, such as the kernel's types
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	cycles := 100
	if testing.Short() {
		cycles = 10
	}
	for range cycles {
		cycle()
	}
	if after := descriptors(t); !slices.Equal(files, after) {
		t.Errorf("open files before %v, after %v", files, after)
	}
	// One that has said that it is done may still be about to return.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("there were %d goroutines, now there are more:\n%s", goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
	if len(objects) < 9*cycles {
		t.Fatalf("only %d objects were looked at", len(objects))
	}
	for _, o := range objects { // the kernel frees them after a while
		for deadline := time.Now().Add(time.Minute); o.exists(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s %d is still there", o.kind, o.id)
			}
		}
	}
}

// What is asked for after the end is not made, since nobody would close it.
func TestMade(t *testing.T) {
	var m made[*os.File]
	count := 0
	open := func(string) (*os.File, error) { count++; return os.Open(os.DevNull) }
	f, err := m.get("a", open)
	if again, _ := m.get("a", open); err != nil || again != f || count != 1 {
		t.Errorf("made %d times, %v", count, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if late, err := m.get("b", open); late != nil || !errors.Is(err, os.ErrClosed) || count != 1 {
		t.Errorf("made %v, %v", late, err)
	}
}

// A kernelObject is one of the kernel's, by its number, which is not given again.
type kernelObject struct {
	kind string
	id   uint32
}

// objectsOf returns the objects of p that tell their numbers.
func objectsOf(t *testing.T, p *Probe) (objects []kernelObject) {
	t.Helper()
	for _, m := range []*ebpf.Map{p.table(object.TlsMapEvents), p.table(object.TlsMapConns), p.table(object.TlsMapProcesses)} {
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		objects = append(objects, kernelObject{"map", uint32(id)})
	}
	for _, name := range []string{object.TlsProgTlsReturn, object.TlsProgProcessExec, object.TlsProgShellLine} {
		prog, err := p.program(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		objects = append(objects, kernelObject{"program", uint32(id)})
	}
	for _, l := range p.links {
		if info, err := l.Info(); err == nil { // those of perf events have no number
			objects = append(objects, kernelObject{"link", uint32(info.ID)})
		}
	}
	return objects
}

// exists reports whether the kernel still has o.
func (o kernelObject) exists() bool {
	var err error
	var c io.Closer
	switch o.kind {
	case "map":
		c, err = ebpf.NewMapFromID(ebpf.MapID(o.id))
	case "program":
		c, err = ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
	case "link":
		c, err = link.NewFromID(link.ID(o.id))
	}
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// A consumer goes last while little waits, first when much does, and in the end
// as before.
func TestPace(t *testing.T) {
	nice := func(thread int) int {
		n, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - n
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := nice(unix.Gettid())
	if err := errors.Join(unix.Setpriority(unix.PRIO_PROCESS, 0, before-1), unix.Setpriority(unix.PRIO_PROCESS, 0, before)); err != nil {
		t.Skipf("raise a priority: %v", err)
	}
	p := newPace()
	q := newQueue(16 * ring.BlockSize)
	want := max(lastPriority, before)
	for n := 1; n <= 12; n++ {
		p.set(p.place(q.fill()))
		if got := nice(p.thread); n == 1 && got != want || got > want || n > 9 && got != firstPriority {
			t.Errorf("with %d blocks of 16 in the queue its priority is %d", n-1, got)
		} else {
			want = got
		}
		q.put(block{Block: &ring.Block{Size: ring.BlockSize}})
	}
	p.end()
	if got := nice(p.thread); got != before {
		t.Errorf("then it is %d, want %d", got, before)
	}
}

// descriptors returns what the open files of this process are, sorted.
func descriptors(t *testing.T) (kinds []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && !strings.HasPrefix(to, "/proc/") {
			kinds = append(kinds, to)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Events of a shell that starts other programs, with what they were given.
func TestProcesses(t *testing.T) {
	p := open(t, Options{Follow: true})
	goOn, wait := startAny(t, p, "sh", "-c", `/bin/echo one "t w o" ""; exit 3`)
	goOn()
	wait()
	p.Stop()
	var got []string
	pids := map[int]string{}
	for _, n := range read(t, p).news {
		if pids[n.PID] == "" {
			pids[n.PID] = string(rune('A' + len(pids)))
		}
		line := pids[n.PID] + " " + n.Kind.String() + " " + n.Comm
		switch n.Kind {
		case Started:
			line += " by " + pids[n.PPID]
		case Exec:
			line += fmt.Sprintf(" %q", n.Args)
		case Exited:
			line += fmt.Sprintf(" %d", n.Status>>8)
		}
		got = append(got, line)
	}
	want := []string{
		`A exec sh ["sh" "-c" "/bin/echo one \"t w o\" \"\"; exit 3"]`,
		`B started sh by A`,
		`B exec echo ["/bin/echo" "one" "t w o" ""]`,
		`B exited echo 0`,
		`A exited sh 3`,
	}
	// Before stand the start of the shell that waited, where that is told at all.
	got = got[max(0, slices.Index(got, want[0])):]
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Without Follow, children are not recorded.
func TestNoFollow(t *testing.T) {
	s := server(t)
	p := open(t, Options{})
	if _, err := p.Attach(libssl(t)); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, "sh", "-c", program(t, "curl")+" -sk "+s.URL+"/10 >/dev/null; :")
	goOn()
	wait()
	p.Stop()
	if tp := read(t, p); len(tp.conns) != 0 {
		t.Errorf("recorded %d connections", len(tp.conns))
	}
}

// All records processes that were never named, among them one in a pid
// namespace of its own, under the id that it has here.
func TestAll(t *testing.T) {
	s := server(t)
	curl := program(t, "curl")
	p := open(t, Options{All: true})
	if _, err := p.Attach(libssl(t)); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{curl, "-sk", s.URL + "/11"},
		{program(t, "unshare"), "--pid", "--fork", curl, "-sk", s.URL + "/12"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	p.Stop()
	tp := read(t, p)
	found := 0
	for _, c := range tp.conns {
		head := tp.streams[c][record.Out].String()
		if !strings.HasPrefix(head, "GET /11 ") && !strings.HasPrefix(head, "GET /12 ") && !strings.HasPrefix(head, "PRI ") {
			continue // of another process on this machine
		}
		found++
		if c.PID < 3 || c.Comm != "curl" {
			t.Errorf("connection of process %d, %s", c.PID, c.Comm)
		}
	}
	if found != 2 {
		t.Errorf("%d connections of ours among %d", found, len(tp.conns))
	}
}

func TestAddProcessRefuses(t *testing.T) {
	p := open(t, Options{})
	if err := p.AddProcess(1 << 30); err == nil || !strings.Contains(err.Error(), "process 1073741824: no such process") {
		t.Errorf("got %v", err)
	}
}

func TestAttach(t *testing.T) {
	lib := libssl(t)
	p := open(t, Options{})
	a, err := p.Attach(lib)
	if err != nil {
		t.Fatal(err)
	}
	n := len(p.links)
	again := filepath.Join(t.TempDir(), "other.so")
	if err := os.Symlink(lib, again); err != nil {
		t.Fatal(err)
	}
	b, err := p.Attach(again)
	if err != nil || b.Path != a.Path || len(p.links) != n {
		t.Errorf("attached twice: %+v, %v, %d links after %d", b, err, len(p.links), n)
	}
	if _, err := p.Attach("/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := p.Attach(program(t, "sh")); !errors.Is(err, ErrNoTLS) {
		t.Errorf("file without TLS: %v", err)
	}
}

// A consumer may leave the events and come back.
func TestEventsResume(t *testing.T) {
	s := server(t)
	p := open(t, Options{})
	if _, err := p.Attach(libssl(t)); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, program(t, "curl"), "-sk", "--http1.1", s.URL+"/100000")
	goOn()
	wait()
	p.Stop()
	tp := &tape{streams: map[*record.Conn]*[2]stream{}}
	exited := false
	for more := true; more; {
		more = false
		for e, err := range p.Events() {
			if err != nil {
				t.Fatal(err)
			}
			if e.Process == nil {
				tp.add(t, e.Chunk)
			} else {
				exited = e.Process.Kind == Exited
			}
			more = true
			break
		}
	}
	if len(tp.conns) != 1 {
		t.Fatalf("%d connections", len(tp.conns))
	}
	if s := tp.streams[tp.conns[0]]; s[0].end == record.EndNone || s[1].end == record.EndNone || !exited {
		t.Errorf("directions ended %d and %d, process exited %v", s[0].end, s[1].end, exited)
	}
	if in := &tp.streams[tp.conns[0]][record.In]; string(in.tail(100_000)) != string(noise(100_000)) {
		t.Errorf("body differs, %d bytes", in.Len())
	}
}

// The same in a pid namespace of its own, where ids are not the kernel's.
func TestPIDNamespace(t *testing.T) {
	open(t, Options{}) // skips
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "unshare"), "--pid", "--fork", "--mount-proc",
		exe, "-test.v", "-test.run", "^(TestCurl|TestProcesses|TestNoFollow)$")
	out, err := cmd.CombinedOutput()
	for _, name := range []string{"TestCurl", "TestProcesses", "TestNoFollow"} {
		if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
}

// A closed queue has dropped what it held, and holds up nobody.
func TestQueueClosed(t *testing.T) {
	q := newQueue(1)
	q.put(block{})
	q.close()
	if b, err := q.take(); b != nil || err != nil {
		t.Errorf("took %v, %v", b, err)
	}
}
