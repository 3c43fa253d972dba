// Package bpftest is for tests that measure what recording costs.
package bpftest

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// AttachEmpty attaches a program that does nothing at entry and return of the
// functions that OpenSSL exports for reading and writing, in the file at path.
// It is the least that a recorder with probes there costs.
func AttachEmpty(t testing.TB, path string) (detach func()) {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	ex, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	var links []link.Link
	for _, name := range []string{"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex"} {
		for _, attach := range []func(string, *ebpf.Program, *link.UprobeOptions) (link.Link, error){ex.Uprobe, ex.Uretprobe} {
			l, err := attach(name, prog, nil)
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, l)
		}
	}
	return func() {
		var errs []error
		for _, l := range links {
			errs = append(errs, l.Close())
		}
		if err := errors.Join(append(errs, prog.Close())...); err != nil {
			t.Error(err)
		}
	}
}
