//go:build linux

package session_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyLibraries copies libssl and libcrypto to where nobody looks for them.
func copyLibraries(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.Command("ldd", opensslLibrary(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{opensslLibrary(t)}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "libcrypto.so") {
			paths = append(paths, f[2])
		}
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A library that is loaded long after the start, and that nobody knew of, is
// hooked before it is used.
func TestLoadedLater(t *testing.T) {
	needs(t, "python3", "curl")
	s := startServer(t)
	client := `
import socket, sys, time
time.sleep(0.5)
import ssl # finds what LD_LIBRARY_PATH names
host, port = sys.argv[1].split(':')
c = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(socket.create_connection((host, int(port))), server_hostname='localhost')
c.sendall(b'GET /echo?first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
while c.recv(1000): pass
`
	written, converted := recordCommand(t, "env", "LD_LIBRARY_PATH="+copyLibraries(t), "python3", "-c", client, s.Addr, s.CertFile)
	for _, h := range []harFile{written, converted} {
		if e := h.find(t, "/echo?first"); e.Response.Status != 200 {
			t.Errorf("status %d", e.Response.Status)
		}
	}
}

// The loader of musl tells of libraries, too.
func TestMusl(t *testing.T) {
	needs(t, "musl-gcc", "curl")
	s, dir := startServer(t), t.TempDir()
	program, library := filepath.Join(dir, "program"), filepath.Join(dir, "plugin.so")
	tool(t, "musl-gcc", "-O1", "-shared", "-fPIC", "-o", library, "testdata/musl/library.c")
	tool(t, "musl-gcc", "-O1", "-o", program, "testdata/musl/program.c")
	written, converted := recordCommand(t, program, library, "/usr/bin/curl", "-sS", "--http1.1", "--cacert", s.CertFile, s.URL+"/echo?child")
	for _, h := range []harFile{written, converted} {
		if got := string(h.find(t, "/loaded").responseBody(t)); got != "hello" {
			t.Errorf("response %q", got)
		}
		h.find(t, "/echo?child")
	}
}
