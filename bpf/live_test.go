//go:build linux && (amd64 || arm64)

package bpf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"ssltape/record"
)

// open returns a probe that is closed with the test. The test is skipped where
// this machine cannot record, but in CI, where it can.
func open(t *testing.T, o Options) *Probe {
	t.Helper()
	if err := Supported(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return p
}

// program returns the path of a program, and skips the test where it is
// missing, but in CI.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// libssl returns the path of the system's OpenSSL library.
func libssl(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("ldd", program(t, "openssl")).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "libssl.so") {
			return f[2]
		}
	}
	t.Fatalf("openssl without libssl:\n%s", out)
	return ""
}

// start runs a command that begins, recorded by p, when go is called; wait
// returns what it printed.
func start(t *testing.T, p *Probe, argv ...string) (goOn func(), wait func() string) {
	t.Helper()
	goOn, end := startAny(t, p, argv...)
	return goOn, func() string {
		out, err := end()
		if err != nil {
			t.Fatalf("%v: %v", argv, err)
		}
		return out
	}
}

// startAny is start for commands that may fail.
func startAny(t *testing.T, p *Probe, argv ...string) (goOn func(), wait func() (string, error)) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `read -r line && exec "$@" </dev/null`, "sh"}, argv...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if err := p.AddProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return func() { io.WriteString(stdin, "\n") }, func() (string, error) {
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, errs.Bytes())
		}
		return out.String(), err
	}
}

// A stream is what a connection carried in one direction.
type stream struct {
	bytes.Buffer
	lost, final int64
	end         record.End
}

// A tape is all that was recorded.
type tape struct {
	conns   []*record.Conn
	streams map[*record.Conn]*[2]stream
	news    []ProcessEvent
}

// read reads all that p records until it is stopped.
func read(t *testing.T, p *Probe) *tape {
	t.Helper()
	tp := &tape{streams: map[*record.Conn]*[2]stream{}}
	for e, err := range p.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Process != nil {
			tp.news = append(tp.news, *e.Process)
			continue
		}
		tp.add(t, e.Chunk)
	}
	return tp
}

func (tp *tape) add(t *testing.T, c record.Chunk) {
	s := tp.streams[c.Conn]
	if s == nil {
		s = new([2]stream)
		tp.streams[c.Conn] = s
		tp.conns = append(tp.conns, c.Conn)
	}
	d := &s[c.Dir]
	if d.end != record.EndNone {
		t.Errorf("conn %d %v: chunk after the end", c.Conn.ID, c.Dir)
	}
	if c.Off < d.final {
		t.Errorf("conn %d %v: offset %d after %d", c.Conn.ID, c.Dir, c.Off, d.final)
	}
	d.lost += c.Off - d.final
	d.final = c.Off + int64(len(c.Data))
	d.end = c.End
	d.Write(c.Data)
}

// tail returns the last n bytes of s.
func (s *stream) tail(n int) []byte {
	b := s.Bytes()
	return b[max(0, len(b)-n):]
}

// server answers GET /N with N bytes of noise and any POST with the SHA-256 of
// its body, over TLS in this process, which is not recorded.
func server(t testing.TB) *httptest.Server {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			h := sha256.New()
			io.Copy(h, r.Body)
			fmt.Fprintf(w, "%x", h.Sum(nil))
			return
		}
		n, _ := strconv.Atoi(strings.TrimLeft(r.URL.Path, "/"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(noise(n))
	}))
	t.Cleanup(s.Close)
	return s
}

// noise returns n bytes without a short period.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func TestCurl(t *testing.T) {
	s := server(t)
	for _, n := range []int{0, 1, 16384, 100_000, 10_000_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := open(t, Options{})
			if _, err := p.Attach(libssl(t)); err != nil {
				t.Fatal(err)
			}
			goOn, wait := start(t, p, program(t, "curl"), "-sk", "--http1.1", fmt.Sprintf("%s/%d", s.URL, n))
			goOn()
			if got := wait(); got != string(noise(n)) {
				t.Fatalf("curl printed %d bytes", len(got))
			}
			if err := p.Stop(); err != nil {
				t.Fatal(err)
			}
			tp := read(t, p)
			if len(tp.conns) != 1 {
				t.Fatalf("%d connections, loss %+v", len(tp.conns), p.Loss())
			}
			in := &tp.streams[tp.conns[0]][record.In]
			if !bytes.Equal(in.tail(n), noise(n)) || in.lost != 0 {
				t.Errorf("body differs: %d bytes, %d lost, loss %+v", in.Len(), in.lost, p.Loss())
			}
			if c := tp.conns[0]; c.Comm != "curl" || !strings.HasSuffix(c.Exe, "/curl") || !strings.HasPrefix(c.Library, "libssl") {
				t.Errorf("connection %+v", *c)
			}
		})
	}
}

// One POST of node makes up to three calls of SSL_write for the same bytes.
func TestNodePost(t *testing.T) {
	s, node := server(t), program(t, "node")
	p := open(t, Options{})
	if _, err := p.Attach(node); err != nil {
		t.Fatal(err)
	}
	script := `const https = require("https"), body = Buffer.alloc(100000, "x");
		const r = https.request(process.argv[1], {method: "POST", rejectUnauthorized: false,
			headers: {"content-length": body.length}}, (res) => res.pipe(process.stdout));
		r.end(body);`
	goOn, wait := start(t, p, node, "-e", script, s.URL)
	goOn()
	got := wait()
	body := bytes.Repeat([]byte("x"), 100_000)
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); got != want {
		t.Fatalf("node printed %q, want %q", got, want)
	}
	p.Stop()
	tp := read(t, p)
	if len(tp.conns) != 1 {
		t.Fatalf("%d connections, loss %+v", len(tp.conns), p.Loss())
	}
	out := &tp.streams[tp.conns[0]][record.Out]
	head, sent, ok := bytes.Cut(out.Bytes(), []byte("\r\n\r\n"))
	if !ok || !bytes.Equal(sent, body) || bytes.Count(head, []byte("POST")) != 1 {
		t.Errorf("recorded %d bytes of body after %q", len(sent), head)
	}
}
