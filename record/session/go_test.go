package session_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record/session/sessiontest"
)

// buildGo builds testdata/gotls with flags and returns its path. Where there is
// no Go, as in the guests of .ci/kernels, SSLTAPE_GOTLS is one without flags.
func buildGo(t *testing.T, flags ...string) string {
	t.Helper()
	if built := os.Getenv("SSLTAPE_GOTLS"); built != "" && len(flags) == 0 {
		return built
	}
	needs(t, "go")
	path := filepath.Join(t.TempDir(), "gotls")
	args := append(append([]string{"build", "-o", path}, flags...), "./testdata/gotls")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return path
}

// A Go client has no library and, stripped, no symbol.
func TestGoClient(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
	}{
		{"symbols", nil},
		{"stripped", []string{"-ldflags=-s -w"}},
		{"pie", []string{"-buildmode=pie", "-ldflags=-s -w"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, s := buildGo(t, tt.flags...), startServer(t)
			written, converted := recordCommand(t, client, "sizes", s.URL, s.CertFile)
			for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
				for _, n := range sizes {
					checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
					checkDownload(t, h, fmt.Sprint("/chunked/", n), n)
					checkSent(t, h.find(t, fmt.Sprint("/upload?", n)), sessiontest.Body(n))
				}
				checkDownload(t, h, "/close/70000", 70000)
				if want := 3*len(sizes) + 1; len(h.Log.Entries) != want {
					t.Errorf("%s: %d entries, want %d", name, len(h.Log.Entries), want)
				}
			}
		})
	}
}

// checkSent checks that e, a POST to /upload, has the body want.
func checkSent(t *testing.T, e harEntry, want []byte) {
	t.Helper()
	if got := e.requestBody(t); !bytes.Equal(got, want) {
		t.Errorf("%s: uploaded body of %d bytes, want %d", e.Request.URL, len(got), len(want))
	}
	if !strings.Contains(string(e.responseBody(t)), sessiontest.Sum(want)) {
		t.Errorf("%s: response %q", e.Request.URL, e.responseBody(t))
	}
}

// A recorded process may be a server, whose reads and writes of a connection
// are on several goroutines.
func TestGoServer(t *testing.T) {
	dir := t.TempDir()
	server := startCommand(t, buildGo(t), "serve", dir)
	r := startRecording(t, "--redact", "none", "-s", "0", "-p", fmt.Sprint(server.pid))
	client := clientFor(t, &sessiontest.Server{CertFile: filepath.Join(dir, "cert.pem")})
	url := "https://localhost:" + server.line
	for _, n := range sizes {
		get(t, client, fmt.Sprint(url, "/bytes/", n))
		resp, err := client.Post(fmt.Sprint(url, "/upload?", n), "text/plain", bytes.NewReader(sessiontest.Body(n)))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	client.CloseIdleConnections()
	r.waitFor(t, fmt.Sprint("/upload?", sizes[len(sizes)-1]))
	r.stop(t)
	for name, h := range map[string]harFile{"har": readHAR(t, r.har), "pcapng": r.convert(t)} {
		for _, n := range sizes {
			checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
			checkSent(t, h.find(t, fmt.Sprint("/upload?", n)), sessiontest.Body(n))
		}
		if len(h.Log.Entries) != 2*len(sizes) {
			t.Errorf("%s: %d entries, want %d", name, len(h.Log.Entries), 2*len(sizes))
		}
	}
}

// Many goroutines change threads in their calls, on two processors that they
// share; nothing of one gets into another.
func TestGoManyConnections(t *testing.T) {
	client, s := buildGo(t), startServer(t)
	written, converted := recordCommand(t, "env", "GOMAXPROCS=2", client, "many", s.URL, s.CertFile)
	const connections, each = 50, 10
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		ids := map[string]string{} // of connections, and whose they are
		for _, e := range h.Log.Entries {
			path, query, _ := strings.Cut(strings.TrimPrefix(e.Request.URL, s.URL), "?")
			var i, j int
			if _, err := fmt.Sscanf(query, "%d-%d", &i, &j); err != nil {
				t.Fatalf("%s: URL %s", name, e.Request.URL)
			}
			if owner := fmt.Sprint(i); ids[e.ConnectionID] == "" {
				ids[e.ConnectionID] = owner
			} else if ids[e.ConnectionID] != owner {
				t.Errorf("%s: clients %s and %s share connection %s", name, ids[e.ConnectionID], owner, e.ConnectionID)
			}
			if path == "/upload" {
				checkSent(t, e, bytes.Repeat([]byte{byte('A' + i), byte('0' + j)}, 1+i*j*50))
			} else if want := fmt.Sprintf("{\"target\":\"/echo?%s\"}\n", query); string(e.responseBody(t)) != want {
				t.Errorf("%s: %s was answered %q", name, e.Request.URL, e.responseBody(t))
			}
		}
		if len(h.Log.Entries) != 2*connections*each || len(ids) < connections { // a client may dial again
			t.Errorf("%s: %d entries on %d connections, want %d on %d or more", name, len(h.Log.Entries), len(ids), 2*connections*each, connections)
		}
	}
}

