//go:build amd64 || arm64

package bpf

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/link"
)

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
	ex, err := link.OpenExecutable(path)
	if err != nil {
		return fmt.Errorf("probe %s: %w", path, err)
	}
	links, err := p.hook(ex, p.objs.LoaderChanged, []uint64{function}, list)
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
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, 0, fmt.Errorf("%w (%v)", ErrNoLoader, err)
	}
	defined := map[string]uint64{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			defined[s.Name] = s.Value
		}
	}
	im := image{file: f}
	function, ok := im.offset(defined[loadedFunction])
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
