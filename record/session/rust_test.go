package session_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record/session/sessiontest"
)

// rustClient returns the path of testdata/rustls as .ci/rust builds it.
func rustClient(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.Getenv("SSLTAPE_RUST"), "release", "rustls-client")
	if _, err := os.Stat(path); err != nil || os.Getenv("SSLTAPE_RUST") == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("rustls-client is not there: %v; make tools builds it", err)
		}
		t.Skip("needs SSLTAPE_RUST, which make tools fills")
	}
	return path
}

// rustls has no symbols but those that the linker sees. A connection is where
// its program has put it, the next one too.
func TestRustls(t *testing.T) {
	client, s := rustClient(t), startServer(t)
	args := []string{client, s.Addr}
	for _, n := range sizes {
		args = append(args, fmt.Sprint(n))
	}
	written, converted := recordCommand(t, args...)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		connections := map[string]int{} // exchanges of each
		for _, e := range h.Log.Entries {
			connections[e.ConnectionID]++
		}
		for _, n := range sizes {
			checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
			checkDownload(t, h, fmt.Sprint("/bytes/", n, "?again"), n)
			checkDownload(t, h, fmt.Sprint("/chunked/", n), n)
			checkSent(t, h.find(t, fmt.Sprint("/upload?", n)), sessiontest.Body(n))
			checkSent(t, h.find(t, fmt.Sprint("/upload?", n, "-again")), sessiontest.Body(n))
		}
		if want := 5 * len(sizes); len(h.Log.Entries) != want || len(connections) != 3*len(sizes)+1 {
			t.Errorf("%s: %d entries on %d connections, want %d on %d", name, len(h.Log.Entries), len(connections), want, 3*len(sizes)+1)
		}
		for _, e := range h.Log.Entries {
			if e.ServerIPAddress+":"+e.Connection != s.Addr {
				t.Errorf("%s: %s is at %s port %s, want %s", name, e.Request.URL, e.ServerIPAddress, e.Connection, s.Addr)
			}
		}
	}
	out := string(tool(t, binary, "check", client))
	for _, want := range []string{"rustls 0.20.", "CommonState::send_some_plaintext at 0x", "<Reader as std::io::Read>::read at 0x"} {
		if !strings.Contains(out, want) {
			t.Errorf("check prints %q, want %q in it", out, want)
		}
	}
}

// Without its symbols rustls is named, with what to do.
func TestRustlsStripped(t *testing.T) {
	needs(t, "strip")
	stripped := filepath.Join(t.TempDir(), "client")
	tool(t, "strip", "-o", stripped, rustClient(t))
	out, err := exec.Command(binary, "check", stripped).CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("check of a stripped program: %v", err)
	}
	for _, want := range []string{"rustls 0.20.", "not recordable: client uses rustls 0.20.", "a build with its symbols"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("check prints %q, want %q in it", out, want)
		}
	}
}
