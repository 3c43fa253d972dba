//go:build linux && (amd64 || arm64)

package bpf

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"ssltape/bpf/bpftest"
)

// BenchmarkOverhead measures what recording costs a libssl client: CPU time of
// wrk for a request over loopback, bare, recorded, and with empty programs at
// entry and return of the exported functions, which is the least that a
// recorder with probes there costs. The three take turns. CPU time says more
// than requests per second on a machine that does other things too.
func BenchmarkOverhead(b *testing.B) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		b.Skip(err)
	}
	if err := Supported(); err != nil {
		b.Skip(err)
	}
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { overhead(b, wrk, size) })
	}
}

func overhead(b *testing.B, wrk string, size int) {
	url := fmt.Sprintf("%s/%d", server(b).URL, size)
	cost := func() float64 {
		cmd := exec.Command(wrk, "-t1", "-c8", "-d2s", url)
		out, err := cmd.CombinedOutput()
		m := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(out)
		if err != nil || m == nil {
			b.Fatalf("wrk: %v\n%s", err, out)
		}
		n, _ := strconv.ParseFloat(string(m[1]), 64)
		return float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()) / n
	}
	var bare, naive, recorded float64
	var loss Loss
	for b.Loop() {
		bare += cost()
		detach := bpftest.AttachEmpty(b, libssl(b))
		naive += cost()
		detach()
		stop := recordAll(b)
		recorded += cost()
		loss = stop()
		if loss.Captured == 0 {
			b.Fatal("nothing was recorded")
		}
	}
	n := float64(b.N)
	b.ReportMetric(bare/n, "bare-µs/req")
	b.ReportMetric(naive/n, "naive-µs/req")
	b.ReportMetric(recorded/n, "recorded-µs/req")
	b.ReportMetric(100*float64(loss.Bytes())/float64(loss.Passed), "lost-%")
	b.ReportMetric(0, "ns/op")
}

// recordAll records all processes and drops what comes.
func recordAll(b *testing.B) (stop func() Loss) {
	p, err := Open(Options{All: true})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := p.Attach(libssl(b)); err != nil {
		b.Fatal(err)
	}
	done := make(chan time.Duration)
	go func() {
		for range p.Events() {
		}
		close(done)
	}()
	return func() Loss {
		p.Stop()
		<-done
		defer p.Close()
		return p.Loss()
	}
}
