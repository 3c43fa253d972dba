package bpf

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
)

// A call names a program of tls.c that knows how a function takes its
// arguments.
type call string

const (
	callRead      call = "tls_read"
	callWrite     call = "tls_write"
	callReadEx    call = "tls_read_ex"
	callWriteEx   call = "tls_write_ex"
	callWriteEx2  call = "tls_write_ex2"
	callReadInner call = "tls_read_inner"
	callFree      call = "tls_free"
)

// returns reports whether the call is followed to its return.
func (c call) returns() bool { return c != callFree }

// functions of OpenSSL and of what has its interface.
var functions = []struct {
	name string
	call call
}{
	{"SSL_read", callRead},
	{"SSL_write", callWrite},
	{"SSL_read_ex", callReadEx},
	{"SSL_write_ex", callWriteEx},
	{"SSL_write_ex2", callWriteEx2},
	{"SSL_free", callFree},
	{"SSL_clear", callFree},
}

// An image is an ELF file whose symbols have been looked up.
type image struct {
	file *elf.File
	syms map[string]elf.Symbol // of functions, those wanted only
}

// A site is where a probe goes.
type site struct {
	Function
	call call
}

// Inspect finds the TLS functions of the ELF file at path, a library or an
// executable. Its error wraps [ErrNoTLS] where there are none.
func Inspect(path string) (Attachment, error) {
	a, _, err := inspect(path)
	return a, err
}

func inspect(path string) (Attachment, []site, error) {
	f, err := elf.Open(path)
	if err != nil {
		return Attachment{}, nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	im := image{file: f, syms: map[string]elf.Symbol{}}
	if err := im.findSymbols(); err != nil {
		return Attachment{}, nil, fmt.Errorf("read symbols of %s: %w", path, err)
	}
	a := Attachment{Path: path, Library: im.name(path)}
	var sites []site
	for _, fn := range functions {
		sym, ok := im.syms[fn.name]
		off, mapped := im.offset(sym.Value)
		if !ok || !mapped {
			a.Skipped = append(a.Skipped, fn.name)
			continue
		}
		sites = append(sites, site{Function{fn.name, off, "entry"}, fn.call})
	}
	carries := false
	for _, s := range sites {
		carries = carries || s.call.returns()
		a.Functions = append(a.Functions, s.Function)
	}
	if !carries {
		return a, nil, fmt.Errorf("%s: %w", path, ErrNoTLS)
	}
	return a, sites, nil
}

// findSymbols looks the functions up in .dynsym and, for executables that do
// not export them, in .symtab.
func (im *image) findSymbols() error {
	for _, table := range []func() ([]elf.Symbol, error){im.file.DynamicSymbols, im.file.Symbols} {
		syms, err := table()
		if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
			return err
		}
		for _, s := range syms {
			for _, fn := range functions {
				if s.Name == fn.name && s.Section != elf.SHN_UNDEF && s.Value != 0 {
					im.syms[s.Name] = s
				}
			}
		}
		if len(im.syms) > 0 {
			break
		}
	}
	return nil
}

// name returns what the file is called in a recording: its soname, else the
// last part of path.
func (im *image) name(path string) string {
	if names, err := im.file.DynString(elf.DT_SONAME); err == nil && len(names) > 0 {
		return names[0]
	}
	return filepath.Base(path)
}

// offset returns where in the file the code at the address addr is.
func (im *image) offset(addr uint64) (uint64, bool) {
	for _, p := range im.file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return addr - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}
