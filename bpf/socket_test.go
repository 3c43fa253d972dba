//go:build linux && (amd64 || arm64)

package bpf

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
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

// servers starts n servers, over TLS if wanted, that note clients in l.
func (l *ledger) servers(t *testing.T, n int, tls bool) (urls []string) {
	for range n {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.mu.Lock()
			l.seen[r.URL.Path] = r.RemoteAddr + " " + r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()
			l.mu.Unlock()
			w.Write(noise(200 + len(r.URL.Path)))
		}))
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
	l := &ledger{seen: map[string]string{}}
	secure, plain := l.servers(t, 5, true), l.servers(t, 2, false)
	node := program(t, "node")
	p := open(t, Options{})
	if _, err := p.Attach(node); err != nil {
		t.Fatal(err)
	}
	script := `const https = require("https"), http = require("http");
		const [secure, plain] = process.argv.slice(1).map((s) => s.split(","));
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
	goOn, wait := start(t, p, node, "-e", script, strings.Join(secure, ","), strings.Join(plain, ","))
	goOn()
	wait()
	p.Stop()
	right, absent := l.compare(t, read(t, p))
	t.Logf("%d addresses right, %d absent", right, absent)
	if right+absent < 50 || absent*20 > right {
		t.Errorf("%d addresses right, %d absent", right, absent)
	}
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
	l := &ledger{seen: map[string]string{}}
	url := l.servers(t, 1, true)[0]
	port := url[strings.LastIndexByte(url, ':')+1:]
	for _, argv := range [][]string{
		{"curl", "-sk", "--http1.1", "--resolve", "example.com:" + port + ":127.0.0.1", "https://example.com:" + port + "/curl"},
		{"python3", "-c", `import http.client, ssl, sys
c = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=ssl._create_unverified_context())
c.request("GET", "/python")
c.getresponse().read()`, port},
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
	url, node := l.servers(t, 1, true)[0], program(t, "node")
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
