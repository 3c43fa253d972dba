//go:build linux && (amd64 || arm64)

package bpf

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ssltape/record"

	"ssltape/bpf/object"
	"ssltape/bpf/tlslib"
)

// A pairProgram is testdata/pair.c, built.
type pairProgram struct{ path, cert, key string }

// buildPair builds it, with libs before the libraries that it needs.
func buildPair(t *testing.T, libs ...string) pairProgram {
	t.Helper()
	dir := t.TempDir()
	p := pairProgram{path: filepath.Join(dir, "pair")}
	args := append(append([]string{"-O1", "-o", p.path, "testdata/pair.c"}, libs...), "-lssl", "-lcrypto")
	out, err := exec.Command(program(t, "cc"), args...).CombinedOutput()
	if err != nil {
		if os.Getenv("CI") != "true" {
			t.Skipf("build testdata/pair.c: %v\n%s", err, out)
		}
		t.Fatalf("build testdata/pair.c: %v\n%s", err, out)
	}
	p.cert, p.key = writeCertificate(t)
	return p
}

// writeCertificate writes a certificate and its key, and returns their paths.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	c := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// args returns the command line for the given steps.
func (p pairProgram) args(steps string) []string {
	return append([]string{p.path, p.cert, p.key}, strings.Fields(steps)...)
}

// An outcome is what is expected of a connection: lengths and ends of its
// directions.
type outcome struct {
	out, in       int
	endOut, endIn record.End
}

// Every way in which connections carry bytes and end, by libssl's inner
// functions and by the exported ones.
func TestPair(t *testing.T) {
	const clean, cut = record.EndClean, record.EndCut
	tests := []struct {
		name, steps string
		client      []outcome // of each client; servers read what clients wrote
		closed      bool      // the servers saw close_notify
	}{
		{"one", "new w10 r free", []outcome{{10, 0, clean, cut}}, false},
		{"ex", "new x10 x20 rx free", []outcome{{30, 0, clean, cut}}, false},
		{"mixed", "new w1 x2 r w3 rx free", []outcome{{6, 0, clean, cut}}, false},
		{"peek", "new w500 p500 p100 r free", []outcome{{500, 0, clean, cut}}, false},
		{"shutdown", "new w10 r shutdown free", []outcome{{10, 0, clean, cut}}, true},
		{"eof", "new w10 r eof free", []outcome{{10, 0, clean, cut}}, false},
		{"exit", "new w10 r", []outcome{{10, 0, clean, cut}}, false},
		{"reuse", "new w1 r free new w2 r free new w3 r free", []outcome{
			{1, 0, clean, cut}, {2, 0, clean, cut}, {3, 0, clean, cut}}, false},
		{"clear", "new w1 r clear w2 r free", []outcome{{1, 0, clean, cut}, {2, 0, clean, cut}}, false},
		{"pieces", "new w64 w65 w16383 w16384 w16385 w65535 w65536 w65537 w200000 r free", []outcome{
			{64 + 65 + 3*16384 + 3*65536 + 200000, 0, clean, cut}}, false},
		{"16MiB", "new w16777216 r free", []outcome{{16 << 20, 0, clean, cut}}, false},
	}
	lib, prog := libssl(t), buildPair(t)
	for _, inner := range []bool{true, false} {
		for _, tt := range tests {
			name := tt.name + map[bool]string{true: "/inner", false: "/exported"}[inner]
			t.Run(name, func(t *testing.T) {
				p := open(t, Options{Buffer: 128 << 20})
				p.attachLibssl(t, lib, inner)
				goOn, wait := start(t, p, prog.args(tt.steps)...)
				goOn()
				wait()
				p.Stop()
				tp := read(t, p)
				var clients, servers []outcome
				for _, c := range tp.conns {
					s := tp.streams[c]
					o := outcome{int(s[0].final), int(s[1].final), s[0].end, s[1].end}
					if first := strings.HasPrefix(tt.steps, "new w"); first && c.ID == 1 && c.Handshake <= 0 {
						t.Errorf("connection %d without the time of its handshake", c.ID)
					}
					if s[0].lost+s[1].lost > 0 {
						t.Errorf("connection %d: %d and %d bytes lost", c.ID, s[0].lost, s[1].lost)
					}
					if o.out > 0 {
						clients = append(clients, o)
					} else {
						servers = append(servers, o)
					}
				}
				if want := tt.client; !equal(clients, want) {
					t.Errorf("clients %v, want %v", clients, want)
				}
				want := make([]outcome, len(tt.client))
				for i, o := range tt.client {
					want[i] = outcome{0, o.out, clean, cut}
					if tt.closed {
						want[i].endIn = clean
					}
				}
				if !equal(servers, want) {
					t.Errorf("servers %v, want %v", servers, want)
				}
				if l := p.Loss(); l.Bytes() != 0 || l.Passed != l.Captured {
					t.Errorf("loss %+v", l)
				}
			})
		}
	}
}

