//go:build linux

package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lateClient loads TLS when it is told to, and makes a request.
const lateClient = `
import sys
print('up', flush=True)
sys.stdin.readline()
import ssl, http.client
host, cert, path = sys.argv[1:]
c = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=cert))
c.request('GET', path)
c.getresponse().read()
`

// A recorded process may load TLS later. The recording ends with the last
// process that it is of.
func TestLateImport(t *testing.T) {
	needs(t, "python3")
	s := startServer(t)
	cmd := exec.Command("python3", "-c", lateClient, strings.TrimPrefix(s.URL, "https://"), s.CertFile, "/echo?late")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if _, err := stdout.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	r := startRecording(t, "-p", fmt.Sprint(cmd.Process.Pid))
	fmt.Fprintln(stdin)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, r.err.String())
	}
	readHAR(t, r.har).find(t, "/echo?late")
}

// A process goes on with a library that was replaced, as by an upgrade; others
// use the new one. Both are recorded.
func TestReplacedLibrary(t *testing.T) {
	needs(t, "python3")
	s := startServer(t)
	dir := t.TempDir()
	library := filepath.Join(dir, "libssl.so.3")
	install := func() {
		copyFile(t, opensslLibrary(t), library+".new", 0o755)
		if err := os.Rename(library+".new", library); err != nil {
			t.Fatal(err)
		}
	}
	install()
	t.Setenv("LD_LIBRARY_PATH", dir)
	old := startCommand(t, "/usr/bin/python3", "-c", pythonServer, s.CertFile, s.KeyFile)
	install()
	new := startCommand(t, "/usr/bin/python3", "-c", pythonServer, s.CertFile, s.KeyFile)
	os.Remove(library)
	r := startRecording(t, "-p", fmt.Sprintf("%d,%d", old.pid, new.pid))
	client := clientFor(t, s)
	for _, p := range []process{old, new} {
		get(t, client, fmt.Sprintf("https://localhost:%s/%d", p.line, p.pid))
	}
	client.CloseIdleConnections()
	r.stop(t)
	h := readHAR(t, r.har)
	for _, p := range []process{old, new} {
		if e := h.find(t, fmt.Sprintf(":%s/%d", p.line, p.pid)); e.Process.PID != p.pid {
			t.Errorf("the exchange is of process %d, want %d", e.Process.PID, p.pid)
		}
	}
}

// opensslLibrary returns the path of the system's OpenSSL library.
func opensslLibrary(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("ldd", "/usr/bin/openssl").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "libssl.so") {
			return f[2]
		}
	}
	t.Fatal("openssl does not use libssl.so")
	return ""
}

// makeRoot fills the folder $0 with the programs $@ and their libraries.
const makeRoot = `
	root=$0
	for program; do
		for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
			mkdir -p "$root$(dirname "$file")"
			cp -L "$file" "$root$file"
		done
	done`

// A process may have another root folder, with libraries that are not ours.
func TestOtherRoot(t *testing.T) {
	needs(t, "unshare", "chroot", "pivot_root", "curl", "mount")
	s := startServer(t)
	const curl = "/usr/bin/curl -sSk --http1.1"
	for name, command := range map[string]string{ // $0: the folder, $1: the URL, $2: libssl.so
		// Its libssl.so is a copy in another mount namespace, at the system's path.
		"mounts":     `unshare -m sh -ec 'mount --bind "$0$2" "$2" && exec ` + curl + ` "$1"' "$0" "$1" "$2"`,
		"chroot":     `chroot "$0" ` + curl + ` "$1"`,
		"user":       `unshare -rm chroot "$0" ` + curl + ` "$1"`,
		"pivot_root": `unshare -m sh -ec 'mount --bind "$0" "$0" && cd "$0" && pivot_root . old && exec /usr/sbin/chroot . ` + curl + ` "$1"' "$0" "$1"`,
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			tool(t, "sh", "-ec", makeRoot, root, "/usr/bin/curl", "/usr/sbin/chroot")
			if err := os.Mkdir(filepath.Join(root, "old"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := recordArgs(t, "--", "sh", "-ec", command, root, "https://"+s.Addr+"/echo?elsewhere", opensslLibrary(t))
			if r.code != 0 {
				t.Fatalf("exit code %d", r.code)
			}
			readHAR(t, r.har).find(t, "/echo?elsewhere")
		})
	}
}

