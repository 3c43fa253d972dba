//go:build linux

package session_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A recorder that is killed while it holds a program lets it run.
func TestKilledWhileHolding(t *testing.T) {
	needs(t, "curl")
	program := writeFile(t, "program", nil) // a file that nobody has looked at
	text, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", `echo $$; read -r line; "$0" 0.01; echo done`, program)
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer shell.Process.Kill()
	r := startRecording(t, "--lib", opensslLibrary(t), "-p", fmt.Sprint(shell.Process.Pid))
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	io.WriteString(stdin, "\n")
	waitFor(t, "the program to be held", func() bool { return childState(shell.Process.Pid) == "T" })
	r.cmd.Process.Kill()
	r.cmd.Wait()
	out, err := io.ReadAll(stdout)
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Errorf("printed %q, %v", out, err)
	}
	if err := shell.Wait(); err != nil {
		t.Error(err)
	}
}

// childState returns the state of the child of process pid as of proc(5), ""
// where there is none.
func childState(pid int) string {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(string(children))))
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		return rest[:1]
	}
	return ""
}