func equal(a, b []outcome) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// attachLibssl attaches the library by its inner functions, or by its exported
// ones only, and then with a program at each end of them, as before Linux 6.13.
func (p *Probe) attachLibssl(t *testing.T, lib string, inner bool) {
	t.Helper()
	if inner {
		a, err := p.Attach(lib)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Stacks) == 0 || len(a.Stacks[0].Functions) == 0 {
			t.Fatalf("attached %+v", a)
		}
		return
	}
	a, sites, err := tlslib.Find(lib, false)
	if err != nil {
		t.Fatal(err)
	}
	p.libraries = append(p.libraries, "libssl.so.3")
	p.sessions.Store(false)
	links, err := p.attach(lib, sites, a.ShutdownFlags)
	p.links = append(p.links, links...)
	if err != nil {
		t.Fatal(err)
	}
}

// The contents are compared here, which the outcomes of TestPair do not do.
func TestContents(t *testing.T) {
	p := open(t, Options{Buffer: 128 << 20})
	p.attachLibssl(t, libssl(t), true)
	goOn, wait := start(t, p, buildPair(t).args("new w70000 r w16777216 r free")...)
	goOn()
	wait()
	p.Stop()
	want := append(noise(70000), noise(16<<20)...)
	for c, s := range read(t, p).streams {
		for dir := range s {
			if got := s[dir].Bytes(); len(got) > 0 && !bytes.Equal(got, want) {
				t.Errorf("connection %d %v: %d bytes differ from what was passed", c.ID, record.Dir(dir), len(got))
			}
		}
	}
}

// A kernel may refuse one program for both ends of a function, as it is loaded or
// as it is attached.
func TestSessionRefused(t *testing.T) {
	lib, prog := libssl(t), buildPair(t)
	for name, refuse := range map[string]func(*objects){
		"load": func(k *objects) {
			if loaded, err := k.program(object.TlsProgTlsCall); err == nil {
				loaded.Close() // nobody else will
			}
			k.programs.mu.Lock()
			k.programs.byName[object.TlsProgTlsCall] = func() (*ebpf.Program, error) { return nil, unix.EINVAL }
			k.programs.mu.Unlock()
		},
		"attach": func(k *objects) { k.session = 999 },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, Options{Buffer: 128 << 20})
			_, _ = p.program(object.TlsProgTlsCall) // by now it is loaded, or cannot be
			p.sessions.Store(true)
			refuse(p.objects)
			p.attachLibssl(t, lib, true)
			if p.sessions.Load() {
				t.Fatal("one program is at both ends")
			}
			goOn, wait := start(t, p, prog.args("new w70000 x5 r free")...)
			goOn()
			wait()
			p.Stop()
			tp := read(t, p)
			if len(tp.conns) != 2 {
				t.Fatalf("%d connections, want 2", len(tp.conns))
			}
			for _, c := range tp.conns {
				if s := tp.streams[c]; s[0].final+s[1].final != 70005 || s[0].end != record.EndClean {
					t.Errorf("connection %d: %d bytes written, %d read, end %v", c.ID, s[0].final, s[1].final, s[0].end)
				}
			}
		})
	}
}

// A process that is killed cuts what it wrote, too.
func TestKilled(t *testing.T) {
	p := open(t, Options{})
	p.attachLibssl(t, libssl(t), true)
	goOn, wait := startAny(t, p, buildPair(t).args("new w10 r kill")...)
	goOn()
	if _, err := wait(); err == nil {
		t.Fatal("not killed")
	}
	p.Stop()
	tp := read(t, p)
	if len(tp.conns) != 2 {
		t.Fatalf("%d connections", len(tp.conns))
	}
	for c, s := range tp.streams {
		if s[0].end != record.EndCut || s[1].end != record.EndCut {
			t.Errorf("connection %d ended %v, %v", c.ID, s[0].end, s[1].end)
		}
	}
	if last := tp.news[len(tp.news)-1]; last.Kind != Exited || last.Status != 9 {
		t.Errorf("last news %+v", last)
	}
}
