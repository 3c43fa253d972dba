//go:build linux && (amd64 || arm64)

package bpf

import (
	"fmt"
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

// Fifty connections of one process that uses the sockets itself, and plain
// traffic beside them. Each address is right or absent, and few are absent.
func TestAddressesInMemory(t *testing.T) {
	t.Run("node", func(t *testing.T) { addressesInMemory(t, program(t, "node")) })
	for _, version := range []string{"1.4.5", "1.3.14"} {
		t.Run("bun "+version, func(t *testing.T) { addressesInMemory(t, unpackBun(t, version)) })
	}
}

const v4, v6 = "127.0.0.1", "::1"

// addressesInMemory runs a script in a runtime.
func addressesInMemory(t *testing.T, runtime string) {
	l := &ledger{seen: map[string]string{}}
	secure, plain := l.servers(t, true, v4, v6, v4, v6, v4), l.servers(t, false, v4, v6)
	p := open(t, Options{})
	if _, err := p.Attach(runtime); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "client.js")
	text := `const https = require("https"), http = require("http");
		const [secure, plain] = process.argv.slice(2).map((s) => s.split(","));
		let running = true;
		const get = (m, agent, url) => new Promise((done, fail) =>
			m.get(url, {agent, rejectUnauthorized: false}, (r) => { r.resume(); r.on("end", done); }).on("error", fail));
		const noise = plain.map(async (u, i) => {
			const agent = new http.Agent({keepAlive: true, maxSockets: 1});
			for (let n = 0; running; n++) await get(http, agent, u + "/plain" + i + "-" + n);
		});
		const work = secure.flatMap((u, s) => {
			const agents = Array.from({length: 10}, () => new https.Agent({keepAlive: true, maxSockets: 1}));
			return agents.map(async (agent, a) => {
				for (let n = 0; n < 8; n++) await get(https, agent, u + "/s" + s + "a" + a + "n" + n);
			});
		});
		Promise.all(work).then(() => { running = false; return Promise.all(noise); }).then(() => process.exit(0));`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, runtime, script, strings.Join(secure, ","), strings.Join(plain, ","))
	goOn()
	wait()
	p.Stop()
	right, absent := l.compare(t, read(t, p))
	t.Logf("%d addresses right, %d absent", right, absent)
	if right+absent < 50 || absent*20 > right {
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

// A connection that was open before the recording began.
func TestAddressOfOpenConnection(t *testing.T) {
	l := &ledger{seen: map[string]string{}}
	url, node := l.servers(t, true, v4)[0], program(t, "node")
	script := `const https = require("https"), agent = new https.Agent({keepAlive: true, maxSockets: 1});
		const get = (path) => new Promise((done) => https.get(process.argv[1] + path,
			{agent, rejectUnauthorized: false}, (r) => { r.resume(); r.on("end", done); }));
		get("/before").then(() => { console.log("ready");
			process.stdin.once("data", () => get("/after").then(() => process.exit(0))); });`
	cmd := exec.Command(node, "-e", script, url)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if _, err := stdout.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	p := open(t, Options{})
	if err := p.AddProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Attach(node); err != nil {
		t.Fatal(err)
	}
	stdin.Write([]byte("\n"))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if right, absent := l.compare(t, read(t, p)); right != 1 || absent != 0 {
		t.Errorf("%d addresses right, %d absent", right, absent)
	}
}
