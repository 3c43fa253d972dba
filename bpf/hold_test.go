//go:build linux && (amd64 || arm64)

package bpf

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/record"
)

// newPrograms builds testdata/pair.c with the TLS library in it, and returns
// the paths of n copies, each a file of its own.
func newPrograms(t *testing.T, n int) (prog pairProgram, copies []string) {
	t.Helper()
	prog = buildPair(t, "-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-Wl,--as-needed")
	text, err := os.ReadFile(prog.path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprint("pair", i))
		if err := os.WriteFile(path, text, 0o755); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, path)
	}
	return prog, copies
}

// An examiner hooks programs that are new, later than they would speak.
type examiner struct {
	delay time.Duration
	probe chan *Probe
	mu    sync.Mutex
	seen  []Program
	wait  sync.WaitGroup
}

func examine(t *testing.T, delay time.Duration, o Options) (*examiner, *Probe) {
	t.Helper()
	x := &examiner{delay: delay, probe: make(chan *Probe, 1)}
	o.Fresh = func(pr Program) {
		x.mu.Lock()
		x.seen = append(x.seen, pr)
		x.mu.Unlock()
		x.wait.Go(func() {
			p := <-x.probe
			x.probe <- p
			time.Sleep(x.delay)
			_, err := p.Attach(fmt.Sprintf("/proc/%d/exe", pr.PID))
			p.Release(pr, err == nil)
		})
	}
	p := open(t, o)
	x.probe <- p
	t.Cleanup(x.wait.Wait)
	return x, p
}

// held returns how many of the new programs called pairN were held.
func (x *examiner) held() (held, others int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, pr := range x.seen {
		if pr.Held {
			held++
		} else {
			others++
		}
	}
	return held, others
}

// Programs that speak at once, each a new file, with a recorder that takes its
// time: all that they say is there.
func TestNewPrograms(t *testing.T) {
	const n = 40
	prog, copies := newPrograms(t, n)
	x, p := examine(t, 50*time.Millisecond, Options{Follow: true})
	script := fmt.Sprintf(`for p; do "$p" %s %s new w100 r free & done; wait`, prog.cert, prog.key)
	goOn, wait := start(t, p, append([]string{"sh", "-c", script, "sh"}, copies...)...)

	goOn()
	wait()
	p.Stop()
	whole := 0
	for _, s := range read(t, p).streams {
		if s[record.Out].Len() == 100 || s[record.In].Len() == 100 {
			whole++
		}
	}
	held, others := x.held()
	if whole != 2*n {
		t.Errorf("%d connections, want %d; %d programs held, %d not", whole, 2*n, held, others)
	}
	if held < n {
		t.Errorf("%d programs held, want %d", held, n)
	}
}

// What a recorder holds for too long runs on, and what is started after that.
func TestResumeAll(t *testing.T) {
	prog, copies := newPrograms(t, 2)
	fresh := make(chan Program, 8)
	p := open(t, Options{Follow: true, Fresh: func(pr Program) { fresh <- pr }})
	script := fmt.Sprintf(`for p; do "$p" %s %s new w1 r free; done`, prog.cert, prog.key)
	goOn, wait := start(t, p, append([]string{"sh", "-c", script, "sh"}, copies...)...)
	goOn()
	go func() {
		for range p.Events() { // calls Fresh
		}
	}()
	first := <-fresh // the shell, or already a copy
	for !first.Held {
		first = <-fresh
	}
	p.held().ResumeAll(time.Hour)
	if err := unix.Kill(first.PID, 0); err != nil {
		t.Errorf("process %d: %v: it did not wait", first.PID, err)
	}
	p.held().ResumeAll(time.Nanosecond)
	wait() // for ever, if another one were held
	for len(fresh) > 0 {
		if pr := <-fresh; pr.Held {
			t.Errorf("process %d was held after that", pr.PID)
		}
	}
}

// A file that is known is not held again, but one of the same name is.
func TestKnownProgram(t *testing.T) {
	prog, copies := newPrograms(t, 1)
	x, p := examine(t, 0, Options{Follow: true})
	run := fmt.Sprintf("%s %s %s new w1 r free;", copies[0], prog.cert, prog.key)
	goOn, wait := start(t, p, "sh", "-c", run+run+"cp "+copies[0]+" b; mv b "+copies[0]+";"+run)
	goOn()
	wait()
	p.Stop()
	read(t, p)
	byFile := map[object.TlsFileId]int{}
	for _, pr := range x.seen {
		byFile[pr.files[0]]++
	}
	shell, err := identify(program(t, "sh")) // what start runs may be seen to do so
	if err != nil {
		t.Fatal(err)
	}
	for f, n := range byFile {
		if n != 1 && f != shell {
			t.Errorf("file %+v was new %d times", f, n)
		}
	}
	if len(byFile) != 5 { // sh, cp, mv and two of ours
		t.Errorf("%d new files, want 5", len(byFile))
	}
}

