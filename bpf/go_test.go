//go:build linux && (amd64 || arm64)

package bpf

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ssltape/record"

	"ssltape/bpf/tlslib"
)

// buildGoPair builds testdata/gopair.
func buildGoPair(t *testing.T) pairProgram {
	t.Helper()
	p := pairProgram{path: filepath.Join(t.TempDir(), "gopair")}
	if out, err := exec.Command(program(t, "go"), "build", "-ldflags=-s -w", "-o", p.path, "./testdata/gopair").CombinedOutput(); err != nil {
		t.Fatalf("build testdata/gopair: %v\n%s", err, out)
	}
	p.cert, p.key = writeCertificate(t)
	return p
}

// recordGo records prog with the given steps.
func recordGo(t *testing.T, prog pairProgram, steps string) *tape {
	t.Helper()
	p := open(t, Options{Buffer: 128 << 20})
	if _, err := p.Attach(prog.path); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, prog.args(steps)...)
	goOn()
	wait()
	p.Stop()
	tp := read(t, p)
	if l := p.Loss(); l.Bytes() != 0 || l.Passed != l.Captured {
		t.Errorf("loss %+v", l)
	}
	return tp
}

// Every way in which connections of Go carry bytes and end.
func TestGoPair(t *testing.T) {
	const clean, cut = record.EndClean, record.EndCut
	prog := buildGoPair(t)
	for _, tt := range []struct {
		name, steps string
		want        []outcome // of each connection, in the order in which they are met
	}{
		{"close", "new w10 r close", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"close twice", "new w10 r close close", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"exit", "new w10 r", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"close_notify", "new w10 r eof close", []outcome{{10, 0, clean, clean}, {0, 10, clean, cut}}},
		{"close_notify with data", "old new w10 r last close", []outcome{{10, 5, clean, clean}, {5, 10, clean, cut}}},
		{"socket's end", "new w10 r fin close", []outcome{{10, 0, clean, clean}, {0, 10, clean, cut}}},
		{"cut", "new w10 r cut close", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"closed in a read", "new w10 r wait close", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"read within Close", "drain new w10 r a9 close", []outcome{{10, 2, clean, cut}, {9, 10, clean, cut}}},
		{"two", "new w1 r close new6 w2 r close", []outcome{{1, 0, clean, cut}, {0, 1, clean, cut}, {2, 0, clean, cut}, {0, 2, clean, cut}}},
		{"other threads", "move new w10 r close", []outcome{{10, 0, clean, cut}, {0, 10, clean, cut}}},
		{"pieces", "new w64 w65 w16383 w16384 w65537 w200000 r a70000 ra close", []outcome{
			{298433, 70000, clean, cut}, {70000, 298433, clean, cut}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tp := recordGo(t, prog, tt.steps)
			var got []outcome
			for _, c := range tp.conns {
				s := tp.streams[c]
				got = append(got, outcome{int(s[0].final), int(s[1].final), s[0].end, s[1].end})
			}
			checkMirrored(t, tp.conns)
			if !equal(got, tt.want) {
				t.Errorf("connections %v, want %v", got, tt.want)
			}
		})
	}
}

// checkMirrored checks that of each two connections one has the addresses of the
// other, seen from the other end.
func checkMirrored(t *testing.T, conns []*record.Conn) {
	t.Helper()
	for c := range slices.Chunk(conns, 2) {
		if len(c) != 2 || !c[0].Local.IsValid() || c[0].Local == c[0].Remote || c[0].Local != c[1].Remote || c[0].Remote != c[1].Local {
			t.Errorf("addresses of the two ends: %+v", c)
		}
	}
}

// What two goroutines read at once of a connection is all there, though not in an
// order that anybody knows: the end may come first.
func TestGoTwoReaders(t *testing.T) {
	const n = 3_000_000
	tp := recordGo(t, buildGoPair(t), fmt.Sprint("new two", n, " close"))
	got := [2]int{}
	for _, s := range tp.streams {
		for dir := range s {
			got[dir] += s[dir].Len()
			if s[dir].lost > 0 {
				t.Errorf("%v: %d bytes lost", record.Dir(dir), s[dir].lost)
			}
		}
	}
	if got != [2]int{n, n} {
		t.Errorf("%d bytes captured, want %d each way", got, n)
	}
}

// A call within one of the same goroutine: TLS in TLS, as through a proxy.
func TestGoNested(t *testing.T) {
	tp := recordGo(t, buildGoPair(t), "new inside w10 r a2000 ra w30000 r close")
	found := map[string]bool{}
	for _, s := range tp.streams {
		found[fmt.Sprintf("out %d, in %d", s[record.Out].final, s[record.In].final)] = true
	}
	if len(tp.conns) != 4 || !found["out 30010, in 2000"] || !found["out 2000, in 30010"] {
		t.Errorf("%d connections: %v", len(tp.conns), found)
	}
}

