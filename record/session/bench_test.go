package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"ssltape/bpf/bpftest"
	"ssltape/record/session/sessiontest"
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
//
// wrk has two cases more, against nginx, which uses the same library. In the
// last of them client and server share one core and the recorder has another,
// as on a machine that is not at its limit; in all others the three compete for
// what cores there are.
func BenchmarkOverhead(b *testing.B) {
	needs(b, "wrk", "python3", "node", "nginx", "taskset")
	s := startServer(b)
	host := s.URL[len("https://"):]
	for _, name := range []string{"wrk", "python", "node"} {
		for _, size := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				overhead(b, usedLibrary(b, name), "", clients[name](fmt.Sprintf("%s/bytes/%d", s.URL, size), host, s.CertFile))
			})
		}
	}
	for _, size := range []int{100, 100_000} {
		url, pid := startNginx(b, startServer(b), sessiontest.Body(size))
		args := clients["wrk"](url+"/file", "", "")
		b.Run(fmt.Sprintf("wrk-nginx/%d", size), func(b *testing.B) { overhead(b, opensslLibrary(b), "", args) })
		b.Run(fmt.Sprintf("wrk-nginx-one-core/%d", size), func(b *testing.B) {
			if runtime.NumCPU() < 2 {
				b.Skip("there is one core")
			}
			if out, err := exec.Command("taskset", "-p", "-c", "0", strconv.Itoa(pid)).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			overhead(b, opensslLibrary(b), "1", append([]string{"taskset", "-c", "0"}, args...))
		})
	}
}

// overhead measures the client that args starts, which uses the TLS library in
// a file. The recorder is kept on one core, where one is given.
func overhead(b *testing.B, library, core string, args []string) {
	var bare, empty, toHAR, toPcapng usage
	for b.Loop() {
		bare.add(load(b, args))
		detach := bpftest.AttachEmpty(b, library)
		empty.add(load(b, args))
		detach()
		toHAR.add(recordedLoad(b, "a.har", core, args))
		toPcapng.add(recordedLoad(b, "a.pcapng", core, args))
	}
	b.ReportMetric(bare.requests/float64(b.N)/3, "bare-req/s")
	for _, of := range []struct {
		name string
		usage
	}{{"empty", empty}, {"har", toHAR}, {"pcapng", toPcapng}} {
		b.ReportMetric(100*of.requests/bare.requests, of.name+"-%")
		b.ReportMetric(of.cost(), of.name+"-µs")
	}
	b.ReportMetric(bare.cost(), "bare-µs")
	b.ReportMetric(toHAR.requests/empty.requests, "har/empty")
	b.ReportMetric(toPcapng.requests/empty.requests, "pcapng/empty")
	b.ReportMetric(0, "ns/op")
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

// A usage is how many requests there were, and the CPU time of the client and
// of the recorder.
type usage struct {
	requests float64
	cpu      time.Duration
}

func (u *usage) add(v usage) { u.requests, u.cpu = u.requests+v.requests, u.cpu+v.cpu }

// cost is the CPU time of a request in µs.
func (u usage) cost() float64 { return float64(u.cpu.Microseconds()) / u.requests }

// recordedLoad is load, recorded to a file. It reports what was lost.
func recordedLoad(b *testing.B, name, core string, args []string) usage {
	b.Helper()
	file := filepath.Join(b.TempDir(), name)
	defer os.Remove(file)
	args = append([]string{binary, "record", "-E", "-o", file, "--"}, args...)
	if core != "" {
		args = append([]string{"taskset", "-c", core}, args...)
	}
	u, out := loadOutput(b, args)
	if lost := regexp.MustCompile(`ssltape: .* lost: .*`).Find(out); lost != nil {
		b.Logf("%s of\n%s", lost, regexp.MustCompile(`ssltape: .* connections?, .*`).Find(out))
	}
	return u
}

// load runs a client.
func load(b *testing.B, args []string) usage {
	b.Helper()
	u, _ := loadOutput(b, args)
	return u
}

func loadOutput(b *testing.B, args []string) (u usage, out []byte) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.CombinedOutput()
	m := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("%s: %v\n%s", args[0], err, out)
	}
	u.requests, err = strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() // and of its children
	return u, out
}
