//go:build linux

package session_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal is a program on a terminal of its own.
type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	done   chan struct{} // closed when the program has closed the terminal

	mu  sync.Mutex
	out strings.Builder
}

// startTerminal starts a program as a person would, in a new session.
func startTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	p := &terminal{cmd: exec.Command(args[0], args[1:]...), master: master, done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.Env = append(os.Environ(), "TERM=dumb", "PS1=ready> ", "HISTFILE=", "NO_COLOR=", "LC_ALL=C.UTF-8")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait(); master.Close() })
	go p.read()
	return p
}

func (p *terminal) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.out.Write(buf[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *terminal) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// enter types a line, and waits until want has been shown.
func (p *terminal) enter(t *testing.T, line, want string) {
	t.Helper()
	if _, err := p.master.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
	p.wait(t, want)
}

func (p *terminal) wait(t *testing.T, want string) {
	t.Helper()
	waitFor(t, want, func() bool { return strings.Contains(p.text(), want) })
}

// A processLine is what the tests read of the lines about processes.
type processLine struct {
	Type, Event, Comm, Line, Exe string
	PID, PPID                    int
	Args                         []string
	Status                       *int
}

// typed returns the lines typed into shells that a JSON Lines file tells of.
func typed(t *testing.T, path string) (lines []string) {
	t.Helper()
	for _, p := range processLines(t, path) {
		if p.Event == "line" {
			lines = append(lines, p.Line)
		}
	}
	return lines
}

func processLines(t *testing.T, path string) (events []processLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var p processLine
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if p.Type == "process" {
			events = append(events, p)
		}
	}
	return events
}

// Lines typed into a recorded bash are recorded, those of another one are not.
func TestTypedLines(t *testing.T) {
	needs(t, "bash")
	const key = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
	one, other := startTerminal(t, "bash", "--norc"), startTerminal(t, "bash", "--norc")
	one.wait(t, "ready> ")
	other.wait(t, "ready> ")
	lines := filepath.Join(t.TempDir(), "a.jsonl")
	r := startRecording(t, "-p", fmt.Sprint(one.cmd.Process.Pid), "-o", lines)
	other.enter(t, "echo $((1000+1))", "1001")
	one.enter(t, "echo $((1100+1))", "1101") // was being read when the probes came
	one.enter(t, "echo $((2000+2))", "2002")
	one.enter(t, "export KEY="+key+" N=$((3000+3)); echo $N", "3003")
	one.enter(t, "bash --norc", "ready> ")
	one.enter(t, "echo $((4000+4))", "4004")
	r.stop(t)
	want := []string{"echo $((2000+2))", "export 'KEY=<redacted", "bash --norc", "echo $((4000+4))"}
	if got := typed(t, lines); !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the lines were %q, want %q", got, want)
	}
	for _, path := range []string{lines, r.har} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), key) || !strings.Contains(string(text), "4000+4") {
			t.Errorf("%s has the key, or not the last line:\n%s", path, text)
		}
	}
}

// readlineShell reads lines as a bash does that was not built with a readline
// of its own.
const readlineShell = `
#include <stdio.h>
#include <string.h>
char *readline(const char *prompt);
int main(void) {
	char *line;
	while ((line = readline("ready> ")) && strcmp(line, "exit"))
		printf("<%s>\n", line), fflush(stdout);
	return 0;
}`

// A bash that uses the shared library for reading lines is a bash too; others
// that use it are not. -B leaves lines out, -E does not.
func TestTypedLinesOfLibrary(t *testing.T) {
	needs(t, "gcc")
	dir := t.TempDir()
	source := writeFile(t, "shell.c", []byte(readlineShell))
	for name, want := range map[string][]string{"bash": {"one 1", "exit"}, "psql": nil} {
		shell := filepath.Join(dir, name)
		tool(t, "gcc", "-o", shell, source, "-l:libreadline.so.8")
		for _, flag := range []string{"-E", "-B"} {
			lines := filepath.Join(t.TempDir(), "a.jsonl")
			p := startTerminal(t, binary, "record", flag, "-o", lines, "--", shell)
			p.wait(t, "ready> ")
			p.enter(t, "one 1", "<one 1>")
			p.enter(t, "exit", "ssltape: wrote")
			<-p.done
			if flag == "-B" {
				want = nil
			}
			if got := typed(t, lines); !slices.Equal(got, want) {
				t.Errorf("%s %s: the lines were %q, want %q", flag, name, got, want)
			}
		}
	}
}
