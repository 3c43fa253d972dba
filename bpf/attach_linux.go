//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/bpf/tlslib"
)

// Attach hooks the TLS functions of the ELF file at path, a library or an
// executable, in all processes that use it now or later. A file that is
// attached already is left as it is. The error wraps [ErrNoTLS] where the file
// has no such functions.
func (p *Probe) Attach(path string) (Attachment, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Attachment{}, fmt.Errorf("probe %s: %w", path, err)
	}
	id := fileID{st.Dev, st.Ino}
	attached := func() (a Attachment, ok bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		a, ok = p.attached[id]
		return a, ok
	}
	if a, ok := attached(); ok {
		return a, nil
	}
	a, sites, err := tlslib.Find(path, true) // takes long: events need the lock
	if err != nil {
		return a, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.attached[id]; ok { // by somebody else, meanwhile
		return a, nil
	}
	p.libraries = append(p.libraries, a.Library) // before its first event
	links, err := p.attach(path, sites, a.ShutdownFlags)
	if err != nil {
		return a, errors.Join(err, closeAll(links))
	}
	p.keep(links)
	p.attached[id] = a
	return a, nil
}

// keep takes links that were attached, unless p was stopped meanwhile. p.mu is
// held.
func (p *Probe) keep(links []link.Link) {
	if p.stopped {
		_ = closeAll(links) // as Stop would have
		return
	}
	p.links = append(p.links, links...)
}

// Bits of a cookie that say what a function is like (SHAPE_IN and so on).
const (
	shapeIn = 1 << (24 + iota)
	shapeNeither
	shapeCloses
	shapeCount4
	shapeCount5
	shapePeeks
)

// shapes are those of the functions that the program tls_call is for.
var shapes = map[tlslib.Call]uint64{
	tlslib.Read:       shapeIn | shapeCloses,
	tlslib.Write:      0,
	tlslib.ReadEx:     shapeIn | shapeCount4,
	tlslib.WriteEx:    shapeCount4,
	tlslib.WriteEx2:   shapeCount5,
	tlslib.ReadInner:  shapeIn | shapeCount4 | shapeCloses,
	tlslib.Handshake:  shapeNeither,
	tlslib.Handshake0: shapeNeither | shapeCloses,
	tlslib.Recv:       shapeIn | shapeCloses | shapePeeks,
}

// places are where a program goes in a file, each with its cookie.
type places struct{ offsets, cookies []uint64 }

// attach hooks sites, returns before entries: a return without an entry is
// ignored, an entry without a return would be taken for a call around others.
// Where the kernel refuses one program for both ends, each end has its own.
func (p *Probe) attach(path string, sites []tlslib.Site, flags uint32) ([]link.Link, error) {
	library := uint64(len(p.libraries)) | uint64(flags)<<32
	at := map[string]places{}
	order := []string{object.TlsProgTlsReturn, object.TlsProgGoReturn, object.TlsProgRustReturn}
	add := func(program string, cookie uint64, offsets ...uint64) {
		if !slices.Contains(order, program) {
			order = append(order, program)
		}
		at[program] = places{append(at[program].offsets, offsets...),
			append(at[program].cookies, slices.Repeat([]uint64{cookie}, len(offsets))...)}
	}
	for _, s := range sites {
		if shape, ok := shapes[s.Call]; ok && p.sessions.Load() {
			add(object.TlsProgTlsCall, library|shape, s.Offset)
			continue
		}
		if len(s.Returns) > 0 {
			add(object.TlsProgGoReturn, library, s.Returns...)
		} else if s.Call.Returns() && s.Call.IsRust() {
			add(object.TlsProgRustReturn, library, s.Offset)
		} else if s.Call.Returns() {
			add(object.TlsProgTlsReturn, library, s.Offset)
		}
		add(string(s.Call), library, s.Offset)
	}
	if len(at[object.TlsProgGoReturn].offsets) > 0 {
		p.goSockets.Do(func() { p.keep(p.followGoSockets()) })
	}
	var links []link.Link
	for _, program := range order {
		if len(at[program].offsets) == 0 {
			continue
		}
		ls, err := p.hook(path, program, at[program])
		links = append(links, ls...)
		if err != nil && program == object.TlsProgTlsCall && p.sessions.CompareAndSwap(true, false) {
			_ = closeAll(links)
			return p.attach(path, sites, flags)
		}
		if err != nil {
			return links, fmt.Errorf("probe %s: %w", path, err)
		}
	}
	return links, nil
}

// hook attaches a program at the given places of the file at path.
func (p *Probe) hook(path, program string, at places) ([]link.Link, error) {
	prog, err := p.program(program)
	if err != nil {
		return nil, err
	}
	if program == object.TlsProgTlsCall {
		return p.hookCalls(path, prog, at)
	}
	ex, err := link.OpenExecutable(path)
	if err != nil {
		return nil, err
	}
	returns := program == object.TlsProgTlsReturn || program == object.TlsProgRustReturn || program == object.TlsProgShellLine
	if p.multi {
		attach := ex.UprobeMulti
		if returns {
			attach = ex.UretprobeMulti
		}
		l, err := attach(nil, prog, &link.UprobeMultiOptions{Addresses: at.offsets, Cookies: at.cookies})
		if err != nil {
			return nil, err
		}
		return []link.Link{l}, nil
	}
	attach := ex.Uprobe
	if returns {
		attach = ex.Uretprobe
	}
	var links []link.Link
	for i, off := range at.offsets {
		o := link.UprobeOptions{Address: off}
		if p.cookies {
			o.Cookie = at.cookies[i]
		}
		l, err := attach("", prog, &o)
		if err != nil {
			return links, err
		}
		links = append(links, l)
	}
	return links, nil
}

// attachSession is BPF_TRACE_UPROBE_SESSION (Linux 6.13), of which package link
// does not know.
const attachSession = ebpf.AttachType(57)

// hookCalls attaches a program to both ends of the functions at the given places:
// BPF_LINK_CREATE of bpf(2).
func (k *objects) hookCalls(path string, prog *ebpf.Program, at places) ([]link.Link, error) {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, err
	}
	const create = 28
	attr := struct {
		program, target, attach, flags uint32
		path, offsets, counters        unsafe.Pointer // which the garbage collector does not move
		cookies                        unsafe.Pointer
		count, multiFlags, pid, pad    uint32
	}{
		program: uint32(prog.FD()), attach: uint32(k.session), path: unsafe.Pointer(name),
		offsets: unsafe.Pointer(unsafe.SliceData(at.offsets)), cookies: unsafe.Pointer(unsafe.SliceData(at.cookies)),
		count: uint32(len(at.offsets)),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, create, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return nil, fmt.Errorf("follow calls: %w", errno)
	}
	l, err := link.NewFromFD(int(fd))
	if err != nil {
		return nil, errors.Join(err, unix.Close(int(fd)))
	}
	return []link.Link{l}, nil
}

// closeAll closes links at once, since each waits for the kernel.
func closeAll(links []link.Link) error {
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = l.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
