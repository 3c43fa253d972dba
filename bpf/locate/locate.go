// Package locate finds the functions of TLS libraries that were linked into an
// executable, where no symbol is left to attach a uprobe by.
//
// What strip cannot take is what the program needs: the strings and numbers
// that error messages are made of, the tables of functions, and Go's table of
// functions for stack traces. Each TLS library has its own way to be found by
// them. Nothing is guessed: a function that is not unique, or whose code
// contradicts what its name promises, is refused with the reason.
//
// The package reads files and does no other I/O. It needs no kernel and builds
// everywhere.
package locate

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Stack is an implementation of TLS.
type Stack string

const (
	BoringSSL Stack = "BoringSSL"     // SSL_read, SSL_write, tls_free
	OpenSSL   Stack = "OpenSSL"       // SSL_read, SSL_write, their _ex or ssl_read_internal, ssl_write_internal, SSL_free
	NSS       Stack = "NSS"           // ssl_SecureRecv, ssl_SecureSend, ssl_SecureClose
	Go        Stack = "Go crypto/tls" // (*Conn).Read, (*Conn).writeRecordLocked, (*Conn).Close
	LibreSSL  Stack = "LibreSSL"      // named, without functions
	GnuTLS    Stack = "GnuTLS"        // likewise
	MbedTLS   Stack = "Mbed TLS"      // likewise
	Rustls    Stack = "rustls"        // likewise; package bpf finds its functions by their symbols
	WolfSSL   Stack = "wolfSSL"       // not looked for
	S2N       Stack = "s2n-tls"       // likewise
)

// Named are the stacks of which a file tells no more than their version.
var Named = []Stack{LibreSSL, GnuTLS, MbedTLS, Rustls}

// NamedOnly is why these have no functions.
const NamedOnly = "without symbols, its functions have no names or numbers to find them by"

// A Library is a TLS library inside a file.
type Library struct {
	Stack   Stack
	Version string        // such as "3.0.16", "go1.26.1"; "" where the file does not say
	Funcs   []Func        // sorted by name; what was found also where Refused is set
	Refused *RefusedError // why Funcs is not all that a recording needs, or nil
}

// A Func is a function of a Library.
//
// The functions of BoringSSL and OpenSSL have the C calling convention. Names
// are those of the source: SSL_read(ssl, buf, num) and SSL_write return the
// count; ssl_read_internal(ssl, buf, num, *count) and ssl_write_internal
// return 1 and store it, as SSL_read_ex and SSL_write_ex do, of which there may
// be several that cannot be told apart, and need not be; tls_free(ssl) and
// SSL_free(ssl) are called once for each connection that is destroyed. NSS has
// ssl_SecureRecv(socket, buf, len, flags) and ssl_SecureSend, which return the
// count, and ssl_SecureClose(socket). Flag 2 of the first is to peek only.
//
// Those of Go have the register convention that Go calls ABIInternal. At entry
//
//	         receiver  buffer  length  goroutine
//	amd64    RAX       RBX     RCX     R14
//	arm64    R0        R1      R2      R28
//
// and at each of Returns the count is in RAX or R0. A goroutine may change
// threads between the two, and its stack may move, so that a return probe
// crashes the program: attach to Returns instead.
type Func struct {
	Name    string
	Offset  uint64   // in the file, what a uprobe takes
	Addr    uint64   // as linked
	Count   int      // argument, from 0, that points to where the count is stored; 0: it is returned
	Returns []uint64 // Go only: offsets in the file of the return instructions
	How     string   // what it was recognised by, one line
}

// Func returns the function of that name, or nil.
func (l *Library) Func(name string) *Func {
	for i := range l.Funcs {
		if l.Funcs[i].Name == name {
			return &l.Funcs[i]
		}
	}
	return nil
}

// index returns where in l.Funcs the function at va is, which is there.
func (l *Library) index(va uint64) int {
	return slices.IndexFunc(l.Funcs, func(f Func) bool { return f.Addr == va })
}