// One that runs already may have another root folder, too.
func TestOtherRootAttached(t *testing.T) {
	needs(t, "chroot", "curl")
	s, root := startServer(t), t.TempDir()
	tool(t, "sh", "-ec", makeRoot, root, "/usr/bin/curl")
	cmd := exec.Command("chroot", root, "/usr/bin/curl", "-sSk", "--http1.1", "--config", "-") // it reads that first
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	maps := fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid)
	waitFor(t, "curl's libraries", func() bool {
		b, err := os.ReadFile(maps)
		return err == nil && strings.Contains(string(b), "/libssl.so")
	})
	r := startRecording(t, "-p", fmt.Sprint(cmd.Process.Pid))
	fmt.Fprintf(stdin, "url = %s/echo?below\n", s.URL)
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, r.err.String())
	}
	readHAR(t, r.har).find(t, "/echo?below")
}

// forkedClient makes requests in children that run no other program.
const forkedClient = `
import http.client, os, ssl, sys
host, cert = sys.argv[1:]
def get(path):
    c = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=cert))
    c.request('GET', path)
    c.getresponse().read()
for i in range(3):
    if os.fork() == 0:
        get('/echo?child-%d' % i)
        if os.fork() == 0: get('/echo?grandchild-%d' % i)
        else: os.wait()
        os._exit(0)
for i in range(3): os.wait()
`

func TestForkedChildren(t *testing.T) {
	needs(t, "python3")
	s := startServer(t)
	r := recordArgs(t, "--", "python3", "-c", forkedClient, strings.TrimPrefix(s.URL, "https://"), s.CertFile)
	h := readHAR(t, r.har)
	pids := map[int]bool{}
	for i := range 3 {
		pids[h.find(t, fmt.Sprint("/echo?child-", i)).Process.PID] = true
		pids[h.find(t, fmt.Sprint("/echo?grandchild-", i)).Process.PID] = true
	}
	if r.code != 0 || len(pids) != 6 {
		t.Errorf("exit code %d, exchanges of %d processes, want 6", r.code, len(pids))
	}
}

// In a pid namespace the recorder and its user count processes their own way.
func TestPIDNamespace(t *testing.T) {
	needs(t, "unshare", "curl", "python3")
	s := startServer(t)
	dir := t.TempDir()
	har, command := filepath.Join(dir, "a.har"), filepath.Join(dir, "b.har")
	script := fmt.Sprintf(`
		python3 -c "$0" %[1]s %[2]s >%[3]s/port & p=$!
		while ! [ -s %[3]s/port ]; do sleep 0.02; done
		echo $p >%[3]s/pid
		%[4]s record --ready-file %[3]s/ready -o %[5]s -p $p & r=$!
		while ! [ -e %[3]s/ready ]; do sleep 0.02; done
		curl -sS --http1.1 --cacert %[1]s -o /dev/null https://localhost:$(cat %[3]s/port)/inside
		kill -INT $r; wait $r || exit 1
		exec %[4]s record -o %[6]s -- curl -sS --http1.1 --cacert %[1]s -o /dev/null %[7]s/echo?command`,
		s.CertFile, s.KeyFile, dir, binary, har, command, s.URL)
	out, err := exec.Command("unshare", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, pythonServer).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if e := readHAR(t, har).find(t, "/inside"); fmt.Sprintln(e.Process.PID) != string(pid) {
		t.Errorf("process %d, want %s", e.Process.PID, pid)
	}
	readHAR(t, command).find(t, "/echo?command")
}