// The buffer of a read is where the stack has moved to.
func TestGoStackMoves(t *testing.T) {
	client, s := buildGo(t), startServer(t)
	r := recordArgs(t, "--redact", "none", "--strict", "--", client, "stack", s.Addr, s.CertFile)
	if r.code != 0 || r.stdout != "moved: true\n" {
		t.Fatalf("exit code %d, printed %q", r.code, r.stdout)
	}
	h := readHAR(t, r.har)
	for i := range 32 {
		target := fmt.Sprint("/echo?stack-", i)
		if want, got := fmt.Sprintf("{%q:%q}\n", "target", target), h.find(t, target).responseBody(t); string(got) != want {
			t.Errorf("response %q, want %q", got, want)
		}
	}
}

// Go speaks HTTP/2 where it can. Both ends are recorded: each exchange twice.
func TestGoHTTP2(t *testing.T) {
	written, converted := recordCommand(t, buildGo(t), "http2")
	for _, wrong := range append(wrongBodies(t, "har", written), wrongBodies(t, "pcapng", converted)...) {
		t.Error(wrong)
	}
}

// wrongBodies says what is wrong with the exchanges of gotls, each of which is
// recorded at both ends.
func wrongBodies(t *testing.T, name string, h harFile) (wrong []string) {
	t.Helper()
	for i, n := range []int{0, 1, 16384, 100_000, 1_000_000} {
		var seen int
		for _, e := range h.Log.Entries {
			if !strings.HasSuffix(e.Request.URL, fmt.Sprint("/", i)) {
				continue
			}
			seen++
			if want := sessiontest.Body(n); !bytes.Equal(e.requestBody(t), want) || !bytes.Equal(e.responseBody(t), want) {
				wrong = append(wrong, fmt.Sprintf("%s: /%d has bodies of %d and %d bytes, want %d", name, i, len(e.requestBody(t)), len(e.responseBody(t)), n))
			}
		}
		if seen != 2 {
			wrong = append(wrong, fmt.Sprintf("%s: %d entries for /%d, want 2", name, seen, i))
		}
	}
	return wrong
}

// check says what would be hooked.
func TestGoLibrary(t *testing.T) {
	program := buildGo(t, "-ldflags=-s -w")
	out := string(tool(t, binary, "check", "--exe", program))
	for _, want := range []string{"Go crypto/tls go1.", "crypto/tls.(*Conn).Read at 0x", "crypto/tls.(*Conn).writeRecordLocked at 0x", "crypto/tls.(*Conn).Close at 0x"} {
		if !strings.Contains(out, want) {
			t.Errorf("check prints %q, want %q in it", out, want)
		}
	}
}
