package bpf

import (
	"errors"
	"fmt"
	"strings"

	"ssltape/bpf/locate"
)

// minLinked is the size of the smallest file that is searched for a TLS
// library without symbols: one alone takes as much.
const minLinked = 1 << 20

// linkedCalls says how the functions that package locate finds take their
// arguments.
var linkedCalls = map[string]call{
	"SSL_read": callRead, "SSL_write": callWrite, "ssl_read_internal": callReadInner, "tls_free": callFree, "SSL_do_handshake": callHandshake, "SSL_free": callFree,
	"crypto/tls.(*Conn).Read": callGoRead, "crypto/tls.(*Conn).Write": callGoWrite, "crypto/tls.(*Conn).Close": callGoClose,
}

// linked finds the TLS functions of an executable, or library, that has a TLS
// library in it and no symbols of it. It returns where to probe and what to
// call the file in a recording. Where the library is known but cannot be
// hooked, the error says so and wraps [ErrNoTLS].
func (im *image) linked(path, name string) ([]site, string, error) {
	if im.size < minLinked {
		return nil, name, nil
	}
	libs, err := locate.Cache{}.Find(path)
	if err != nil {
		if format := (*locate.FormatError)(nil); errors.As(err, &format) || errors.Is(err, locate.ErrNotFound) {
			return nil, name, nil
		}
		return nil, name, fmt.Errorf("search %s: %w", path, err)
	}
	var sites []site
	var stacks, refused []string
	for i := range libs {
		found := im.linkedSites(&libs[i])
		if len(found) == 0 {
			refused = append(refused, refusal(&libs[i]))
			continue
		}
		stacks = append(stacks, strings.TrimSpace(string(libs[i].Stack)+" "+libs[i].Version))
		sites = append(sites, found...)
	}
	if len(sites) == 0 {
		return nil, name, fmt.Errorf("%s: %w: it has %s", path, ErrNoTLS, strings.Join(refused, ", "))
	}
	return sites, name + " (" + strings.Join(stacks, ", ") + ")", nil
}

// linkedSites returns where to probe lib, or nothing where one of the
// directions is missing: half a conversation tells nothing.
func (im *image) linkedSites(lib *locate.Library) []site {
	var sites []site
	read, write := false, false
	inner := lib.Func("ssl_read_internal") != nil && lib.Func("ssl_write_internal") != nil
	for _, f := range lib.Funcs {
		c, ok := linkedCalls[f.Name]
		if f.Name == "ssl_write_internal" {
			c, ok = writeInner(lib.Version), true
		}
		if !ok || inner && (f.Name == "SSL_read" || f.Name == "SSL_write") || !inner && strings.HasSuffix(f.Name, "_internal") {
			continue
		}
		at, _ := im.cheapSite(f.Addr)
		if lib.Stack == locate.Go {
			at = im.goSite(f.Addr)
		}
		off, mapped := im.offset(at)
		if !mapped {
			continue
		}
		read = read || c == callRead || c == callReadInner || c == callGoRead
		write = write || c == callWrite || c == callWriteEx || c == callWriteEx2 || c == callGoWrite
		sites = append(sites, site{Function{Name: f.Name, Offset: off, How: f.How}, c, f.Returns})
	}
	if !read || !write {
		return nil
	}
	return sites
}

// writeInner is the shape of OpenSSL's ssl_write_internal, which took flags
// before the count from 3.2 on.
func writeInner(version string) call {
	for _, old := range []string{"3.0.", "3.1.", "1."} {
		if strings.HasPrefix(version, old) {
			return callWriteEx
		}
	}
	return callWriteEx2
}

// refusal says what lib is and why it cannot be hooked.
func refusal(lib *locate.Library) string {
	what := strings.TrimSpace(string(lib.Stack) + " " + lib.Version)
	if lib.Refused != nil {
		return fmt.Sprintf("%s (%v)", what, lib.Refused)
	}
	return what
}
