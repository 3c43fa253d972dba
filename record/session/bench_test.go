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

	"ssltape/bpf/bpftest"
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
					detach := bpftest.AttachEmpty(b, usedLibrary(b, name))
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

// usedLibrary returns the file with the TLS functions that a client uses: node
// may have its own.
func usedLibrary(b *testing.B, client string) string {
	b.Helper()
	if client != "node" {
		return opensslLibrary(b)
	}
	path, err := exec.LookPath("node")
	if err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("ldd", path).Output(); err == nil && strings.Contains(string(out), "libssl.so") {
		return opensslLibrary(b)
	}
	return path
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
