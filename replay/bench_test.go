package replay_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssltape/har"
	"ssltape/pcapng"
	"ssltape/record"
)

// BenchmarkReplay compares replay with tshark on a large pcapng file, and with
// jq on a HAR file of 3/10 of its size, as processes in one run: `make
// bench-replay SIZE=1G`. Metrics are seconds of processor time, how many times
// those of the other program are, and the memory that replay took at most.
// SSLTAPE_BENCH_SIZE is the size of the pcapng file, such as 100M.
func BenchmarkReplay(b *testing.B) {
	for _, name := range []string{"tshark", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Skip(name, "is not here")
		}
	}
	size, err := benchSize(cmp.Or(os.Getenv("SSLTAPE_BENCH_SIZE"), "100M"))
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	ssltape := filepath.Join(dir, "ssltape")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", ssltape, "..").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	capture, archive := filepath.Join(dir, "a.pcapng"), filepath.Join(dir, "a.har")
	n := writeCapture(b, capture, size)
	writeArchive(b, archive, size*3/10)
	tshark := []string{"tshark", "-n", "-r", capture, "-Y", "http", "-T", "fields", "-e", "frame.time_epoch",
		"-e", "http.request.method", "-e", "http.request.full_uri", "-e", "http.response.code", "-e", "http.content_length"}
	jq := []string{"jq", "-r", `.log.entries[] | [.startedDateTime, .request.method, .request.url, .response.status] | @tsv`, archive}
	others := map[string]time.Duration{} // they do the same each time
	for _, k := range []struct {
		name        string
		args, other []string
	}{
		{"pcapng/list", []string{capture}, tshark},
		{"pcapng/filter", []string{capture, "status:500"}, tshark},
		{"pcapng/har", []string{capture, "-o", filepath.Join(dir, "out.har")}, tshark},
		{"pcapng/har-unredacted", []string{capture, "--redact", "none", "-o", filepath.Join(dir, "out.har")}, tshark},
		{"har/list", []string{archive}, jq},
		{"har/har", []string{archive, "-o", filepath.Join(dir, "out.har")}, jq},
	} {
		b.Run(k.name, func(b *testing.B) {
			var ours, theirs time.Duration
			var memory int64
			for b.Loop() {
				u, out := processorTime(b, append([]string{ssltape, "replay"}, k.args...))
				if k.name == "pcapng/list" && bytes.Count(out, []byte("\n")) < n {
					b.Fatalf("%d lines of %d exchanges", bytes.Count(out, []byte("\n")), n)
				}
				ours, memory = ours+u.cpu, max(memory, u.memory)
				if others[k.other[0]] == 0 {
					u, _ = processorTime(b, k.other)
					others[k.other[0]] = u.cpu
				}
				theirs += others[k.other[0]]
			}
			b.ReportMetric(ours.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(theirs)/float64(ours), "times")
			b.ReportMetric(float64(memory)/1e6, "peak-MB")
		})
	}
}

// benchSize parses a number of bytes such as 300M or 1G.
func benchSize(s string) (int64, error) {
	unit := int64(1e6)
	if digits, ok := strings.CutSuffix(s, "G"); ok {
		s, unit = digits, 1e9
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "M"), 10, 64)
	return n * unit, err
}

// A usage is what a process took.
type usage struct {
	cpu    time.Duration
	memory int64 // bytes at most
}

func processorTime(b *testing.B, args []string) (usage, []byte) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(args[:2], " "), err, stderr.Bytes())
	}
	u := usage{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
		u.memory = r.Maxrss << 10
	}
	return u, out
}

// A sample is an exchange of the benchmark's recordings.
type sample struct {
	target, request string
	response        []string // the writes of the server
	body            string   // of the response, not framed
	mime            string
}

