//go:build linux

package session_test

import (
	"bytes"
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

	"golang.org/x/sys/unix"

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
// probes there costs. The four take turns. A table says what of the processors
// went where. `make bench-overhead` runs it, and the one of package bpf, which
// measures CPU time.
//
// wrk has two cases more, against nginx, which uses the same library. In the
// last of them client and server share one core and the recorder has another,
// as on a machine that is not at its limit; in all others the three compete for
// what cores there are. Small requests are what the probes are dear for, and there
// the goal is 1.5 times what empty programs leave; of large ones it is the bytes
// that cost, which nobody copies for an empty program.
func BenchmarkOverhead(b *testing.B) {
	needs(b, "wrk", "python3", "node", "nginx", "taskset")
	s := startServer(b)
	host := s.URL[len("https://"):]
	for _, name := range []string{"wrk", "python", "node"} {
		for _, size := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				overhead(b, setting{usedLibrary(b, name), "", os.Getpid()}, clients[name](fmt.Sprintf("%s/bytes/%d", s.URL, size), host, s.CertFile))
			})
		}
	}
	for _, size := range []int{100, 100_000} {
		url, pid := startNginx(b, startServer(b), sessiontest.Body(size))
		args := clients["wrk"](url+"/file", "", "")
		b.Run(fmt.Sprintf("wrk-nginx/%d", size), func(b *testing.B) { overhead(b, setting{opensslLibrary(b), "", pid}, args) })
		b.Run(fmt.Sprintf("wrk-nginx-one-core/%d", size), func(b *testing.B) {
			if runtime.NumCPU() < 2 {
				b.Skip("there is one core")
			}
			if out, err := exec.Command("taskset", "-p", "-c", "0", strconv.Itoa(pid)).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			overhead(b, setting{opensslLibrary(b), "1", pid}, append([]string{"taskset", "-c", "0"}, args...))
		})
	}
}

// A setting is where a load is measured.
type setting struct {
	library string // file with the TLS functions that the client uses
	core    string // that the recorder is kept on, "" for any
	server  int    // process of the server
}

// overhead measures the client that args starts.
func overhead(b *testing.B, at setting, args []string) {
	var bare, empty, toHAR, toPcapng usage
	for b.Loop() {
		bare.add(at.load(b, args))
		detach := bpftest.AttachEmpty(b, at.library)
		empty.add(at.load(b, args))
		detach()
		toHAR.add(at.recordedLoad(b, "a.har", args))
		toPcapng.add(at.recordedLoad(b, "a.pcapng", args))
	}
	b.ReportMetric(bare.requests/float64(b.N)/3, "bare-req/s")
	for _, of := range []struct {
		name string
		*usage
	}{{"empty", &empty}, {"har", &toHAR}, {"pcapng", &toPcapng}} {
		b.ReportMetric(100*of.requests/bare.requests, of.name+"-%")
	}
	b.ReportMetric(toHAR.requests/empty.requests, "har/empty")
	b.ReportMetric(toPcapng.requests/empty.requests, "pcapng/empty")
	b.ReportMetric(0, "ns/op")
	b.Logf("CPU time of a request in µs\nbare   %v\nempty  %v\nhar    %v\npcapng %v", &bare, &empty, &toHAR, &toPcapng)
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

// A usage is how many requests there were, and the CPU time that they took.
type usage struct {
	requests                 float64
	client, server, recorder time.Duration
}

func (u *usage) add(v usage) {
	u.requests += v.requests
	u.client += v.client
	u.server += v.server
	u.recorder += v.recorder
}

func (u *usage) String() string {
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / u.requests }
	return fmt.Sprintf("client %6.1f  server %6.1f  recorder %6.1f  all %6.1f",
		each(u.client), each(u.server), each(u.recorder), each(u.client+u.server+u.recorder))
}

// recordedLoad is load, recorded to a file. It reports what was lost.
func (at setting) recordedLoad(b *testing.B, name string, args []string) usage {
	b.Helper()
	file := filepath.Join(b.TempDir(), name)
	defer os.Remove(file)
	args = append([]string{binary, "record", "-E", "-o", file, "--"}, args...)
	if at.core != "" {
		args = append([]string{"taskset", "-c", at.core}, args...)
	}
	u, out := at.measure(b, args)
	if lost := regexp.MustCompile(`ssltape: .* lost: .*`).Find(out); lost != nil {
		b.Logf("%s of\n%s", lost, regexp.MustCompile(`ssltape: .* connections?, .*`).Find(out))
	}
	return u
}

// load runs a client.
func (at setting) load(b *testing.B, args []string) usage {
	b.Helper()
	u, _ := at.measure(b, args)
	u.client, u.recorder = u.recorder, 0
	return u
}

// measure runs a program and returns how many requests it says were made, and
// what they cost: itself as the recorder, and its children as the client.
func (at setting) measure(b *testing.B, args []string) (u usage, text []byte) {
	b.Helper()
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	before, _ := times(b, at.server)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	// What it took can be read from when it has ended until Wait.
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		b.Fatal(err)
	}
	u.recorder, u.client = times(b, cmd.Process.Pid)
	after, _ := times(b, at.server)
	u.server = after - before
	err := cmd.Wait()
	m := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(out.Bytes())
	if err != nil || m == nil {
		b.Fatalf("%s: %v\n%s", args[0], err, out.Bytes())
	}
	if u.requests, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
		b.Fatal(err)
	}
	return u, out.Bytes()
}

// times returns the CPU time of a process and that of its children that have
// ended (proc_pid_stat(5)).
func times(b *testing.B, pid int) (own, children time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond // sysconf(_SC_CLK_TCK), 100 wherever Linux runs
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var sums [2]time.Duration
	for i := range 4 { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(fields[14-3+i])
		if err != nil {
			b.Fatal(err)
		}
		sums[i/2] += time.Duration(n) * tick
	}
	return sums[0], sums[1]
}
