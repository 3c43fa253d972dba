package tlslib

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/arch/x86/x86asm"

	"ssltape/bpf/locate"
	"ssltape/bpf/symtab"
)

// A Call names a program of tls.c that knows how a function takes its
// arguments.
type Call string

const (
	Read       Call = "tls_read"
	Write      Call = "tls_write"
	ReadEx     Call = "tls_read_ex"
	WriteEx    Call = "tls_write_ex"
	WriteEx2   Call = "tls_write_ex2"
	ReadInner  Call = "tls_read_inner"
	Handshake  Call = "tls_handshake"
	Handshake0 Call = "tls_handshake0"
	Free       Call = "tls_free"
	Clear      Call = "tls_clear"
	Ctrl       Call = "tls_ctrl"
	GoRead     Call = "go_read"
	GoWrite    Call = "go_write"
	GoClose    Call = "go_close"
	Recv       Call = "tls_recv"

	RustRead      Call = "rust_read"
	RustChunk     Call = "rust_chunk"
	RustConsume   Call = "rust_consume"
	RustWrite     Call = "rust_write"
	RustSlices    Call = "rust_write_slices"
	RustBegin     Call = "rust_begin"
	RustFree      Call = "rust_free"
	RustFreeState Call = "rust_free_state"
)

// Returns reports whether the call is followed to its return.
func (c Call) Returns() bool {
	return !slices.Contains([]Call{Free, Clear, Ctrl, GoClose, RustConsume, RustBegin, RustFree, RustFreeState}, c)
}

// IsRust reports whether the call is one of rustls, which returns results in
// its own way.
func (c Call) IsRust() bool { return strings.HasPrefix(string(c), "rust_") }

// A function is one of a TLS library.
type function struct {
	name string
	call Call
}

// A library is a TLS library that exports its functions.
type library struct {
	stack     locate.Stack
	functions []function
}

// libraries are the TLS libraries that are known by what they export. A file
// belongs to the first one of which it has any function. Those of NSS that
// carry data are not exported; package locate finds them by the table in it.
var libraries = []library{
	{locate.OpenSSL, []function{ // and what has its interface
		{"SSL_read", Read},
		{"SSL_write", Write},
		{"SSL_read_ex", ReadEx},
		{"SSL_write_ex", WriteEx},
		{"SSL_write_ex2", WriteEx2},
		{"SSL_do_handshake", Handshake},
		{"SSL_free", Free},
		{"SSL_clear", Clear},
		{"SSL_ctrl", Ctrl},
	}},
	{locate.GnuTLS, []function{ // ssize_t f(session, data, size)
		{"gnutls_record_recv", Read},
		{"gnutls_record_send", Write},
		{"gnutls_handshake", Handshake0},
		{"gnutls_deinit", Free},
	}},
	{locate.MbedTLS, []function{
		{"mbedtls_ssl_read", Read},
		{"mbedtls_ssl_write", Write},
		{"mbedtls_ssl_handshake", Handshake0},
		{"mbedtls_ssl_free", Free},
	}},
	{locate.WolfSSL, []function{
		{"wolfSSL_read", Read},
		{"wolfSSL_write", Write},
		{"wolfSSL_connect", Handshake},
		{"wolfSSL_accept", Handshake},
		{"wolfSSL_free", Free},
	}},
	{locate.S2N, []function{ // ssize_t f(conn, buf, size, blocked)
		{"s2n_recv", Read},
		{"s2n_send", Write},
		{"s2n_negotiate", Handshake0},
		{"s2n_connection_free", Free},
	}},
}

// nssExport is exported by NSS's libssl3.so alone.
const nssExport = "SSL_ImportFD"

// inners are functions that OpenSSL does not export, found by the calls of
// their wrappers; one stands for both.
var inners = []struct {
	name              string
	call              Call
	wrapper, wrapper2 string
	count             x86asm.Reg // of the argument that says where to store how much was passed
}{
	{"ssl_read_internal", ReadInner, "SSL_read", "SSL_read_ex", x86asm.RCX},
	{"ssl_write_internal", WriteEx2, "SSL_write", "SSL_write_ex2", x86asm.R8}, // from OpenSSL 3.2
	{"ssl_write_internal", WriteEx, "SSL_write", "SSL_write_ex", x86asm.RCX},
}

// shutdownGetter returns the flags of a connection's shutdown (SSL_get_shutdown(3)).
const shutdownGetter = "SSL_get_shutdown"

// An image is an ELF file whose symbols have been looked up.
type image struct {
	raw  io.ReaderAt
	size int64
	file *elf.File
	syms map[string]uint64 // addresses of functions
	how  string            // where they were found
}

// A Site is where a probe goes.
type Site struct {
	Function
	Call    Call
	Returns []uint64 // offsets of the return instructions, of Go's functions only
}

// Inspect finds the TLS stacks of the ELF file at path, a library or an
// executable, and their functions. Its error wraps [ErrNoTLS] where none can be
// hooked; the Attachment then has those that are known by name.
func Inspect(path string) (Attachment, error) {
	a, _, err := Find(path, true)
	if err == nil || errors.Is(err, ErrNoTLS) {
		a.describe()
	}
	return a, err
}