// All libraries of a program are told of when it first loads them, and not again.
func TestKnownLibraries(t *testing.T) {
	curl := program(t, "curl")
	fresh := make(chan Program, 32)
	p := open(t, Options{Follow: true, Fresh: func(pr Program) { fresh <- pr }})
	if !p.cookies {
		t.Skip("no cookies before Linux 5.15")
	}
	loaders, _ := filepath.Glob("/lib*/ld-*.so*")
	for _, path := range loaders {
		if err := p.AttachLoader(path); err != nil {
			t.Fatal(err)
		}
	}
	most, times := 0, map[int]int{} // by process
	var examiner sync.WaitGroup
	examiner.Go(func() {
		for pr := range fresh {
			if pr.Loaded {
				most = max(most, len(pr.files))
				times[pr.PID]++
			}
			p.Release(pr, true)
		}
	})
	goOn, wait := start(t, p, "sh", "-c", "for i in 1 2 3; do "+curl+" -V; done")
	goOn()
	wait()
	p.Stop()
	read(t, p)
	close(fresh)
	examiner.Wait()
	// The shell and the first curl have some that are new.
	if most <= 16 || len(times) != 2 {
		t.Errorf("%d libraries told of at most, new ones in %d processes, want more than 16 in 2", most, len(times))
	}
}

// A parent that would report that its child was stopped is not told so.
func TestNotHeld(t *testing.T) {
	prog, copies := newPrograms(t, 1)
	bash := program(t, "bash")
	for name, script := range map[string]string{
		"job control":    `set -m; "$1" "$2" "$3" new w1 r free & wait $!`,
		"waits for that": `exec python3 -c 'import os, sys; pid = os.fork() or (os.read(0, 1), os.execv(sys.argv[1], sys.argv[1:] + ["new", "w1", "r"])); print(os.waitpid(pid, os.WUNTRACED))' "$@"`,
	} {
		t.Run(name, func(t *testing.T) {
			x, p := examine(t, 0, Options{Follow: true})
			cmd := exec.Command(bash, "-c", `read -r line; `+script, "bash", copies[0], prog.cert, prog.key)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out := new(strings.Builder)
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			if err := p.AddProcess(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			io.WriteString(stdin, "\n")
			waits := func() bool {
				wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", cmd.Process.Pid))
				return strings.Contains(string(wchan), "wait")
			}
			for deadline := time.Now().Add(time.Minute); name == "waits for that" && !waits() && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			io.WriteString(stdin, "\n")
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			p.Stop()
			read(t, p)
			x.wait.Wait()
			id, err := identify(copies[0])
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, pr := range x.seen {
				if pr.files[0] != id { // python3 may be a script that runs others
					continue
				}
				if found++; pr.Held {
					t.Errorf("%+v was held; %s", pr, out)
				}
			}
			if found != 1 {
				t.Errorf("the program was new %d times, want once", found)
			}
		})
	}
}

// Processes that become an awaited program are recorded from its start.
func TestAwait(t *testing.T) {
	prog, copies := newPrograms(t, 3)
	_, p := examine(t, 20*time.Millisecond, Options{Comm: []string{"pa[i]?0", `*r\1`}, Await: true})
	if err := p.Await(copies[2]); err != nil {
		t.Fatal(err)
	}
	for i, path := range copies {
		if out, err := exec.Command(path, prog.args(fmt.Sprintf("new w%d r free", 10+i))[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	exec.Command(prog.path, prog.args("new w99 r free")[1:]...).Run() // "pair", which nobody waits for
	p.Stop()
	sizes := map[int]int{}
	for _, s := range read(t, p).streams {
		sizes[s[record.Out].Len()]++
	}
	for i := range copies {
		if sizes[10+i] != 1 {
			t.Errorf("program %d: %d connections that wrote %d bytes, want 1", i, sizes[10+i], 10+i)
		}
	}
	if sizes[99] != 0 {
		t.Error("a program was recorded that nobody waits for")
	}
}

func TestCompilePattern(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"curl", []string{"curl"}, []string{"curl2", "cur", "", "xcurl"}},
		{"*", []string{"", "a", "abcdefghijklmno"}, nil},
		{"*so*e", []string{"soe", "some", "xsoxsoxe"}, []string{"so", "sox"}},
		{"c?r*", []string{"cur", "car-x"}, []string{"cr", "cu"}},
		{"[a-c]x\\*", []string{"ax*", "cx*"}, []string{"dx*", "axx"}},
		{"**", []string{"", "q"}, nil},
		{"[^x]", []string{"a"}, []string{"x", ""}},
	} {
		p, err := compilePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		match := func(name string) bool { // as the kernel does it
			at := 1 | (p.Stars&1)<<1
			for _, c := range []byte(name) {
				fits := at & p.Accepts[c]
				at = (fits&^p.Stars)<<1 | fits&p.Stars
				at |= (at & p.Stars) << 1
			}
			return at&p.End != 0
		}
		for _, name := range tt.yes {
			if !match(name) {
				t.Errorf("%q does not match %q", tt.pattern, name)
			}
		}
		for _, name := range tt.no {
			if match(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
	if _, err := compilePattern("[a"); err == nil {
		t.Error("a class without end is taken")
	}
}
