package tlslib

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ssltape/bpf/locate"
	"ssltape/bpf/symtab"
)

// minLinked is the size of the smallest file that is searched for a TLS
// library without symbols: one alone takes as much.
const minLinked = 1 << 20

// linkedCalls says how the functions that package locate finds take their
// arguments.
var linkedCalls = map[string]Call{
	"SSL_read": Read, "SSL_write": Write, "tls_free": Free, "SSL_free": Free, "SSL_do_handshake": Handshake,
	"ssl_read_internal": ReadInner, "SSL_read_ex": ReadEx, "ssl_write_internal": WriteEx, "SSL_write_ex": WriteEx,
	"ssl_SecureRecv": Recv, "ssl_SecureSend": Write, "ssl_SecureClose": Free,
	"crypto/tls.(*Conn).Read": GoRead, "crypto/tls.(*Conn).writeRecordLocked": GoWrite, "crypto/tls.(*Conn).Close": GoClose,
}

// linked finds the TLS functions that a file has no symbols of, and those of
// rustls, which are known by symbols that only the linker sees. It returns where
// to probe and adds to a the stacks that a does not have, and what to call the
// file in a recording.
func (im *image) linked(a *Attachment) ([]Site, error) {
	rust, sites := im.rust()
	if im.size < minLinked && im.syms[nssExport] == 0 && rust == nil {
		return nil, nil
	}
	libs, err := locate.Cache{}.Find(a.Path)
	if format := (*locate.FormatError)(nil); err != nil && !errors.As(err, &format) && !errors.Is(err, locate.ErrNotFound) {
		return nil, fmt.Errorf("search %s: %w", a.Path, err)
	}
	var found []string
	for i := range libs {
		stack := Stack{Name: string(libs[i].Stack), Version: libs[i].Version}
		switch s := im.linkedSites(&libs[i]); {
		case a.has(stack.Name):
			continue
		case rust != nil && libs[i].Stack == locate.Rustls:
			rust.Version = stack.Version
			continue
		case len(s) == 0:
			stack.Refused = refusal(&libs[i])
		default:
			found = append(found, stack.title())
			stack = stack.with(s)
			sites = append(sites, s...)
		}
		a.Stacks = append(a.Stacks, stack)
	}
	if rust != nil {
		a.Stacks = append(a.Stacks, *rust)
		if len(rust.Functions) > 0 {
			found = append(found, rust.title())
		}
	}
	if len(found) > 0 {
		a.Library += " (" + strings.Join(found, ", ") + ")"
	}
	return sites, nil
}

func (a *Attachment) has(stack string) bool {
	return slices.ContainsFunc(a.Stacks, func(s Stack) bool { return s.Name == stack })
}

// linkedSites returns where to probe lib, or nothing where one of the
// directions is missing: half a conversation tells nothing.
func (im *image) linkedSites(lib *locate.Library) []Site {
	var sites []Site
	read, write := false, false
	for _, f := range lib.Funcs {
		// What SSL_read passes, its inner function has passed.
		if inner := map[string]string{"SSL_read": "ssl_read_internal", "SSL_write": "ssl_write_internal"}[f.Name]; inner != "" && lib.Func(inner) != nil {
			continue
		}
		c, ok := linkedCalls[f.Name]
		if c == WriteEx && f.Count == 4 {
			c = WriteEx2
		}
		at := im.cheapSite(f.Addr)
		if lib.Stack == locate.Go {
			at = im.goSite(f.Addr)
		}
		off, mapped := symtab.Offset(im.file, at)
		if !ok || !mapped {
			continue
		}
		read = read || slices.Contains([]Call{Read, ReadInner, Recv, GoRead}, c)
		write = write || slices.Contains([]Call{Write, WriteEx, WriteEx2, GoWrite}, c)
		sites = append(sites, Site{Function{Name: f.Name, Addr: f.Addr, Offset: off, How: f.How}, c, f.Returns})
	}
	if !read || !write {
		return nil
	}
	return sites
}

// refusal says why lib cannot be hooked.
func refusal(lib *locate.Library) string {
	if lib.Refused != nil {
		return lib.Refused.Reason
	}
	return "one of its functions was not found"
}

// describe adds what only a reader wants to know, the versions of the stacks
// and the names of others that the file has.
func (a *Attachment) describe() {
	versions := versionsOf(a.Path)
	for i := range a.Stacks {
		s := &a.Stacks[i]
		if s.Version != "" {
			continue
		}
		from := versions
		if v := cryptoVersions(a.Path); v != nil { // libssl says less than what it needs
			from = v
		}
		s.Version = from[locate.Stack(s.Name)]
		if v := from[locate.LibreSSL]; v != "" && s.Name == string(locate.OpenSSL) {
			s.Name, s.Version = string(locate.LibreSSL), v
		}
	}
	for _, stack := range locate.Named {
		if v := versions[stack]; v != "" && !a.has(string(stack)) && len(a.Stacks) > 0 {
			a.Stacks = append(a.Stacks, Stack{Name: string(stack), Version: v, Refused: locate.NamedOnly})
		}
	}
}

// versionsOf returns the versions of TLS stacks that the file at path names.
func versionsOf(path string) map[locate.Stack]string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	versions, _ := locate.Versions(f, info.Size())
	return versions
}

// cryptoVersions is versionsOf of the library of ciphers that the one at path
// needs, in the same folder, or nil.
func cryptoVersions(path string) map[locate.Stack]string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	needed, _ := f.ImportedLibraries()
	for _, name := range needed {
		if strings.HasPrefix(name, "libcrypto.so") || strings.HasPrefix(name, "libmbedcrypto.so") {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				return versionsOf(filepath.Join(filepath.Dir(real), name))
			}
		}
	}
	return nil
}
