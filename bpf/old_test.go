//go:build linux && (amd64 || arm64)

package bpf

import (
	"bytes"
	"fmt"
	"testing"

	"ssltape/bpf/object"
	"ssltape/record"
)

// What stands for others on old kernels delivers the same: a call without bpf_loop,
// up to 16 MiB of it, by a probe of its own at each place of a function.
func TestOldKernel(t *testing.T) {
	const most = 16 << 20
	sizes := []int{1, 64, 16383, 16384, 16385, 65536, 70000, 200_000, most - 1, most, most + 5}
	var want []byte
	steps := "new"
	for _, n := range sizes {
		want = append(want, noise(n)[:min(n, most)]...)
		steps += fmt.Sprint(" w", n, " r")
	}
	p, tp := recordPair(t, Options{Buffer: 128 << 20, old: true}, steps)
	if p.multi || p.cookies || p.sessions.Load() || p.old[object.TlsProgTlsReturn] == "" {
		t.Error("programs of newer kernels are used")
	}
	if len(tp.conns) != 2 {
		t.Fatalf("%d connections, want 2", len(tp.conns))
	}
	lost := account(t, p, tp)
	if lost[0] != [2]int64{5, 0} || lost[1] != [2]int64{} {
		t.Errorf("lost %v of each connection", lost)
	}
	if got := tp.streams[tp.conns[0]][record.Out].Bytes(); !bytes.Equal(got, want) {
		t.Errorf("the %d bytes written are not the %d that were passed", len(got), len(want))
	}
}

// TestOldKernelGo is TestOldKernel for Go.
func TestOldKernelGo(t *testing.T) {
	prog := buildGoPair(t)
	p := open(t, Options{Buffer: 128 << 20, old: true})
	if _, err := p.Attach(prog.path); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, prog.args("new mix4 close")...)
	goOn()
	passed := wait()
	p.Stop()
	var m mixed
	m.read(t, p, passed)
	account(t, p, &m.tape)
	if l := p.Loss(); l.Bytes() != 0 || l.Unseen != 0 || len(m.tape.conns) != 2 {
		t.Errorf("%d connections, loss %+v", len(m.tape.conns), l)
	}
	if p.old[object.TlsProgGoReturn] == "" {
		t.Error("programs of newer kernels are used")
	}
}
