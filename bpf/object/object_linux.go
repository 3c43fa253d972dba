//go:build amd64 || arm64

// Package object has the programs of tls.c as they were compiled, and those
// types of the kernel by which they are fitted to it.
//
// Reading them takes a good part of the start of a recording, and another
// processor may do it while the rest of the program is initialised: see package
// shim, which is early for the same reason.
package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"ssltape/bpf/memory"
)

// Generating takes clang and llvm-strip, and libbpf's headers in the default
// include path (Debian: clang llvm libbpf-dev). Building takes none of these,
// since what is generated is committed; it does not depend on the folder.
//
//go:generate go tool bpf2go -tags linux -target amd64,arm64 -type head -type start -type exec -type loaded_event -type line -type address -type address_event -type name_event -type file_id -type pattern Tls ../tls.c -- -O2 -Wall -Werror

// Kernel has the types of the kernel and of its modules, of which Object.Types
// has all that programs need. It reads them when it is asked.
var Kernel = btf.NewCache()

// An Object is what a recording loads into the kernel.
type Object struct {
	Spec  *ebpf.CollectionSpec // without the lines of the source: see Program and Lines
	Types *btf.Spec            // of the kernel, as far as programs use them; nil where Kernel has to be asked
}

// recordCommand is the first argument of a process that needs an object.
const recordCommand = "record"

// early returns what was read while the program was initialised. It is taken
// once: who has it may change it.
var early atomic.Pointer[func() (*Object, error)]

func init() {
	if len(os.Args) > 1 && os.Args[1] == recordCommand {
		first := sync.OnceValues(read)
		early.Store(&first)
		go func() { readAhead(first, memory.Usable()) }()
	}
}

// readAhead reads, unless the memory that may be used is too little to record in:
// the kernel would end the process before it can say so.
func readAhead(read func() (*Object, error), usable int) {
	if usable > memory.Own {
		_, _ = read() // who needs it gets the error
	}
}

// Read returns an object of its own.
func Read() (*Object, error) {
	if first := early.Swap(nil); first != nil {
		return (*first)()
	}
	return read()
}

func read() (*Object, error) {
	object, err := withoutLines(_TlsBytes)
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(object)
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	types, err := kernelTypes(spec)
	if err != nil {
		types = nil // Kernel may know of others, or say why there are none
	}
	return &Object{spec, types}, nil
}

// Program returns a copy of a program of spec, which must be of an object. The
// name of each of its functions is the one line that it has: cilium/ebpf notes
// another where a program uses what the kernel does not have, and the kernel wants
// one for each function if there is any.
func Program(spec *ebpf.CollectionSpec, name string) *ebpf.ProgramSpec {
	program := spec.Programs[name].Copy()
	for i := range program.Instructions {
		ins := &program.Instructions[i]
		if f := btf.FuncMetadata(ins); f != nil {
			*ins = ins.WithSource(asm.Comment(f.Name))
		}
	}
	return program
}

// Lines gives a program of [Program] the lines of its source: the kernel tells
// with them why it has refused it. They are not read otherwise, since that takes as
// long as all else.
func Lines(program *ebpf.ProgramSpec) error {
	spec, err := LoadTls()
	if err != nil {
		return fmt.Errorf("read programs: %w", err)
	}
	program.Instructions = spec.Programs[program.Name].Instructions
	return nil
}

// An unlined object reads as if there were no lines of the source in it.
type unlined struct {
	io.ReaderAt
	length int64 // where the length of that part is, 4 bytes
}

// Offsets in the header of the section .BTF.ext
// (https://docs.kernel.org/bpf/btf.html).
const lineInfoLen = 20

// noLines is the length of a part without records, in the byte order of the
// architectures that there are: the size of a record.
var noLines = [4]byte{4}

func withoutLines(object []byte) (io.ReaderAt, error) {
	r := bytes.NewReader(object)
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	ext := f.Section(".BTF.ext")
	if ext == nil || ext.FileSize < lineInfoLen+4 {
		return nil, errors.New("no .BTF.ext")
	}
	return unlined{r, int64(ext.Offset) + lineInfoLen}, nil
}

// ReadAt implements [io.ReaderAt].
func (u unlined) ReadAt(p []byte, off int64) (int, error) {
	n, err := u.ReaderAt.ReadAt(p, off)
	for i, b := range noLines {
		if at := u.length + int64(i) - off; at >= 0 && at < int64(n) {
			p[at] = b
		}
	}
	return n, err
}