// Find finds what to hook in the ELF file at path, with the errors of [Inspect]. It looks for functions that are not exported if
// inner is set.
func Find(path string, inner bool) (a Attachment, sites []Site, err error) {
	defer func() { // debug/elf does not promise to survive every file
		if r := recover(); r != nil {
			err = fmt.Errorf("read %s: %v", path, r)
		}
	}()
	a.Path = path
	fi, err := os.Stat(path)
	if err != nil {
		return a, nil, err
	}
	if !fi.Mode().IsRegular() {
		return a, nil, fmt.Errorf("read %s: not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return a, nil, err
	}
	defer f.Close()
	ef, err := elf.NewFile(f)
	if err != nil {
		return a, nil, fmt.Errorf("%s: %w: not an ELF file (%v)", path, ErrNoTLS, err)
	}
	im := image{raw: f, size: fi.Size(), file: ef}
	if err := im.findSymbols(); err != nil {
		return a, nil, fmt.Errorf("read symbols of %s: %w", path, err)
	}
	a.Library, a.ShutdownFlags = im.name(path), im.flagsOffset()
	if lib := im.library(); lib != nil {
		sites = im.sites(lib, inner)
		a.Stacks = append(a.Stacks, Stack{Name: string(lib.stack)}.with(sites))
	}
	if inner && (len(sites) == 0 || im.isGo()) {
		more, err := im.linked(&a)
		if err != nil {
			return a, nil, err
		}
		sites = append(sites, more...)
	}
	if !slices.ContainsFunc(sites, func(s Site) bool { return s.Call.Returns() }) {
		return a, nil, a.refusal()
	}
	return a, sites, nil
}

// refusal is the error that says why nothing of a can be hooked.
func (a *Attachment) refusal() error {
	var refused []string
	for _, s := range a.Stacks {
		refused = append(refused, fmt.Sprintf("%s (%s)", s.title(), s.Refused))
	}
	if len(refused) == 0 {
		return fmt.Errorf("%s: %w", a.Path, ErrNoTLS)
	}
	return fmt.Errorf("%s: %w: it has %s", a.Path, ErrNoTLS, strings.Join(refused, ", "))
}

// title is the name of s with its version.
func (s Stack) title() string { return strings.TrimSpace(s.Name + " " + s.Version) }

// with returns s with the functions of sites.
func (s Stack) with(sites []Site) Stack {
	for _, site := range sites {
		s.Functions = append(s.Functions, site.Function)
	}
	return s
}

// isGo reports whether im was linked by Go, which a TLS library in C may be
// linked into.
func (im *image) isGo() bool {
	return im.file.Section(".gopclntab") != nil || im.file.Section(".go.buildinfo") != nil
}

// sites chooses where to probe the functions of lib that are there.
func (im *image) sites(lib *library, inner bool) (sites []Site) {
	covered := map[string]bool{}
	for _, in := range inners {
		w, w2 := im.syms[in.wrapper], im.syms[in.wrapper2]
		if !inner || w == 0 || w2 == 0 || covered[in.wrapper] {
			continue
		}
		if addr, ok := im.inner(w, w2, in.count); ok {
			sites = im.add(sites, function{in.name, in.call}, addr, fmt.Sprintf("called by %s and %s", in.wrapper, in.wrapper2))
			covered[in.wrapper], covered[in.wrapper2] = true, true
		}
	}
	// From OpenSSL 3.2 on, SSL_write_ex calls SSL_write_ex2.
	if covered["SSL_write_ex2"] {
		covered["SSL_write_ex"] = true
	}
	for _, fn := range lib.functions {
		if addr := im.syms[fn.name]; addr != 0 && !covered[fn.name] {
			sites = im.add(sites, fn, addr, im.how)
		}
	}
	return sites
}

// library returns the library that im is, or nil.
func (im *image) library() *library {
	for i, lib := range libraries {
		if slices.ContainsFunc(lib.functions, func(fn function) bool { return im.syms[fn.name] != 0 }) {
			return &libraries[i]
		}
	}
	return nil
}

// add appends the site of the function at addr, if that is in the file.
func (im *image) add(sites []Site, fn function, addr uint64, how string) []Site {
	off, ok := symtab.Offset(im.file, im.cheapSite(addr))
	if !ok {
		return sites
	}
	return append(sites, Site{Function: Function{Name: fn.name, Addr: addr, Offset: off, How: how}, Call: fn.call})
}

// findSymbols looks the functions up in .dynsym and, for executables that do
// not export them, in .symtab.
func (im *image) findSymbols() (err error) {
	im.how = "exported"
	if im.syms, err = symtab.Defined(im.file, functionNames()...); err != nil || len(im.syms) > 0 {
		return err
	}
	im.how = "a symbol"
	symbols, err := symtab.Read(im.file, elf.SHT_SYMTAB)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range functionNames() {
		wanted[name] = true
	}
	for s := range symbols {
		if wanted[string(s.Name)] && s.Defined() {
			im.syms[string(s.Name)] = s.Value
		}
	}
	return nil
}

// functionNames returns the names of all that is looked for by name.
var functionNames = sync.OnceValue(func() []string {
	names := []string{shutdownGetter, nssExport}
	for _, lib := range libraries {
		for _, fn := range lib.functions {
			names = append(names, fn.name)
		}
	}
	return names
})

// name returns what the file is called in a recording: its soname, else the
// last part of path.
func (im *image) name(path string) string {
	if name := symtab.Soname(im.file); name != "" {
		return name
	}
	return filepath.Base(path)
}
