//go:build amd64 || arm64

package jsonlist

import (
	"errors"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// window is how much of a file is mapped at a time: to map more takes hundreds
// of microseconds on some virtual machines.
const window = 16 << 20

// A mapping stores into a file with single instructions.
type mapping struct {
	f   *os.File
	mem []byte
	off int64 // of mem in f
	bad bool  // the file cannot be mapped
}

func newStorer(f File) storer {
	if file, ok := f.(*os.File); ok {
		return &mapping{f: file}
	}
	return writes{f}
}

// store16 copies 16 bytes with one instruction for writing.
//
//go:noescape
func store16(dst, src *byte)

// store32 copies 16 bytes and 16 others with two instructions for writing, of
// which the second follows the first.
//
//go:noescape
func store32(dst, src, dst2, src2 *byte)

// Store stores p at off, within the file, also where two pages meet. Where that
// is not possible it writes.
func (m *mapping) Store(p *[maxStore]byte, off int64) error {
	if m.reach(off, off+maxStore) && m.try(func() { store16(m.at(off), &p[0]) }) {
		return nil
	}
	m.bad = true
	return writes{m.f}.Store(p, off)
}

// Store2 stores p at off and q at far, with nothing in between.
func (m *mapping) Store2(p *[maxStore]byte, off int64, q *[maxStore]byte, far int64) error {
	if m.reach(off, far+maxStore) && m.try(func() {
		m.touch(far) // so that no page is missing in between
		m.touch(off)
		store32(m.at(off), &p[0], m.at(far), &q[0])
	}) {
		return nil
	}
	m.bad = true
	return writes{m.f}.Store2(p, off, q, far)
}

// at returns the address of a byte of the file.
func (m *mapping) at(off int64) *byte { return &m.mem[off-m.off] }

// touch has the pages of the 16 bytes from off on be there for writing. An
// instruction that reads, and one that writes later, would fault twice.
func (m *mapping) touch(off int64) {
	for _, at := range [...]int64{off &^ 7, (off + maxStore - 1) &^ 7} {
		atomic.AddUint64((*uint64)(unsafe.Pointer(m.at(at))), 0)
	}
}

// reach maps what is from off to end, if it can.
func (m *mapping) reach(off, end int64) bool {
	if !m.bad && (m.mem == nil || off < m.off || end > m.off+window) {
		m.bad = m.remap(off) != nil
	}
	return !m.bad
}

// remap maps what comes after off.
func (m *mapping) remap(off int64) error {
	err := m.Close()
	if err != nil {
		return err
	}
	raw, err := m.f.SyscallConn()
	if err != nil {
		return err
	}
	m.off = off &^ int64(os.Getpagesize()-1)
	control := raw.Control(func(fd uintptr) {
		m.mem, err = syscall.Mmap(int(fd), m.off, window, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	})
	return errors.Join(err, control)
}

// try reports whether f ran, which uses the mapping, and found all pages.
func (m *mapping) try(f func()) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { ok = recover() == nil }()
	f()
	return
}

// Close unmaps the file.
func (m *mapping) Close() error {
	if m.mem == nil {
		return nil
	}
	mem := m.mem
	m.mem = nil
	return syscall.Munmap(mem)
}

// failed reports whether the file could not be mapped.
func (m *mapping) failed() bool { return m.bad }
