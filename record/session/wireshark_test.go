package session_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ssltape/record/session/sessiontest"
)

// Wireshark finds nothing wrong with a recording, and the same bodies.
func TestTshark(t *testing.T) {
	needs(t, "tshark", "curl", "capinfos")
	s := startServer(t)
	script := fmt.Sprintf(`
		for n in 1 16384 100000 10000000; do curl -sS --http1.1 --cacert %[1]s -o /dev/null %[2]s/bytes/$n & done
		curl -sS --http1.1 --cacert %[1]s -o /dev/null -d '{"stream":true}' %[2]s/v1/messages %[2]s/echo?2
		wait`, s.CertFile, s.URL)
	r := recordArgs(t, "--", "sh", "-c", script)
	if r.code != 0 {
		t.Fatalf("exit code %d", r.code)
	}
	for _, args := range [][]string{
		{"-X", "read_format:MIME Files Format", "-Y", "_ws.expert"},
		{"-Y", "tcp.analysis.flags"},
		{"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", "tcp.checksum.status!=1 || ip.checksum.status!=1"},
	} {
		if out := tool(t, "tshark", append([]string{"-r", r.pcapng}, args...)...); len(out) > 0 {
			t.Errorf("tshark %q found\n%s", args, out)
		}
	}
	dir := t.TempDir()
	tool(t, "tshark", "-q", "-r", r.pcapng, "--export-objects", "http,"+dir)
	for _, n := range []int{1, 16384, 100000, 10000000} {
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, sessiontest.Body(n)) {
			t.Errorf("exported object of %d bytes is not the body of %d", len(got), n)
		}
	}
	if out := tool(t, "capinfos", r.pcapng); !bytes.Contains(out, []byte("Strict time order:   True")) {
		t.Errorf("capinfos:\n%s", out)
	}
}

// tool runs a program that must succeed and returns what it printed on stdout.
func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &stderr)
	}
	return out
}
