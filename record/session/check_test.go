package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkCommand runs ssltape check and returns its exit code and what it prints.
func checkCommand(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"check"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// wants checks that text has each of lines, of which blanks count as one.
func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, line := range lines {
		if !strings.Contains(flat, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

// A stack that cannot be recorded is named, and what to do about it.
func TestCheckRefuses(t *testing.T) {
	needs(t, "gcc")
	for _, tt := range []struct{ name, text, want, hint string }{
		{"rustls", "/registry/src/rustls-0.23.99/src/conn.rs", "rustls 0.23.99", "native-tls"},
		{"libressl", "LibreSSL 3.9.2", "LibreSSL 3.9.2", "shared library"},
		{"mbedtls", "Mbed TLS 3.6.99", "Mbed TLS 3.6.99", "symbols"},
		{"go1.17", `aligned\xfa\xff\xff\xff\0\0\1\b\0crypto/tls.(*Conn).Read\0`, "Go crypto/tls", "Go 1.18"},
		{"nss", `NSS_SSL_CBC_RANDOM_IV\0Version: NSS 3.99.1`, "NSS 3.99.1", "proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := writeFile(t, "a.c", []byte(fmt.Sprintf(`const char text[2 << 20] = "\0%s"; int main(int n, char **v) { return text[n]; }`, tt.text)))
			program := filepath.Join(t.TempDir(), tt.name)
			tool(t, "gcc", "-O1", "-s", "-o", program, source)
			code, text := checkCommand(t, program)
			wants(t, text, "tls: "+tt.want+" in "+program, "not recorded: what goes through "+tt.want,
				"not recordable: "+tt.name+" uses "+tt.want, tt.hint)
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
		})
	}
}

// A process with two stacks is told of both.
func TestCheckProcess(t *testing.T) {
	needs(t, "/usr/bin/python3")
	p := startCommand(t, "/usr/bin/python3", "-uc", `
import ctypes, ssl, time
ctypes.CDLL('libgnutls.so.30')
print('loaded')
time.sleep(1000)`)
	code, text := checkCommand(t, "-p", fmt.Sprint(p.pid))
	wants(t, text, fmt.Sprintf("process: %d python3 ", p.pid), "tls: OpenSSL 3.", "tls: GnuTLS 3.", "recorded: HTTP/1, HTTP/2 and WebSocket through", "recordable")
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	q := startCommand(t, "/usr/bin/python3", "-uc", "import time; print('ready'); time.sleep(1000)")
	code, text = checkCommand(t, "-p", fmt.Sprint(q.pid))
	wants(t, text, "note: no TLS library is loaded now", "recordable, when TLS is loaded or started")
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
