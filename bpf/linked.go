package bpf

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ssltape/bpf/locate"
)

// minLinked is the size of the smallest file that is searched for a TLS
// library without symbols: one alone takes as much.
const minLinked = 1 << 20

// linkedCalls says how the functions that package locate finds take their
// arguments.
var linkedCalls = map[string]call{
	"SSL_read": callRead, "SSL_write": callWrite, "tls_free": callFree, "SSL_free": callFree, "SSL_do_handshake": callHandshake,
	"ssl_read_internal": callReadInner, "SSL_read_ex": callReadEx, "ssl_write_internal": callWriteEx, "SSL_write_ex": callWriteEx,
	"ssl_SecureRecv": callRecv, "ssl_SecureSend": callWrite, "ssl_SecureClose": callFree,
	"crypto/tls.(*Conn).Read": callGoRead, "crypto/tls.(*Conn).Write": callGoWrite, "crypto/tls.(*Conn).Close": callGoClose,
}

// linked finds the TLS functions that a file has no symbols of. It returns where
// to probe and adds to a the stacks that a does not have, and what to call the
// file in a recording. Where a library is known but none can be hooked, the
// error says so and wraps [ErrNoTLS].
func (im *image) linked(a *Attachment) ([]site, error) {
	if im.size < minLinked && im.syms[nssExport] == 0 {
		return nil, nil
	}
	libs, err := locate.Cache{}.Find(a.Path)
	if err != nil {
		if format := (*locate.FormatError)(nil); errors.As(err, &format) || errors.Is(err, locate.ErrNotFound) {
			return nil, nil
		}
		return nil, fmt.Errorf("search %s: %w", a.Path, err)
	}
	var sites []site
	var found, refused []string
	for i := range libs {
		stack := Stack{Name: string(libs[i].Stack), Version: libs[i].Version}
		if a.has(stack.Name) {
			continue
		}
		s := im.linkedSites(&libs[i])
		name := strings.TrimSpace(stack.Name + " " + stack.Version)
		if len(s) == 0 {
			stack.Refused = refusal(&libs[i])
			refused = append(refused, fmt.Sprintf("%s (%s)", name, stack.Refused))
		} else {
			found = append(found, name)
		}
		a.Stacks = append(a.Stacks, stack.with(s))
		sites = append(sites, s...)
	}
	if len(refused) > 0 && !slices.ContainsFunc(a.Stacks, func(s Stack) bool { return len(s.Functions) > 0 }) {
		return nil, fmt.Errorf("%s: %w: it has %s", a.Path, ErrNoTLS, strings.Join(refused, ", "))
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
func (im *image) linkedSites(lib *locate.Library) []site {
	var sites []site
	read, write := false, false
	for _, f := range lib.Funcs {
		// What SSL_read passes, its inner function has passed.
		if inner := map[string]string{"SSL_read": "ssl_read_internal", "SSL_write": "ssl_write_internal"}[f.Name]; inner != "" && lib.Func(inner) != nil {
			continue
		}
		c, ok := linkedCalls[f.Name]
		if c == callWriteEx && f.Count == 4 {
			c = callWriteEx2
		}
		at := im.cheapSite(f.Addr)
		if lib.Stack == locate.Go {
			at = im.goSite(f.Addr)
		}
		off, mapped := im.offset(at)
		if !ok || !mapped {
			continue
		}
		read = read || slices.Contains([]call{callRead, callReadInner, callRecv, callGoRead}, c)
		write = write || slices.Contains([]call{callWrite, callWriteEx, callWriteEx2, callGoWrite}, c)
		sites = append(sites, site{Function{Name: f.Name, Addr: f.Addr, Offset: off, How: f.How}, c, f.Returns})
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
