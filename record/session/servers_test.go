package session_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/record/session/sessiontest"
)

const nodeServer = `
const https = require('https'), fs = require('fs');
const [cert, key] = process.argv.slice(1);
const s = https.createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)}, (req, res) => {
  let n = 0;
  req.on('data', d => n += d.length).on('end', () => {
    res.setHeader('content-type', 'text/plain');
    res.end(req.url === '/big' ? 'x'.repeat(1000000) : 'got ' + n + '\n');
  });
});
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
`

const pythonServer = `
import http.server, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self):
        n = len(self.rfile.read(int(self.headers.get('content-length', 0))))
        b = b'x' * 1000000 if self.path == '/big' else b'got %d\n' % n
        self.send_response(200)
        self.send_header('content-length', str(len(b)))
        self.send_header('content-type', 'text/plain')
        self.end_headers()
        self.wfile.write(b)
    do_GET = do_POST = answer
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[1], sys.argv[2])
s.socket = c.wrap_socket(s.socket, server_side=True)
print(s.server_port, flush=True)
s.serve_forever()
`

// A recorded process may be the server.
func TestServers(t *testing.T) {
	for _, tt := range []struct {
		tool    string
		command []string
	}{
		{"node", []string{"node", "-e", nodeServer}},
		{"python3", []string{"python3", "-c", pythonServer}},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			needs(t, tt.tool)
			s := startServer(t) // for its certificate
			port := startCommand(t, append(tt.command, s.CertFile, s.KeyFile)...)
			r := startRecording(t, "--redact", "none", "-p", fmt.Sprint(port.pid))
			client := clientFor(t, s)
			url := "https://localhost:" + port.line
			upload := strings.Repeat("0123456789", 30_000)
			for _, path := range []string{"/a", "/big"} {
				get(t, client, url+path)
			}
			resp, err := client.Post(url+"/upload", "text/plain", strings.NewReader(upload))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			client.CloseIdleConnections()
			r.waitFor(t, "/upload")
			r.stop(t)
			for name, h := range map[string]harFile{"har": readHAR(t, r.har), "pcapng": r.convert(t)} {
				if got := string(h.find(t, "/a").responseBody(t)); got != "got 0\n" {
					t.Errorf("%s: /a answered %q", name, got)
				}
				if got := h.find(t, "/big").responseBody(t); string(got) != strings.Repeat("x", 1_000_000) {
					t.Errorf("%s: /big has %d bytes", name, len(got))
				}
				e := h.find(t, "/upload")
				if got := string(e.requestBody(t)); got != upload {
					t.Errorf("%s: upload of %d bytes, want %d", name, len(got), len(upload))
				}
				if e.Process.PID != port.pid {
					t.Errorf("%s: pid %d, want %d", name, e.Process.PID, port.pid)
				}
			}
		})
	}
}

// Ten connections at once from several processes stay apart, and a pointer
// that is used again is a new connection.
func TestManyConnections(t *testing.T) {
	needs(t, "curl", "node")
	s := startServer(t)
	const each = 10
	script := fmt.Sprintf(`
		for i in $(seq %[1]d); do curl -sS --http1.1 --cacert %[2]s "%[3]s/echo?curl=$i" "%[3]s/echo?again=$i" -o /dev/null & done
		for p in a b; do NODE_EXTRA_CA_CERTS=%[2]s node -e "$0" %[3]s $p %[1]d & done
		wait`, each, s.CertFile, s.URL)
	const node = `
const https = require('https'), [url, name, n] = process.argv.slice(1);
const get = i => new Promise((ok, bad) => https.get(url + '/echo?' + name + '=' + i, {agent: false}, r => r.resume().on('end', ok)).on('error', bad));
(async () => {
  await Promise.all(Array.from({length: +n}, (_, i) => get(i + 1)));
  for (let i = 0; i < 20; i++) await get('seq' + i); // one connection after the other: pointers come again
})();`
	written, converted := recordCommand(t, "sh", "-c", script, node)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		connections := map[string]string{}
		for _, e := range h.Log.Entries {
			target := strings.TrimPrefix(e.Request.URL, s.URL)
			if want := fmt.Sprintf("{%q:%q}\n", "target", target); string(e.responseBody(t)) != want {
				t.Errorf("%s: %s was answered %q", name, target, e.responseBody(t))
			}
			if !strings.Contains(target, "again") && connections[e.ConnectionID] != "" {
				t.Errorf("%s: %s and %s share connection %s", name, target, connections[e.ConnectionID], e.ConnectionID)
			}
			connections[e.ConnectionID] = target
		}
		if want := 2*each + 2*each + 2*20; len(h.Log.Entries) != want {
			t.Errorf("%s: %d entries, want %d: %v", name, len(h.Log.Entries), want, connections)
		}
	}
}

