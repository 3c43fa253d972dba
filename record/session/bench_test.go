package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// clients are programs that send as many requests as they can for some seconds
// and print how many there were.
var clients = map[string]func(url, host, cert string) []string{
	"wrk": func(url, host, cert string) []string { return []string{"wrk", "-t1", "-c8", "-d3s", url} },
	"python": func(url, host, cert string) []string {
		return []string{"python3", "-c", `
import http.client, ssl, sys, time
host, path, cert = sys.argv[1:]
c = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=cert))
n, end = 0, time.time() + 3
while time.time() < end:
    c.request('GET', path); c.getresponse().read(); n += 1
print(n, 'requests in')
`, host, url[len("https://localhost")+len(host)-len("localhost"):], cert}
	},
	"node": func(url, host, cert string) []string {
		return []string{"env", "NODE_EXTRA_CA_CERTS=" + cert, "node", "-e", `
const https = require('https'), url = process.argv[1], agent = new https.Agent({keepAlive: true, maxSockets: 8});
let n = 0; const end = Date.now() + 3000;
const loop = () => Date.now() < end && https.get(url, {agent}, r => r.resume().on('end', () => { n++; loop(); }));
for (let i = 0; i < 8; i++) loop();
process.on('exit', () => console.log(n, 'requests in'));
`, url}
	},
}

// BenchmarkOverhead measures the throughput that a client keeps of what it has
// bare: recorded to HAR, recorded to pcapng, and with empty programs at entry
// and return of the exported functions, which is the least that a recorder with
// probes there costs. The four take turns. `make bench-overhead` runs it, and
// the one of package bpf, which measures CPU time.
func BenchmarkOverhead(b *testing.B) {
	needs(b, "wrk", "python3", "node")
	s := startServer(b)
	host := s.URL[len("https://"):]
	for _, name := range []string{"wrk", "python", "node"} {
		for _, size := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				args := clients[name](fmt.Sprintf("%s/bytes/%d", s.URL, size), host, s.CertFile)
				var bare, empty, toHAR, toPcapng float64
				for b.Loop() {
					bare += requests(b, args)
					detach := attachEmpty(b, name)
					empty += requests(b, args)
					detach()
					toHAR += recordedRequests(b, "a.har", args)
					toPcapng += recordedRequests(b, "a.pcapng", args)
				}
				b.ReportMetric(bare/float64(b.N)/3, "bare-req/s")
				b.ReportMetric(100*empty/bare, "empty-%")
				b.ReportMetric(100*toHAR/bare, "har-%")
				b.ReportMetric(100*toPcapng/bare, "pcapng-%")
				b.ReportMetric(toHAR/empty, "har/empty")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// attachEmpty attaches a program that does nothing at entry and return of the
// exported functions of the TLS library that a client uses: node has its own.
func attachEmpty(b *testing.B, client string) (detach func()) {
	b.Helper()
	path := opensslLibrary(b)
	if client == "node" {
		path, _ = exec.LookPath("node")
		if out, err := exec.Command("ldd", path).Output(); err == nil && strings.Contains(string(out), "libssl.so") {
			path = opensslLibrary(b)
		}
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	if err != nil {
		b.Fatal(err)
	}
	ex, err := link.OpenExecutable(path)
	if err != nil {
		b.Fatal(err)
	}
	var links []link.Link
	for _, name := range []string{"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex"} {
		for _, attach := range []func(string, *ebpf.Program, *link.UprobeOptions) (link.Link, error){ex.Uprobe, ex.Uretprobe} {
			l, err := attach(name, prog, nil)
			if err != nil {
				b.Fatal(err)
			}
			links = append(links, l)
		}
	}
	return func() {
		for _, l := range links {
			l.Close()
		}
		prog.Close()
	}
}

// requests runs a load and returns how many requests it says it made.
func requests(b *testing.B, args []string) float64 {
	b.Helper()
	n, _ := load(b, args)
	return n
}

// recordedRequests is requests, recorded to a file. It reports what was lost.
func recordedRequests(b *testing.B, name string, args []string) float64 {
	b.Helper()
	file := filepath.Join(b.TempDir(), name)
	defer os.Remove(file)
	n, out := load(b, append([]string{binary, "record", "-E", "-o", file, "--"}, args...))
	if lost := regexp.MustCompile(`ssltape: .* lost: .*`).Find(out); lost != nil {
		b.Logf("%s of\n%s", lost, regexp.MustCompile(`ssltape: .* connections?, .*`).Find(out))
	}
	return n
}

func load(b *testing.B, args []string) (n float64, out []byte) {
	b.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	m := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("%s: %v\n%s", args[0], err, out)
	}
	n, err = strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n, out
}