// samples are small JSON, a body of 100 KB and an event stream, by turns.
func samples() []sample {
	record := `{"id":%d,"name":"an item of a list","tags":["one","two"],"price":12.5,"text":"some \"quoted\" words\nand lines"},`
	item := func(n int) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, record, i)
		}
		return "[" + strings.TrimSuffix(s.String(), ",") + "]"
	}
	ask := func(target string, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer abcdefghijklmnopqrstuvwxyz\r\nUser-Agent: bench/1.0\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
	}
	answer := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	small, large := item(3), item(900)
	stream := sample{target: "/v1/messages", request: ask("/v1/messages", `{"stream":true}`), mime: "text/event-stream",
		response: []string{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"}}
	for i := range 40 {
		event := fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"text_delta\",\"text\":\" some words\"}}\n\n", i)
		stream.response, stream.body = append(stream.response, fmt.Sprintf("%x\r\n%s\r\n", len(event), event)), stream.body+event
	}
	stream.response = append(stream.response, "0\r\n\r\n")
	s := sample{"/v1/items", ask("/v1/items", `{"n":3}`), []string{answer(small)}, small, "application/json"}
	l := sample{"/v1/export", ask("/v1/export", `{"n":900}`), []string{answer(large)}, large, "application/json"}
	return []sample{s, s, s, s, s, s, l, stream, l}
}

// bench returns connection number n and its time.
func bench(n int) (*record.Conn, time.Time) {
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 40000)
	return &record.Conn{ID: uint64(n + 1), PID: 42, Comm: "node", Exe: "/usr/bin/node", ServerName: "api.example.com",
		Local: addr, Remote: netip.MustParseAddrPort("192.0.2.1:8443")}, time.Unix(1767323045, 0).Add(time.Duration(n) * time.Second)
}

// writeCapture writes a pcapng file of about size bytes and returns how many
// exchanges it has, 90 a connection.
func writeCapture(b *testing.B, path string, size int64) (exchanges int) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := pcapng.NewWriter(f, pcapng.Options{})
	if err != nil {
		b.Fatal(err)
	}
	all := samples()
	var written int64
	for n := 0; written < size; n++ {
		conn, now := bench(n)
		var off [2]int64
		send := func(dir record.Dir, data string) {
			for len(data) > 0 {
				part := data[:min(len(data), 16<<10)]
				now = now.Add(50 * time.Microsecond)
				if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: dir, Off: off[dir], Time: now, Data: []byte(part)}); err != nil {
					b.Fatal(err)
				}
				off[dir], data = off[dir]+int64(len(part)), data[len(part):]
			}
		}
		for i := range 90 {
			s := &all[i%len(all)]
			send(record.Out, s.request)
			for _, part := range s.response {
				send(record.In, part)
			}
			exchanges++
		}
		for dir := range off {
			if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: record.Dir(dir), Off: off[dir], Time: now, End: record.EndClean}); err != nil {
				b.Fatal(err)
			}
		}
		written += off[0] + off[1]
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return exchanges
}

// writeArchive writes a HAR file of about size bytes.
func writeArchive(b *testing.B, path string, size int64) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := har.NewWriter(f, har.Options{})
	if err != nil {
		b.Fatal(err)
	}
	all := samples()
	for n := 0; w.Len() < size; n++ {
		s := &all[n%len(all)]
		x := &record.Exchange{ID: uint64(n + 1)}
		var now time.Time
		x.Conn, now = bench(n / 90)
		x.Request = record.Request{Method: "POST", Target: s.target}
		x.Request.Message = record.Message{Proto: "HTTP/1.1", Header: record.Fields{{Name: "Host", Value: "api.example.com"}}, Done: true, Start: now, End: now}
		x.Response = record.Response{Status: 200, Reason: "OK"}
		x.Response.Message = record.Message{Proto: "HTTP/1.1", Header: record.Fields{{Name: "Content-Type", Value: s.mime}},
			Body: record.NewBody([]byte(s.body)), BodySize: int64(len(s.body)), Done: true, Start: now, End: now.Add(time.Millisecond)}
		if err := w.WriteExchange(x); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
