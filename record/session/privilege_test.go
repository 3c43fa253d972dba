//go:build linux

package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ssltape/record/recordtest"
)

// nobody is a user that every Linux has.
const nobody = 65534

// openFolder returns a new folder that everybody may use, with a copy of the
// program in it.
func openFolder(t *testing.T) (dir, program string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ssltape-open-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "ssltape")
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir, program
}

// Under sudo the command and the files belong to who called it.
func TestSudo(t *testing.T) {
	needs(t, "id", "sh")
	dir, program := openFolder(t)
	file := filepath.Join(dir, "a.har")
	cmd := exec.Command(program, "record", "-o", file, "--", "sh", "-c", "id -u; id -g; echo $HOME $SUDO_UID")
	cmd.Env = append(os.Environ(), "SUDO_USER=nobody", fmt.Sprint("SUDO_UID=", nobody), fmt.Sprint("SUDO_GID=", nobody), "HOME=/root")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d\n%d\n/nonexistent\n", nobody, nobody); string(out) != want {
		t.Errorf("the command saw %q, want %q", out, want)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != nobody || st.Mode().Perm() != 0o600 {
		t.Errorf("the file belongs to %d with mode %v, want %d and 0600", uid, st.Mode(), nobody)
	}
}

// A full disk ends with a message, and leaves files that can be read.
func TestFullDisk(t *testing.T) {
	needs(t, "curl", "jq", "tshark")
	s := startServer(t)
	dir := recordtest.SmallDisk(t, "128k")
	file := filepath.Join(dir, "a.har")
	capture, lines := filepath.Join(dir, "a.pcapng"), filepath.Join(dir, "a.jsonl")
	script := fmt.Sprintf("for i in 1 2 3 4 5 6 7 8; do curl -sS --http1.1 --cacert %s %s/bytes/20000 -o /dev/null; done", s.CertFile, s.URL)
	cmd := exec.Command(binary, "record", "-o", file, "-o", capture, "-o", lines, "--", "sh", "-c", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1\n%s", err, &stderr)
	}
	if n := strings.Count(stderr.String(), "no space left on device"); n != 3 {
		t.Errorf("%d messages, want one for each file\n%s", n, &stderr)
	}
	if n := len(readHAR(t, file).Log.Entries); n == 0 {
		t.Error("the HAR file is empty")
	}
	tool(t, "tshark", "-r", capture)
	tool(t, "jq", "-e", ".type", lines)

	// Where there is no room for anything the command does not run.
	for _, name := range []string{file, capture, lines} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := os.Create(filepath.Join(dir, "rest"))
	for err := error(nil); err == nil; {
		_, err = rest.Write(make([]byte, 4096))
	}
	for _, name := range []string{file, capture} {
		ran := filepath.Join(t.TempDir(), "ran")
		out, err := exec.Command(binary, "record", "-o", name, "--", "touch", ran).CombinedOutput()
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 125 || !bytes.Contains(out, []byte("no space left on device")) {
			t.Errorf("%s: %v, want exit code 125\n%s", name, err, out)
		}
		if _, err := os.Lstat(ran); err == nil {
			t.Errorf("%s: the command ran", name)
		}
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is left", name)
		}
	}
}

// asNobody returns a function that runs the program, which has file
// capabilities instead of root, in dir.
func asNobody(t *testing.T, dir, program string) func(args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	if out, err := exec.Command("setcap", "cap_bpf,cap_perfmon+ep", program).CombinedOutput(); err != nil {
		t.Skipf("setcap: %v\n%s", err, out)
	}
	return func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		var out bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd, &out
	}
}

