//go:build linux && (amd64 || arm64)

package bpf

import (
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	for range 3 {
		t0 := time.Now()
		p, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		t1 := time.Now()
		_, err = p.Attach(libssl(t))
		t2 := time.Now()
		i, _ := p.objs.TlsReturn.Info()
		n, _ := i.VerifiedInstructions()
		j, _ := p.objs.TlsRead.Info()
		n2, _ := j.VerifiedInstructions()
		t3 := time.Now()
		p.Stop()
		t4 := time.Now()
		p.Close()
		t.Log(t1.Sub(t0), t2.Sub(t1), t4.Sub(t3), time.Since(t4), err, n, n2)
	}
}