// A recorder that is killed leaves a file that parses and has every exchange
// that had finished.
func TestKill(t *testing.T) {
	needs(t, "python3")
	s := startServer(t)
	port := startCommand(t, "python3", "-c", pythonServer, s.CertFile, s.KeyFile)
	r := startRecording(t, "-p", fmt.Sprint(port.pid))
	client := clientFor(t, s)
	const n = 50
	for i := range n {
		get(t, client, fmt.Sprintf("https://localhost:%s/%d", port.line, i))
	}
	r.waitFor(t, fmt.Sprintf(":%s/%d", port.line, n-1))
	r.cmd.Process.Kill()
	r.cmd.Wait()
	if got := len(readHAR(t, r.har).Log.Entries); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
}

// A process is a program that a test has started.
type process struct {
	pid  int
	line string // the first that it printed
}

// startCommand starts a program and waits until it has printed a line.
func startCommand(t *testing.T, args ...string) process {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	return process{cmd.Process.Pid, strings.TrimSpace(line)}
}

// A recording is one that goes on.
type recording struct {
	run
	cmd *exec.Cmd
	err strings.Builder
}

// startRecording starts to record a running process and waits until the probes
// are attached.
func startRecording(t *testing.T, args ...string) *recording {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	r := &recording{run: run{har: filepath.Join(dir, "a.har"), pcapng: filepath.Join(dir, "a.pcapng")}}
	r.cmd = exec.Command(binary, append([]string{"record", "--ready-file", ready, "-o", r.har, "-o", r.pcapng}, args...)...)
	r.cmd.Stderr = &r.err
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill() })
	waitFor(t, "the probes", func() bool { _, err := os.Stat(ready); return err == nil })
	return r
}

// waitFor waits until an exchange of which the URL ends so is in the file. Who has
// the answer of a recorded server may be ahead of the call that sends it.
func (r *recording) waitFor(t *testing.T, suffix string) {
	t.Helper()
	waitFor(t, suffix, func() bool {
		text, err := os.ReadFile(r.har)
		return err == nil && strings.Contains(string(text), suffix+`"`)
	})
}

// stop ends the recording as a person would.
func (r *recording) stop(t *testing.T) {
	t.Helper()
	r.cmd.Process.Signal(os.Interrupt)
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, r.err.String())
	}
	t.Log(r.err.String())
}

// waitFor polls until what is there. The limit is only against waiting for
// ever.
func waitFor(t testing.TB, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !there(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// clientFor returns a client that trusts s's certificate.
func clientFor(t *testing.T, s *sessiontest.Server) *http.Client {
	t.Helper()
	cert, err := os.ReadFile(s.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func get(t *testing.T, c *http.Client, url string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}

// With -c and --exe processes are recorded that start later, from their first
// request on.
func TestLaterProcesses(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-c", "cur?"}, {"--exe", curl}} {
		r := startRecording(t, args...)
		tool(t, "curl", "-sS", "--http1.1", "--cacert", s.CertFile, "-o", "/dev/null", s.URL+"/echo?one")
		tool(t, "sh", "-c", fmt.Sprintf("curl -sS --http1.1 --cacert %s -o /dev/null %s/echo?two", s.CertFile, s.URL))
		r.stop(t)
		h := readHAR(t, r.har)
		for _, path := range []string{"/echo?one", "/echo?two"} {
			if e := h.find(t, path); e.Process.Comm != "curl" {
				t.Errorf("%q: %s is from %s", args, path, e.Process.Comm)
			}
		}
	}
}