// What one goroutine writes comes before the answer to it, which another one
// reads, maybe before the first has returned.
func TestGoOrder(t *testing.T) {
	const n = 5000
	prog := buildGoPair(t)
	p := open(t, Options{})
	if _, err := p.Attach(prog.path); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, prog.args(fmt.Sprint("new echo", n, " close"))...)
	goOn()
	wait()
	p.Stop()
	ends := map[*record.Conn]*[2]int64{}
	ahead := map[*record.Conn]bool{} // what was read of what was written: the server's
	for e, err := range p.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Process != nil {
			continue
		}
		c := e.Chunk
		if ends[c.Conn] == nil {
			ends[c.Conn] = new([2]int64)
		}
		ends[c.Conn][c.Dir] = c.Off + int64(len(c.Data))
		ahead[c.Conn] = ahead[c.Conn] || ends[c.Conn][record.In] > ends[c.Conn][record.Out]
	}
	if len(ends) != 2 {
		t.Fatalf("%d connections, want 2", len(ends))
	}
	clients := 0
	for c, e := range ends {
		if *e != [2]int64{8 * n, 8 * n} {
			t.Errorf("%d bytes of each direction, want %d", *e, 8*n)
		}
		if !ahead[c] {
			clients++
		}
	}
	if clients != 1 {
		t.Error("an answer comes before what it answers")
	}
}

// Many goroutines write on a connection at once, while another one reads what comes
// back: at each place of each stream is what passed there, or it is counted as
// lost, and nothing comes before what it is the answer to.
func TestGoMix(t *testing.T) {
	prog := buildGoPair(t)
	for _, tt := range []struct {
		name  string
		apart bool // the server is in a process that is not recorded
		o     Options
	}{
		{"one process", false, Options{Buffer: 128 << 20}},
		{"apart", true, Options{Buffer: 128 << 20}},
		{"loss", false, Options{Buffer: 64 << 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, tt.o)
			if _, err := p.Attach(prog.path); err != nil {
				t.Fatal(err)
			}
			steps := "new mix8 close"
			if tt.apart {
				steps = fmt.Sprintf("to%d mix8 close", echoServer(t, prog))
			}
			goOn, wait := start(t, p, prog.args(steps)...)
			goOn()
			passed := wait()
			p.Stop()
			m := mixed{lossy: tt.name == "loss"}
			m.read(t, p, passed)
			account(t, p, &m.tape)
			if l := p.Loss(); l.Unseen != 0 || l.Ahead != 0 || m.lossy != (l.Bytes() > 0) {
				t.Errorf("loss %+v", l)
			}
			if want := map[bool]int{true: 1, false: 2}[tt.apart]; len(m.tape.conns) != want {
				t.Errorf("%d connections, want %d", len(m.tape.conns), want)
			}
		})
	}
}

// mixed is a recording of connections on which the same passes back as forth.
type mixed struct {
	tape  tape
	lossy bool
}

// read reads all that p records, each stream of which is to be what passed.
func (m *mixed) read(t *testing.T, p *Probe, passed string) {
	m.tape.streams = map[*record.Conn]*[2]stream{}
	ahead := map[*record.Conn][2]bool{} // which direction of a connection was ever ahead of the other
	for e, err := range p.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Process != nil {
			continue
		}
		c := e.Chunk
		if end := c.Off + int64(len(c.Data)); end > int64(len(passed)) || passed[c.Off:end] != string(c.Data) {
			t.Fatalf("connection %d %v: the %d bytes at %d are not what passed", c.Conn.ID, c.Dir, len(c.Data), c.Off)
		}
		m.tape.add(t, c)
		s, a := m.tape.streams[c.Conn], ahead[c.Conn]
		a[c.Dir] = a[c.Dir] || s[c.Dir].final > s[c.Dir.Peer()].final
		ahead[c.Conn] = a
	}
	for c, a := range ahead {
		if !m.lossy && a == [2]bool{true, true} {
			t.Errorf("connection %d: an answer comes before what it answers", c.ID)
		}
	}
}

// echoServer returns the port of a server in this process that sends back what
// it reads.
func echoServer(t *testing.T, prog pairProgram) (port int) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(prog.cert, prog.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, c)
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// The recorder is a program of Go, too, and does not record itself.
func TestGoNotItself(t *testing.T) {
	p := open(t, Options{All: true})
	if _, err := p.Attach("/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	s := server(t)
	resp, err := s.Client().Get(s.URL + "/100")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	p.Stop()
	for _, c := range read(t, p).conns {
		if c.PID == os.Getpid() {
			t.Errorf("recorded %+v", *c)
		}
	}
}

func TestInspectGo(t *testing.T) {
	for arch, behind := range map[string][]string{
		"amd64": {"\x55"},                 // push rbp
		"arm64": {"\xfe\x0f", "\xf4\x03"}, // str x30, [sp, #n]!; of a large frame sub x20, sp, #n
	} {
		t.Run(arch, func(t *testing.T) {
			t.Setenv("GOARCH", arch)
			t.Setenv("CGO_ENABLED", "0")
			prog := buildGoPair(t)
			a, sites, err := tlslib.Find(prog.path, true)
			if err != nil {
				t.Fatal(err)
			}
			if want := "gopair (Go crypto/tls " + runtime.Version() + ")"; a.Library != want {
				t.Errorf("library %q, want %q", a.Library, want)
			}
			if len(sites) != 3 {
				t.Errorf("%d functions, want 3", len(sites))
			}
			image, err := os.ReadFile(prog.path)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sites {
				if s.Call != tlslib.GoClose && len(s.Returns) == 0 {
					t.Errorf("%s has no return", s.Name)
				}
				at := image[s.Offset:][:4]
				if !slices.ContainsFunc(behind, func(b string) bool { return strings.HasPrefix(string(at), b) }) {
					t.Errorf("%s is probed at % x, not behind the check of its stack", s.Name, at)
				}
			}
		})
	}
}
