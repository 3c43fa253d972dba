//go:build linux && (amd64 || arm64)

package bpf

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"ssltape/record"
)

// A ledger is what servers saw: the address of the client of each path.
type ledger struct {
	mu   sync.Mutex
	seen map[string]string
}

// servers starts a server at each of the hosts, over TLS if wanted, that notes
// clients in l.
func (l *ledger) servers(t *testing.T, tls bool, hosts ...string) (urls []string) {
	for _, host := range hosts {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.mu.Lock()
			l.seen[r.URL.Path] = r.RemoteAddr + " " + r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()
			l.mu.Unlock()
			w.Write(noise(200 + len(r.URL.Path)))
		}))
		at, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		s.Listener.Close()
		s.Listener = at
		if tls {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		urls = append(urls, s.URL)
	}
	return urls
}

var pathOf = regexp.MustCompile(`GET (/\S+) HTTP`)

const v4, v6 = "127.0.0.1", "::1"

// Fifty connections of one process, half of them open before the recording,
// and plain traffic beside them. Each address is right or absent, and few are
// absent.
func TestAddresses(t *testing.T) {
	const js = "testdata/addresses/client.js"
	t.Run("node", func(t *testing.T) { addresses(t, 50, program(t, "node"), program(t, "node"), js) })
	// Bun 1.3 takes a connection that is free, whoever opened it.
	for version, fewest := range map[string]int{"1.4.5": 50, "1.3.14": 25} {
		t.Run("bun "+version, func(t *testing.T) {
			bun := unpackBun(t, version)
			addresses(t, fewest, bun, bun, js)
		})
	}
	t.Run("python", func(t *testing.T) {
		addresses(t, 50, libssl(t), program(t, "python3"), "testdata/addresses/client.py")
	})
	t.Run("go", func(t *testing.T) {
		client := buildAddresses(t)
		addresses(t, 50, client, client)
	})
}

// addresses records a client of which the functions are in a library, and that
// has so many connections at least.
func addresses(t *testing.T, fewest int, library string, argv ...string) {
	l := &ledger{seen: map[string]string{}}
	secure, plain := l.servers(t, true, v4, v6, v4, v6, v4), l.servers(t, false, v4, v6)
	goOn, wait := runReady(t, append(argv, strings.Join(secure, ","), strings.Join(plain, ","))...)
	p := open(t, Options{})
	if _, err := p.Attach(library); err != nil {
		t.Fatal(err)
	}
	goOn(p)
	wait()
	p.Stop()
	right, absent := l.compare(t, read(t, p))
	t.Logf("%d addresses right, %d absent", right, absent)
	if right+absent < fewest || absent*20 > right {
		t.Errorf("%d addresses right, %d absent", right, absent)
	}
}

// startPiped starts a command that this test talks to.
func startPiped(t *testing.T, argv ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, stdin, stdout
}

// runReady runs a command until it has printed a line. It is recorded from then
// on, and reads one, when it is told to go on.
func runReady(t *testing.T, argv ...string) (goOn func(*Probe), wait func()) {
	t.Helper()
	cmd, stdin, stdout := startPiped(t, argv...)
	if _, err := stdout.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	return func(p *Probe) {
			if err := p.AddProcess(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			stdin.Write([]byte("\n"))
		}, func() {
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
		}
}

// buildAddresses builds testdata/addresses.
func buildAddresses(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "addresses")
	if out, err := exec.Command(program(t, "go"), "build", "-ldflags=-s -w", "-o", path, "./testdata/addresses").CombinedOutput(); err != nil {
		t.Fatalf("build testdata/addresses: %v\n%s", err, out)
	}
	return path
}