func (l *Library) add(im *image, name string, va uint64, how string) {
	l.Funcs = append(l.Funcs, Func{Name: name, Offset: im.offset(va), Addr: va, How: how})
	slices.SortFunc(l.Funcs, func(a, b Func) int { return strings.Compare(a.Name, b.Name) })
}

// refuse sets l.Refused where that is what err is, and returns other errors.
func (l *Library) refuse(err error) error {
	var r *RefusedError
	if !errors.As(err, &r) {
		return err
	}
	if l.Refused == nil {
		l.Refused = r
	}
	return nil
}

// ErrNotFound says that a file holds no TLS library that is known here.
var ErrNotFound = errors.New("no known TLS library in the file")

// A FormatError says that a file is not a 64-bit little-endian ELF file for
// x86-64 or arm64, or is damaged.
type FormatError struct{ Err error }

// Error says what is wrong.
func (e *FormatError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *FormatError) Unwrap() error { return e.Err }

// A RefusedError says why a function of a library was not found, though the
// library was: no candidate, several, or one that contradicts itself.
type RefusedError struct {
	Func   string
	Reason string
}

// Error names the function and says why.
func (e *RefusedError) Error() string { return e.Func + ": " + e.Reason }

// only returns the one function of fs, or the reason why name is none of them.
func only(name string, fs []*function) (*function, error) {
	switch len(fs) {
	case 0:
		return nil, &RefusedError{name, "no function has its error sites"}
	case 1:
		return fs[0], nil
	}
	return nil, &RefusedError{name, fmt.Sprintf("%d functions have its error sites, at %#x and %#x", len(fs), fs[0].entry, fs[1].entry)}
}

// Find returns the TLS libraries in the ELF file of size bytes that r reads.
// It returns ErrNotFound where there is none, and a *FormatError where the file
// cannot be understood.
//
// The time is linear in size, about a second for 200 MB. The memory is an
// eighth of the size of the executable segments, and a few megabytes. r must
// not change meanwhile.
func Find(r io.ReaderAt, size int64) ([]Library, error) {
	im, err := newImage(r, size)
	if err != nil {
		return nil, &FormatError{err}
	}
	libs, err := im.find()
	if err != nil {
		return nil, &FormatError{err}
	}
	if len(libs) == 0 {
		return nil, ErrNotFound
	}
	return libs, nil
}

// find looks for each of the stacks. BoringSSL and OpenSSL share the passes
// over the file.
func (im *image) find() (libs []Library, err error) {
	s, err := im.searchStrings()
	if err != nil {
		return nil, err
	}
	var fs []*function
	if len(s.anchors) > 0 {
		if fs, err = im.functions(s.anchors); err != nil {
			return nil, err
		}
	}
	for _, find := range []func(*image, []*function, *stringsFound) (*Library, error){findBoringSSL, findOpenSSL, findNSS, findGo} {
		if l, err := find(im, fs, s); err != nil {
			return nil, err
		} else if l != nil {
			libs = append(libs, *l)
		}
	}
	return append(libs, named(libs, s.versions)...), nil
}

// named returns the stacks that only their version tells of.
func named(found []Library, versions map[Stack]string) (libs []Library) {
	for _, stack := range Named {
		if v := versions[stack]; v != "" && !slices.ContainsFunc(found, func(l Library) bool { return l.Stack == stack }) {
			libs = append(libs, Library{Stack: stack, Version: v, Refused: &RefusedError{string(stack), NamedOnly}})
		}
	}
	return libs
}

// Versions returns the versions of the TLS stacks that the ELF file of size
// bytes that r reads names. A file may name stacks that it does not have in it:
// those that it was made for. Errors are as of [Find].
func Versions(r io.ReaderAt, size int64) (map[Stack]string, error) {
	im, err := newImage(r, size)
	if err != nil {
		return nil, &FormatError{err}
	}
	s, err := im.searchStrings()
	if err != nil {
		return nil, &FormatError{err}
	}
	return s.versions, nil
}