// copyFile copies a file, and returns the path of the copy.
func copyFile(t *testing.T, from, to string, mode os.FileMode) string {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// With file capabilities instead of root, own processes can be recorded, those
// of others are refused.
func TestCapabilities(t *testing.T) {
	needs(t, "curl", "setcap", "sleep")
	s := startServer(t)
	dir, program := openFolder(t)
	run := asNobody(t, dir, program)
	cert := copyFile(t, s.CertFile, filepath.Join(dir, "cert.pem"), 0o644)
	cmd, out := run("record", "-o", "a.har", "--", "curl", "-sS", "--http1.1", "--cacert", cert, "-o", "/dev/null", s.URL+"/bytes/100000")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkDownload(t, readHAR(t, filepath.Join(dir, "a.har")), "/bytes/100000", 100_000)
	cmd, out = run("record", "-p", fmt.Sprint(os.Getpid()), "-t", "1s")
	cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(out.String(), "belongs to another user\nhint:") {
		t.Errorf("a process of root: exit code %d\n%s", code, out)
	}
	cmd, out = run("check", "-p", fmt.Sprint(os.Getpid()))
	cmd.Run()
	if text := out.String(); !strings.Contains(text, "belongs to another user\nhint:") || strings.Contains(text, "permission denied") {
		t.Errorf("check of a process of root:\n%s", text)
	}
	for user, want := range map[string]string{"root": "ssltape: --user root: needs root\nhint: run with sudo\n", "nobody": "65534\n"} {
		cmd, out := run("record", "-q", "-o", user+".har", "--user", user, "--", "id", "-u")
		cmd.Run()
		if _, err := os.Lstat(filepath.Join(dir, user+".har")); out.String() != want || (err == nil) != (user == "nobody") {
			t.Errorf("--user %s: %s, file %v; want %s", user, out, err, want)
		}
	}
}

// A program with more rights than the recorder's user has is not recorded as
// the child of one that is, nor when it starts later.
func TestSetUID(t *testing.T) {
	needs(t, "curl", "setcap", "sleep")
	s := startServer(t)
	dir, program := openFolder(t)
	run := asNobody(t, dir, program)
	cert := copyFile(t, s.CertFile, filepath.Join(dir, "cert.pem"), 0o644)
	curl, _ := exec.LookPath("curl")
	sleep, _ := exec.LookPath("sleep")
	byUser := copyFile(t, curl, filepath.Join(dir, "rootcurl"), 0o755|os.ModeSetuid)
	byCaps := copyFile(t, curl, filepath.Join(dir, "capcurl"), 0o755)
	rootSleep := copyFile(t, sleep, filepath.Join(dir, "rootsleep"), 0o755|os.ModeSetuid)
	tool(t, "setcap", "cap_net_raw+ep", byCaps)
	script := "for c in curl " + byUser + " " + byCaps + "; do $c -sS --http1.1 --cacert " + cert + " -o /dev/null " + s.URL + "/echo?$(basename $c); done"
	cmd, out := run("record", "-o", "a.har", "--", "sh", "-c", script)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if h := readHAR(t, filepath.Join(dir, "a.har")); len(h.Log.Entries) != 1 || !strings.HasSuffix(h.Log.Entries[0].Request.URL, "/echo?curl") {
		t.Errorf("%d entries, want that of curl: %+v", len(h.Log.Entries), h.Log.Entries)
	}
	for _, name := range []string{"rootcurl", "capcurl"} {
		if !strings.Contains(out.String(), "("+name+"): belongs to another user, not recorded") {
			t.Errorf("nothing is said of %s:\n%s", name, out)
		}
	}

	shell := exec.Command("sh", "-c", rootSleep+" 1000; true")
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setpgid: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { syscall.Kill(-shell.Process.Pid, syscall.SIGKILL); shell.Wait() }()
	waitFor(t, "the child", func() bool {
		child, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", shell.Process.Pid))
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%s/comm", strings.TrimSpace(string(child))))
		return string(comm) == "rootsleep\n"
	})
	for _, args := range [][]string{{"-p", fmt.Sprint(shell.Process.Pid)}, {"-c", "rootsle*"}} {
		cmd, out := run(append([]string{"record", "-o", "b.har", "-t", "100ms"}, args...)...)
		if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "(rootsleep): belongs to another user, not recorded") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// Killed at any moment, the recorder leaves files that can be read.
func TestKillAtAnyMoment(t *testing.T) {
	needs(t, "python3", "tshark")
	s := startServer(t)
	server := startCommand(t, "python3", "-c", pythonServer, s.CertFile, s.KeyFile)
	client := clientFor(t, s)
	for i := range 10 {
		r := startRecording(t, "-p", fmt.Sprint(server.pid))
		for j := range 3 * i {
			get(t, client, fmt.Sprintf("https://localhost:%s/%d", server.line, j))
		}
		r.cmd.Process.Kill()
		r.cmd.Wait()
		text, err := os.ReadFile(r.har)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text) {
			t.Errorf("killed after %d requests, the HAR file is not JSON: %.300s", 3*i, text)
		}
		if out, err := exec.Command(binary, "replay", r.pcapng).CombinedOutput(); err != nil && !strings.Contains(string(out), "ends in the middle") {
			t.Errorf("killed after %d requests: %v\n%s", 3*i, err, out)
		}
	}
}