// A server of Go, which tells its clients the addresses that it sees.
func TestAddressesGoServer(t *testing.T) {
	path := buildAddresses(t)
	cmd, stdin, stdout := startPiped(t, path, "serve", v4, v6)
	var urls [2]string
	if _, err := fmt.Fscanln(stdout, &urls[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(stdout, &urls[1]); err != nil {
		t.Fatal(err)
	}
	clients := make([]*http.Client, 50)
	get := func(i int) {
		r, err := clients[i].Get(fmt.Sprintf("%s/%d", urls[i%2], i))
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	for i := range clients {
		clients[i] = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		if i < len(clients)/2 {
			get(i)
		}
	}
	p := open(t, Options{})
	if err := p.AddProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Attach(path); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { get(i); get(i) })
	}
	all.Wait()
	stdin.Close()
	cmd.Wait()
	p.Stop()
	tp := read(t, p)
	right, absent := 0, 0
	for _, c := range tp.conns {
		answer := tp.streams[c][record.Out].Bytes()
		seen := string(answer[bytes.LastIndexByte(answer, '\n')+1:])
		switch got := c.Local.String() + " " + c.Remote.String(); {
		case !c.Local.IsValid() && !c.Remote.IsValid():
			absent++
		case got != seen:
			t.Errorf("connection %d: address %s, the server saw %s", c.ID, got, seen)
		default:
			right++
		}
	}
	if right+absent != len(clients) || absent*20 > right {
		t.Errorf("%d addresses right, %d absent", right, absent)
	}
}

// unpackBun returns the path of a bun that npm has packed, in the folder that
// make names.
func unpackBun(t *testing.T, version string) string {
	t.Helper()
	pack := filepath.Join(os.Getenv("SSLTAPE_NPM"), "oven-bun-linux-x64-"+version+".tgz")
	if _, err := os.Stat(pack); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("no bun: %v", err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(program(t, "tar"), "xzf", pack, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", pack, err, out)
	}
	return filepath.Join(dir, "package", "bin", "bun")
}

// compare counts the connections of tp whose addresses the servers saw too.
func (l *ledger) compare(t *testing.T, tp *tape) (right, absent int) {
	t.Helper()
	for _, c := range tp.conns {
		m := pathOf.FindSubmatch(tp.streams[c][record.Out].Bytes())
		if m == nil {
			t.Errorf("connection %d without a request", c.ID)
			continue
		}
		switch got, want := c.Local.String()+" "+c.Remote.String(), l.seen[string(m[1])]; {
		case !c.Local.IsValid() && !c.Remote.IsValid():
			absent++
		case got != want:
			t.Errorf("connection %d: address %s, the server saw %s", c.ID, got, want)
		default:
			right++
		}
	}
	return right, absent
}

// A program that leaves the socket to the library, and the name it asks for.
func TestAddressesNested(t *testing.T) {
	for _, host := range []string{v4, v6} {
		t.Run(host, func(t *testing.T) { addressesNested(t, host) })
	}
}

func addressesNested(t *testing.T, host string) {
	l := &ledger{seen: map[string]string{}}
	url := l.servers(t, true, host)[0]
	port := url[strings.LastIndexByte(url, ':')+1:]
	resolve := "example.com:" + port + ":" + host
	for _, argv := range [][]string{
		{"curl", "-sk", "--http1.1", "--resolve", resolve, "https://example.com:" + port + "/curl"},
		{"python3", "-c", `import http.client, ssl, sys
import socket
context = ssl._create_unverified_context()
c = http.client.HTTPSConnection(sys.argv[2], int(sys.argv[1]))
c.sock = context.wrap_socket(socket.create_connection((sys.argv[2], int(sys.argv[1]))), server_hostname="localhost")
c.request("GET", "/python")
c.getresponse().read()`, port, host},
	} {
		t.Run(argv[0], func(t *testing.T) {
			p := open(t, Options{})
			if _, err := p.Attach(libssl(t)); err != nil {
				t.Fatal(err)
			}
			goOn, wait := start(t, p, append([]string{program(t, argv[0])}, argv[1:]...)...)
			goOn()
			wait()
			p.Stop()
			tp := read(t, p)
			if right, absent := l.compare(t, tp); right != 1 || absent != 0 {
				t.Errorf("%d addresses right, %d absent", right, absent)
			}
			name := map[string]string{"curl": "example.com", "python3": "localhost"}[argv[0]]
			if len(tp.conns) != 1 || tp.conns[0].ServerName != name {
				t.Errorf("server names of %+v, want %q", tp.conns, name)
			}
		})
	}
}
