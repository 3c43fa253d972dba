//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
	"ssltape/bpf/symtab"
)

// initialPIDNamespace is the inode of the first pid namespace (PROC_PID_INIT_INO).
const initialPIDNamespace = 0xEFFFFFFC

// ignore is the flag of a process that is never recorded (IGNORE of tls.c).
const ignore = 1

// A process is a recorded process with its open connections.
type process struct {
	Process
	epoch uint64
	conns map[connKey]*conn
}

// AddProcess records the process pid from now on. It does nothing where it is
// recorded already.
func (p *Probe) AddProcess(pid int) error {
	return p.addProcess(pid, 0)
}

// DropProcess takes back AddProcess. What was recorded meanwhile stays.
func (p *Probe) DropProcess(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.table(object.TlsMapWanted).Delete(uint32(pid)) // it may not be there
	for tgid, pr := range p.procs {
		if pr.PID == pid {
			_ = p.table(object.TlsMapProcesses).Delete(tgid)
			delete(p.procs, tgid)
		}
	}
}

func (p *Probe) ignoreSelf() error { return p.addProcess(os.Getpid(), ignore) }

func (p *Probe) addProcess(pid int, flags uint32) error {
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err != nil {
		return fmt.Errorf("process %d: %w", pid, unix.ESRCH)
	}
	if p.nested { // the kernel tells when it meets it
		if err := p.table(object.TlsMapWanted).Put(uint32(pid), flags); err != nil {
			return fmt.Errorf("record process %d: %w", pid, err)
		}
		return nil
	}
	tgid := uint32(pid)
	v := object.TlsProcess{Epoch: uint64(monotonic()), Pid: uint32(pid), Flags: flags}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.table(object.TlsMapProcesses).Update(tgid, v, ebpf.UpdateNoExist)
	if errors.Is(err, ebpf.ErrKeyExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record process %d: %w", pid, err)
	}
	if flags&ignore == 0 {
		p.procs[tgid] = &process{Process: readProcess(pid), epoch: v.Epoch, conns: map[connKey]*conn{}}
	}
	return nil
}

// AttachShell tells of the lines that are typed into recorded processes that
// use the ELF file at path: a shell, or the library by which it reads them. The
// error is [ErrNoShell] where the file has no readline function (readline(3)).
func (p *Probe) AttachShell(path string) (err error) {
	defer func() { // debug/elf does not promise to survive every file
		if r := recover(); r != nil {
			err = fmt.Errorf("read %s: %v", path, r)
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w: %v", path, ErrNoShell, err)
	}
	defer f.Close()
	defined, err := symtab.Defined(f, "readline")
	off, ok := symtab.Offset(f, defined["readline"])
	if err != nil || !ok {
		return fmt.Errorf("%s: %w", path, ErrNoShell)
	}
	links, err := p.hook(path, object.TlsProgShellLine, places{[]uint64{off}, []uint64{0}})
	if err != nil {
		return errors.Join(fmt.Errorf("probe readline in %s: %w", path, err), closeAll(links))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(links)
	return nil
}

// ErrNoLoader is what a file that is not a dynamic loader is refused with, and
// any where the kernel cannot follow one (before Linux 5.15).
var ErrNoLoader = errors.New("not a dynamic loader that can be followed")

// loadedFunction is what loaders call when they have loaded something, and
// loadedLists are what they then have in a list, or where its address is
// (link.h; the GNU C library, musl).
const loadedFunction = "_dl_debug_state"

var loadedLists = []struct {
	name    string
	address bool
}{{"_r_debug", false}, {"_dl_debug_addr", true}}

// AttachLoader makes Options.Fresh be called when a recorded process loads a
// library that is not known, with the dynamic loader (ld.so(8)) at path. The
// error wraps [ErrNoLoader] where it is none.
func (p *Probe) AttachLoader(path string) error {
	if !p.cookies {
		return ErrNoLoader
	}
	function, list, err := findLoader(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	links, err := p.hook(path, object.TlsProgLoaderChanged, places{[]uint64{function}, []uint64{list}})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(links)
	return err
}

// findLoader returns where the function is in the file, and the cookie for it.
func findLoader(path string) (offset, cookie uint64, err error) {
	f, err := elf.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%w (%v)", ErrNoLoader, err)
	}
	defer f.Close()
	names := []string{loadedFunction}
	for _, l := range loadedLists {
		names = append(names, l.name)
	}
	defined, err := symtab.Defined(f, names...)
	if err != nil {
		return 0, 0, fmt.Errorf("%w (%v)", ErrNoLoader, err)
	}
	function, ok := symtab.Offset(f, defined[loadedFunction])
	for _, l := range loadedLists {
		at := defined[l.name]
		if defined[loadedFunction] == 0 || at == 0 || !ok {
			continue
		}
		cookie = uint64(uint32(int32(int64(at) - int64(defined[loadedFunction]))))
		if l.address {
			cookie |= 1 << 32
		}
		return function, cookie, nil
	}
	return 0, 0, ErrNoLoader
}

// readProcess returns the process pid as /proc describes it. What cannot be
// read is left empty: a process may end at any time.
func readProcess(pid int) Process {
	pr, _ := ReadProcess(pid)
	pr.PID, pr.Exe = pid, readExe(pid)
	return pr
}

// readExe returns the path of the executable of the process pid, or "".
func readExe(pid int) string {
	exe, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	return strings.TrimSuffix(exe, " (deleted)")
}

// library returns the name of the file with the given cookie, or where the
// kernel has no cookies that of the attached file that pid has mapped.
func (p *Probe) library(pid int, cookie uint32) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(cookie) <= len(p.libraries) && cookie > 0 {
		return p.libraries[cookie-1]
	}
	if len(p.libraries) == 1 {
		return p.libraries[0]
	}
	maps, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "maps"))
	for _, a := range p.attached {
		if bytes.Contains(maps, []byte(" "+a.Path+"\n")) {
			return a.Library
		}
	}
	return ""
}

// cString returns what stands before the first 0 of b.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
